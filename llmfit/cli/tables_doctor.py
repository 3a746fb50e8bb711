"""The report of ``llmfit doctor`` for a terminal."""

from __future__ import annotations

import msgspec

from llmfit.cli.doctor import Diagnosis
from llmfit.cli.tables import console, facts, system_facts
from llmfit.hardware.examine import Probed, Seen
from llmfit.machine import GIB


def show_doctor(body: bytes) -> None:
    answer = msgspec.json.decode(body, type=Diagnosis)
    out = console()
    rows = [(version.name, version.value) for version in answer.versions]
    rows.append(("Catalog", f"{answer.catalog.version}, {answer.catalog.digest}"))
    rows += [(chosen.name, repr(chosen.value)) for chosen in answer.selectors]
    out.print(facts(rows + system_facts(answer.system)))
    for probe in answer.probes:
        out.print(f"\n[bold]{probe.name}[/] {probe.ms:.1f} ms, {len(probe.devices)} devices")
        out.print(facts(asked(probe) + [row for device in probe.devices for row in told(device)]))
    if answer.recording is not None:
        out.print(f"\nRecorded in {answer.recording.path}. Look through it before you pass it on.")
        if answer.recording.differs:
            out.print(f"Played back, it differs in {', '.join(answer.recording.differs)}.")


def asked(probe: Probed) -> list[tuple[str, str]]:
    """What it asked, a line each; what is not there in one line."""
    absent = [ask.what for ask in probe.asked if ask.outcome in ("absent", "unset", "missing or cut off")]
    rows = [
        (ask.kind, f"{ask.what}: {ask.outcome}, {ask.ms:.1f} ms".removeprefix(": "))
        for ask in probe.asked
        if ask.what not in absent
    ]
    return rows + ([("absent", ", ".join(absent))] if absent else []) + [("warning", text) for text in probe.warnings]


def told(seen: Seen) -> list[tuple[str, str]]:
    """A device and its facts, each with where it is from and how sure that is."""
    device = seen.device
    rows = [("device", f"{device.name}, seen by {device.seen_by}{'' if device.visible else ', hidden'}")]
    if device.record:
        rows.append(("  record", device.record))
    for fact in seen.facts:
        value = "unknown"
        if fact.value is not None:
            amount = f"{fact.value / GIB:.2f} GiB" if fact.unit == "bytes" else f"{fact.value:g} {fact.unit}"
            value = f"{amount} ({', '.join(filter(None, (fact.source, fact.confidence)))})"
        rows.append((f"  {fact.name}", value))
    return rows
