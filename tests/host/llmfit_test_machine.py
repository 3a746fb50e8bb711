"""The machine that llmfit takes for this computer while it is tested: a recording, in every program that a test starts.

LLMFIT_TEST_MACHINE names the recording's folder (none: this computer), LLMFIT_TEST_MOVING=1 lets its free memory be
another one each second, and LLMFIT_TEST_READS names a file that gets a line for each look at the real computer, which
fails. Detection asks a :class:`Source` for everything; here the live one's answers are replaced by the recording's.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time

MACHINE, MOVING, READS = "LLMFIT_TEST_MACHINE", "LLMFIT_TEST_MOVING", "LLMFIT_TEST_READS"
# What tells machines apart: neither a process's own files (/proc/self/status) nor what psutil reads at its import.
FILES = re.compile(
    r"/proc/(cpuinfo|meminfo|loadavg|driver/)|/proc/self/cgroup|/dev/(nvidia|kfd|dri)"
    r"|/sys/(devices/(?!system/cpu$)|class|bus|fs/cgroup|module|firmware)"
)
PROGRAMS = re.compile(r"(.*/)?(nvidia-smi|(rocm|amd|xpu|npu)-smi|vulkaninfo|lspci|ioreg|sysctl|dmidecode)$")
LIBRARIES = re.compile(r"(.*/)?lib(nvidia-ml|amd_smi|rocm_smi64|ze_loader)\.so.*")
EVENTS = {
    "open": FILES, "os.listdir": FILES, "os.scandir": FILES, "subprocess.Popen": PROGRAMS, "ctypes.dlopen": LIBRARIES,
}  # fmt: skip


class RealMachine(AssertionError):
    """A test looked at the computer that it runs on."""


class _Importer:
    """Changes a module of llmfit as soon as it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in CHANGES:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (load(module), CHANGES[name](module))[0]
        return spec


def _replay(module) -> None:
    """`llmfit.hardware.sources.source`: LiveSource answers from the recording."""
    held = {}

    def recorded():
        folder = os.environ.get(MACHINE)
        if folder and folder not in held:
            held[folder] = module.ReplaySource(folder)
        return held.get(folder)

    def replayed(name, live):
        def answer(self, *what):
            source = recorded()
            if source is None:
                return live(self, *what)
            found = getattr(source, name)(*what)
            return _moved(name, what, found) if os.environ.get(MOVING) else found

        return answer

    for name in ("text", "names", "command", "nvml", "platform", "psutil"):
        setattr(module.LiveSource, name, replayed(name, getattr(module.LiveSource, name)))


def _moved(name, what, found):
    """Free memory is between a third and three quarters of the whole, another part each second."""
    from msgspec.structs import replace

    share = 0.35 + 0.4 * (int(time.time()) * 0.618 % 1)
    if (name, what) == ("text", ("/proc/meminfo",)) and found:
        total = int(re.search(r"MemTotal: *(\d+)", found)[1])
        return re.sub(r"(MemAvailable: *)\d+", rf"\g<1>{int(total * share)}", found)
    if name == "text" and what[0].endswith("/memory.current") and found:  # what a container uses
        return str(int(int(found) * (1 + share)))
    if name == "psutil" and found.ram_total_bytes:
        return replace(found, ram_available_bytes=int(found.ram_total_bytes * share))
    if name == "nvml":
        known = [device for device in found.devices if device.memory_total]
        return replace(found, devices=[
            replace(device, memory_free=int(device.memory_total * share)) if device in known else device
            for device in found.devices
        ])  # fmt: skip
    return found


def _steady(module) -> None:
    """`llmfit.hardware.sources.bandwidth`: the bandwidth of a recorded machine is no measurement of this one."""
    real = module.read_rates
    module.read_rates = lambda threads, size: [20.0] * 5 if os.environ.get(MACHINE) else real(threads, size)


def _watch(event: str, what) -> None:
    """An audit hook."""
    if event in EVENTS and watching() and isinstance(path := what[0], str) and EVENTS[event].match(path):
        with open(os.environ[READS], "a") as file:
            file.write(f"{path} ({event})\n")
        raise RealMachine(f"a look at the computer that the tests run on: {path} (CONTRIBUTING.md: give it a machine)")


def watching() -> bool:
    return "llmfit" in sys.modules and bool(os.environ.get(MACHINE) and os.environ.get(READS))


CHANGES = {"llmfit.hardware.sources.source": _replay, "llmfit.hardware.sources.bandwidth": _steady}
sys.meta_path.insert(0, _Importer())
sys.addaudithook(_watch)
