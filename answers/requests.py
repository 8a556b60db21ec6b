"""What predictions are asked with, as pydantic models; FastAPI turns them into the OpenAPI schema.

The formats are the original system's. Which models there are comes from `modelling.names`, and what a valid conversation
is from `conversations.conversation`; neither is repeated here. Requests that are too long to be meant are refused before
their items are looked at, which could take minutes. Answers are `answers.responses`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, field_validator

from conversations.conversation import (
    MAX_TRANSCRIPT_CHARACTERS,
    MAX_TURNS,
    Conversation,
    ConversationContext,
    Outcome,
    Turn,
)
from conversations.dates import moment_in
from conversations.reading.record import conversation_from_record
from foundations.errors import quoted
from modelling.names import AUTO, MODEL_NAMES, require_known
from similarity.search import DEFAULT_COUNT, folded

Check = Callable[[Any], Any]


SAMPLE_REQUEST: dict[str, Any] = {
    "transcript": "Customer was very excited about our CRM software. They asked detailed questions about pricing and "
    "implementation timeline. They mentioned they have a budget of $50,000 and want to move forward quickly.",
    "context": {
        "company_size": "enterprise",
        "industry": "healthcare",
        "contact_role": "CTO",
        "urgency": "high",
        "budget_authority": "decision_maker",
    },
    "model_type": AUTO,
    "include_analysis": True,
    "include_similar": True,
}


MOST_CONVERSATIONS = 64  # of a batch
MOST_TRAJECTORY_TURNS = 1000  # each is a prediction of all before it: the work grows with their square
MOST_CONTEXT_VALUES = 1000  # of a conversation; a CRM's record has hundreds
_WORDS = {"type": "string", "pattern": r"\S"}
# What the validators ask for beyond the types, so that the schema promises nothing that is refused: words somewhere.
_HAS_WORDS: dict[str, Any] = {
    "anyOf": [
        {"required": ["transcript"], "properties": {"transcript": _WORDS}},
        {
            "required": ["turns"],
            "properties": {"turns": {"type": "array", "contains": {"properties": {"text": _WORDS}}, "minItems": 1}},
        },
    ]
}


_DATE: dict[str, Any] = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}, {"type": "null"}]
}


def few_items(most: int, what: str) -> Check:
    """Refuses a list with more items than `most`."""

    def check(value: Any) -> Any:
        if isinstance(value, list) and len(value) > most:
            raise ValueError(f"{what} has {len(value):,} items; at most {most:,} are accepted.")
        return value

    return check


def few_values(most: int, what: str) -> Check:
    """Refuses an object with more than `most` values, those of lists and objects in it counted too."""

    def check(value: Any) -> Any:
        if next(islice(_values(value), most, None), None) is not None:
            raise ValueError(f"{what} has more than {most:,} values; leave out what does not matter.")
        return value

    return check


def few_turns(most: int) -> Check:
    """Refuses conversations, a list of objects, with more than `most` turns in all."""

    def check(value: Any) -> Any:
        conversations = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
        turns = [one["turns"] for one in conversations if isinstance(one.get("turns"), list)]
        if (count := sum(map(len, turns))) > most:
            raise ValueError(f"conversations have {count:,} turns; at most {most:,} are accepted at once.")
        return value

    return check


def _values(value: Any) -> Iterator[bool]:
    """One item for each value inside, at any depth."""
    waiting = [value]
    while waiting:
        inside = waiting.pop()
        children = inside.values() if isinstance(inside, dict) else inside if isinstance(inside, list) else ()
        for child in children:
            yield True
            if isinstance(child, dict | list):
                waiting.append(child)


def _registered_name(value: Any) -> str:
    name = value if isinstance(value, str) else quoted(value)
    if name != AUTO:
        require_known(name[:80])
    return name


ModelType = Annotated[str, BeforeValidator(_registered_name), Field(json_schema_extra={"enum": [AUTO, *MODEL_NAMES]})]


class SimilarFilter(BaseModel):
    """Which closed conversations count as similar ones; what is left out doesn't matter."""

    model_config = ConfigDict(extra="forbid")

    outcome: Outcome | None = None
    industry: str | None = Field(default=None, description="As in the context, upper and lower case alike")

    def where(self) -> dict[str, Any]:
        """The filter as the index takes it."""
        return {name: folded(value) for name, value in self.model_dump(exclude_none=True).items()}


def _number_as_text(value: Any) -> Any:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value  # JSON's 10.0 is an integer
    return str(whole) if isinstance(whole, int) and not isinstance(whole, bool) else value


Identifier = Annotated[
    str | None,
    BeforeValidator(_number_as_text),
    Field(json_schema_extra={"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
]


class ConversationRequest(BaseModel):
    """One conversation. Unknown fields are ignored, so a stored record can be sent as it is."""

    model_config = ConfigDict(json_schema_extra=_HAS_WORDS)

    transcript: str | None = Field(
        default=None,
        description=f"The conversation or a note about it, at most {MAX_TRANSCRIPT_CHARACTERS:,} characters or what "
        "SALES_MAX_TRANSCRIPT_CHARACTERS says. Lines that all start with a speaker ('Customer: …', 'Agent: …') are read "
        "as turns. This or `turns` is required.",
    )
    turns: Annotated[list[Turn] | None, BeforeValidator(few_items(MAX_TURNS, "turns"))] = Field(
        default=None,
        max_length=MAX_TURNS,
        fail_fast=True,
        description="The conversation turn by turn; counts before `transcript`.",
    )
    context: Annotated[ConversationContext | None, BeforeValidator(few_values(MOST_CONTEXT_VALUES, "context"))] = Field(
        default=None,
        validation_alias=AliasChoices("context", "conversation_context"),
        description="What the CRM knows; every field is optional. `conversation_context` is accepted as well. At most "
        f"{MOST_CONTEXT_VALUES:,} values, those inside of others counted too.",
        json_schema_extra={"maxProperties": MOST_CONTEXT_VALUES},
    )

    sides_inferred: StrictBool | None = Field(
        default=None, description="As POST /conversations/read gave it: who sells was found from the words."
    )
    conversation_id: str | None = None
    deal_id: Identifier = Field(default=None, description="The deal that it is a part of, for `GET /deals`.")
    group: Identifier = Field(default=None, description="What the deal belongs to, for example the account.")
    date: str | None = Field(
        default=None,
        description="When it took place, such as 2024-03-14 or 2024-03-14T10:30Z; without a zone it is UTC.",
        json_schema_extra=_DATE,
    )

    @field_validator("date")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        try:
            if (moment := moment_in(value)) is not None:
                moment.astimezone(UTC)
                return value
        except OverflowError:  # such as midnight of the year 1 east of Greenwich
            pass
        raise ValueError(f"{quoted(value)} is no date; give one such as 2024-03-14 or 2024-03-14T10:30Z.")

    def conversation(self, where: str = "The request") -> Conversation:
        """The validated conversation. Raises InputError where it has no words, too many, or half a character."""
        record = {
            "conversation_id": self.conversation_id,
            "transcript": self.transcript,
            "turns": self.turns,
            "conversation_context": self.context,
            "sides_inferred": self.sides_inferred,
            "deal_id": self.deal_id,
            "group": self.group,
            **({"date": self.date} if self.date else {}),
        }
        return conversation_from_record(record, where)


class SimilarOptions(BaseModel):
    """Which closed conversations to look for."""

    similar_count: int = Field(default=DEFAULT_COUNT, ge=1, le=50, description="At most so many of them")
    similar_filter: Annotated[SimilarFilter | None, BeforeValidator(few_values(50, "similar_filter"))] = Field(
        default=None, description='Only such, e.g. {"industry": "retail", "outcome": "successful"}.'
    )


class AnswerOptions(SimilarOptions):
    """What to say about a conversation."""

    model_type: ModelType = Field(
        default=AUTO, description="A model's name, or auto for the one with the best cross-validated log loss."
    )
    include_analysis: StrictBool = Field(default=False, description="Adds `analysis` and `recommendations`.")
    include_similar: StrictBool = Field(default=False, description="Adds `similar_conversations`.")
    include_trajectory: StrictBool = Field(default=False, description="Adds `trajectory`; at most 1,000 turns.")
    trajectory_points: int | None = Field(
        default=None,
        ge=2,
        le=MOST_TRAJECTORY_TURNS,
        description="Of a conversation with more turns, `trajectory` has so many, evenly spread, the first and the last "
        "among them; then more than 1,000 turns are accepted.",
    )
    similar_format: Literal["object", "text"] = Field(
        default="object", description="text: only the excerpts, a list of strings."
    )


class PredictionRequest(AnswerOptions, ConversationRequest):  # in this order the fields of the conversation come first
    """One conversation and what to say about it."""

    model_config = ConfigDict(json_schema_extra={**_HAS_WORDS, "examples": [SAMPLE_REQUEST]})

    conversation_id: Identifier = Field(
        default=None, description="Kept out of its own similar conversations; numbers are taken as text."
    )


class BatchConversation(ConversationRequest):
    """One conversation of a batch."""

    conversation_id: str | None = Field(default=None, max_length=200, description="Yours, given back with the answer.")


class BatchRequest(BaseModel):
    """Several conversations, to be ranked."""

    conversations: Annotated[
        list[BatchConversation],
        BeforeValidator(few_turns(MAX_TURNS)),
        BeforeValidator(few_items(MOST_CONVERSATIONS, "conversations")),  # the first of both to run
    ] = Field(
        min_length=1,
        max_length=MOST_CONVERSATIONS,
        fail_fast=True,
        description=f"With at most {MAX_TURNS:,} turns in all.",
    )
    model_type: ModelType = Field(default=AUTO, description="As for one prediction.")
