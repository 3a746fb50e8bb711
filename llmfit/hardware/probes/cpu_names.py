"""Numbers that stand for CPU names: ARM core types, and the generations of x86 servers that hide their model.

Sources: Arm's and the kernel's MIDR tables (arch/arm64/include/asm/cputype.h); AMD's and Intel's family and
model numbers as the kernel lists them (arch/x86/include/asm/intel-family.h, amd.c).
"""

from __future__ import annotations

# (implementer, part) -> name. Big cores stand before small ones: names are joined in this order.
ARM_CORES = {
    ("0x41", "0xd85"): "Cortex-X925",
    ("0x41", "0xd82"): "Cortex-X4",
    ("0x41", "0xd4e"): "Cortex-X3",
    ("0x41", "0xd48"): "Cortex-X2",
    ("0x41", "0xd44"): "Cortex-X1",
    ("0x41", "0xd84"): "Neoverse-V3",
    ("0x41", "0xd83"): "Neoverse-V3AE",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd8e"): "Neoverse-N3",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd87"): "Cortex-A725",
    ("0x41", "0xd81"): "Cortex-A720",
    ("0x41", "0xd4d"): "Cortex-A715",
    ("0x41", "0xd47"): "Cortex-A710",
    ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd0d"): "Cortex-A77",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0a"): "Cortex-A75",
    ("0x41", "0xd09"): "Cortex-A73",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd80"): "Cortex-A520",
    ("0x41", "0xd46"): "Cortex-A510",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x46", "0x001"): "A64FX",
    ("0x48", "0xd01"): "Kunpeng 920",
    ("0x4e", "0x004"): "Carmel",
    ("0x51", "0x001"): "Oryon",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1A",
}

# (vendor, family, model) -> a name that the CPU table knows.
GENERATIONS = {
    ("AuthenticAMD", "23", "1"): "AMD EPYC Processor",  # Naples
    ("AuthenticAMD", "23", "49"): "AMD EPYC-Rome",
    ("AuthenticAMD", "25", "1"): "AMD EPYC-Milan",
    ("AuthenticAMD", "25", "17"): "AMD EPYC-Genoa",
    ("AuthenticAMD", "25", "160"): "AMD EPYC-Genoa",  # Bergamo; Siena, rarer, has half the channels
    ("AuthenticAMD", "26", "2"): "AMD EPYC-Turin",
    ("AuthenticAMD", "26", "17"): "AMD EPYC-Turin",
    ("GenuineIntel", "6", "63"): "Xeon (Haswell)",
    ("GenuineIntel", "6", "79"): "Xeon (Broadwell)",
    ("GenuineIntel", "6", "85"): "Xeon (Cascadelake)",  # Skylake to Cooper Lake, by stepping
    ("GenuineIntel", "6", "106"): "Xeon (Icelake)",
    ("GenuineIntel", "6", "143"): "Xeon (Sapphirerapids)",
    ("GenuineIntel", "6", "207"): "Xeon (Emeraldrapids)",
    ("GenuineIntel", "6", "173"): "Xeon (Graniterapids)",
    ("GenuineIntel", "6", "175"): "Xeon 6700E",  # Sierra Forest
}


def generation(record: dict[str, str]) -> str:
    """The server generation of a /proc/cpuinfo record by family and model number; "" if not a server's."""
    name = record.get("model name", "")
    if "EPYC" not in name and "Xeon" not in name:
        return ""
    key = (record.get("vendor_id", ""), record.get("cpu family", ""), record.get("model", ""))
    return GENERATIONS.get(key, "")
