"""ARM cores by their numbers, and chips by the exact set of their cores.

Sources: the kernel's MIDR table (arch/arm64/include/asm/cputype.h), util-linux' lscpu-arm.c; the chip makers' pages.
"""

from __future__ import annotations

from collections import Counter

# implementer -> {part: name}. Big cores stand before small ones: names are joined in this order.
CORES = {
    "0x41": {
        "0xd8c": "C1-Ultra", "0xd90": "C1-Premium", "0xd85": "Cortex-X925", "0xd82": "Cortex-X4", "0xd4e": "Cortex-X3",
        "0xd48": "Cortex-X2", "0xd4c": "Cortex-X1C", "0xd44": "Cortex-X1", "0xd84": "Neoverse-V3",
        "0xd83": "Neoverse-V3AE", "0xd4f": "Neoverse-V2", "0xd40": "Neoverse-V1", "0xd8e": "Neoverse-N3",
        "0xd49": "Neoverse-N2", "0xd0c": "Neoverse-N1", "0xd4a": "Neoverse-E1", "0xd8b": "C1-Pro",
        "0xd87": "Cortex-A725", "0xd89": "Cortex-A720AE", "0xd81": "Cortex-A720", "0xd4d": "Cortex-A715",
        "0xd47": "Cortex-A710", "0xd4b": "Cortex-A78C", "0xd42": "Cortex-A78AE", "0xd41": "Cortex-A78",
        "0xd0d": "Cortex-A77", "0xd0e": "Cortex-A76AE", "0xd0b": "Cortex-A76", "0xd0a": "Cortex-A75",
        "0xd09": "Cortex-A73", "0xd08": "Cortex-A72", "0xd07": "Cortex-A57", "0xd8a": "C1-Nano",
        "0xd88": "Cortex-A520AE", "0xd80": "Cortex-A520", "0xd46": "Cortex-A510", "0xd05": "Cortex-A55",
        "0xd03": "Cortex-A53", "0xd04": "Cortex-A35",
    },
    "0x42": {"0x516": "ThunderX2"},
    "0x43": {"0x0b8": "ThunderX3", "0x0af": "ThunderX2", "0x0a1": "ThunderX", "0x0a0": "ThunderX"},
    "0x46": {"0x003": "MONAKA", "0x001": "A64FX"},
    "0x48": {"0xd01": "Kunpeng 920", "0xd02": "TaiShan v120", "0xd41": "Cortex-A77", "0xd40": "Cortex-A76"},
    "0x4e": {"0x010": "Olympus", "0x004": "Carmel", "0x003": "Denver 2", "0x000": "Denver"},
    "0x50": {"0x000": "X-Gene"},
    "0x51": {
        "0x002": "Oryon gen 3", "0x001": "Oryon", "0x804": "Kryo 4xx Gold", "0x802": "Kryo 3xx Gold",
        "0x800": "Kryo 2xx Gold", "0x805": "Kryo 4xx Silver", "0x803": "Kryo 3xx Silver", "0x801": "Kryo 2xx Silver",
        "0x201": "Kryo", "0x205": "Kryo", "0x211": "Kryo", "0xc00": "Falkor", "0xc01": "Saphira",
    },
    "0x53": {"0x004": "Exynos M5", "0x003": "Exynos M4", "0x002": "Exynos M3", "0x001": "Exynos M1"},
    "0x61": {
        "0x039": "Apple M2 Max", "0x038": "Apple M2 Max", "0x035": "Apple M2 Pro", "0x034": "Apple M2 Pro",
        "0x033": "Apple M2", "0x032": "Apple M2", "0x029": "Apple M1 Max", "0x028": "Apple M1 Max",
        "0x025": "Apple M1 Pro", "0x024": "Apple M1 Pro", "0x023": "Apple M1", "0x022": "Apple M1",
        "0x000": "Apple silicon (virtual machine)",
    },
    "0x6d": {"0xd49": "Azure Cobalt 100"},
    "0x70": {
        "0x862": "Phytium FTC862", "0x861": "Phytium FTC861", "0x860": "Phytium FTC860", "0x664": "Phytium FTC664",
        "0x663": "Phytium FTC663", "0x662": "Phytium FTC662", "0x661": "Phytium FTC661", "0x660": "Phytium FTC660",
        "0x303": "Phytium FTC310",
    },
    "0xc0": {"0xac5": "Ampere-1B", "0xac4": "Ampere-1A", "0xac3": "Ampere-1"},
}  # fmt: skip
RANK = {name: at for at, name in enumerate(name for parts in CORES.values() for name in parts.values())}

# The cores of a chip, and the name by which the CPU table knows it.
CHIPS: tuple[tuple[str, dict[str, int]], ...] = (
    ("RK3588", {"Cortex-A76": 4, "Cortex-A55": 4}),
    ("RK3576", {"Cortex-A72": 4, "Cortex-A53": 4}),
    ("RK3566", {"Cortex-A55": 4}),
    ("RK3399", {"Cortex-A72": 2, "Cortex-A53": 4}),
    ("S922X", {"Cortex-A73": 4, "Cortex-A53": 2}),
    ("CIX P1", {"Cortex-A720": 8, "Cortex-A520": 4}),
    ("BCM2712", {"Cortex-A76": 4}),
    ("GB10", {"Cortex-X925": 10, "Cortex-A725": 10}),
    ("RTX Spark N1X", {"Cortex-X925": 9, "Cortex-A725": 9}),
    ("Jetson AGX Orin", {"Cortex-A78AE": 12}),
    ("Jetson Orin NX", {"Cortex-A78AE": 8}),
    ("Jetson Orin Nano", {"Cortex-A78AE": 6}),
    ("Tensor G1", {"Cortex-X1": 2, "Cortex-A76": 2, "Cortex-A55": 4}),
    ("Tensor G2", {"Cortex-X1": 2, "Cortex-A78": 2, "Cortex-A55": 4}),
    ("Tensor G3", {"Cortex-X3": 1, "Cortex-A715": 4, "Cortex-A510": 4}),
    ("Tensor G4", {"Cortex-X4": 1, "Cortex-A720": 3, "Cortex-A520": 4}),
    ("Tensor G5", {"Cortex-X4": 1, "Cortex-A725": 5, "Cortex-A520": 2}),
    ("Dimensity 9300", {"Cortex-X4": 4, "Cortex-A720": 4}),
    ("Dimensity 9400", {"Cortex-X925": 1, "Cortex-X4": 3, "Cortex-A720": 4}),
    ("Snapdragon 888", {"Cortex-X1": 1, "Cortex-A78": 3, "Cortex-A55": 4}),
    ("Snapdragon 8 Gen 1", {"Cortex-X2": 1, "Cortex-A710": 3, "Cortex-A510": 4}),
    ("Snapdragon 8 Gen 2", {"Cortex-X3": 1, "Cortex-A715": 2, "Cortex-A710": 2, "Cortex-A510": 3}),
    ("Snapdragon 8 Gen 3", {"Cortex-X4": 1, "Cortex-A720": 5, "Cortex-A520": 2}),
    ("Snapdragon 8cx Gen 3", {"Cortex-X1C": 4, "Cortex-A78C": 4}),
    ("Snapdragon X Elite", {"Oryon": 12}),
    ("Snapdragon X Plus", {"Oryon": 10}),
    ("Snapdragon X2 Elite", {"Oryon gen 3": 18}),
    ("Snapdragon X2 Elite", {"Oryon gen 3": 12}),
    ("Snapdragon 8 Elite Gen 5", {"Oryon gen 3": 8}),
)


def names(processors: list[dict[str, str]]) -> Counter[str]:
    """How many cores there are of each kind; a kind that is not known is called by its numbers."""
    found: Counter[str] = Counter()
    for record in processors:
        maker, part = record.get("CPU implementer", "").lower(), record.get("CPU part", "").lower()
        if maker and part:
            found[CORES.get(maker, {}).get(part) or f"Arm core {maker}/{part}"] += 1
    return found


def arm_cores(processors: list[dict[str, str]]) -> str:
    """The names of the core types, fastest first, as in "Cortex-X925, Cortex-A725"."""
    return ", ".join(sorted(names(processors), key=lambda name: RANK.get(name, len(RANK))))


def arm_soc(processors: list[dict[str, str]]) -> str:
    """The chip that has exactly these cores; "" where none is known, or where several kinds have them."""
    found = names(processors)
    return next((chip for chip, cores in CHIPS if cores == dict(found)), "")

