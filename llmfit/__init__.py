"""llmfit tells which open-weight LLMs fit a machine, how fast they run there and how good they are for the job."""

__version__ = "0.1.0"
