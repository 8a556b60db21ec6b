"""What a CRM is to the sync: its deals, what was said in them, and the three fields and the one note that are written.

Each CRM of this room keeps the contract `Crm`; which one it is, nobody else asks. There is no way in it to write a stage, an
amount or a date of a deal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from conversations.conversation import Conversation, Outcome

DEALS = "deals"
DECIMALS = 3  # of a probability and its change, as they are written
NOTE_BEGINS = "Sales conversion score"  # so that our note is known again, and never read as something that was said
FieldName = Literal["probability", "band", "change"]
Value = float | str | None


@dataclass(frozen=True)
class OwnField:
    """A field of a deal that is ours, in words for people."""

    label: str
    is_number: bool
    description: str


OWN_FIELDS: dict[FieldName, OwnField] = {
    "probability": OwnField("Sales conversion probability", True, "How likely the deal is to close, 0 to 1."),
    "band": OwnField("Sales conversion band", False, "A to D: the quarter of such deals that it belongs to."),
    "change": OwnField("Sales conversion change", True, "The probability minus the one before it, -1 to 1."),
}


@dataclass(frozen=True)
class Standing:
    """What a deal's fields show, rounded to DECIMALS."""

    probability: float
    band: str
    change: float | None  # None: there was none before

    @property
    def values(self) -> dict[FieldName, Value]:
        """By field."""
        return {"probability": self.probability, "band": self.band, "change": self.change}


@dataclass(frozen=True)
class CrmDeal:
    """A deal as the CRM has it."""

    deal_id: str
    name: str
    outcome: Outcome | None  # None: open
    shown: Mapping[FieldName, Value] = field(default_factory=dict)  # what our fields hold there
    record: Mapping[str, object] = field(default_factory=dict)  # as the CRM answered it

    def shows(self, standing: Standing) -> bool:
        """Whether our fields hold that already."""
        return all(self.shown.get(name) == value for name, value in standing.values.items())


@dataclass(frozen=True)
class Said:
    """What was said in one deal, and which of its notes is ours."""

    conversations: Sequence[Conversation] = ()
    note_id: str | None = None
    problem: str | None = None  # why it can't be read


class Note(NamedTuple):
    """Our note of one deal."""

    paragraphs: Sequence[str]
    note_id: str | None = None  # of the one that there is


class NotesWritten(NamedTuple):
    """By deal: the id of its note, or why it was refused."""

    ids: dict[str, str]
    refused: dict[str, str]


class Changed(NamedTuple):
    """A page of records that changed, in the order of their changes."""

    ids: list[str]
    deals: list[CrmDeal]  # of DEALS; of other kinds empty: `Crm.deals_of` tells which they belong to
    upto: datetime  # all changes until before this moment are in this page or those before it


class Crm(Protocol):
    """One account of a CRM. Every method raises CrmError."""

    kinds: tuple[str, ...]  # of records that deals are made of, DEALS first
    batch: int  # deals that are written at once

    @property
    def account(self) -> str:
        """Such as hubspot:1234567; asked for once."""

    def missing_fields(self) -> list[str]:
        """Our fields that deals don't have there, by the names they would have. Raises CrmError where one can't serve."""

    def make_fields(self) -> None:
        """Makes those that are missing, or raises CrmError that says how to."""

    def changed(self, kind: str, since: datetime | None) -> Iterator[Changed]:
        """Records of a kind that changed at or after a moment, all where it is None, page by page."""

    def deals_of(self, kind: str, ids: Sequence[str]) -> list[str]:
        """The deals that records of another kind belong to, each once."""

    def deals(self, ids: Sequence[str]) -> list[CrmDeal]:
        """Deals by their ids; one that is not there any more is left out."""

    def said(self, deals: Sequence[CrmDeal]) -> dict[str, Said]:
        """The calls, mails and notes of deals, without our own notes."""

    def write(self, standings: Mapping[str, Standing]) -> dict[str, str]:
        """Writes our fields, at most `batch` deals; which deals were refused, and why."""

    def write_notes(self, notes: Mapping[str, Note]) -> NotesWritten:
        """Writes our notes of at most `batch` deals, each over the old one where that still is there."""

    def close(self) -> None:
        """Closes its connections."""
