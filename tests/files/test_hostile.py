"""Broken, truncated and hostile files: one line that names the file and what is wrong, soon, without much memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmfit.catalog.catalog import Catalog
from llmfit.errors import BadFile
from llmfit.files.gguf_header import read_header
from llmfit.files.read import catalog_for
from llmfit.files.weights import index_of

from .configs import CONFIGS
from .ggufs import BASE, TOKENS, write
from .test_config import ENDS, LAYERS, SMALL, safetensors
from .test_gguf import PLAIN

BROKEN = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def pair(key: bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def items(kind: int, count: int, data: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + data


def tensor(name: bytes, dims: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def file_of(
    *pairs: bytes, tensors: tuple[bytes, ...] = (), version: int = 3, counts: tuple[int, int] | None = None
) -> bytes:
    n_tensors, n_pairs = counts or (len(tensors), len(pairs))
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_pairs) + b"".join(pairs) + b"".join(tensors)


LLAMA = pair(b"general.architecture", 8, text(b"llama"))
HUGE = 1 << 62
HOSTILE = {
    "empty": (b"", "it is empty"),
    "another kind": (b"PK\3\4" + b"\0" * 99, "not a GGUF file"),
    "version 1": (file_of(version=1), "GGUF version 1"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "tensors without end": (file_of(counts=(HUGE, 0)), "at most 16384"),
    "pairs without end": (file_of(counts=(0, HUGE)), "at most 16384"),
    "more pairs than there are": (file_of(LLAMA, counts=(0, 9)), "cut short"),
    "a string without end": (file_of(pair(b"general.name", 8, struct.pack("<Q", HUGE))), "cut short"),
    "a string whose end overflows": (file_of(pair(b"general.name", 8, struct.pack("<Q", (1 << 64) - 8))), "cut short"),
    "a list without end": (file_of(LLAMA, pair(b"llama.x", 9, items(4, HUGE))), "cut short"),
    "a list of strings without end": (file_of(pair(b"tokenizer.ggml.tokens", 9, items(8, HUGE))),
        "more than 1200000 strings"),
    "a list of long strings": (file_of(pair(b"t", 9, items(8, 2, struct.pack("<QQ", HUGE, 1)))), "cut short"),
    "lists of lists": (file_of(pair(b"x", 9, items(9, 1, items(9, 1)))), "a list of lists"),
    "an unknown type": (file_of(pair(b"x", 77, b"")), "unknown type 77"),
    "a key twice": (file_of(LLAMA, LLAMA), "stands twice"),
    "an alignment of 0": (file_of(LLAMA, pair(b"general.alignment", 4, b"\0" * 4)), "power of two"),
    "a tensor of no dimension": (file_of(LLAMA, tensors=(tensor(b"x", []),)), "has 0 dimensions"),
    "a shape that overflows": (file_of(LLAMA, tensors=(tensor(b"x", [1 << 40, 1 << 40]),)), "impossible shape"),
    "an unknown tensor type": (file_of(LLAMA, tensors=(tensor(b"x", [256], 9999),)), "type 9999"),
    "half a block": (file_of(LLAMA, tensors=(tensor(b"x", [100], 12),)), "whole Q4_K blocks"),
    "data behind the end": (file_of(LLAMA, tensors=(tensor(b"x", [256], 0, 1 << 40),)), "cut short: its tensors end"),
    "tensors over one another": (
        file_of(LLAMA, tensors=tuple(tensor(b"x%d" % i, [256]) for i in range(9))) + b"\0" * 1500,
            "cut short: its tensors end",
    ),
    "no architecture": (file_of(), "general.architecture is missing"),
    "an architecture that is a number": (file_of(pair(b"general.architecture", 4, b"\1\0\0\0")),
        "general.architecture is missing"),
    "a projector": (file_of(pair(b"general.architecture", 8, text(b"clip"))), "a projector"),
    "an adapter": (file_of(LLAMA, pair(b"general.type", 8, text(b"adapter"))), "a LoRA adapter"),
    "no layers": (file_of(LLAMA), "llama.block_count"),
    "layers without end": (file_of(LLAMA, pair(b"llama.block_count", 10, struct.pack("<Q", HUGE))),
        "block_count is not a whole number"),
    "a width that is not a number": (
        file_of(LLAMA, pair(b"llama.block_count", 4, b"\1\0\0\0"), pair(b"llama.embedding_length", 6, struct.pack("<f",
            float("nan")))),
        "embedding_length is not a whole number",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_gguf(name: str, tmp_path: Path, catalog: Catalog) -> None:
    data, what = HOSTILE[name]
    path = tmp_path / "bad.gguf"
    path.write_bytes(data)
    started = time.perf_counter()
    with pytest.raises(BadFile, match=what) as caught:
        catalog_for(str(path), catalog)
    assert time.perf_counter() - started < 1
    assert str(caught.value).startswith("cannot read bad.gguf: ") and "\n" not in str(caught.value)


@cache
def small() -> bytes:
    path = Path(tempfile.mkdtemp()) / "m.gguf"
    write(
        path,
        "gemma3",
        PLAIN | TOKENS | {"attention.sliding_window": 1024, "expert_count": 4, "expert_used_count": 2},
        BASE,
    )
    return path.read_bytes()


def survives(path: Path, catalog: Catalog) -> None:
    """A row, or one line."""
    try:
        one, _ = catalog_for(str(path), catalog)
        assert one.size >= 1
    except BadFile as error:
        assert "\n" not in str(error) and str(path.parent) not in str(error)


def test_every_truncation_is_one_line(tmp_path: Path, catalog: Catalog) -> None:
    data, path = small(), tmp_path / "cut.gguf"
    end = data.index(b"ffn_down.weight") + 40
    for size in [*range(0, end, 7), end, len(data) - 1]:
        path.write_bytes(data[:size])
        with pytest.raises(BadFile):
            catalog_for(str(path), catalog)


@BROKEN
@given(changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_never_crash(changes: list[tuple[int, int]], tmp_path_factory: Any, catalog: Catalog) -> None:
    folder = tmp_path_factory.mktemp("changed")
    data = bytearray(small())
    for at, value in changes:
        data[at % len(data)] = value
    path = folder / "x.gguf"
    path.write_bytes(data)
    survives(path, catalog)
    for left in folder.iterdir():
        left.unlink()


SCALAR = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 1 << 70), st.floats(), st.text(max_size=9), st.lists(st.integers(0, 99),
        max_size=4),
    st.dictionaries(st.sampled_from(["quant_method", "bits", "kv_n_heads", "full_attn_layers", "num_heads"]),
                    st.one_of(st.integers(-1, 99), st.text(max_size=5), st.none()), max_size=3),
)  # fmt: skip
KEYS = sorted({key for outer in CONFIGS.values() for key in [*outer, *outer.get("text_config", {})]} | {"layer_types"})


@BROKEN
@example(name="BAAI/bge-m3", changes={"architectures": 1})
@given(
    name=st.sampled_from(sorted(CONFIGS)),
    changes=st.dictionaries(st.sampled_from(KEYS), SCALAR, min_size=1, max_size=4),
)
def test_changed_configs_never_crash(
    name: str, changes: dict[str, Any], tmp_path_factory: Any, catalog: Catalog
) -> None:
    path = tmp_path_factory.mktemp("c") / "config.json"
    path.write_text(json.dumps(CONFIGS[name] | changes))
    survives(path, catalog)


CONFIG = {
    "empty": (b"", "it is empty"),
    "not JSON": (b"{", "it is not JSON"),
    "not text": (b"\xff\xfe\xfa" * 9, "it is not JSON"),
    "a list": (b"[]", "not a JSON object"),
    "nested": (b'{"a":' * 100_000, "nested too deeply"),
    "nested lists": (b"[" * 500_000, "nested too deeply"),
    "another file": (b'{"model_type": "llama"}', "how many layers"),
    "nobody's numbers": (b'{"hidden_size": NaN, "num_hidden_layers": 2}', "hidden_size is not a whole number"),
    "beyond numbers": (b'{"hidden_size": 1e400, "num_hidden_layers": 2}', "hidden_size is not a whole number"),
    "a long number": (b'{"hidden_size": ' + b"9" * 5000 + b"}", "it is not JSON"),
    "layers without end": (b'{"hidden_size": 64, "num_hidden_layers": 99999999999}',
        "num_hidden_layers is not a whole number"),
    "a text": (b'{"hidden_size": "64", "num_hidden_layers": 2}', "hidden_size is not a whole number"),
    "less than nothing": (b'{"hidden_size": -64, "num_hidden_layers": 2}', "hidden_size is not a whole number"),
    "no vocabulary": (b'{"hidden_size": 64, "num_hidden_layers": 2}', "how large its vocabulary"),
    "a quantization": (json.dumps(SMALL | {"quantization_config": {"quant_method": "new"}}).encode(),
        "no rule for the quantization 'new'"),
    "a kind of layer": (json.dumps(SMALL | {"layer_types": ["new", "new"]}).encode(), "layer_types holds 'new'"),
    "too few layers": (json.dumps(SMALL | {"layer_types": ["full_attention"]}).encode(), "lists 1 of 2 layers"),
    "large": (b" " * (8 << 20) + b"{}", "at most 8388608 are read"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIG)
def test_config(name: str, tmp_path: Path, catalog: Catalog) -> None:
    data, what = CONFIG[name]
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(BadFile, match=what) as caught:
        catalog_for(str(path), catalog)
    assert "\n" not in str(caught.value)


WEIGHTS = {
    "empty": (b"", "cut short"),
    "short": (b"\1", "cut short"),
    "a header without end": (struct.pack("<Q", HUGE) + b"{}", "cut short"),
    "not JSON": (struct.pack("<Q", 2) + b"{x", "header is broken"),
    "nested": (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "header is broken"),
    "types": (struct.pack("<Q", 7) + b'{"a":1}', "header is broken"),
    "a shape": (struct.pack("<Q", 63) + b'{"a":{"dtype":"BF16","shape":[-9],"data_offsets":[0,0]}}'.ljust(63),
        "impossible shape"),
    "offsets": (struct.pack("<Q", 63) + b'{"a":{"dtype":"BF16","shape":[9],"data_offsets":[0,99]}}'.ljust(63),
        "behind the end"),
    "nothing": (struct.pack("<Q", 2) + b"{}", "no tensors"),
}  # fmt: skip


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, tmp_path: Path, catalog: Catalog) -> None:
    data, what = WEIGHTS[name]
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(BadFile, match=what) as caught:
        catalog_for(str(tmp_path), catalog)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shard", ["../config.json", "/etc/passwd", "a/b.safetensors", "..", "x.safetensors\0", "config.json"]
)
def test_an_index_cannot_name_other_files(shard: str, tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(BadFile, match="not beside it"):
        catalog_for(str(path), catalog)


@BROKEN
@given(changes=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_weights_never_crash(changes: list[tuple[int, int]], tmp_path_factory: Any, catalog: Catalog) -> None:
    folder = tmp_path_factory.mktemp("w")
    (folder / "config.json").write_text(json.dumps(SMALL))
    path = folder / "model.safetensors"
    safetensors(path, LAYERS | ENDS)
    with path.open("r+b") as file:
        for at, value in changes:
            file.seek(at)
            file.write(bytes([value]))
    survives(folder, catalog)
    path.unlink()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from llmfit.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd="/", timeout=60)


def one_line(path: Path, what: str) -> None:
    done = run("--json", "info", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("llmfit: cannot read ") and what in done.stderr
    assert done.stderr.count("\n") == 1 and str(path.parent) not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_pipes_devices_links(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    one_line(tmp_path / "pipe.gguf", "not a regular file")
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    one_line(tmp_path / "zero.gguf", "not a regular file")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    one_line(tmp_path / "loop.gguf", "too many levels of symbolic links")
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    one_line(tmp_path / "gone.gguf", "no such file")
    (tmp_path / "folder.gguf").mkdir()
    one_line(tmp_path / "folder.gguf", "neither config.json nor a GGUF file")


def test_what_is_none_of_these(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    one_line(tmp_path / "notes.txt", "it is none of these")
    one_line(tmp_path / "missing.gguf", "no such file")
    one_line(tmp_path / "missing.json", "no such file")
    one_line(tmp_path / ("n" * 300 + ".gguf"), "file name too long")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "m.gguf").chmod(0)
    one_line(tmp_path / "m.gguf", "permission denied")


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    """Escapes of a terminal, of rich and of a shell in a file's name are shown, not obeyed."""
    path = tmp_path / "\x1b[2J[red]$(id)[bold].gguf"
    write(path, "llama", PLAIN | TOKENS | {"general.name": "\x1b[31m[/y]"}, BASE)
    done = run("info", str(path))
    assert done.returncode == 0 and "\x1b" not in done.stdout and "[red]$(id)[bold].gguf" in done.stdout
    assert "\\x1b[2J[red]$(id)[bold].gguf' " in done.stdout  # quoted, for the shell that runs the command


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["strings", "texts", "lists", "tensors", "numbers"])
def test_the_worst_headers_cost_little(name: str, tmp_path: Path) -> None:
    """The largest header of each kind that is read at all: bounded time and memory of its own process."""
    many = 16_000
    data = {
        "strings": lambda: file_of(LLAMA, pair(b"llama.x", 9, items(8, 1_200_000, text(b"abcdefgh") * 1_200_000))),
        "texts": lambda: file_of(LLAMA, *(pair(b"llama.%d" % i, 8, text(b"\xff" * 2900)) for i in range(many))),
        "lists": lambda: file_of(LLAMA, *(pair(b"llama.%d" % i, 9, items(0, 2900, b"\1" * 2900)) for i in range(many))),
        "tensors": lambda: file_of(LLAMA, tensors=tuple(tensor(b"%0250d" % i, [1, 1, 1, 1]) for i in range(many))),
        "numbers": lambda: file_of(LLAMA, pair(b"llama.x", 9, items(0, 47 << 20, bytes(47 << 20)))),
    }[name]()
    path = tmp_path / "worst.gguf"
    path.write_bytes(data)
    cheap(path, "from llmfit.files.gguf_header import read_header as read; import gguf")


def cheap(path: Path, imports: str) -> None:
    """``read(path)`` in a process of its own takes less than a second of it and 200 MB in all."""
    code = (
        f"import sys, time; {imports}\n"
        "from llmfit.errors import BadFile\n"
        "start = time.process_time()\n"
        "try: read(sys.argv[1])\n"
        "except BadFile: pass\n"
        "high = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
        "print(time.process_time() - start, high)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd="/")
    seconds, kib = done.stdout.split()
    assert float(seconds) < 1.0 and int(kib) < 200_000, done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_worst_safetensors_cost_little(tmp_path: Path) -> None:
    entry = '"%d":{"dtype":"F16","shape":[],"data_offsets":[0,0]}'
    header = ("{" + ",".join(entry % i for i in range(65_000)) + "}").encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    cheap(path, "from llmfit.files.weights import entries as read")
    path = tmp_path / "x.index.json"
    path.write_text(json.dumps({"weight_map": {str(i): "x.safetensors" for i in range(440_000)}}))
    cheap(path, "from llmfit.files.weights import index_of as read")
    path.write_text(json.dumps({"weight_map": {str(i): "x.safetensors" for i in range(450_000)}}))
    with pytest.raises(BadFile, match="lists more than 450000 tensors"):
        index_of(str(path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_config_of_many_lists_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": [' + ",".join(["[]"] * 340_000) + "]}")
    read = "read = lambda path: parsed(whole(path, 1 << 20))"
    cheap(path, f"from llmfit.files.source import whole; from llmfit.files.config import parsed; {read}")


def test_parts_share_one_budget(tmp_path: Path, catalog: Catalog) -> None:
    """512 parts may not each take what one file may take."""
    count = pair(b"split.count", 2, struct.pack("<H", 9))
    for number in range(9):
        no = pair(b"split.no", 2, struct.pack("<H", number))
        name = f"m-{number + 1:05d}-of-00009.gguf"
        filler = pair(b"x", 9, items(0, 7 << 20, bytes(7 << 20)))
        (tmp_path / name).write_bytes(file_of(LLAMA, count, no, filler))
    with pytest.raises(BadFile, match="of all parts together"):
        catalog_for(str(tmp_path / "m-00002-of-00009.gguf"), catalog)


def test_the_header_alone_is_read(tmp_path: Path) -> None:
    """A terabyte behind the header costs nothing."""
    path = tmp_path / "huge.gguf"
    data = file_of(LLAMA, tensors=(tensor(b"x", [1 << 38]),))
    path.write_bytes(data)
    with path.open("r+b") as file:
        file.truncate((1 << 40) + 4096)
    started = time.perf_counter()
    assert read_header(str(path)).tensors[0].bytes == 1 << 40
    assert time.perf_counter() - started < 1
