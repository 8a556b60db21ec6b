"""The parts of one worker, made, started and ended together: models, store, writer, guards, and what it says of itself.

A task looks twice a second whether another model version is to be served, and each worker leaves a line about itself in
the service's folder, so that every worker can speak for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil

from answers.model_list import LoadResponse
from answers.model_server import ModelServer
from answers.served_versions import Choice, ServedVersions
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_json
from foundations.errors import InputError, UnavailableError
from foundations.json_log import log
from foundations.settings import Settings
from modelling.names import MODEL_NAMES
from prediction_log.recorder import PredictionRecorder
from prediction_log.schemas import Resources
from prediction_log.store import PredictionStore
from prediction_log.waiting import WaitingRecords
from prediction_log.writer import PredictionWriter
from service import metrics as service_metrics
from service.access import Access
from service.graceful_stop import GracefulStop
from service.schemas import Health, StoreHealth
from service.shared import keep_from_ageing, process_folder, service_folder
from similarity.places import searched_place

FOLLOW_SECONDS = 0.5  # between two looks at what is to be served
KEEP_SECONDS = 3600.0  # between two looks after its folder, which lies among temporary files
LOAD_SECONDS = 5.0  # that a load waits for the other workers
DRAIN_SECONDS = 4.0  # that the end of a worker waits for the store
_CPU_SECONDS = 0.1  # over which the use of the processor is measured


class RunningService:
    """One worker. Raises InputError where it can't start: no model is trained, or a setting is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = service_folder(settings)
        self.access = Access(settings, self.folder)
        self.versions = ServedVersions(ArtifactFolder(settings.artifacts), settings.state_folder)
        self.versions.start(self.folder)
        artifacts = ArtifactFolder(settings.artifacts)
        place = searched_place(artifacts, settings)
        self.models = ModelServer(artifacts, settings.threads, self.versions, place)
        durable = settings.log_mode == "durable"
        self.store = PredictionStore(settings.database, durable)
        self.waiting = WaitingRecords(settings.state_folder)
        self.writer = PredictionWriter(self.store, self.waiting)
        self.recorder = PredictionRecorder(self.writer, settings.store_transcripts, durable)
        self.stopping = GracefulStop()
        self.started_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []
        self._said_similar_away = False
        self._kept_at = time.monotonic()

    async def start(self) -> None:
        """Loads the model that `auto` means, connects to the store, and looks after both from now on."""
        self.access.in_flight.join()
        _say_what_is_open(self.settings, bool(self.access.keys))
        await asyncio.gather(
            asyncio.to_thread(self._warm_up),
            asyncio.to_thread(self.writer.start),
            asyncio.to_thread(self.models.similar.check),
        )
        if self.writer.problem:
            log.warning("starts without its database", problem=self.writer.problem)
        self._report()
        self.stopping.watch()
        self._tasks = [asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        """Stores what is queued, within DRAIN_SECONDS."""
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self.writer.stop, DRAIN_SECONDS)
        self.access.close()
        self.models.similar.place.close()
        self._report_path(os.getpid()).unlink(missing_ok=True)
        if not self.access.in_flight.workers():
            (self.folder / "started").unlink(missing_ok=True)  # the next start is a new service

    async def load(self, name: str, version: str | None) -> LoadResponse:
        """Makes every worker serve a version, the newest where None is given.

        Raises ModelUnavailableError where it is damaged (the old one stays), LookupError where there is none such.
        """
        found = await asyncio.to_thread(self.models.find, name, version)
        previous = self.models.versions.get(name)
        await asyncio.to_thread(self.models.read, name, found, found.version)
        try:
            await asyncio.to_thread(self.versions.serve, name, Choice(found.version, version is not None, True))
        except InputError as error:
            raise UnavailableError(str(error)) from error
        await self._follow_once()
        deadline = time.monotonic() + LOAD_SECONDS
        while (serving := self._serving(name, found.version)) < len(self._reports()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        return LoadResponse(
            model=name,
            version=found.version,
            previous_version=previous,
            workers=len(self._reports()),
            workers_serving=serving,
        )

    def health(self) -> Health:
        """How this worker, its models and its database are."""
        problem = self.models.problem() or self.writer.problem
        if not problem and self.models.similar.problem:
            problem = str(self.models.similar.problem)
        return Health(
            status="degraded" if problem else "ok",
            problem=problem,
            loaded_models=self.models.loaded,
            uptime_seconds=round(time.monotonic() - self.models.started, 3),
            workers=len(self.access.in_flight.workers()),
            store=StoreHealth(
                status="away" if self.writer.problem else "ok",
                problem=self.writer.problem,
                queued=self.writer.queued,
                waiting_on_disk=self.waiting.any(),
                dropped=self.writer.dropped,
            ),
        )

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
            uptime_seconds=round(time.time() - min((report["started_at"] for report in self._reports()), default=0), 1),
        )

    def loaded_by(self) -> dict[str, int]:
        """How many workers have each model in memory."""
        reports = self._reports()
        return {name: sum(name in report["versions"] for report in reports) for name in MODEL_NAMES}

    def measure(self) -> None:
        """Brings the gauges of /metrics up to date."""
        service_metrics.in_flight.set(self.access.in_flight.count())
        service_metrics.queued.set(self.writer.queued)
        service_metrics.dropped.set(self.writer.dropped)
        service_metrics.database_up.set(0 if self.writer.problem else 1)

    def _warm_up(self) -> None:
        try:
            log.info("model loaded", model=self.models.warm_up())
        except UnavailableError as error:
            log.warning("starts without a model", problem=str(error))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            self.stopping.send_at_once()  # here, as uvicorn may open its port only after `start`
            self.measure()
            await self._look_for_the_index()
            self._keep_the_folder()
            if self.models.changed() or self._reported != self.models.versions:
                await self._follow_once()

    def _keep_the_folder(self) -> None:
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            keep_from_ageing(process_folder())
            self._kept_at = time.monotonic()

    async def _look_for_the_index(self) -> None:
        """Where it could not be reached, whether it can be again, as nobody may ask for it meanwhile."""
        if self.models.similar.problem:
            if not self._said_similar_away:
                log.warning("no similar conversations", reason=self.models.similar.problem.reason)
                self._said_similar_away = True
            await asyncio.to_thread(self.models.similar.check)
        elif self._said_similar_away:
            log.info("similar conversations back")
            self._said_similar_away = False

    async def _follow_once(self) -> None:
        await asyncio.to_thread(self.models.follow)
        self._report()
        log.info("models served", versions=self.models.versions, problem=self.models.problem())

    def _report(self) -> None:
        self._reported = self.models.versions
        report = {"versions": self._reported, "started_at": self.started_at}
        with contextlib.suppress(InputError):  # the folder is gone when the service ends
            write_json(self._report_path(os.getpid()), report)

    def _report_path(self, pid: int) -> Path:
        return self.folder / f"worker-{pid}.json"

    def _reports(self) -> list[dict[str, Any]]:
        reports = []
        for pid in self.access.in_flight.workers():
            with contextlib.suppress(OSError, ValueError):
                reports.append(json.loads(self._report_path(pid).read_bytes()))
        return reports

    def _serving(self, name: str, version: str) -> int:
        return sum(report["versions"].get(name) == version for report in self._reports())

    def _cpu_seconds(self) -> dict[int, float]:
        found = {}
        for pid in self.access.in_flight.workers():
            with contextlib.suppress(psutil.Error):
                times = psutil.Process(pid).cpu_times()
                found[pid] = times.user + times.system
        return found


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _say_what_is_open(settings: Settings, has_keys: bool) -> None:
    if not has_keys:
        log.warning(
            "no API keys: anybody who reaches the service may predict; the log, feedback, loading, deletion and metrics "
            "are answered to programs on this machine only",
            setting="SALES_API_KEYS",
        )
    if settings.store_transcripts == "full":
        log.warning("transcripts are stored unmasked", setting="SALES_STORE_TRANSCRIPTS")
