"""`llmfit serve` on a recorded machine whose free RAM is what stdin says: one number of GiB a line.

Arguments: the machine's file, how many workers, the port or the path of a Unix socket, seconds between heartbeats.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import msgspec
from msgspec.structs import replace

from llmfit._core import keep_freed_memory
from llmfit.machine import Machine
from llmfit.server import app, workers
from llmfit.server.app import Settings
from llmfit.server.process.shared_state import SharedState
from llmfit.server.routes import events


def main(file: str, count: str, where: str, heartbeat: str) -> None:
    keep_freed_memory()  # as `llmfit serve` does before any thread begins
    machine = msgspec.json.decode(Path(file).read_bytes(), type=Machine)
    events.HEARTBEAT_SECONDS = float(heartbeat)
    state = SharedState()
    app.SharedState = lambda: state  # type: ignore[assignment,misc]

    def tell() -> None:
        for line in sys.stdin:
            free, _, seen = line.partition(" ")
            state.publish(replace(machine, ram_available_bytes=int(float(free) * (1 << 30)), observed_at=seen.strip()))

    threading.Thread(target=tell, daemon=True).start()
    address = {"port": int(where)} if where.isdigit() else {"unix_socket": where}
    workers.serve(Settings(machine=machine, observe=False, workers=int(count), **address))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
