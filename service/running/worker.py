"""The parts of one worker, made, started and ended together: guards, sources, store, and what looks after them.

A task looks twice a second after what changes outside of the worker (`service.following`). Routes are handed the parts
that they need, never the worker.
"""

from __future__ import annotations

import asyncio
import time

from answers.sources import Sources
from conversations.hearing.weights import check_can_hear
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import keep_private
from foundations.errors import UnavailableError
from foundations.json_log import log
from foundations.settings import Settings
from foundations.texts import without_folders
from learning.served_versions import STARTED, ServedVersions, check_trained
from prediction_log.crossings.finding import queueing
from prediction_log.recorder import PredictionRecorder
from prediction_log.store import PredictionStore
from prediction_log.waiting import WaitingRecords
from prediction_log.writer import PredictionWriter
from service import metrics as service_metrics
from service.access.admin_key import admin_key_path
from service.access.guards import Access
from service.api_errors import error_response
from service.following import IndexWatch, VersionFollower
from service.graceful_stop import GracefulStop
from service.limits.crowd import Crowd
from service.recordings.line import Hearing
from service.schemas import Health, StoreHealth
from service.shadow_scoring import TrialScores
from service.shared import keep_from_ageing, process_folder, service_folder
from service.webhook.sender import webhook_of
from service.worker_reports import WorkerReports
from similarity.places import searched_place

LOOK_SECONDS = 0.5  # between two looks at what changed
KEEP_SECONDS = 3600.0  # between two looks after its folder, which lies among temporary files
DRAIN_SECONDS = 4.0  # that the end of a worker waits for the store
TRIAL_SECONDS = 1.0  # and for what versions on trial said


class RunningService:
    """One worker. Raises InputError where it can't start: no model is trained, or a setting is wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._folder = service_folder(settings)
        keep_private(settings.state_folder)
        if settings.speech_model:
            check_can_hear(settings.speech_model)
        artifacts = ArtifactFolder(settings.artifacts)
        check_trained(settings, self._folder)
        durable = settings.log_mode == "durable"
        told = queueing(settings.crossed_lines) if settings.webhook_url else None
        self.store = PredictionStore(settings.database, durable, told)
        versions = ServedVersions(settings, self.store)
        versions.start(self._folder)
        self.sources = Sources.of(artifacts, settings.threads, versions, searched_place(artifacts, settings))
        self.access = Access(settings, self._folder, self.store)
        is_proxy = self.access.callers.addresses.is_trusted
        self.crowd = Crowd(settings.max_connections, settings.max_address_connections, error_response, is_proxy)
        self._waiting = WaitingRecords(settings.state_folder)
        self.writer = PredictionWriter(self.store, self._waiting)
        self.recorder = PredictionRecorder(self.writer, settings.store_transcripts, durable)
        self.reports = WorkerReports(self._folder, self.access.admission.in_flight)
        self.following = VersionFollower(self.sources.models, self.store, self.reports)
        self.trials = TrialScores(self.sources.models, self.store, self.access.admission.in_flight.count)
        self.stopping = GracefulStop()
        self._webhook = webhook_of(settings, self.store, self.sources.models)
        self.hearing = Hearing(self._folder / "recordings", settings.speech_model)
        self._index = IndexWatch(self.sources.similar)
        self._looking: list[asyncio.Task[None]] = []
        self._started = self._kept_at = time.monotonic()

    async def start(self) -> None:
        """Loads the model that `auto` means, connects to the store, and looks after both from now on."""
        self.access.admission.in_flight.join()
        _say_what_is_open(self.settings, self.access.callers.keys.configured)
        await asyncio.gather(
            asyncio.to_thread(self._warm_up),
            asyncio.to_thread(self.writer.start),
            asyncio.to_thread(self.sources.similar.check),
        )
        if self.writer.problem:
            log.warning("starts without its database", problem=self.writer.problem)
        self.following.report()
        if self._webhook:
            self._webhook.start()
        self.trials.start()
        self.stopping.watch()
        watched = (self._look_after_all(), self.crowd.watch(), self.following.watch())
        self._looking = [asyncio.create_task(watch) for watch in watched]

    async def stop(self) -> None:
        """Stores what is queued, within DRAIN_SECONDS."""
        for looking in self._looking:
            looking.cancel()
        if self._webhook:
            await asyncio.to_thread(self._webhook.stop)
        await asyncio.to_thread(self.trials.stop, TRIAL_SECONDS)
        await asyncio.to_thread(self.writer.stop, DRAIN_SECONDS)
        self.access.close()
        self.hearing.close()
        self.sources.similar.place.close()
        self.reports.remove()
        if not self.access.admission.in_flight.workers():
            (self._folder / STARTED).unlink(missing_ok=True)  # the next start is a new service

    def health(self) -> Health:
        """How this worker, its models and its database are."""
        models, away = self.sources.models, self.sources.similar.problem
        problem = models.problem() or self.writer.problem or (str(away) if away else None)
        return Health(
            status="degraded" if problem else "ok",
            problem=problem and without_folders(problem, self.settings.folders),
            loaded_models=sorted(models.versions),
            uptime_seconds=round(time.monotonic() - self._started, 3),
            workers=len(self.access.admission.in_flight.workers()),
            store=StoreHealth(
                status="away" if self.writer.problem else "ok",
                problem=self.writer.problem,
                queued=self.writer.queued,
                waiting_on_disk=self._waiting.any(),
                dropped=self.writer.dropped,
            ),
        )

    def measure(self) -> None:
        """Brings the gauges of /metrics up to date."""
        service_metrics.in_flight.set(self.access.admission.in_flight.count())
        service_metrics.queued.set(self.writer.queued)
        service_metrics.dropped.set(self.writer.dropped)
        service_metrics.database_up.set(0 if self.writer.problem else 1)
        service_metrics.model_ready.set(1 if self.sources.models.ready() else 0)

    def _warm_up(self) -> None:
        try:
            log.info("model loaded", model=self.sources.models.warm_up())
        except UnavailableError as error:
            log.warning("starts without a model", problem=str(error))

    async def _look_after_all(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.stopping.look_after_port()  # here, as uvicorn may open its port only after `start`
            self.measure()
            await self._index.look()
            await asyncio.to_thread(self.hearing.look)
            self._keep_the_folder()

    def _keep_the_folder(self) -> None:
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            keep_from_ageing(process_folder())
            self._kept_at = time.monotonic()


def _say_what_is_open(settings: Settings, has_keys: bool) -> None:
    if not has_keys:
        who = "anybody who reaches the service" if settings.open == "yes" else "programs of this machine"
        log.warning(
            f"no API keys: {who} may predict; the log, feedback, loading, deletion and metrics need the admin key",
            setting="SALES_API_KEYS",
            admin_key=str(admin_key_path(settings)),
        )
    if settings.store_transcripts == "full":
        log.warning("transcripts are stored unmasked", setting="SALES_STORE_TRANSCRIPTS")
