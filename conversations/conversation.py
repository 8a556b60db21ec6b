"""One validated conversation: its words, what the CRM knows about it, and how it ended.

This is the record that every other module works on; nothing else in the project judges a raw dictionary. It says what a
valid record is, not how one is read from a file or a request (`conversations.reading`) nor how a model sees it
(`conversations.model_text`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from conversations.clock import seconds_of
from conversations.who_sells import role_words
from foundations.errors import InputError

MAX_TRANSCRIPT_CHARACTERS = 1_000_000  # about 18 hours of talk; anything longer is a mistaken file
DEAL_PARTS = "deal_parts"  # the field of a record that was joined from the conversations of a deal: which they were
MAX_TURNS = 50_000  # in as much talk that is more than one for every two seconds
_DEEPEST_NESTING = 50  # of extra fields, which writing them must walk again

Outcome = Literal["successful", "failed"]
Split = Literal["train", "validation", "test"]

SIDES = ("seller", "customer")
_SPEAKER_ALIASES = {
    "seller": {"seller", "agent", "rep", "sales", "sales rep", "salesperson", "representative", "account executive"},
    "customer": {"customer", "client", "prospect", "buyer", "lead"},
}
_CANONICAL_SPEAKER = {alias: speaker for speaker, aliases in _SPEAKER_ALIASES.items() for alias in aliases}
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # half a surrogate pair: JSON can escape one, UTF-8 can't hold it
_LABELLED_LINE = re.compile(r"^\s*([A-Za-z][A-Za-z ]{1,24}?)\s*:\s+(\S.*)$")


def canonical_speaker(name: str) -> str:
    """`Agent`, `rep`, `Sales rep` … are the seller; `Client`, `prospect` … the customer; another name is kept."""
    cleaned = " ".join(name.lower().split())
    return _CANONICAL_SPEAKER.get(cleaned, cleaned)


_ANY_TIME: dict[str, Any] = {
    "anyOf": [{"type": "number"}, {"description": "Such as 12.5s or 1:02; else as if left out"}]
}


class Turn(BaseModel):
    """One speaker's uninterrupted text. No model reads the name or the times: they are for people and talk figures."""

    model_config = ConfigDict(frozen=True)

    speaker: str = ""  # "seller" or "customer" where it is known who sells, else the name in lower case
    text: str
    name: str | None = None  # as it was written; None for a side that has no other name
    start: float | None = Field(default=None, json_schema_extra=_ANY_TIME)  # seconds after the call's start
    end: float | None = Field(default=None, json_schema_extra=_ANY_TIME)

    @model_validator(mode="before")
    @classmethod
    def _keep_the_name(cls, data: Any) -> Any:
        """Of a speaker who is no side, before case is lost."""
        if not isinstance(data, dict) or data.get("name") or not isinstance(data.get("speaker"), str):
            return data
        return data if canonical_speaker(data["speaker"]) in SIDES else {**data, "name": data["speaker"]}

    @field_validator("speaker")
    @classmethod
    def _use_canonical_speaker(cls, value: str) -> str:
        return canonical_speaker(value)

    @field_validator("name", mode="before")
    @classmethod
    def _blank_name_is_none(cls, value: Any) -> str | None:
        return (value.strip() or None) if isinstance(value, str) else None

    @field_validator("start", "end", mode="before")
    @classmethod
    def _time_in_seconds(cls, value: Any) -> float | None:
        return seconds_of(value)


def _say_that_any_value_is_taken(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field["anyOf"].append({"description": "Any other value, which is kept as text"})


class ConversationContext(BaseModel):
    """What the CRM knows. Every field is optional; unknown values and unknown fields are kept."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_say_that_any_value_is_taken)

    company_size: str | None = None
    industry: str | None = None
    contact_role: str | None = None
    urgency: str | None = None
    budget_authority: str | None = None
    previous_interactions: int | str | None = None
    lead_source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _keep_known_fields_as_text(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = set(cls.model_fields)
        return {key: _context_value(key, value) if key in known else value for key, value in data.items()}


class Conversation(BaseModel):
    """One sales interaction. Extra fields are kept and ignored.

    Raises pydantic's ValidationError, which `conversations.reading.record` turns into one sentence.
    """

    model_config = ConfigDict(extra="allow")

    conversation_id: str = ""
    transcript: str | None = None
    turns: list[Turn] | None = Field(default=None, fail_fast=True)
    conversation_context: ConversationContext = Field(default_factory=ConversationContext)
    outcome: Outcome | None = None  # None: an open deal, never trained on
    group: str | None = None  # never on both sides of a split; None: the conversation is its own group
    deal_id: str | None = None  # the deal that it is a part of; None: the conversation is a deal of its own
    split: Split | None = None
    sides_inferred: bool | None = None  # True: who sells was found from the words, as nobody said it
    true_probability: float | None = Field(default=None, ge=0.0, le=1.0)  # known for generated data only

    @field_validator("conversation_id", "group", "deal_id", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        number = _whole_number(value)
        return str(number) if isinstance(number, int) and not isinstance(number, bool) else value

    @field_validator("conversation_id", mode="before")
    @classmethod
    def _absent_id_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("turns", mode="before")
    @classmethod
    def _has_no_endless_turns(cls, value: Any) -> Any:
        """Before any is looked at, which would take seconds."""
        if isinstance(value, list) and len(value) > MAX_TURNS:
            raise ValueError(f"the conversation has {len(value):,} turns; at most {MAX_TURNS:,} are accepted")
        return value

    @field_validator("group", "deal_id")
    @classmethod
    def _blank_is_none(cls, value: str | None) -> str | None:
        return value if value and value.strip() else None

    @field_validator("conversation_context", mode="before")
    @classmethod
    def _absent_context_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("outcome", "split", mode="before")
    @classmethod
    def _lower_case_word(cls, value: Any) -> Any:
        return (value.strip().lower() or None) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_words_to_read(self) -> Conversation:
        self.turns = [turn for turn in self.turns or [] if turn.text.strip()] or None
        transcript = (self.transcript or "").strip()
        self.transcript = transcript or None
        if not transcript and self.turns is None:
            raise ValueError(
                "the transcript is empty; give 'transcript' (text) or 'turns' (a list of speaker and text)"
            )
        if self.characters > MAX_TRANSCRIPT_CHARACTERS:
            raise ValueError(
                f"the transcript has {self.characters:,} characters; at most {MAX_TRANSCRIPT_CHARACTERS:,} are accepted, "
                "so split the recording into its conversations"
            )
        if self.turns is None:
            self.turns = labelled_turns(transcript)
        return self

    @model_validator(mode="after")
    def _knows_who_sells(self) -> Conversation:
        """From the words where every speaker has a name and none a side; a given side is never overruled."""
        turns = self.turns or []
        if not turns or any(turn.speaker in ("", *SIDES) for turn in turns):
            return self
        if sides := role_words().sides([(turn.speaker, turn.text) for turn in turns]):
            self.turns = [turn.model_copy(update={"speaker": sides[turn.speaker]}) for turn in turns]
            self.sides_inferred = True
        return self

    @model_validator(mode="after")
    def _can_be_written_as_json(self) -> Conversation:
        for value in _leaves(self.model_dump(exclude_none=True)):
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"it holds the number {value}, which JSON has not; leave the field out")
            if isinstance(value, str) and (half := _HALF_CHARACTER.search(value)):
                raise ValueError(
                    f"its character {half.start() + 1:,} of {len(value):,} is {half[0]!r}, half of a character (one half of "
                    "a surrogate pair); leave it out"
                )
        return self

    @property
    def group_key(self) -> str:
        """The name that keeps related conversations on one side of a split."""
        return self.group if self.group is not None else f"conversation:{self.conversation_id}"

    @property
    def characters(self) -> int:
        """How long it is, for limits. Not a sum: the turns of a labelled transcript are its own words once more."""
        return max(len(self.transcript or ""), sum(len(turn.text) for turn in self.turns or []))

    @property
    def label(self) -> int:
        """1 for a successful conversation, 0 for a failed one. Raises InputError for an open deal."""
        if self.outcome is None:
            raise InputError(f"Conversation {self.conversation_id!r} has no outcome; only closed deals have a label.")
        return int(self.outcome == "successful")


def labels_of(conversations: Sequence[Conversation]) -> NDArray[np.int64]:
    """(n,) of 1 for successful and 0 for failed. Raises InputError where one is an open deal."""
    return np.array([conversation.label for conversation in conversations], dtype=np.int64)


def labelled_turns(transcript: str) -> list[Turn] | None:
    """The turns of a transcript whose lines all start with a known speaker's label ("Customer: …"), else None."""
    turns: list[Turn] = []
    for line in filter(str.strip, transcript.splitlines()):
        match = _LABELLED_LINE.match(line)
        if match is None or canonical_speaker(match[1]) not in _SPEAKER_ALIASES:
            return None
        turns.append(Turn(speaker=match[1], text=match[2].strip()))
    return turns if len(turns) > 1 else None


def _context_value(key: str, value: Any) -> Any:
    if value is None or isinstance(value, str):
        text = (value or "").strip()
        count = text.removesuffix(".0") if key == "previous_interactions" else ""
        return int(count) if count.isdecimal() and len(count) < 10 else text or None
    number = _whole_number(value)
    return number if key == "previous_interactions" and isinstance(number, int) else str(number)


def _whole_number(value: Any) -> Any:
    """17.0, as pandas writes whole numbers of a column in which one is missing, as 17; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    """Every key and plain value in nested dictionaries and lists."""
    if depth > _DEEPEST_NESTING:
        raise ValueError(f"it is nested more than {_DEEPEST_NESTING} levels deep, too deeply to be a conversation")
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if not isinstance(value, list):
        yield value
        return
    for element in value:
        yield from _leaves(element, depth + 1)
