"""Numbers that stand for CPU names: the generations of x86 servers that hide their model.

Sources: AMD's and Intel's family and model numbers as the kernel lists them (arch/x86/include/asm/intel-family.h,
amd.c).
"""

from __future__ import annotations

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
