"""What part of RAM a GPU that shares it may use, where no driver says."""

from __future__ import annotations

from llmfit.machine import GIB

# Metal's recommendedMaxWorkingSetSize as a share of RAM since macOS 26, at the sizes (GiB) that llama.cpp's start lines
# showed on M1 to M5; between the sizes of one entry it is the same, outside of all it has not been seen.
METAL_SINCE_26 = ((16, 24, 0.74), (32, 48, 0.78), (64, 64, 0.81), (128, 128, 0.84))
METAL_SMALL_GIB = 36  # before: two thirds below this much RAM, three quarters from it on
OTHERS = 0.75


def unified_share(vendor: str, ram_bytes: float) -> float:
    """The share of RAM that a unified GPU may use; on Apple's, that of macOS 26 and later."""
    if vendor == "nvidia":
        return 1.0
    return metal_share(ram_bytes)[0] if vendor == "apple" else OTHERS


def metal_share(ram_bytes: float, since_26: bool = True) -> tuple[float, bool]:
    """The share that Metal allows, and whether that is known for this much RAM.

    Example: 16 GiB on macOS 26 is (0.74, True); 8 GiB was not seen there: (2/3, False), the share of older systems.
    """
    gib = ram_bytes / GIB
    if since_26:
        for least, most, share in METAL_SINCE_26:
            if least - 0.5 <= gib <= most + 0.5:
                return share, True
    return (OTHERS if gib >= METAL_SMALL_GIB - 0.5 else 2 / 3), not since_26


def metal_doubt(ram_bytes: float) -> str:
    """What is said where Metal's share is not known; "" where it is."""
    share, known = metal_share(ram_bytes)
    if known:
        return ""
    seen = f"how much of {ram_bytes / GIB:g} GiB Metal allows since macOS 26 has not been seen"
    return f"Apple: {seen}: {share:.0%} is assumed, as before"
