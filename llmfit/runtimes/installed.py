"""Which models lie in a local store: the Hugging Face cache, ollama's manifests. Nothing is opened or run."""

from __future__ import annotations

import os
from collections.abc import Mapping

MOST = 4096  # names read from one folder


def installed_names(environ: Mapping[str, str], home: str) -> set[str]:
    """Repositories (`owner/name`) and ollama tags (`name:tag`) found; a store that cannot be read holds none."""
    hub = environ.get("HF_HUB_CACHE") or os.path.join(
        environ.get("HF_HOME") or os.path.join(home, ".cache", "huggingface"), "hub"
    )
    names = {
        "/".join(parts[1:]) for name in listed(hub) if len(parts := name.split("--")) == 3 and parts[0] == "models"
    }
    library = os.path.join(
        environ.get("OLLAMA_MODELS") or os.path.join(home, ".ollama", "models"),
        "manifests",
        "registry.ollama.ai",
        "library",
    )
    for model in listed(library):
        names |= {f"{model}:{tag}" for tag in listed(os.path.join(library, model))}
    return names


def listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))[:MOST]
    except OSError:
        return []
