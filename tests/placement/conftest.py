"""The machine that all others of the placement's tests and benchmarks are changed from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmfit.query.engine import Engine

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """bench/placing.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import placing

        yield placing


@pytest.fixture(scope="module")
def engine(bench: Any) -> Engine:
    base: Engine = bench.engine()
    return base
