"""CHANGELOG.md can be read by a machine: versions, dates, kinds of change, one item for each."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from llmfit import __version__

ROOT = Path(__file__).parents[2]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
VERSION = re.compile(r"## (\d+\.\d+\.\d+) \((unreleased|\d{4}-\d\d-\d\d)\)")


def read(text: str) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """By version: its date and its changes by kind; ValueError with the first line that is none of these."""
    found: dict[str, tuple[str, dict[str, list[str]]]] = {}
    items: list[str] | None = None
    changes: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines()[4:], 5):
        if match := VERSION.fullmatch(line):
            changes, items = {}, None
            found[match[1]] = match[2], changes
        elif line.startswith("### ") and line[4:] in KINDS and line[4:] not in changes and found:
            items = changes[line[4:]] = []
        elif line.startswith("- ") and items is not None:
            items.append(line[2:])
        elif line.startswith("  ") and items:
            items[-1] += f" {line.strip()}"
        elif line:
            raise ValueError(f"CHANGELOG.md:{number}: {line[:60]}")
    return found


def test_it_is_read_whole() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = read(text)
    versions = [tuple(map(int, version.split("."))) for version in found]
    assert versions == sorted(versions, reverse=True) and len(set(versions)) == text.count("\n## ")
    assert next(iter(found)) == __version__
    for date, changes in found.values():
        assert date == "unreleased" or datetime.date.fromisoformat(date)
        assert changes and all(changes.values())
        assert all(item.endswith((".", "`")) for items in changes.values() for item in items)


def test_the_reader_would_notice() -> None:
    import pytest

    for text in ("## 1.0 (unreleased)", "## 1.0.0 (2026-13-1)", "### New", "text"):
        with pytest.raises(ValueError, match=r"CHANGELOG.md:5: "):
            read("\n" * 4 + text)
