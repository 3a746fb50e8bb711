"""Takes out of a recording what tells whose machine it is: serial numbers, UUIDs, MACs, host and user names.

The same thing is replaced by the same thing everywhere in a recording, file names included, so that it stays
consistent; what probes read facts from (PCI addresses, models, sizes, versions) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}([-_])(?:[0-9a-f]{4}\1){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)
PUBLIC_UUID = "-e325-11ce-bfc1-08002be10318"  # ends those of Windows' device classes
HEX = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{32,128}(?![0-9a-fA-F])")  # container ids, machine ids
MAC = re.compile(r"(?<![0-9a-fA-F:-])(?:[0-9a-fA-F]{2}([:-]))(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}(?![0-9a-fA-F:-])")
HOME = re.compile(r"((?:/home/|/Users/|\\Users\\))([^/\\\s:\"',]+)")
# `Serial Number: X`, `"IOPlatformSerialNumber" = "X"`, `SERIAL_NUMBER=X`, `Asset Tag: X`; KFD's `unique_id 123`
KEYED = re.compile(
    r"((?:serial|asset[ _-]?tag|wwid|unique[ _-]?id)[\w .-]*\"?[ \t]*[:=][ \t]*|\bunique_id[ \t]+)(\"?)([^\"\n,;|]+)",
    re.IGNORECASE,
)
SECRET_FILE = re.compile(r"(?:serial|uuid|unique_id|asset_tag|machine-id|boot_id)[^/]*$", re.IGNORECASE)
DEVICES = re.compile(r"nvidia|nvhost|nvmap|kfd|dri|dxg|davinci|accel|kgsl|mali|apex|hisi|devmm|vfio")  # of /dev
# Names that tell nothing, and some that are part of facts.
COMMON = {
    "root", "user", "users", "host", "localhost", "linux", "ubuntu", "debian", "fedora", "arch", "nvidia", "amd",
    "intel", "apple", "jetson", "raspberrypi", "raspberry", "windows", "admin", "server", "desktop", "laptop", "gpu",
    "home", "none", "proc", "sys", "dev", "cpu", "ram", "test", "pi", "mac", "node", "data", "system", "docker",
}  # fmt: skip


class Scrubber:
    """Replaces, and remembers by what. ``hosts`` and ``users`` are names to look for."""

    def __init__(self, hosts: Iterable[str] = (), users: Iterable[str] = ()) -> None:
        self._uuids: dict[str, str] = {}
        self._hexes: dict[str, str] = {}
        self._macs: dict[str, str] = {}
        self._serials: dict[str, str] = {}
        names = [(name, "host") for host in hosts for name in (host, host.partition(".")[0])]
        names += [(name, "user") for name in users]
        self._names = {name: by for name, by in names if len(name) > 2 and name.lower() not in COMMON}
        listed = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        self._named = re.compile(rf"(?<![A-Za-z0-9])(?:{listed})(?![A-Za-z0-9])") if listed else None

    def text(self, text: str) -> str:
        """The text without what is private."""
        text = UUID.sub(lambda found: self._uuid(found[0], found[1]), text)
        text = HEX.sub(lambda found: self._numbered(self._hexes, found[0].lower(), "{:032x}"), text)
        text = MAC.sub(lambda found: self._numbered(self._macs, found[0].lower(), "02:00:00:00:00:{:02x}"), text)
        text = KEYED.sub(lambda found: found[1] + found[2] + self._serial(found[3]), text)
        text = HOME.sub(lambda found: found[1] + "user", text)
        return self._named.sub(lambda found: self._names[found[0]], text) if self._named else text

    def file(self, path: str, text: str) -> str:
        """What a file holds, some files being secrets as a whole."""
        return self._serial(text) if SECRET_FILE.search(path) else self.text(text)

    def entries(self, folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names of a folder; of /dev those of accelerators alone, as the others name disks and volumes."""
        kept = (name for name in names if folder.rstrip("/") != "/dev" or DEVICES.match(name))
        return tuple(sorted({self.text(name) for name in kept}))

    def variable(self, value: str) -> str:
        """An environment variable. A shortened UUID becomes what it was short for: call it when all else is done."""
        return ",".join(self._short(part) for part in self.text(value).split(","))

    def struct(self, value: Any) -> Any:
        """A struct with all of its texts scrubbed."""
        return msgspec.convert(self._plain(msgspec.to_builtins(value)), type(value))

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._plain(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(part) for part in value]
        return self.text(value) if isinstance(value, str) else value

    def _short(self, part: str) -> str:
        token = re.fullmatch(r"\s*((?:GPU|MIG)-)([0-9a-fA-F-]+)\s*", part)
        if token is None or token[2].lower() in self._uuids.values():
            return part
        full = [new for old, new in self._uuids.items() if old.startswith(token[2].lower())]
        return ",".join(token[1] + new for new in full) or part

    def _uuid(self, text: str, joint: str) -> str:
        old = text.lower().replace(joint, "-")
        if old in self._uuids.values() or old.endswith(PUBLIC_UUID):
            return text
        new = self._uuids.setdefault(old, "{0:08x}-0000-4000-8000-{0:012x}".format(len(self._uuids) + 1))
        return new.replace("-", joint)

    def _serial(self, text: str) -> str:
        value = text.strip()
        if not value or value in self._serials.values():
            return text
        number = 900_001 + len(self._serials)
        plain = value.isascii() and value.isdigit() and len(value) < 40
        new = self._serials.setdefault(value, str(number) if plain else f"SERIAL-{number}")
        if plain:  # KFD prints a GPU's id in decimal, and ROCm selects by GPU-<the same in hexadecimal>
            self._uuids.setdefault(f"{int(value):016x}", f"{int(new):016x}")
        return text.replace(value, new)

    @staticmethod
    def _numbered(known: dict[str, str], old: str, form: str) -> str:
        if old in known.values():
            return old
        return known.setdefault(old, form.format(len(known) + 1))
