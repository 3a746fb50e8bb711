"""Fits the prompt-speed coefficients: ``python bench/fit_prefill.py [--write]`` (needs the extra `fit`).

Writes compute_share of src/data/engines.csv, the prompt_* constants of src/data/policy.csv and
bench/data/prefill_folds.json (machines left out).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import fit_speed
import numpy as np
import rows as bench
import speed_model
from scipy.optimize import least_squares

from llmfit import codes
from llmfit.hardware import host
from llmfit.query.estimator import Estimator

PRIOR_SHARE = {"apple": 0.6, "cpu": 0.6}  # of the shader peak; everything else 1.8
SHARED = {"prompt_moe": 1.3, "prompt_read": 0.5, "prompt_attention": 1.0, "prompt_layer_ms": 0.1}
WIDTH = {"prompt_moe": 0.4, "prompt_read": 0.5, "prompt_attention": 0.8, "prompt_layer_ms": 1.0}
SIGMA = 0.2
LIKE = {
    "llamacpp_other": "llamacpp_amd_vulkan", "vllm_nvidia_unified": "vllm_nvidia", "vllm_amd_rocm": "vllm_nvidia",
    "llamafile_nvidia": "llamacpp_nvidia", "llamafile_apple": "llamacpp_apple",
}  # fmt: skip


class Table:
    """Features of the rows that have a prompt speed."""

    def __init__(self, cells: list[dict[str, str]], estimator: Estimator) -> None:
        cells = [c for c in cells if c["prefill_tps"] and float(c["prompt_tokens"] or 512) >= 256]
        rows = []
        self.engine = []
        for row in map(bench.decode_row, cells):
            machine, (runtime, variant) = bench.machine_of(row.cells), bench.runtime_of(row.cells)
            prompt = float(row.cells["prompt_tokens"] or 512)
            depth = max(float(row.cells["context_tokens"] or 0) - prompt, 0.0)
            shape, quant = estimator.shape(**row.facts), estimator.quant(bench.label_of(row.cells["quant"]))
            basis = shape.decode(
                estimator.host(machine, variant), codes.RUNTIMES.index(runtime), quant, depth + prompt / 2,
                on_cpu=not machine.devices,
            )  # fmt: skip
            form = host.device_class(machine.devices[0]) if machine.devices else "cpu"
            self.engine.append(host.engine_of(estimator.catalog, runtime, form, variant).engine)
            rows.append((
                host.tflops_of(machine), basis["bandwidth_gbps"], basis["prompt_params"] / 1e9,
                shape.weights(quant) / 1e6, basis["attention_gflop"], row.cells["is_moe"] == "1", min(prompt, 512),
                basis["n_layers"], 1000 / float(row.cells["prefill_tps"]),
            ))  # fmt: skip
        columns = np.array(rows, float).T
        self.tf, self.bandwidth, self.params, self.weights, self.attention = columns[:5]
        self.moe, self.batch, self.layers, self.ms = columns[5:]
        self.machines = np.array([c["hardware_name"] for c in cells])
        self.engines = sorted(set(self.engine))
        self.group = np.array([self.engines.index(name) for name in self.engine])
        shares = [next((v for k, v in PRIOR_SHARE.items() if k in name), 1.8) for name in self.engines]
        self.prior = np.log([*shares, *SHARED.values()])
        self.width = np.array([0.6] * len(self.engines) + list(WIDTH.values()))

    def predict(self, p: Any, rows: Any) -> Any:
        """Milliseconds a token by the formula of speed.prefill_tps."""
        share = np.exp(p[: len(self.engines)])[self.group[rows]]
        moe, read, attention, layer = np.exp(p[len(self.engines) :])
        rate = share * self.tf[rows]
        ms = 2 * self.params[rows] / rate * np.where(self.moe[rows] > 0, moe, 1.0)
        ms = ms + self.weights[rows] / (self.bandwidth[rows] * read) / self.batch[rows]
        return ms + attention * self.attention[rows] / rate + self.layers[rows] * layer / self.batch[rows]

    def fit(self, rows: Any) -> Any:
        def residuals(p: Any) -> Any:
            r = (np.log(self.predict(p, rows)) - np.log(self.ms[rows])) / SIGMA
            return np.concatenate([np.sign(r) * np.sqrt(np.log1p(r * r)), (p - self.prior) / self.width])

        return least_squares(residuals, self.prior, max_nfev=80).x

    def record(self, p: Any) -> dict[str, Any]:
        n = len(self.engines)
        share = {name: {"compute_share": round(float(np.exp(p[i])), 3)} for i, name in enumerate(self.engines)}
        share |= {name: share[like] for name, like in LIKE.items() if name not in share}
        policy = {name: round(float(np.exp(value)), 4) for name, value in zip(SHARED, p[n:], strict=True)}
        return {"policy": policy, "engines": share}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    table = Table(bench.read(bench.ROOT / "bench/data/decode_speed.csv"), Estimator())
    fitted = table.record(table.fit(np.ones(len(table.ms), bool)))
    errors, stored = np.zeros(len(table.ms)), []
    for left in speed_model.folds(table.machines, 14):
        out = np.isin(table.machines, left)
        p = table.fit(~out)
        errors[out] = np.abs(table.ms[out] / table.predict(p, out) - 1)
        stored.append({"left_out": left} | table.record(p))
    print(f"machines left out: median {100 * np.median(errors):.1f} %")
    print(json.dumps(fitted, indent=1))
    if options.write:
        fit_speed.write_tables(fitted)
        text = json.dumps({"machines": stored}, separators=(",", ":")).replace('{"left_out"', '\n{"left_out"')
        Path(bench.ROOT / "bench/data/prefill_folds.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
