"""The real llama.cpp (PyPI llama-cpp-py-sync): what its quantizer makes of a file, what contexts take."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# llama_ftype of every file type that the quantizer makes
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12,
    "Q3_K_L": 13, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20,
    "Q2_K_S": 21, "IQ3_XS": 22, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
    "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4": 38, "Q1_0": 40, "Q2_0": 41,
}  # fmt: skip
SHIM = """
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#undef strtol
long __isoc23_strtol(const char *s, char **e, int b) { return strtol(s, e, b); }
unsigned long __isoc23_strtoul(const char *s, char **e, int b) { return strtoul(s, e, b); }
unsigned long long __isoc23_strtoull(const char *s, char **e, int b) { return strtoull(s, e, b); }
int __isoc23_sscanf(const char *s, const char *f, ...)
{ va_list a; va_start(a, f); int n = vsscanf(s, f, a); va_end(a); return n; }
"""
_LINE = re.compile(r"\] +(\S+) +- \[ *([\d, ]+)\], type = +(\w+), size = +[\d.]+ MiB(?: -> +[\d.]+ MiB \((\w+)\))?")
_BUFFER = re.compile(r"^(\w+):\s+(\S+) +(.*?)(?:buffer size|size) = +([\d.]+) MiB")


@dataclass
class Quantized:
    """What the quantizer would write: bytes of all tensors, and (type, bytes) of each."""

    bytes: int
    tensors: dict[str, tuple[str, int]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)


@dataclass
class Buffers:
    """What a context reserves, in bytes as the log says them (to 0.01 MiB): kind -> device -> bytes."""

    sizes: dict[str, dict[str, float]]
    log: list[str]


class Llama:
    """libllama, loaded once. RuntimeError where the package is missing or refuses a file."""

    def __init__(self) -> None:
        try:
            from llama_cpp_py_sync import _cffi_bindings as bound
        except ImportError:
            raise RuntimeError("pip install llama-cpp-py-sync: it holds the real quantizer and loader") from None
        self.ffi: Any = bound.ffi
        if not self.ffi._cdefsources:
            self.ffi.cdef(bound._LLAMA_H_CDEF)
        folder = Path(bound.__file__).parent
        ctypes.CDLL("libgomp.so.1", mode=ctypes.RTLD_GLOBAL)
        if needs_shim():
            folder = shimmed(folder)
        for name in ("libggml-base.so.0", "libggml-cpu.so.0", "libggml-rpc.so.0", "libggml.so.0"):
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        self.base: Any = ctypes.CDLL(str(folder / "libggml-base.so.0"))
        self.lib: Any = self.ffi.dlopen(str(folder / "libllama.so.0"))
        self.lines: list[str] = []
        self._partial = ""
        self._log = self.ffi.callback("void(enum ggml_log_level, const char *, void *)", self._logged)
        self.lib.llama_log_set(self._log, self.ffi.NULL)
        self.lib.llama_backend_init()
        self.base.ggml_row_size.restype = ctypes.c_size_t
        self.base.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
        self.base.ggml_type_name.restype = ctypes.c_char_p
        self.types = {self.base.ggml_type_name(i).decode(): i for i in range(43) if self.base.ggml_type_name(i)}

    def _logged(self, level: int, text: Any, data: Any) -> None:
        self._partial += self.ffi.string(text).decode("utf-8", "replace")
        *lines, self._partial = self._partial.split("\n")
        self.lines += lines

    def quantize(self, path: Path, file_type: str, *, imatrix: bool = False) -> Quantized:
        """A dry run of the quantizer: types and bytes of all tensors of the file at ``path``."""
        params = self.lib.llama_model_quantize_default_params()
        params.ftype = FILE_TYPES[file_type]
        params.dry_run = True
        params.nthread = 1
        end = self.ffi.new("struct llama_model_imatrix_data[1]")  # none but the mark of the end: an importance matrix
        if imatrix:
            params.imatrix = end
        self.lines.clear()
        if self.lib.llama_model_quantize(str(path).encode(), b"/dev/null", self.ffi.addressof(params)):
            raise RuntimeError("; ".join(line for line in self.lines if "fail" in line or "error" in line.lower()))
        made = Quantized(0, log=list(self.lines))
        text = "\n".join(self.lines)
        for name, dims, kind, other in _LINE.findall(text):
            shape = [int(n) for n in dims.split(",")]
            rows = 1
            for n in shape[1:]:
                rows *= n
            kind = (other or kind).strip()
            size = self.base.ggml_row_size(self.types[kind], shape[0]) * rows
            made.tensors[name] = kind, size
            made.bytes += size
        said = re.search(r"quant size += +([\d.]+) MiB", text)
        if said and abs(float(said[1]) - made.bytes / 2**20) > 0.02:
            raise RuntimeError(f"the quantizer says {said[1]} MiB, its lines sum to {made.bytes / 2**20:.2f}")
        return made

    @contextlib.contextmanager
    def model(self, path: Path, *, simulate: bool = True, mtp: bool = False) -> Iterator[Any]:
        """The file, loaded; ``simulate``: buffers are counted, not allocated."""
        params = self.lib.llama_model_default_params()
        params.no_alloc = simulate
        params.load_mtp = mtp
        if simulate:
            params.load_mode = 0
        self.lines.clear()
        loaded = self.lib.llama_model_load_from_file(str(path).encode(), params)
        if loaded == self.ffi.NULL:
            raise RuntimeError("; ".join(line for line in self.lines if "error" in line.lower() or "fail" in line))
        try:
            yield loaded
        finally:
            self.lib.llama_model_free(loaded)

    def context(self, model: Any, **settings: Any) -> Buffers:
        """The buffers of a context; ``settings`` are members of llama_context_params (n_ctx, n_seq_max, type_k ...)."""
        params = self.lib.llama_context_default_params()
        for key, value in settings.items():
            setattr(params, key, value)
        self.lines.clear()
        made = self.lib.llama_init_from_model(model, params)
        if made == self.ffi.NULL:
            raise RuntimeError("; ".join(line for line in self.lines if "error" in line.lower() or "fail" in line))
        self.lib.llama_free(made)
        sizes: dict[str, dict[str, float]] = {}
        for line in self.lines:
            found = _BUFFER.match(line)
            if found:
                kind = f"{found[1]} {found[3]}".strip()
                device = sizes.setdefault(kind, {})
                device[found[2]] = device.get(found[2], 0.0) + float(found[4]) * 2**20
        return Buffers(sizes, list(self.lines))


def native_version() -> str:
    """The build of llama.cpp that the installed package holds: b11739 for 0.11739."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return "b" + version("llama-cpp-py-sync").split(".")[1]
    except PackageNotFoundError:
        raise RuntimeError("pip install llama-cpp-py-sync: it holds the real quantizer and loader") from None


def needs_shim() -> bool:
    """Whether this system's C library is older than the one that the package was built against."""
    library = os.confstr("CS_GNU_LIBC_VERSION") or "" if hasattr(os, "confstr") else ""
    found = re.search(r"(\d+)\.(\d+)", library)
    return bool(found) and (int(found[1]), int(found[2])) < (2, 38)


def shimmed(folder: Path) -> Path:
    """Copies whose want of GLIBC_2.38 is weak, with the four functions that they take from it loaded before them."""
    target = Path(tempfile.gettempdir()) / f"llama-shim-{os.getuid()}"
    target.mkdir(exist_ok=True)
    source, shim = target / "shim.c", target / "shim.so"
    if not shim.exists():
        source.write_text(SHIM)
        subprocess.run(
            ["cc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-o", str(shim), str(source)], check=True
        )
    for library in folder.glob("lib*.so*"):
        copy = target / library.name
        if not copy.exists() or copy.stat().st_mtime < library.stat().st_mtime:
            shutil.copyfile(library, copy)
            weaken(copy, b"GLIBC_2.38")
    ctypes.CDLL(str(shim), mode=ctypes.RTLD_GLOBAL)
    return target


def weaken(path: Path, version: bytes) -> None:
    """Marks the need for a symbol version as weak in an ELF file's table of needed versions."""
    raw = bytearray(path.read_bytes())
    sections, size, count = struct.unpack_from("<Q", raw, 0x28)[0], *struct.unpack_from("<HH", raw, 0x3A)
    heads = [struct.unpack_from("<IIQQQQIIQQ", raw, sections + i * size) for i in range(count)]
    for head in heads:
        if head[1] != 0x6FFFFFFE:  # SHT_GNU_verneed
            continue
        names = heads[head[6]][4]
        at = head[4]
        for _ in range(head[7]):
            _, n, _, aux, step = struct.unpack_from("<HHIII", raw, at)
            need = at + aux
            for _ in range(n):
                _, flags, _, name, following = struct.unpack_from("<IHHII", raw, need)
                end = raw.index(0, names + name)
                if raw[names + name : end] == version:
                    struct.pack_into("<H", raw, need + 4, flags | 2)  # VER_FLG_WEAK
                need += following
            at += step
    path.write_bytes(raw)
