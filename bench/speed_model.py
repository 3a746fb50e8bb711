"""The decode formula over arrays, for fitting: that of estimate/speed.pxd and estimate/fit.pxd; held equal by a test.

Needs the extra `fit` (numpy, scipy). Parameters live in one vector; `unpack` names them as src/data does.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import rows as bench
from scipy.optimize import least_squares

from llmfit import codes
from llmfit.hardware import host
from llmfit.query.estimator import Estimator

# Where an engine without rows, or with few, is pulled to: alike for all of a kind, nothing fitted on these rows.
PRIOR_ETA = {"discrete": 0.80, "unified": 0.72, "cpu": 0.65}
PRIOR_LAYER_US = {"gpu": 45.0, "intel": 150.0, "llamafile": 100.0, "cpu": 20.0}
PRIOR_WIDTH = 0.6  # of the logit of eta, of the logarithm of the per-layer time
# name in policy.csv: (prior, width of the prior, is it fitted as a logarithm)
SHARED = {
    "bandwidth_logit": (-0.74, 0.4, False), "moe_logit": (0.0, 0.3, False), "logit_f16": (0.0, 0.2, False),
    "logit_q8": (0.0, 0.2, False), "logit_q56": (0.0, 0.2, False), "logit_q4_0": (0.0, 0.2, False),
    "logit_q23": (-0.2, 0.3, False), "moe_layer": (1.35, 0.4, True), "expert_exponent": (0.2, 0.2, False),
    "hybrid_layer": (1.35, 0.4, True), "gemma_layer": (1.5, 0.4, True), "block_layer": (0.6, 0.3, True),
    "fixed_ms": (0.3, 0.5, True), "tflops_exponent": (-0.3, 0.2, False), "gpu_flop": (0.4, 0.6, True),
    "cpu_flop": (0.6, 0.6, True), "cache_efficiency": (1.0, 0.2, True), "attention_flop": (0.5, 1.0, True),
}  # fmt: skip
SIGMA = 0.08  # about the spread between two people who measure the same thing; Cauchy beyond it
WEIGHT = -0.15  # a machine's rows count n^-0.15 each: a few machines must not decide everything


class Table:
    """The features of all measured rows, and which group of anything each belongs to."""

    def __init__(self, cells: list[dict[str, str]], estimator: Estimator) -> None:
        self.measured = [bench.decode_row(row) for row in cells]
        basis, self.engine, self.tflops = [], [], []
        for row in self.measured:
            machine = bench.machine_of(row.cells)
            runtime, variant = bench.runtime_of(row.cells)
            quant = estimator.quant(bench.label_of(row.cells["quant"]))
            shape = estimator.shape(**row.facts)
            tokens = float(row.cells["context_tokens"] or 64)
            basis.append(
                shape.decode(
                    estimator.host(machine, variant), codes.RUNTIMES.index(runtime), quant, tokens,
                    on_cpu=not machine.devices,
                )
                | {"speed": estimator.fixed(quant).speed, "layer_factors": shape.layer_facts}
            )  # fmt: skip
            form = host.device_class(machine.devices[0]) if machine.devices else "cpu"
            self.engine.append(host.engine_of(estimator.catalog, runtime, form, variant).engine)
            self.tflops.append(host.tflops_of(machine))
        self.ms = 1000.0 / np.array([float(row["measured_tps"]) for row in cells])
        self.weights = np.array([b["weights_read"] for b in basis]) / 1e6
        self.cache = np.array([b["cache_read"] for b in basis]) / 1e6
        self.attention = np.array([b["attention_gflop"] for b in basis])
        self.bandwidth = np.array([b["bandwidth_gbps"] for b in basis])
        self.layers = np.array([b["n_layers"] for b in basis], float)
        self.active = np.array([b["active"] for b in basis]) / 1e9
        self.tf = np.array(self.tflops)
        self.speed = np.array([b["speed"] for b in basis])
        self.moe, self.experts, self.hybrid, self.gemma, self.block = np.array([b["layer_factors"] for b in basis]).T
        self.cpu = np.array([name.endswith("_cpu") for name in self.engine])
        self.machines = np.array([row["hardware_name"] for row in cells])
        self.families = np.array([bench.family(row.cells["model"], row.facts) for row in self.measured])
        self.architectures = np.array([bench.stem(row.facts, row.cells) for row in self.measured])
        self.engines = sorted(set(self.engine))
        self.group = np.array([self.engines.index(name) for name in self.engine])
        eta = [PRIOR_ETA["cpu" if "cpu" in e else "unified" if "unified" in e else "discrete"] for e in self.engines]
        layer = [
            PRIOR_LAYER_US[next((k for k in ("intel", "llamafile", "cpu") if k in e), "gpu")] for e in self.engines
        ]
        shared = [np.log(value) if log else value for value, _, log in SHARED.values()]
        self.prior = np.concatenate([logit(np.array(eta)), np.log(layer), shared])
        self.width = np.concatenate(
            [np.full(2 * len(self.engines), PRIOR_WIDTH), [width for _, width, _ in SHARED.values()]]
        )

    def __len__(self) -> int:
        return len(self.ms)

    def unpack(self, p: Any) -> tuple[Any, Any, dict[str, float]]:
        """(eta, per-layer microseconds) by engine, and the shared constants by name."""
        n = len(self.engines)
        shared = {
            name: float(np.exp(value)) if log else float(value)
            for value, (name, (_, _, log)) in zip(p[2 * n :], SHARED.items(), strict=True)
        }
        return 1 / (1 + np.exp(-p[:n])), np.exp(p[n : 2 * n]), shared

    def predict(self, p: Any, rows: Any) -> Any:
        """Milliseconds a token by the formula of fit.decode_ms."""
        eta, layer, c = self.unpack(p)
        logits = np.array([c.get(f"logit_{name}", 0.0) for name in codes.SPEED_CLASSES])
        group, bandwidth, tf = self.group[rows], self.bandwidth[rows], self.tf[rows]
        x = logit(eta)[group] + c["bandwidth_logit"] * np.log(bandwidth / 500) + logits[self.speed[rows]]
        reached = 1 / (1 + np.exp(-x - c["moe_logit"] * self.moe[rows])) * bandwidth
        factor = (
            (c["moe_layer"] * (self.experts[rows] / 128) ** c["expert_exponent"]) ** self.moe[rows]
            * c["hybrid_layer"] ** self.hybrid[rows]
            * c["gemma_layer"] ** self.gemma[rows]
            * c["block_layer"] ** self.block[rows]
        )
        flop = np.where(self.cpu[rows], c["cpu_flop"], c["gpu_flop"])
        read = (self.weights[rows] + self.cache[rows] / c["cache_efficiency"]) / reached
        work = flop * 2 * self.active[rows] / tf + c["attention_flop"] * self.attention[rows] / tf
        ms = np.where(self.cpu[rows], np.hypot(read, work), read + work)  # a CPU computes while it reads
        ms = ms + self.layers[rows] * layer[group] * 1e-3 * factor * (tf / 20) ** c["tflops_exponent"] + c["fixed_ms"]
        return np.maximum(ms, self.weights[rows] / (0.95 * bandwidth))

    def fit(self, rows: Any) -> Any:
        """Parameters that make the Cauchy loss of log errors least, with the priors as a ridge."""
        counts = collections.Counter(self.machines[rows])
        weight = np.array([counts[name] for name in self.machines[rows]]) ** WEIGHT
        weight = np.sqrt(weight / weight.mean())

        def residuals(p: Any) -> Any:
            r = (np.log(self.predict(p, rows)) - np.log(self.ms[rows])) / SIGMA
            return np.concatenate([weight * np.sign(r) * np.sqrt(np.log1p(r * r)), (p - self.prior) / self.width])

        return least_squares(residuals, self.prior, max_nfev=80).x


def logit(p: Any) -> Any:
    return np.log(p / (1 - p))


def folds(labels: Any, n: int) -> list[list[str]]:
    """The labels dealt into `n` hands, the most frequent first: whole groups stay together."""
    counts = collections.Counter(labels.tolist())
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return [names[i::n] for i in range(min(n, len(names)))]
