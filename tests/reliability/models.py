"""Broken files of models, machines and recordings."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from llmfit.catalog import catalog as catalogs
from llmfit.catalog import pack
from llmfit.catalog.catalog import Catalog
from llmfit.files.read import catalog_for
from llmfit.hardware.detect import detect
from llmfit.hardware.profile_file import load_profile
from llmfit.hardware.sources.source import ReplaySource

from .broken import INTEGERS, TEXTS, bytes_of, text_of
from .catalogs import small
from .driver import One

sys.path.insert(0, str(Path(__file__).parents[1]))  # the small files that other tests write

from files.configs import CONFIGS
from files.ggufs import BASE, TOKENS, write
from files.test_config import ENDS, LAYERS, SMALL, safetensors
from files.test_gguf import PLAIN

RECORDED = Path(__file__).parents[1] / "hardware" / "recorded"


class Catalogs:
    """The catalog that files are compared with: one of few models, which takes no time; at times the real one."""

    def __init__(self, folder: Path) -> None:
        self.few = Catalog.of(msgspec.msgpack.decode(pack.pack(small(folder)), type=pack.Packed))
        self.shipped = catalogs.default()

    def one(self, chance: random.Random) -> Catalog:
        return self.shipped if chance.randrange(100) == 0 else self.few


def gguf_headers(folder: Path) -> One:
    """A GGUF file with bytes changed."""
    catalogs, path = Catalogs(folder), folder / "m.gguf"
    more = {"attention.sliding_window": 1024, "expert_count": 4, "expert_used_count": 2}
    data = []
    for family, facts in (("gemma3", PLAIN | TOKENS | more), ("llama", PLAIN | TOKENS)):
        write(path, family, facts, BASE)
        data.append(path.read_bytes())
    header = [text.index(b"ffn_down.weight") + 60 for text in data]

    def one(chance: random.Random) -> None:
        which = chance.randrange(len(data))
        path.write_bytes(bytes_of(chance, data[which][: header[which]]) + data[which][header[which] :])
        catalog_for(str(path), catalogs.one(chance))

    return one


def json_of(chance: random.Random, value: Any) -> Any:
    """A JSON document with one value changed, lost or replaced by another type."""
    if isinstance(value, dict) and value and chance.randrange(8):
        key = chance.choice(sorted(value))
        if chance.randrange(6) == 0:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: json_of(chance, value[key])}
    if isinstance(value, list) and value and chance.randrange(4):
        at = chance.randrange(len(value))
        return [*value[:at], json_of(chance, value[at]), *value[at + 1 :]]
    numbers = (*INTEGERS, 1 << 70, 0.5, 1e308, -0.5, float("nan"), float("inf"))
    return chance.choice((None, True, [], {}, [[]], {"a": 1}, chance.choice(numbers), chance.choice(TEXTS)))


def configs(folder: Path) -> One:
    """A config.json of a real dialect with values of the wrong kind."""
    catalogs, path = Catalogs(folder), folder / "config.json"
    kept = sorted(CONFIGS)

    def one(chance: random.Random) -> None:
        document = CONFIGS[chance.choice(kept)]
        for _ in range(chance.choice((1, 1, 2, 4))):
            changed = json_of(chance, document)
            document = changed if isinstance(changed, dict) else document
        text = json.dumps(document).encode("utf-8", "surrogatepass")
        path.write_bytes(bytes_of(chance, text) if chance.randrange(4) == 0 else text)
        catalog_for(str(path), catalogs.one(chance))

    return one


def safetensors_headers(folder: Path) -> One:
    """A safetensors file or an index with bytes or values changed."""
    catalogs, path, index = Catalogs(folder), folder / "model.safetensors", folder / "model.safetensors.index.json"
    (folder / "config.json").write_text(json.dumps(SMALL))
    safetensors(path, LAYERS | ENDS)
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    names = {"weight_map": {name: "model.safetensors" for name in LAYERS | ENDS}, "metadata": {"total_size": 9}}

    def one(chance: random.Random) -> None:
        if chance.randrange(3):
            with path.open("wb") as file:
                file.write(bytes_of(chance, data[:size]) if chance.randrange(8) else data[:size])
                file.truncate(max(len(data), file.tell()))  # a hole where the weights would lie
            catalog_for(str(folder), catalogs.one(chance))
        else:
            with path.open("wb") as file:
                file.write(data[:size])
                file.truncate(len(data))
            index.write_text(json.dumps(json_of(chance, names)), encoding="utf-8", errors="replace")
            try:
                catalog_for(str(index), catalogs.one(chance))
            finally:
                index.unlink()

    return one


def profiles(folder: Path) -> One:
    """A machine's profile in TOML, as `hardware validate` reads it."""
    tables, path = catalogs.default().tables, folder / "m.toml"
    good = [msgspec.to_builtins(msgspec.structs.replace(machine, name="")) for machine in tables.machines[::20]]

    def one(chance: random.Random) -> None:
        facts = {key: value for key, value in chance.choice(good).items() if value not in (None, "", [])}
        if chance.randrange(2):
            key = chance.choice(sorted(facts))
            others = (*INTEGERS[:9], *TEXTS, 0.5, True, [1], {"a": 1}, text_of(chance, str(facts[key])))
            facts[key] = chance.choice(others)
        lines = []
        for key, value in facts.items():
            lines.append(f"{key} = {json.dumps(value) if not isinstance(value, dict) else '{a = 1}'}\n")
        text = "".join(lines).encode("utf-8", "replace")
        path.write_bytes(bytes_of(chance, text) if chance.randrange(2) else text)
        load_profile(str(path), tables)

    return one


def recordings(folder: Path) -> One:
    """A recorded machine (`--from`) with one of its files changed."""
    tables = catalogs.default().tables
    names = sorted(path.name for path in RECORDED.iterdir() if path.is_dir())[::6]
    copies = []
    for name in names:
        shutil.copytree(RECORDED / name, folder / name, dirs_exist_ok=True)
        files = sorted(path for path in (folder / name).rglob("*") if path.is_file() and path.name != "expected.json")
        copies.append((folder / name, [(path, path.read_bytes()) for path in files]))

    def one(chance: random.Random) -> None:
        place, files = chance.choice(copies)
        path, data = chance.choice(files)
        if path.suffix == ".json" and chance.randrange(2):
            path.write_text(json.dumps(json_of(chance, json.loads(data))), encoding="utf-8", errors="replace")
        else:
            path.write_bytes(bytes_of(chance, data))
        try:
            found = detect(tables, ReplaySource(place))
            assert not [text for text in found.warnings if "the probe failed" in text], found.warnings
            assert 0 <= found.ram_available_bytes <= found.ram_total_bytes
            assert all(0 <= device.free_bytes <= device.total_bytes for device in found.devices)
        finally:
            path.write_bytes(data)

    return one
