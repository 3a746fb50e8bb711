"""The formula that the fit sees is the one that is compiled (needs the extra `fit`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("scipy")
BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_python_and_compiled_formula_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import accuracy
    import rows
    import speed_model

    from llmfit.query.estimator import Estimator

    estimator = Estimator()
    cells = rows.read(BENCH / "data/decode_speed.csv")[::9]
    table = speed_model.Table(cells, estimator)
    engines = {engine.engine: engine for engine in estimator.catalog.engines.values()}
    policy = estimator.catalog.policy
    shipped = [
        *(speed_model.logit(engines[name].eta) for name in table.engines),
        *(np.log(engines[name].per_layer_us) for name in table.engines),
        *(np.log(policy[name]) if log else policy[name] for name, (_, _, log) in speed_model.SHARED.items()),
    ]
    predicted = 1000 / table.predict(np.array(shipped), np.ones(len(table), bool))
    compiled = [error.predicted for error in accuracy.decode_errors(cells, estimator)]
    assert predicted == pytest.approx(compiled, rel=1e-6)
    for name in ("accuracy", "rows", "scores", "speed_model"):
        sys.modules.pop(name, None)
