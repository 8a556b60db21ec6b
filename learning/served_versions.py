"""What a worker serves: what the database says, or the last of it that this machine has seen while the database is away.

All machines that share a database serve the same. A start takes the newest version of each model of its machine but where
somebody has named one; on PostgreSQL, which other machines may share, only one that was trained later than what is served.
What was read last lies in serving.json of the state folder; where the database knows nothing yet, that is taken over, also
from a release that had nothing but this file.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from answers.served_versions import Choice, model_versions, newest_versions, read_copy, write_copy
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import make_private_folder, open_private
from foundations.database import StoreAwayError
from foundations.errors import InputError
from foundations.json_log import log
from foundations.settings import Settings
from learning import roles
from model_registry import MODEL_CLASSES, ModelNotTrainedError, how_to_train
from modelling.saved.versions import ModelVersion
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import served_versions

STARTED = "started"  # a file in the folder of `service.shared`: the service has taken the newest versions
_AWAY = "The database that says which versions are served can't be reached; this worker serves "


def check_trained(settings: Settings, service: Path) -> None:
    """Before anything is written: raises ModelNotTrainedError where a start would find no model."""
    artifacts = ArtifactFolder(settings.artifacts)
    if not (service / STARTED).exists() and not newest_versions(artifacts):
        raise ModelNotTrainedError(f"No model is trained in {str(artifacts.models)!r}; {how_to_train(artifacts)}.")


def versions_in_use(settings: Settings) -> dict[str, set[str]] | None:
    """By model, the versions that a service with these settings needs; None while the database that knows is away.

    What this machine has seen last counts as well: the service may have been told of another database than this program.
    """
    seen = read_copy(settings.state_folder / "serving.json")
    found = {
        model: {choice.version} | ({choice.trial.version} if choice.trial else set()) for model, choice in seen.items()
    }
    if not settings.database_url and not (settings.state_folder / "predictions.db").exists():
        return found
    store = PredictionStore(settings.database)
    try:
        with store.connection() as connection:
            for model, versions in roles.in_use(connection).items():
                found.setdefault(model, set()).update(versions)
    except StoreAwayError:
        return None
    finally:
        store.close()
    return found


class ServedVersions:
    """A `VersionSource` on one database, for the artifact folder and the state folder of the settings."""

    def __init__(self, settings: Settings, store: PredictionStore) -> None:
        self._artifacts = ArtifactFolder(settings.artifacts)
        self._store = store
        self._shared = settings.database.startswith("postgresql")
        self._copy = settings.state_folder / "serving.json"
        self._lock = settings.state_folder / ".serving.lock"
        self._late: Path | None = None  # there while the start could not reach the database
        self._seen: dict[str, Choice] | None = None  # in the database, by this process
        self.problem: str | None = None

    def start(self, service: Path) -> None:
        """Takes the newest versions, once for each service, whichever of its workers comes first.

        service: the folder of `service.shared`. Raises InputError where the state folder can't be written to.
        """
        started, self._late = service / STARTED, service / "takes-newest-later"
        with self._locked():
            if started.exists():
                return
            try:
                self._fill(starts=True)
            except StoreAwayError as error:
                log.warning("starts with the versions last seen", reason=error.reason)
                write_copy(self._copy, self._newest_or_named(read_copy(self._copy)))
                self._late.touch()
            started.touch()

    def read(self) -> dict[str, Choice]:
        """What is to be served now; waits for the database, some seconds where it is away."""
        try:
            found = self._from_database()
        except StoreAwayError:
            return self._without_database()
        if found != self._seen:
            try:
                write_copy(self._copy, found)
            except InputError as error:
                log.error("what is served could not be copied to the state folder", problem=str(error))
        self._seen, self.problem = found, None
        return found

    def _from_database(self) -> dict[str, Choice]:
        if self._late is not None and self._late.exists():
            with self._locked():
                if self._late.exists():
                    self._fill(starts=True)
                    self._late.unlink()
        with self._store.connection() as connection:
            found = roles.current(connection)
        if not found:  # a database that is new, also one that was deleted while the service ran
            self._fill(starts=False)
            with self._store.connection() as connection:
                found = roles.current(connection)
        return found

    def _without_database(self) -> dict[str, Choice]:
        if self._seen is not None:
            return self._seen
        copy = read_copy(self._copy)
        self.problem = _AWAY + ("what this machine has seen last." if copy else "the newest that it has.")
        return copy or newest_versions(self._artifacts)

    def _fill(self, starts: bool) -> None:
        """Brings the database up to what this machine has: models that it lacks, at a start the newest versions as well.

        Raises StoreAwayError.
        """
        with roles.changing(self._store) as connection:
            if not roles.current(connection):
                self._take_over(connection, read_copy(self._copy))
            for model in MODEL_CLASSES:
                champion = roles.champion_row(connection, model)
                versions = model_versions(self._artifacts, model)
                if versions and (champion is None or (starts and self._is_outdated(champion, versions[0]))):
                    roles.crown(connection, roles.champion_record(model, versions[0]), champion)
                elif starts and not versions and champion is not None and not (champion.pinned or self._shared):
                    roles.end(connection, champion, "not trained")

    def _is_outdated(self, champion: Any, newest: ModelVersion) -> bool:
        if champion.pinned or champion.version == newest.version:
            return False
        return not self._shared or champion.trained_at is None or roles.trained_at(newest) > champion.trained_at

    def _take_over(self, connection: Connection, copy: Mapping[str, Choice]) -> None:
        """What a file says is served, also what is not on this machine any more; a trial's figures were elsewhere."""
        for model, choice in copy.items():
            found = [one for one in model_versions(self._artifacts, model) if one.version == choice.version]
            record = roles.taken_over(model, choice, found[0] if found else None)
            connection.execute(insert(served_versions).values(record))

    def _newest_or_named(self, copy: Mapping[str, Choice]) -> dict[str, Choice]:
        return newest_versions(self._artifacts) | {model: choice for model, choice in copy.items() if choice.pinned}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            make_private_folder(self._lock.parent)
            file = open_private(self._lock)
        except OSError as error:
            raise InputError(
                f"Cannot write to {str(self._lock.parent)!r} ({error.strerror}); give a folder with SALES_STATE."
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
