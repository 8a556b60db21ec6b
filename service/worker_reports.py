"""What the workers of a service say of themselves, so that each can speak for all: a file of each in their folder.

A report says since when its worker runs and which versions it has in memory; what a worker uses is asked of the system.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from foundations.atomic_files import write_json
from foundations.errors import InputError
from modelling.names import MODEL_NAMES
from prediction_log.schemas import Resources
from service.limits.in_flight import InFlight

_CPU_SECONDS = 0.1  # over which the use of the processor is measured


class WorkerReports:
    """The reports in one service's folder; `workers` knows which of them live."""

    def __init__(self, folder: Path, workers: InFlight) -> None:
        self._folder = folder
        self._workers = workers
        self._started_at = time.time()

    def write(self, versions: dict[str, str], trials: dict[str, str]) -> None:
        """This worker's report: of each model that it has in memory the served version, and the one on trial."""
        report = {"versions": versions, "trials": trials, "started_at": self._started_at}
        with contextlib.suppress(InputError):  # the folder is gone when the service ends
            write_json(self._path(os.getpid()), report)

    def remove(self) -> None:
        """Takes this worker's report away."""
        self._path(os.getpid()).unlink(missing_ok=True)

    def reported(self) -> int:
        """How many workers have said something of themselves."""
        return len(self._read())

    def serving(self, name: str, version: str) -> int:
        """How many workers have that version of a model in memory."""
        return sum(report["versions"].get(name) == version for report in self._read())

    def trying(self, name: str, version: str) -> int:
        """How many workers have that version of a model on trial."""
        return sum(report["trials"].get(name) == version for report in self._read())

    def loaded_by(self) -> dict[str, int]:
        """How many workers have each model in memory."""
        reports = self._read()
        return {name: sum(name in report["versions"] for report in reports) for name in MODEL_NAMES}

    def resources(self) -> Resources:
        """Processor and memory of all workers; takes a tenth of a second."""
        before = self._cpu_seconds()
        time.sleep(_CPU_SECONDS)
        after = self._cpu_seconds()
        both = before.keys() & after.keys()
        used = sum(after[pid] - before[pid] for pid in both)
        return Resources(
            workers=len(after),
            cpu_percent=round(100 * used / _CPU_SECONDS, 1),
            cpu_seconds=round(sum(after.values()), 2),
            memory_bytes=sum(_memory(pid) for pid in after),
            uptime_seconds=round(time.time() - min((report["started_at"] for report in self._read()), default=0), 1),
        )

    def _path(self, pid: int) -> Path:
        return self._folder / f"worker-{pid}.json"

    def _read(self) -> list[dict[str, Any]]:
        reports = []
        for pid in self._workers.workers():
            with contextlib.suppress(OSError, ValueError):
                reports.append(json.loads(self._path(pid).read_bytes()))
        return reports

    def _cpu_seconds(self) -> dict[int, float]:
        found = {}
        for pid in self._workers.workers():
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                found[pid] = times.user + times.system
        return found


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
