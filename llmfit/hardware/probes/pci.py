"""Graphics and AI processors on the PCI bus: from the kernel's files, else from `lspci`; and what they are called."""

from __future__ import annotations

import re

import msgspec

from llmfit.hardware.sources.source import Source

DRM = "/sys/class/drm"
BUS = "/sys/bus/pci/devices"
DISPLAY = ("0x03", "0x12")  # display controllers (with and without a screen), processing accelerators
IDS = ("/usr/share/hwdata/pci.ids", "/usr/share/misc/pci.ids")
VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel", "19e5": "huawei"}
LABELS = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "huawei": "Ascend", "unknown": "GPU"}
# Chips that are one product (or are by their revision), or that the accelerator table knows under this name, or a list
# of all that is made of one: no file need list them.
# Sources: pci.ids, amdgpu.ids, the kernel's include/drm/intel/pciids.h.
NAMES = {
    "10de:2e12": "NVIDIA GB10",
    "1002:66a1": "AMD Instinct MI50",
    "1002:738c": "AMD Instinct MI100",
    "1002:740f": "AMD Instinct MI210",
    "1002:740c": "AMD Instinct MI250",
    "1002:7408": "AMD Instinct MI250X",
    "1002:74a0": "AMD Instinct MI300A",
    "1002:74a1": "AMD Instinct MI300X",
    "1002:74a2": "AMD Instinct MI308X",
    "1002:74a5": "AMD Instinct MI325X",
    "1002:75a0": "AMD Instinct MI350X",
    "1002:75a3": "AMD Instinct MI355X",
    "1002:7551": "AMD Radeon AI PRO R9700",
    "1002:7550:c0": "AMD Radeon RX 9070 XT",
    "1002:7550:c2": "AMD Radeon RX 9070 GRE",
    "1002:7550:c3": "AMD Radeon RX 9070",
    "1002:7550": "AMD Navi 48 [Radeon RX 9070/9070 XT/9070 GRE]",
    "1002:7590:c0": "AMD Radeon RX 9060 XT",
    "1002:7590:c7": "AMD Radeon RX 9060",
    "1002:7590": "AMD Navi 44 [Radeon RX 9060 XT/9060]",
    "1002:13c0": "AMD Granite Ridge",
    "1002:1681": "AMD Rembrandt [Radeon 680M/660M]",
    "1002:15bf": "AMD Phoenix1 [Radeon 780M/760M/740M]",
    "1002:1900": "AMD HawkPoint1 [Radeon 780M/760M]",
    "1002:1901": "AMD HawkPoint2 [Radeon 740M]",
    "1002:150e": "AMD Strix [Radeon 890M/880M]",
    "1002:1114": "AMD Krackan [Radeon 860M/840M]",
    "1002:1586": "AMD Strix Halo [Radeon 8060S/8050S/8040S]",
    "1002:163f": "AMD Van Gogh",
    "1002:1638": "AMD Cezanne",
    "1002:164e": "AMD Raphael",
    "8086:56a0": "Intel Arc A770",
    "8086:56a1": "Intel Arc A750",
    "8086:56a2": "Intel Arc A580",
    "8086:56a5": "Intel Arc A380",
    "8086:56a6": "Intel Arc A310",
    "8086:e20b": "Intel Arc B580",
    "8086:e20c": "Intel Arc B570",
    "8086:e211": "Intel Arc Pro B60",
    "8086:e212": "Intel Arc Pro B50",
    "8086:e223": "Intel Arc Pro B70",
    "8086:64a0": "Intel Lunar Lake [Intel Arc Graphics 130V / 140V]",
    "8086:7d55": "Intel Meteor Lake Arc Graphics",
    "8086:7d51": "Intel Arrow Lake Arc Graphics",
    "8086:46a6": "Intel Alder Lake-P [Iris Xe Graphics]",
    "8086:0bd5": "Intel Data Center GPU Max 1550",
    "8086:0bda": "Intel Data Center GPU Max 1100",
    "8086:56c0": "Intel Data Center GPU Flex 170",
    "8086:56c1": "Intel Data Center GPU Flex 140",
}


def label(vendor: str) -> str:
    """How warnings call a vendor."""
    return LABELS.get(vendor, vendor.capitalize())


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One function of the PCI bus. Ids are four lower-case hexadecimal digits, as in pci.ids."""

    address: str  # 0000:01:00.0
    vendor_id: str
    device_id: str
    revision: str = ""
    folder: str | None = None  # of its files; None where only lspci saw it
    card: str | None = None  # its folder in /sys/class/drm
    text: str = ""  # what lspci calls it

    @property
    def vendor(self) -> str | None:
        return VENDORS.get(self.vendor_id)


def gpus(source: Source) -> tuple[Gpu, ...]:
    """All of them, in the order of their cards, then of their addresses."""
    names = [name for name in source.names(DRM) if re.fullmatch(r"card\d+", name)]
    cards = [f"{DRM}/{name}" for name in sorted(names, key=lambda name: int(name[4:]))]
    found = {gpu.address: gpu for gpu in (_read(source, f"{card}/device", None, card) for card in cards) if gpu}
    devices = source.names(BUS)
    for address in devices:
        if address not in found and (source.text(f"{BUS}/{address}/class") or "").startswith(DISPLAY):
            gpu = _read(source, f"{BUS}/{address}", address, None)
            if gpu:
                found[address] = gpu
    if not found and not devices and source.platform().os == "linux":
        output = source.command("lspci", "-nnD")
        found = {gpu.address: gpu for gpu in parse_lspci(output.stdout if output else "")}
    return tuple(found.values())


def _read(source: Source, folder: str, address: str | None, card: str | None) -> Gpu | None:
    vendor, device = _id(source, f"{folder}/vendor"), _id(source, f"{folder}/device")
    if not vendor or not device:  # a virtual card, or a partition of one
        return None
    if address is None:
        slot = re.search(r"PCI_SLOT_NAME=(\S+)", source.text(f"{folder}/uevent") or "")
        address = slot[1].lower() if slot else folder
    revision = (source.text(f"{folder}/revision") or "").removeprefix("0x")
    return Gpu(address=address, vendor_id=vendor, device_id=device, revision=revision, folder=folder, card=card)


def _id(source: Source, path: str) -> str:
    text = (source.text(path) or "").strip().lower()
    return text[2:] if re.fullmatch(r"0x[0-9a-f]{4}", text) else ""


def parse_lspci(text: str) -> list[Gpu]:
    """The display controllers and accelerators in what `lspci -nnD` prints."""
    pattern = r"^(\S+) [^\[]*\[(?:03|12)\w\w\]: (.*?) ?\[(\w{4}):(\w{4})\](?: \(rev (\w+)\))?"
    rows = re.findall(pattern, text, re.MULTILINE)
    return [
        Gpu(address=address.lower(), vendor_id=vendor, device_id=device, revision=revision, text=name)
        for address, name, vendor, device, revision in rows
    ]


def name_of(gpu: Gpu, source: Source) -> str:
    """What the list above, lspci or the system's own pci.ids calls it; "" if none of them knows."""
    key = f"{gpu.vendor_id}:{gpu.device_id}"
    known = NAMES.get(f"{key}:{gpu.revision}") or NAMES.get(key)
    if known or (gpu.text and not gpu.text.endswith(" Device")):
        return known or gpu.text
    listed = next(filter(None, map(source.text, IDS)), "")
    _, _, products = f"\n{listed}".partition(f"\n{gpu.vendor_id}  ")
    own = re.split(r"\n(?=[0-9a-f])", products, maxsplit=1)[0]  # up to the next vendor
    device = re.search(rf"^\t{gpu.device_id}\s+(.*)$", own, re.MULTILINE)
    return f"{LABELS.get(gpu.vendor or '', '')} {device[1]}".strip() if device else ""
