"""Which GPUs the environment leaves to a process. Drivers list them all."""

from __future__ import annotations

from msgspec.structs import replace

from llmfit.hardware.probes.memory import number
from llmfit.hardware.sources.source import Source
from llmfit.machine import Device


def apply_visible(
    source: Source, variable: str, devices: list[Device], parents: list[int], warnings: list[str]
) -> list[Device]:
    """``devices`` with `visible` set; ``parents`` holds the index of the card that each is, or lies on.

    Devices that are hidden already stay so; indices count those that are left.
    """
    value = source.env(variable)
    left = [index for index, device in enumerate(devices) if device.visible]
    chosen = left
    if value is not None and left:
        cards = {parent: at for at, parent in enumerate(dict.fromkeys(parents[index] for index in left))}
        own = [cards[parents[index]] for index in left]
        chosen = [left[at] for at in _chosen(value, variable, [devices[index] for index in left], own, warnings)]
        if len(chosen) < len(left):
            hidden = len(left) - len(chosen)
            warnings.append(f"{variable} hides {hidden} of {len(left)} {devices[0].vendor.upper()} devices")
    mig = [index for index in chosen if (devices[index].uuid or "").startswith("MIG-")]
    if len(mig) > 1:
        warnings.append(f"a process can use one MIG device: {len(mig) - 1} of {len(mig)} are not counted")
    visible = set(chosen) - set(mig[1:])
    return [device if index in visible else replace(device, visible=False) for index, device in enumerate(devices)]


def _chosen(value: str, variable: str, devices: list[Device], parents: list[int], warnings: list[str]) -> list[int]:
    chosen: list[int] = []
    for token in (part.strip() for part in value.split(",")):
        if token in ("", "-1", "NoDevFiles"):
            break
        card, _, tile = token.partition(".")  # ZE_AFFINITY_MASK: a tile of a device
        if (wanted := number(card)) is not None and (not tile or number(tile) is not None):
            found = [index for index, parent in enumerate(parents) if parent == wanted]
        else:
            found = [index for index, device in enumerate(devices) if (device.uuid or "").startswith(token)]
        if not found:  # drivers ignore everything from the first bad entry on
            warnings.append(f"{variable}: there is no GPU {token!r}; it and what follows are ignored")
            break
        chosen += [index for index in found if index not in chosen]
    return chosen
