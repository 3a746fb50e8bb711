"""llmfit tells which open-weight LLMs fit a machine, how fast they run there and how good they are for the job."""

from llmfit._version import __version__ as __version__

TYPE_CHECKING = False  # type checkers take it for true, as they do typing's, whose import costs 10 ms
if TYPE_CHECKING:
    from llmfit.api import (
        Answer,
        compare,
        describe,
        detect,
        estimate,
        estimate_file,
        fit_many,
        place,
        plan,
        rank,
        rank_many,
    )  # fmt: skip
    from llmfit.errors import BadFile, BadParam, LlmfitError, TooMuch, UnknownModel
    from llmfit.machine import Device, Machine
else:

    def __getattr__(name: str) -> object:
        """The public names, loaded when one is first asked for."""
        if name in __all__:
            from importlib import import_module

            for module in ("llmfit.errors", "llmfit.machine", "llmfit.api"):
                if hasattr(found := import_module(module), name):
                    return getattr(found, name)
        raise AttributeError(f"module 'llmfit' has no attribute '{name}'")


__all__ = [
    "Answer", "BadFile", "BadParam", "Device", "LlmfitError", "Machine", "TooMuch", "UnknownModel", "compare",
    "describe", "detect", "estimate", "estimate_file", "fit_many", "place", "plan", "rank", "rank_many",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
