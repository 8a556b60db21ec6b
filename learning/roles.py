"""Which version of each model is champion and which is on trial: the rows of `served_versions`, each change one transaction.

A champion stays until another takes its place, and its row says which one it replaced, so that one may go back. A model has
at most one trial at a time, which ends with its champion: what it compared is over then. `promote` is the one way to make
a version the champion, whoever does it; it is in the audit log with what it did, both or neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text, union, update

from answers.served_versions import Choice, Trial, TrialRole
from foundations.errors import InputError
from modelling.saved.training_record import ranked_by
from modelling.saved.versions import ModelVersion
from prediction_log.actors import Action, Actor, audit_row
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import served_versions
from prediction_log.tables.requests import audit
from prediction_log.tables.rows import Record, new_prediction_id

CHAMPION = "champion"
_columns = served_versions.c


class RoleConflictError(InputError):
    """What is asked contradicts what is served; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def promote(
    store: PredictionStore,
    model: str,
    found: ModelVersion,
    actor: Actor,
    action: Action = "version promoted",
    pinned: bool = True,
) -> str | None:
    """Makes a version of a model the champion that every worker of every machine serves, in one transaction.

    found: as `model_versions` lists it, so of this model; its files should have been loaded once before. pinned: later
    starts keep it, whatever is trained meanwhile. A trial of the model ends. Gives the version served before, None where
    there was none. Raises StoreAwayError; then nothing has changed.
    """
    with changing(store) as connection:
        old = champion_row(connection, model)
        before = old.version if old else None
        if old is not None and before == found.version:
            kept = update(served_versions).where(_columns.entry_id == old.entry_id)
            connection.execute(kept.values(pinned=pinned, wanted=True))
        else:
            crown(connection, champion_record(model, found, pinned, wanted=True), old)
        note(connection, actor, action, model, before=before, after=found.version)
    return before


def champion_before(store: PredictionStore, model: str) -> str:
    """The version that `roll_back` goes back to. Raises RoleConflictError where there is none, StoreAwayError."""
    with store.connection() as connection:
        return str(_rows_to_roll_back(connection, model)[1].version)


def roll_back(store: PredictionStore, model: str, found: ModelVersion, actor: Actor) -> str:
    """Makes the champion before this one, which is `found`, champion again; gives the one that it replaces.

    Called again it goes back one more, never forth. Raises RoleConflictError where there was none before, or meanwhile
    another one; StoreAwayError.
    """
    with changing(store) as connection:
        old, before = _rows_to_roll_back(connection, model)
        if before.version != found.version:
            raise RoleConflictError(
                "changed_meanwhile", f"Another version of {model!r} was made the champion meanwhile."
            )
        same = {name: getattr(before, name) for name in ("model", "version", "trained_at", "metrics", "replaces")}
        crown(
            connection, {**_new_row(**same), "role": CHAMPION, "pinned": True, "wanted": True}, old, keeps_history=True
        )
        note(connection, actor, "version rolled back", model, before=old.version, after=before.version)
    return str(old.version)


def start_trial(
    store: PredictionStore, model: str, found: ModelVersion, role: TrialRole, share: float | None, actor: Actor
) -> tuple[Trial, str]:
    """Puts a version on trial beside the champion, which later starts keep from then on; gives both.

    share: percent of the deals, of a split. Raises RoleConflictError where it is the champion, or another trial runs;
    StoreAwayError.
    """
    with changing(store) as connection:
        champion = champion_row(connection, model)
        if champion is None or champion.version == found.version:
            raise RoleConflictError(
                "already_champion", f"{found.version!r} is the champion of {model!r}; put another version on trial."
            )
        if running := trial_row(connection, model):
            raise RoleConflictError(
                "trial_runs", f"{model!r} has {running.version!r} on trial; promote it or end its trial first."
            )
        row = _new_row(model=model, role=role, version=found.version, share=share, against=champion.version)
        connection.execute(insert(served_versions).values(row | _known(found) | {"wanted": True}))
        connection.execute(
            update(served_versions).where(_columns.entry_id == champion.entry_id).values(pinned=True, wanted=True)
        )
        note(connection, actor, "trial started", model, version=found.version, role=role, share=share)
    return Trial(row["entry_id"], role, found.version, share or 0.0), str(champion.version)


def end_trial(store: PredictionStore, model: str, actor: Actor) -> str:
    """Ends a model's trial; its figures stay. Gives its version. Raises RoleConflictError where none runs, StoreAwayError."""
    with changing(store) as connection:
        running = trial_row(connection, model)
        if running is None:
            raise _no_trial(model)
        end(connection, running, "ended")
        note(connection, actor, "trial ended", model, version=running.version, role=running.role)
    return str(running.version)


def on_trial(store: PredictionStore, model: str) -> str:
    """The version on trial. Raises RoleConflictError where none is, StoreAwayError."""
    with store.connection() as connection:
        running = trial_row(connection, model)
    if running is None:
        raise _no_trial(model)
    return str(running.version)


def _no_trial(model: str) -> RoleConflictError:
    return RoleConflictError(
        "no_trial", f"No version of {model!r} is on trial; start one with POST /models/{model}/trial."
    )


def elsewhere(model: str, version: str) -> RoleConflictError:
    """What is said of a version whose files lie on another machine."""
    return RoleConflictError(
        "version_elsewhere",
        f"The version {version!r} of {model!r} is not on this machine; copy its folder of models/versions here, or train it.",
    )


def is_known(store: PredictionStore, model: str, version: str) -> bool:
    """Whether a version was ever served or on trial, on whatever machine. Raises StoreAwayError."""
    wanted = select(_columns.entry_id).where(_columns.model == model, _columns.version == version).limit(1)
    return bool(store.rows(wanted))


def in_use(connection: Connection) -> dict[str, set[str]]:
    """By model, the versions whose files are needed: the champion, what is on trial, and what a rollback goes back to."""
    running = select(_columns.model, _columns.version).where(_columns.until.is_(None))
    replaced = select(_columns.replaces).where(_columns.until.is_(None), _columns.replaces.is_not(None))
    before = select(_columns.model, _columns.version).where(_columns.entry_id.in_(replaced))
    found: dict[str, set[str]] = {}
    for row in connection.execute(union(running, before)):
        found.setdefault(row.model, set()).add(row.version)
    return found


def current(connection: Connection) -> dict[str, Choice]:
    """What is served and on trial now, by model."""
    rows = list(connection.execute(select(served_versions).where(_columns.until.is_(None))))
    trials = {
        row.model: Trial(row.entry_id, row.role, row.version, row.share or 0.0) for row in rows if row.role != CHAMPION
    }
    return {
        row.model: Choice(row.version, row.pinned, row.wanted, row.metrics, trials.get(row.model))
        for row in rows
        if row.role == CHAMPION
    }


# What the above, and `learning.served_versions`, are made of


@contextlib.contextmanager
def changing(store: PredictionStore) -> Iterator[Connection]:
    """A transaction that changes roles: one after the other, on PostgreSQL as on SQLite. Raises StoreAwayError."""
    with store.connection(writing=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"LOCK TABLE {served_versions.name} IN SHARE ROW EXCLUSIVE MODE"))
        yield connection


def champion_row(connection: Connection, model: str) -> Any:
    """The champion's row; None where there is none."""
    return connection.execute(_running(model).where(_columns.role == CHAMPION)).first()


def trial_row(connection: Connection, model: str) -> Any:
    """The row of the trial that runs; None where none does."""
    return connection.execute(_running(model).where(_columns.role != CHAMPION)).first()


def champion_record(model: str, found: ModelVersion, pinned: bool = False, wanted: bool = False) -> Record:
    """A row that makes a version the champion."""
    return _new_row(model=model, role=CHAMPION, version=found.version, pinned=pinned, wanted=wanted) | _known(found)


def taken_over(model: str, choice: Choice, found: ModelVersion | None) -> Record:
    """A row for what a file says is served; found: the version, where it is on this machine."""
    named = {
        "version": choice.version,
        "pinned": choice.pinned,
        "wanted": choice.wanted,
        "metrics": dict(choice.metrics),
    }
    return _new_row(model=model, role=CHAMPION, **named) | (_known(found) if found else {})


def trained_at(found: ModelVersion) -> datetime:
    """When a version was trained."""
    return datetime.fromisoformat(found.manifest["created_at"])


def crown(connection: Connection, record: Record, old: Any, keeps_history: bool = False) -> None:
    """Ends the row of the old champion, if there is one, and the trial against it, and stores the new one's.

    keeps_history: `record` says itself which one it replaces.
    """
    running = trial_row(connection, record["model"])
    if running is not None:
        end(connection, running, "promoted" if running.version == record["version"] else "another champion")
    if old is not None:
        end(connection, old, "replaced")
        record = record if keeps_history else record | {"replaces": old.entry_id}
    connection.execute(insert(served_versions).values(record))


def end(connection: Connection, row: Any, why: str) -> None:
    """A role's end."""
    statement = update(served_versions).where(_columns.entry_id == row.entry_id)
    connection.execute(statement.values(until=datetime.now(UTC), ended=why))


def note(connection: Connection, actor: Actor, action: Action, model: str, **detail: Any) -> None:
    """A row of the audit log, in the same transaction."""
    connection.execute(insert(audit).values(audit_row(actor, action, model, **detail)))


def _running(model: str) -> Any:
    return select(served_versions).where(_columns.model == model, _columns.until.is_(None))


def _rows_to_roll_back(connection: Connection, model: str) -> tuple[Any, Any]:
    """The champion's row, and that of the one before it."""
    old = champion_row(connection, model)
    if old is not None and old.replaces is not None:
        before = connection.execute(select(served_versions).where(_columns.entry_id == old.replaces)).first()
        if before is not None:
            return old, before
    raise RoleConflictError("no_champion_before", f"No version of {model!r} was served before this one.")


def _new_row(**values: Any) -> Record:
    empty: Record = dict.fromkeys(("share", "trained_at", "replaces", "against", "until", "ended"))
    fresh = {
        "entry_id": new_prediction_id(),
        "since": datetime.now(UTC),
        "pinned": False,
        "wanted": False,
        "metrics": {},
    }
    return empty | fresh | values


def _known(found: ModelVersion) -> Record:
    return {"trained_at": trained_at(found), "metrics": ranked_by(found.manifest)}
