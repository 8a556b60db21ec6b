"""How a worker keeps up with what changes outside of it: the versions that are to be served, and the index's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from answers.model_list import LoadResponse
from answers.model_server import ModelServer
from foundations.errors import UnavailableError
from foundations.json_log import failed_at, log
from learning import roles
from learning.trials import TrialRequest, TrialStarted
from modelling.saved.versions import ModelVersion
from prediction_log.actors import Action, Actor
from prediction_log.store import PredictionStore
from service.worker_reports import WorkerReports
from similarity.search import SimilarSearch

LOAD_SECONDS = 5.0  # that a load waits for the other workers
LOOK_SECONDS = 1.0  # between two looks into the database


class VersionFollower:
    """Has this worker serve what is chosen, and chooses for all workers of all machines."""

    def __init__(self, models: ModelServer, store: PredictionStore, reports: WorkerReports) -> None:
        self._models = models
        self._store = store
        self._reports = reports
        self._reported: tuple[dict[str, str], dict[str, str]] = ({}, {})

    async def load(
        self, name: str, version: str | None, actor: Actor, action: Action = "version loaded"
    ) -> LoadResponse:
        """Makes every worker serve a version, the newest where None is given.

        Raises ModelUnavailableError where it is damaged (the old one stays), LookupError where there is none such,
        RoleConflictError where it is on another machine, StoreAwayError.
        """
        found = await self._tried(name, version)
        pinned = version is not None
        before = await asyncio.to_thread(roles.promote, self._store, name, found, actor, action, pinned)
        return await self._served_everywhere(name, found.version, before)

    async def promote(self, name: str, actor: Actor) -> LoadResponse:
        """Makes the version on trial the champion. Raises as `load`, and RoleConflictError where none is on trial."""
        version = await asyncio.to_thread(roles.on_trial, self._store, name)
        return await self.load(name, version, actor, "version promoted")

    async def roll_back(self, name: str, actor: Actor) -> LoadResponse:
        """Makes the champion before this one champion again. Raises as `load`."""
        version = await asyncio.to_thread(roles.champion_before, self._store, name)
        found = await self._tried(name, version)
        before = await asyncio.to_thread(roles.roll_back, self._store, name, found, actor)
        return await self._served_everywhere(name, version, before)

    async def start_trial(self, name: str, asked: TrialRequest, actor: Actor) -> TrialStarted:
        """Puts a version on trial in every worker. Raises as `load`, and RoleConflictError where that can't be."""
        found = await self._tried(name, asked.version)
        trial, champion = await asyncio.to_thread(
            roles.start_trial, self._store, name, found, asked.role, asked.share, actor
        )
        await self._follow()
        trying = await self._waited_for(lambda: self._reports.trying(name, found.version))
        return TrialStarted.of(name, trial, champion, self._notices(name, found), self._reports.reported(), trying)

    async def end_trial(self, name: str, actor: Actor) -> str:
        """Ends it in every worker; gives its version. Raises RoleConflictError where none runs, StoreAwayError."""
        version = await asyncio.to_thread(roles.end_trial, self._store, name, actor)
        await self._follow()
        return version

    async def watch(self) -> None:
        """Takes over what changes, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 — else this worker would never follow again
                log.error("what is to be served could not be followed", reason=failed_at(error))

    def report(self) -> None:
        """Says what this worker has in memory."""
        self._reported = self._in_memory
        self._reports.write(*self._reported)

    async def _look(self) -> None:
        if await asyncio.to_thread(self._models.changed) or self._reported != self._in_memory:
            await self._follow()

    @property
    def _in_memory(self) -> tuple[dict[str, str], dict[str, str]]:
        return self._models.versions, self._models.trials

    async def _follow(self) -> None:
        await asyncio.to_thread(self._take_over)
        self.report()
        log.info("models served", versions=self._models.versions, problem=self._models.problem())

    def _take_over(self) -> None:
        self._models.follow()
        if not self._models.ready():  # `auto` may mean another model now
            try:
                self._models.warm_up()
            except UnavailableError as error:
                log.warning("no model can be served", problem=str(error))

    async def _tried(self, name: str, version: str | None) -> ModelVersion:
        """A version of this machine, loaded once to see whether it can be."""
        loader = self._models.loader
        try:
            found = await asyncio.to_thread(loader.find, name, version)
        except LookupError:
            if version is not None and await asyncio.to_thread(roles.is_known, self._store, name, version):
                raise roles.elsewhere(name, version) from None
            raise
        await asyncio.to_thread(loader.load, name, found, found.version)
        return found

    async def _served_everywhere(self, name: str, version: str, before: str | None) -> LoadResponse:
        await self._follow()
        serving = await self._waited_for(lambda: self._reports.serving(name, version))
        return LoadResponse(
            model=name,
            version=version,
            previous_version=before,
            workers=self._reports.reported(),
            workers_serving=serving,
        )

    async def _waited_for(self, count: Callable[[], int]) -> int:
        """`count` once it is that of all workers, or after LOAD_SECONDS as far as it has come."""
        deadline = time.monotonic() + LOAD_SECONDS
        while (reached := count()) < self._reports.reported() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        return reached

    def _notices(self, name: str, found: ModelVersion) -> list[str]:
        champion = self._models.served(name).found
        if champion is None or champion.manifest["encoder"]["sha256"] == found.manifest["encoder"]["sha256"]:
            return []
        encoders = (one.manifest["encoder"] for one in (champion, found))
        theirs, its = (f"{one['name']} ({one['sha256'][:8]})" for one in encoders)
        return [
            f"The champion was trained on the encoder {theirs}, this one on {its}: both are judged by their probabilities "
            "alone, so they can be compared."
        ]


class IndexWatch:
    """Looks whether the index can be reached again where it could not, as nobody may ask for it meanwhile."""

    def __init__(self, similar: SimilarSearch) -> None:
        self._similar = similar
        self._said_away = False

    async def look(self) -> None:
        """Costs nothing while all is well."""
        if self._similar.problem:
            if not self._said_away:
                log.warning("no similar conversations", reason=self._similar.problem.reason)
                self._said_away = True
            await asyncio.to_thread(self._similar.check)
        elif self._said_away:
            log.info("similar conversations back")
            self._said_away = False
