"""A reservation is of the GPU that it was made on, wherever that stands now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from llmfit.catalog.catalog import Catalog
from llmfit.machine import GIB, Machine
from llmfit.query.engine import Engine
from llmfit.server.routes.page_cache import PageCache
from llmfit.server.routes.reservation_store import ReservationStore
from llmfit.server.routes.reservations import Reservations


@pytest.mark.parametrize("known", ["uuid", "pci_address", "name"])
def test_it_follows_the_gpu(catalog: Catalog, machine_of: Callable[[str], Machine], known: str) -> None:
    machine = machine_of("rtx-3090-x2")
    first, second = (
        replace(device, uuid=f"GPU-{at}" if known == "uuid" else None, free_bytes=20 * GIB, name=f"GPU {at}",
                pci_address=None if known == "name" else f"00000000:0{at + 1}:00.0")
        for at, device in enumerate(machine.devices)
    )  # fmt: skip
    both = replace(machine, devices=(first, second))
    held = Reservations(Engine(catalog, both), ReservationStore())
    made = held.reserve({"vram_gb": [15, 0]})
    assert made.vram_gb == (15.0, 0.0)
    held.settle(replace(machine, devices=(second,)))
    assert held.engine.machine.devices[0].free_bytes == 20 * GIB
    assert held.listed().vram_gb == (0.0,) and held.listed().reservations[0].vram_gb == (15.0, 0.0)
    assert held.reserve({"vram_gb": 15}).vram_gb == (15.0,)
    shorter = replace(first, pci_address=first.pci_address and first.pci_address[4:])
    held.settle(replace(machine, devices=(second, shorter)))
    assert [device.free_bytes for device in held.engine.machine.devices] == [5 * GIB, 5 * GIB]
    assert held.listed().vram_gb == (15.0, 15.0)


def test_what_is_installed_is_in_the_etag(
    catalog: Catalog, machine_of: Callable[[str], Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    pages = PageCache(Engine(catalog, machine_of("rtx-4090-24gb")))
    key = ("models", "search=Qwen3-8B", None)
    before = pages.check(key), pages.make(key)
    (tmp_path / "models--Qwen--Qwen3-8B").mkdir()
    pages.engine.adopt(catalog)
    after = pages.check(key), pages.make(key)
    assert before[1].body != after[1].body and before[0] != after[0]  # type: ignore[union-attr]
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "none"))
    pages.engine.adopt(catalog)
    assert (pages.check(key), pages.make(key)) == before
