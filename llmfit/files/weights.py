"""Exact bytes and parameters of safetensors files, from their headers or from the index beside them."""

from __future__ import annotations

import math
import os
import re
from typing import Any, NamedTuple

import msgspec

from llmfit.files.source import MIB, bad, opened, shown, whole

HEADER_BYTES, ALL_HEADERS, INDEX_BYTES, SHARDS = 8 * MIB, 32 * MIB, 24 * MIB, 1024
TENSORS, ALL_TENSORS = 65_536, 450_000  # of a file, of a repository: the largest have 4,000 and 220,000
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"[\w.+-]{1,200}\.safetensors")
# Parts that are no text decoder: encoders of images and sound, what joins them on, layers for drafting.
OTHER = re.compile(
    r"(^|\.)(visual|vision\w*|audio\w*|image\w*|multi_?modal\w*|mm_\w+|vit\w*|talker|token2wav|code2wav|mtp\w*|speech\w*)\."
)
FLOATS = ("F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


class Entry(msgspec.Struct):
    """One tensor of a safetensors header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Index(msgspec.Struct):
    """model.safetensors.index.json: which file holds which tensor."""

    weight_map: dict[str, str]
    metadata: dict[str, Any] = {}


class Weights(NamedTuple):
    """What the files hold. 0 or None: not known."""

    text_bytes: int = 0
    disk_bytes: int = 0
    text_params: int = 0
    all_params: int = 0
    tied: bool | None = None
    wide: bool = False  # stored in 32 bits: a runtime loads them in 16
    present: bool = False
    notes: tuple[str, ...] = ()


def is_text(name: str, n_layers: int) -> bool:
    """Whether a tensor belongs to the text decoder that is run."""
    layer = re.search(r"\.layers\.(\d{1,6})\.", name)
    return not OTHER.search(name) and not (layer and n_layers and int(layer[1]) >= n_layers)


def entries(path: str) -> tuple[dict[str, Entry], int, int]:
    """(tensors, size of the file, bytes of its header); BadFile with what is wrong."""
    file, size = opened(path)
    with file:
        try:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise bad(path, "its safetensors header is cut short, or it is no safetensors file")
            if length > HEADER_BYTES:
                raise bad(path, f"its header claims {length} bytes; at most {HEADER_BYTES} are read")
            text = file.read(length)
            if text.count(b"{") > TENSORS:
                raise bad(path, f"its header lists more than {TENSORS} tensors")
            raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            raw.pop("__metadata__", None)
            found = {name: msgspec.json.decode(value, type=Entry) for name, value in raw.items()}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise bad(path, f"its safetensors header is broken ({str(error)[:80]})") from None
        except OSError as error:
            raise bad(path, f"reading failed: {error.strerror}") from None
    room, total = size - 8 - length, 0
    for name, entry in found.items():
        start, end = entry.data_offsets
        if (
            not 0 <= start <= end
            or end > room
            or any(not 0 <= dim <= 1 << 48 for dim in entry.shape)
            or len(entry.shape) > 8
        ):
            raise bad(path, f"the tensor {name[:60]!r} lies behind the end of the file or has an impossible shape")
        total += end - start
    if total > room:
        raise bad(path, "its tensors take more bytes than the file has")
    return found, size, length


def index_of(path: str) -> Index:
    text = whole(path, INDEX_BYTES)
    if text.count(b":") > ALL_TENSORS:
        raise bad(path, f"it lists more than {ALL_TENSORS} tensors")
    try:
        index = msgspec.json.decode(text, type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(path, f"it is no safetensors index ({str(error)[:80]})") from None
    shards = set(index.weight_map.values())
    wrong = next((shard for shard in shards if not SHARD.fullmatch(shard)), None)
    if wrong is not None or not 0 < len(shards) <= SHARDS:
        raise bad(path, f"it names {len(shards)} files, or one that is not beside it: 1 to {SHARDS} are read")
    return index


def of_files(paths: list[str], n_layers: int) -> Weights:
    """Of the shards themselves."""
    disk = text = params = every = headers = tensors = lm_head = 0
    embedding: str | None = None
    types: dict[str, int] = {}
    packed = False
    for path in paths:
        found, size, length = entries(path)
        headers += length
        tensors += len(found)
        if headers > ALL_HEADERS or tensors > ALL_TENSORS:
            most = f"{ALL_HEADERS // MIB} MiB, {ALL_TENSORS} tensors"
            raise bad(path, f"the headers of all files together are longer than is read ({most})")
        disk += size
        for name, entry in found.items():
            stored = entry.data_offsets[1] - entry.data_offsets[0]
            elements = math.prod(entry.shape)
            scale = "scale" in name or "zero" in name or name.endswith(("g_idx", "absmax", "quant_map", "quant_state"))
            packed = packed or (entry.dtype not in FLOATS and not scale and elements > 1 << 16)
            every += 0 if scale else elements
            if not is_text(name, n_layers):
                continue
            text += stored
            params += 0 if scale else elements
            types[entry.dtype] = types.get(entry.dtype, 0) + stored
            lm_head += name.endswith("lm_head.weight")
            embedding = embedding or (name if "embed_tokens.weight" in name else None)
    if not text:
        raise bad(paths[0], "the files hold no tensors of a language model")
    wide = types.get("F32", 0) > text / 2
    notes = (f"weights are exact: {text:,} bytes in {len(paths)} file{'s' * (len(paths) > 1)}, read from the headers",)
    if wide:
        notes = ("the files hold 32-bit weights, which a runtime loads in 16",)
    return Weights(
        text,
        disk,
        0 if packed else params,
        0 if packed else every,
        not lm_head if embedding else None,
        wide,
        True,
        notes,
    )


def of_folder(folder: str, n_layers: int) -> Weights:
    """Of a folder: its shards if all are there, else what its index says, else nothing."""
    index_path = os.path.join(folder, INDEX)
    if os.path.lexists(index_path):
        return of_index(index_path, n_layers)
    try:
        with os.scandir(folder) as found:
            names = sorted(
                entry.name for entry, _ in zip(found, range(100_000), strict=False) if SHARD.fullmatch(entry.name)
            )
    except OSError as error:
        raise bad(folder, (error.strerror or "it cannot be listed").lower()) from None
    names = ["model.safetensors"] if "model.safetensors" in names else names
    if len(names) > SHARDS:
        raise bad(folder, f"it holds {len(names)} safetensors files; at most {SHARDS} are read")
    return of_files([os.path.join(folder, name) for name in names], n_layers) if names else Weights()


def of_index(path: str, n_layers: int) -> Weights:
    """Of an index: the headers of its shards if all lie beside it, else its total size."""
    index, folder = index_of(path), os.path.dirname(path)
    shards = sorted(set(index.weight_map.values()))
    missing = [shard for shard in shards if not os.path.exists(os.path.join(folder, shard))]
    if not missing:
        return of_files([os.path.join(folder, shard) for shard in shards], n_layers)
    total = index.metadata.get("total_size")
    note = f"{len(missing)} of {len(shards)} weight files are not here ({shown(missing[0])}): "
    if isinstance(total, bool) or not isinstance(total, int | float) or not 0 < total < 1e15:
        return Weights(notes=(note + "sizes are by rule",))
    names = index.weight_map
    tied = (
        not any(name.endswith("lm_head.weight") for name in names)
        if any("embed_tokens" in name for name in names)
        else None
    )
    if all(is_text(name, n_layers) for name in names):
        return Weights(
            int(total), int(total), tied=tied, notes=(note + f"weights are the index's {int(total):,} bytes",)
        )
    return Weights(0, int(total), tied=tied, notes=(note + "the index counts other parts too, so weights are by rule",))
