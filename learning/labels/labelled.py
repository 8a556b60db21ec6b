"""Sentences that people labelled with the signal that they give: stored with their prediction, listed newest first.

A label says what the finder said of a sentence and what is right. Said again by the same caller, it replaces what was said
before. The sentence is stored as transcripts are, and deleted with its prediction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import and_, delete, insert, select

from foundations.errors import described
from prediction_log.actors import new_entry_id
from prediction_log.recorder import stored_text
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import labelled_sentences
from prediction_log.tables.predictions import predictions
from prediction_log.tables.rows import Record
from signals.sentences import SIGNAL_NAMES, Polarity

LONGEST_SENTENCE = 2000  # characters
LONGEST_PAGE = 500
# A character that is neither space nor control.
_VISIBLE = re.compile(r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")

Transcripts = Literal["full", "masked", "none"]


def _known_name(name: str) -> str:
    if name not in SIGNAL_NAMES:
        raise ValueError(f"There is no signal {name[:80]!r}; the signals are {', '.join(SIGNAL_NAMES)}.")
    return name


def _not_blank(sentence: str) -> str:
    if not _VISIBLE.search(sentence):
        raise ValueError(f"The sentence {described(sentence)} is blank; send the words that give the signal.")
    return sentence


class LabelledSignal(BaseModel):
    """A signal and whether it speaks for the deal."""

    name: Annotated[str, AfterValidator(_known_name), Field(json_schema_extra={"enum": list(SIGNAL_NAMES)})]
    polarity: Polarity

    @property
    def label(self) -> str:
        """As the detector's training sentences have it: "budget+" speaks for the deal, "budget-" against it."""
        return self.name + ("+" if self.polarity == "positive" else "-")


class LabelRequest(BaseModel):
    """What is right of a sentence's signal."""

    prediction_id: Annotated[str, Field(min_length=1, max_length=32, description="Of the answer that showed it")]
    sentence: Annotated[
        str,
        Field(
            max_length=LONGEST_SENTENCE,
            description="As the signal's `quote` has it",
            json_schema_extra={"pattern": _VISIBLE.pattern},
        ),
        AfterValidator(_not_blank),
    ]
    said: LabelledSignal | None = Field(description="What the answer said of it; null where it said nothing")
    should_be: LabelledSignal | None = Field(description="What is right; null where the sentence gives no signal")


class LabelledSentence(BaseModel):
    """A stored label."""

    label_id: str
    prediction_id: str
    conversation_id: str | None = Field(description="Of the prediction")
    created_at: datetime
    caller: str = Field(description="A key's name, or an address")
    sentence: str = Field(description="As SALES_STORE_TRANSCRIPTS says: masked, or in full")
    said: LabelledSignal | None
    should_be: LabelledSignal | None
    right: bool = Field(description="`said` is what it should be")


class LabelPage(BaseModel):
    """The answer to GET /signals/labels, the newest first."""

    labels: list[LabelledSentence]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class LabelFilter(BaseModel):
    """Which page."""

    limit: int = Field(default=50, ge=1, le=LONGEST_PAGE, description="Labels on a page")
    cursor: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", description="`next_cursor` of the page before")


def store_label(
    store: PredictionStore, asked: LabelRequest, caller: str, transcripts: Transcripts
) -> LabelledSentence | None:
    """Stores it, in place of what the caller said before; None where the prediction is not stored. Raises StoreAwayError.

    transcripts: "masked" or "full"; with "none" no sentence may be stored, and nobody should come here.
    """
    row: Record = {
        "label_id": new_entry_id(),
        "prediction_id": asked.prediction_id,
        "created_at": datetime.now(UTC),
        "caller": caller[:64],
        "sentence": stored_text(" ".join(asked.sentence.split()), transcripts),
        **_columns("said", asked.said),
        **_columns("true", asked.should_be),
    }
    same = ("prediction_id", "caller", "sentence", "said_signal", "said_polarity")
    known = select(predictions.c.conversation_id).where(predictions.c.prediction_id == asked.prediction_id)
    with store.connection(writing=True) as connection:
        prediction = connection.execute(known).first()
        if prediction is None:
            return None
        before = and_(*(labelled_sentences.c[name] == row[name] for name in same))
        connection.execute(delete(labelled_sentences).where(before))
        connection.execute(insert(labelled_sentences).values(row))
    return _labelled({**row, "conversation_id": prediction.conversation_id})


def label_page(store: PredictionStore, wanted: LabelFilter) -> LabelPage:
    """At most `limit` labels older than the cursor. Raises StoreAwayError."""
    columns = labelled_sentences.c
    statement = (
        select(labelled_sentences, predictions.c.conversation_id)
        .join(predictions, predictions.c.prediction_id == columns.prediction_id)
        .order_by(columns.label_id.desc())
        .limit(wanted.limit + 1)
    )
    if wanted.cursor is not None:
        statement = statement.where(columns.label_id < wanted.cursor)
    rows = store.rows(statement)
    shown = [_labelled(row._asdict()) for row in rows[: wanted.limit]]
    return LabelPage(labels=shown, next_cursor=shown[-1].label_id if len(rows) > wanted.limit else None)


def all_labels(store: PredictionStore) -> Iterator[LabelledSentence]:
    """All of them, the newest first, a page at a time. Raises StoreAwayError."""
    cursor = None
    while True:
        page = label_page(store, LabelFilter(limit=LONGEST_PAGE, cursor=cursor))
        yield from page.labels
        if (cursor := page.next_cursor) is None:
            return


def _columns(kind: str, signal: LabelledSignal | None) -> Record:
    return {f"{kind}_signal": signal and signal.name, f"{kind}_polarity": signal and signal.polarity}


def _labelled(row: Any) -> LabelledSentence:
    said, right = _signal(row["said_signal"], row["said_polarity"]), _signal(row["true_signal"], row["true_polarity"])
    shown = ("label_id", "prediction_id", "conversation_id", "created_at", "caller", "sentence")
    return LabelledSentence(**{name: row[name] for name in shown}, said=said, should_be=right, right=said == right)


def _signal(name: str | None, polarity: Polarity | None) -> LabelledSignal | None:
    return LabelledSignal(name=name, polarity=polarity) if name and polarity else None
