"""Which GPUs the environment leaves to a process. Drivers list them all."""

from __future__ import annotations

from msgspec.structs import replace

from llmfit.hardware.source import Source
from llmfit.machine import Device


def apply_visible(
    source: Source, variable: str, devices: list[Device], parents: list[int], warnings: list[str]
) -> list[Device]:
    """``devices`` with `visible` set; ``parents`` holds the index of the card that each is, or lies on."""
    value = source.env(variable)
    chosen = list(range(len(devices)))
    if value is not None and devices:
        chosen = _chosen(value, variable, devices, parents, warnings)
        if len(chosen) < len(devices):
            hidden = len(devices) - len(chosen)
            warnings.append(f"{variable} hides {hidden} of {len(devices)} {devices[0].vendor.upper()} devices")
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
        if token.isdigit():
            found = [index for index, parent in enumerate(parents) if parent == int(token)]
        else:
            found = [index for index, device in enumerate(devices) if (device.uuid or "").startswith(token)]
        if not found:  # drivers ignore everything from the first bad entry on
            warnings.append(f"CUDA_VISIBLE_DEVICES: there is no GPU {token!r}; it and what follows are ignored")
            break
        chosen += [index for index in found if index not in chosen]
    return chosen
