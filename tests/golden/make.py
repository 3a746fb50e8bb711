"""Writes the golden rows: ``python tests/golden/make.py``. Read the difference before you commit it.

One file for each machine, one row a line: what llmfit says of well-known models there, to the last digit.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from llmfit._core import Estimates, Ranking
from llmfit.catalog import catalog as catalogs
from llmfit.hardware.host import host_of
from llmfit.machine import Machine

HERE = Path(__file__).parent
MACHINES = ("cpu-laptop-16gb", "rtx-4090-24gb", "h100-x8", "apple-m4-max-128gb")
MODELS = (
    "BAAI/bge-m3", "HuggingFaceTB/SmolLM2-135M-Instruct", "LiquidAI/LFM2-1.2B", "Qwen/Qwen2.5-0.5B-Instruct",
    "Qwen/Qwen2.5-72B-Instruct-AWQ", "Qwen/Qwen2.5-Coder-32B-Instruct", "Qwen/Qwen3-0.6B", "Qwen/Qwen3-235B-A22B",
    "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-8B", "Qwen/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Next-80B-A3B-Instruct",
    "Qwen/Qwen3.5-27B", "Qwen/Qwen3.5-35B-A3B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-ai/DeepSeek-V3",
    "google/gemma-3-270m-it", "google/gemma-3-27b-it", "google/gemma-3-4b-it", "ibm-granite/granite-4.0-h-350m",
    "meta-llama/Llama-3.1-405B-Instruct", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.2-1B-Instruct",
    "meta-llama/Llama-3.3-70B-Instruct", "microsoft/phi-4", "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Mixtral-8x7B-Instruct-v0.1", "moonshotai/Kimi-K2-Instruct", "openai/gpt-oss-120b", "openai/gpt-oss-20b",
    "state-spaces/mamba-2.8b-hf",
)  # fmt: skip


def lines(name: str) -> bytes:
    """The golden rows of one machine."""
    catalog = catalogs.default()
    machine = msgspec.json.decode((HERE.parent / f"machines/{name}.json").read_bytes(), type=Machine)
    ranking = Ranking(Estimates(catalog.core, host_of(machine, catalog)))
    missing = [model for model in MODELS if catalog.core.index_of(model) < 0]
    if missing:
        raise SystemExit(f"not in the catalog: {', '.join(missing)}")
    rows = [ranking.encode([catalog.core.index_of(model)])[1:-1] for model in MODELS]
    return b"[\n" + b",\n".join(rows) + b"\n]\n"


if __name__ == "__main__":
    for machine_name in MACHINES:
        (HERE / f"{machine_name}.json").write_bytes(lines(machine_name))
