"""Models that lie in files: GGUF, config.json, safetensors. Headers are read, weights never."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from llmfit.files.source import MIB, bad, reason, shown, whole

if TYPE_CHECKING:
    from llmfit.catalog.catalog import Catalog
    from llmfit.files.model import FileModel

ENDINGS = (".gguf", ".json", ".safetensors")
PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE | re.DOTALL)
CONFIG_BYTES, MOST_PARTS = 8 * MIB, 512  # quantizers list every module: 3.1 MB are published


def means_file(text: str) -> bool:
    """Whether the command line names a file rather than a model: by its ending or its path, or because it exists."""
    return text.lower().endswith(ENDINGS) or text.startswith(("/", "./", "../", "~", ".\\")) or os.path.exists(text)


def catalog_for(path: str, shipped: Catalog) -> tuple[Catalog, bool]:
    """(a catalog of the one model in a file or folder, do its weights lie there); BadFile with what is wrong."""
    from llmfit.files.one_model_catalog import catalog_of

    path = os.path.expanduser(path)
    try:
        found = read(path, shipped)
        one = catalog_of(shipped, found)
    except (ValueError, OverflowError) as error:
        raise bad(path, str(error)) from None
    return one, found.present


def read(path: str, shipped: Catalog) -> FileModel:
    """What the file tells of its model; BadFile or ValueError with what is wrong."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        raise bad(path, reason(error)) from None
    lower = path.lower()
    if os.path.isdir(path):
        return of_folder(path, shipped)
    if lower.endswith(".gguf"):
        return of_gguf(path, shipped)
    if lower.endswith(".safetensors.index.json") or lower.endswith(".safetensors"):
        return of_repository(path, os.path.dirname(path))
    if lower.endswith(".json"):
        return of_repository(path, None)
    raise bad(
        path, "it is none of these: a .gguf file, config.json, a .safetensors file or its index, a folder with them"
    )


def of_gguf(path: str, shipped: Catalog) -> FileModel:
    """A GGUF file; of a split one all parts that lie beside it."""
    from llmfit.files.gguf_header import ENTRIES, HEADER_BYTES, read_header
    from llmfit.files.gguf_model import model_of

    known = {quant.name: quant for quant in reversed(shipped.quants) if quant.runtime == 0}
    first = read_header(path)
    parts = first.meta.get("split.count", 1)
    if not isinstance(parts, int) or not 0 <= parts <= MOST_PARTS:
        raise ValueError(f"split.count is not a number up to {MOST_PARTS}")
    if parts <= 1:
        found = model_of(shown(path), [first], known, True)
        found.path = path
        return found
    named = PART.match(path)
    if not named or int(named[3]) != parts:
        raise ValueError(f"it is one of {parts} parts, but is not named NAME-00001-of-{parts:05d}.gguf")
    paths = [f"{named[1]}-{number:05d}-of-{parts:05d}.gguf" for number in range(1, parts + 1)]
    missing = [part for part in paths if not os.path.exists(part)]
    if paths[0] in missing:
        raise ValueError(f"the first part, {shown(paths[0])}, is not beside it")
    headers, room = [], HEADER_BYTES - first.length
    for part in paths:
        if part not in missing:
            headers.append(first if part == path else read_header(part, room))
            room -= 0 if part == path else headers[-1].length
    wrong = [part for part, header in zip((p for p in paths if p not in missing), headers, strict=True)
             if header.meta.get("split.no") != paths.index(part)]  # fmt: skip
    if wrong:
        raise ValueError(f"{shown(wrong[0])} is not the part that its name says")
    if sum(len(header.tensors) for header in headers) > ENTRIES:
        raise ValueError(f"its parts hold more than {ENTRIES} tensors")
    expected = headers[0].meta.get("split.tensors.count")
    held = sum(len(header.tensors) for header in headers)
    if not missing and isinstance(expected, int) and expected != held:
        raise ValueError(f"its parts hold {held} tensors of {expected}")
    found = model_of(shown(path), headers, known, not missing)
    found.path = paths[0]
    if missing:
        note = f"{len(missing)} of {parts} parts are not here ({shown(missing[0])}): sizes are by rule"
        found.notes = (note, *found.notes)
    return found


def of_folder(path: str, shipped: Catalog) -> FileModel:
    """A folder: a transformers repository, or the one model that its GGUF files are."""
    if os.path.lexists(os.path.join(path, "config.json")):
        return of_repository(path, path)
    try:
        names = sorted(
            name for name in os.listdir(path) if name.lower().endswith(".gguf") and "mmproj" not in name.lower()
        )
    except OSError as error:
        raise bad(path, reason(error)) from None
    whole_files = [name for name in names if not PART.match(name) or int(PART.match(name)[2]) == 1]  # type: ignore[index]
    if len(whole_files) == 1:
        return of_gguf(os.path.join(path, whole_files[0]), shipped)
    what = f"{len(whole_files)} GGUF models: name one" if whole_files else "neither config.json nor a GGUF file"
    raise ValueError(f"the folder holds {what}")


def of_repository(path: str, folder: str | None) -> FileModel:
    """A config.json, with the weights of the folder where they are asked for."""
    from llmfit.files import config, config_file, weights

    source = os.path.join(folder, "config.json") if folder is not None else path
    if folder is not None and not os.path.lexists(source):
        raise ValueError("there is no config.json beside it, which describes the model")
    found = config.model_of(shown(path), config_file.parsed(whole(source, CONFIG_BYTES)))
    if folder is None:
        found.notes += ("only the configuration was read: sizes are by rule",)
        return found
    layers = found.facts["n_layers"]
    if path.lower().endswith(".safetensors.index.json"):
        held = weights.of_index(path, layers)
    elif path.lower().endswith(".safetensors"):
        held = weights.of_files([path], layers)
    else:
        held = weights.of_folder(folder, layers)
    if held.tied is not None:
        found.facts["tied_embeddings"] = held.tied
    if held.text_params:
        found.facts |= {"params_text": float(held.text_params), "params_total": float(held.all_params)}
    found.weight_bytes = 0 if held.wide else held.text_bytes
    found.disk_bytes, found.present, found.notes = held.disk_bytes, held.present, found.notes + held.notes
    found.path = (folder or ".") if held.present else ""
    return found
