"""How a worker keeps up with what changes outside of it: the versions that are to be served, and the index's place."""

from __future__ import annotations

import asyncio
import time

from answers.model_list import LoadResponse
from answers.model_server import ModelServer
from answers.served_versions import Choice, ServedVersions
from foundations.errors import InputError, UnavailableError
from foundations.json_log import log
from service.worker_reports import WorkerReports
from similarity.search import SimilarSearch

LOAD_SECONDS = 5.0  # that a load waits for the other workers


class VersionFollower:
    """Has this worker serve what is chosen, and chooses for all workers."""

    def __init__(self, models: ModelServer, versions: ServedVersions, reports: WorkerReports) -> None:
        self._models = models
        self._versions = versions
        self._reports = reports
        self._reported: dict[str, str] = {}

    async def load(self, name: str, version: str | None) -> LoadResponse:
        """Makes every worker serve a version, the newest where None is given.

        Raises ModelUnavailableError where it is damaged (the old one stays), LookupError where there is none such.
        """
        loader = self._models.loader
        found = await asyncio.to_thread(loader.find, name, version)
        previous = self._models.versions.get(name)
        await asyncio.to_thread(loader.load, name, found, found.version)
        try:
            await asyncio.to_thread(self._versions.serve, name, Choice(found.version, version is not None, True))
        except InputError as error:
            raise UnavailableError(str(error)) from error
        await self._follow()
        deadline = time.monotonic() + LOAD_SECONDS
        while (serving := self._reports.serving(name, found.version)) < self._reports.reported():
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(0.05)
        return LoadResponse(
            model=name,
            version=found.version,
            previous_version=previous,
            workers=self._reports.reported(),
            workers_serving=serving,
        )

    async def look(self) -> None:
        """Takes over what changed; costs microseconds where nothing did."""
        if self._models.changed() or self._reported != self._models.versions:
            await self._follow()

    def report(self) -> None:
        """Says what this worker has in memory."""
        self._reported = self._models.versions
        self._reports.write(self._reported)

    async def _follow(self) -> None:
        await asyncio.to_thread(self._models.follow)
        self.report()
        log.info("models served", versions=self._models.versions, problem=self._models.problem())


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
