"""`llmfit serve` on a recorded machine that changes under it: the observer reads the folder anew at each look.

Arguments: the folder, how many workers, the port. While the folder holds a file `hang`, NVML does not answer.
"""

from __future__ import annotations

import sys
import time

from llmfit.catalog import catalog
from llmfit.hardware.detect import detect
from llmfit.hardware.sources import nvml, source
from llmfit.hardware.sources.source import ReplaySource
from llmfit.hardware.steady import steady
from llmfit.server import workers
from llmfit.server.app import Settings


class Changing(ReplaySource):
    def nvml(self) -> nvml.NvmlSnapshot:
        def read() -> nvml.NvmlSnapshot:
            while (self._folder / "hang").exists():
                time.sleep(0.05)
            return self._nvml

        return nvml.collect(read=read)


def main(folder: str, count: str, port: str) -> None:
    source.LiveSource = lambda measure=True: Changing(folder)  # type: ignore[assignment,misc]
    workers.OBSERVE_SECONDS, workers.NEWS_SECONDS = 0.1, 0.05
    machine = steady(detect(catalog.default().tables, Changing(folder)))
    workers.serve(Settings(machine=machine, workers=int(count), port=int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
