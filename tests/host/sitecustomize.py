"""Python imports this at its start: tests/conftest.py puts the folder on the PYTHONPATH of what tests start."""

import llmfit_test_machine  # noqa: F401
