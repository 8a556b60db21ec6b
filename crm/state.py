"""What the sync remembers of an account, in the prediction database: cursors, what was written, and the queue.

Of what customers said it holds hashes alone. What belongs together is stored in one transaction, so that a run which is killed
has either done a page or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from crm.deals import Standing
from prediction_log.store import PredictionStore
from prediction_log.tables.crm import crm_cursors, crm_deals, crm_queue
from prediction_log.tables.rows import LONGEST_CRM_ID


@dataclass(frozen=True)
class Written:
    """What was written into one deal."""

    read_sha256: str  # of all that the score was made of
    standing: Standing
    note_id: str
    note_sha256: str


@dataclass(frozen=True)
class Page:
    """What one page of deals leaves behind."""

    written: Mapping[str, Written]  # by deal
    again: Sequence[str] = ()  # deals to be looked at again
    cursor: tuple[str, datetime] | None = None  # kind and moment
    done: Mapping[str, int] | None = None  # entries of the queue: how often each was named when it was read


class SyncState:
    """That of one account. Every method raises StoreAwayError."""

    def __init__(self, store: PredictionStore, account: str) -> None:
        self._store = store
        self._account = account

    def cursor(self, kind: str) -> datetime | None:
        """Up to which moment records of a kind were looked at; None before the first time."""
        statement = select(crm_cursors.c.moment).where(self._of(crm_cursors), crm_cursors.c.kind == kind)
        rows = self._store.rows(statement)
        return rows[0].moment if rows else None

    def written(self, deal_ids: Iterable[str]) -> dict[str, Written]:
        """What was written into those of the deals that something was written into."""
        rows = self._store.rows(select(crm_deals).where(self._of(crm_deals), crm_deals.c.deal_id.in_(list(deal_ids))))
        return {row.deal_id: _written(row) for row in rows}

    def queued(self) -> dict[str, int]:
        """Deals to be looked at, those that wait longest first, and how often each was named."""
        statement = select(crm_queue).where(self._of(crm_queue)).order_by(crm_queue.c.received_at, crm_queue.c.deal_id)
        return {row.deal_id: row.events for row in self._store.rows(statement)}

    def keep(self, page: Page) -> None:
        """Stores what a page leaves behind, all of it or nothing."""
        now = datetime.now(UTC)
        with self._store.connection(writing=True) as connection:
            for deal_id, written in page.written.items():
                values = {**vars(written), **vars(written.standing), "written_at": now}
                del values["standing"]
                _put(connection, crm_deals, {"account": self._account, "deal_id": deal_id}, values)
            for deal_id, events in (page.done or {}).items():
                same = (crm_queue.c.deal_id == deal_id, crm_queue.c.events == events)
                connection.execute(delete(crm_queue).where(self._of(crm_queue), *same))
            _enqueue(connection, self._account, page.again)
            if page.cursor is not None:
                kind, moment = page.cursor
                _put(connection, crm_cursors, {"account": self._account, "kind": kind}, {"moment": moment})

    def _of(self, table: Table) -> Any:
        return table.c.account == self._account


def enqueue(store: PredictionStore, account: str, deal_ids: Iterable[str]) -> None:
    """Puts deals into an account's queue; one that is there already stays there once.

    In which order they are named, and how often, changes nothing: whoever works a deal reads how it is by then. Raises
    StoreAwayError.
    """
    with store.connection(writing=True) as connection:
        _enqueue(connection, account, deal_ids)


def _enqueue(connection: Connection, account: str, deal_ids: Iterable[str]) -> None:
    for deal_id in sorted(set(deal_ids)):  # in one order, so that no two wait for each other
        keys = {"account": account, "deal_id": deal_id[:LONGEST_CRM_ID]}
        row = {**keys, "events": 1, "received_at": datetime.now(UTC)}
        statement = _insert(connection, crm_queue).values(row)
        grown = {"events": crm_queue.c.events + 1}
        connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=grown))


def _put(connection: Connection, table: Table, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    statement = _insert(connection, table).values({**keys, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=dict(values)))


def _insert(connection: Connection, table: Table) -> Any:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _written(row: Any) -> Written:
    standing = Standing(row.probability, row.band, row.change)
    return Written(row.read_sha256, standing, row.note_id, row.note_sha256)
