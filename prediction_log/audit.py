"""The audit log as /audit shows it, page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import select

from prediction_log.actors import Action
from prediction_log.store import PredictionStore
from prediction_log.tables.requests import audit


class AuditFilter(BaseModel):
    """Which entries; what is left out asks for all."""

    action: Action | None = None
    subject: str | None = Field(
        default=None,
        pattern=r"^[^\x00]+$",
        description="A prediction's id, a model, or sha256: and a conversation's hash",
    )
    limit: int = Field(default=50, ge=1, le=500, description="Entries on a page")
    cursor: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", description="`next_cursor` of the page before")


class AuditEntry(BaseModel):
    """Who did what, from where."""

    entry_id: str
    at: datetime
    caller: str = Field(description="A key's name, or an address")
    address: str
    request_id: str
    action: Action
    subject: str
    detail: dict[str, Any] = Field(description="Of feedback what was said before and after; of a refused key why")


class AuditPage(BaseModel):
    """The answer to GET /audit, the newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


def audit_page(store: PredictionStore, wanted: AuditFilter) -> AuditPage:
    """At most `limit` entries older than the cursor. Raises StoreAwayError."""
    statement = select(audit).order_by(audit.c.entry_id.desc()).limit(wanted.limit + 1)
    for column, value in ((audit.c.action, wanted.action), (audit.c.subject, wanted.subject)):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.cursor is not None:
        statement = statement.where(audit.c.entry_id < wanted.cursor)
    rows = store.rows(statement)
    shown = [AuditEntry.model_validate(row, from_attributes=True) for row in rows[: wanted.limit]]
    return AuditPage(entries=shown, next_cursor=shown[-1].entry_id if len(rows) > wanted.limit else None)
