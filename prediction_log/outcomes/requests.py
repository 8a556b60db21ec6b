"""What POST /feedback takes and answers, as pydantic models."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from answers.requests import Identifier
from conversations.conversation import Outcome
from conversations.dates import moment_in
from foundations.errors import quoted
from prediction_log.outcomes.recording import KINDS, GivenOutcome

_IDS = [f"{kind}_id" for kind in KINDS]
_GIVEN = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}
_EXACTLY_ONE: dict[str, Any] = {"oneOf": [{"required": [name], "properties": {name: _GIVEN}} for name in _IDS]}
_DAY: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}


def _closed(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _day(value: Any) -> date | None:
    """The day of a date with or without a time; of a number pydantic would guess whether it counts seconds."""
    if value is None:
        return None
    moment = moment_in(value) if isinstance(value, str) else None
    if moment is None:
        raise ValueError(f"closed_at {quoted(value)} is no date; give one such as 2026-03-31.")
    return moment.date()


class FeedbackRequest(BaseModel):
    """How a deal ended, by the id of a prediction, of a conversation or of a deal: exactly one of them."""

    model_config = ConfigDict(json_schema_extra=_EXACTLY_ONE)

    prediction_id: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    conversation_id: Identifier = Field(
        default=None, description="As it was given with its predictions, all of which count"
    )
    deal_id: Identifier = Field(default=None, description="As it was given with its predictions, all of which count")
    actual_outcome: Annotated[Outcome, BeforeValidator(_closed)] = Field(
        validation_alias=AliasChoices("actual_outcome", "outcome"),
        description="successful or failed; sent again, it replaces what was said before. `outcome` is accepted as well.",
    )
    closed_at: Annotated[date | None, BeforeValidator(_day)] = Field(
        default=None, description="The day it ended, such as 2026-03-31", json_schema_extra=_DAY
    )

    @model_validator(mode="after")
    def _has_one_id(self) -> FeedbackRequest:
        given = [name for name in _IDS if getattr(self, name)]
        if len(given) != 1:
            said = f"{' and '.join(given)} are given" if given else "none is given"
            raise ValueError(f"An outcome needs exactly one of {', '.join(_IDS)}; {said}.")
        return self

    def given(self) -> GivenOutcome:
        """The outcome as it is recorded."""
        kind = next(kind for kind in KINDS if getattr(self, f"{kind}_id"))
        return GivenOutcome(kind, getattr(self, f"{kind}_id"), self.actual_outcome, self.closed_at)


class FeedbackResponse(BaseModel):
    """What was predicted, and how it ended; of several predictions the newest."""

    prediction_id: str
    model: str
    predicted_outcome: Outcome
    probability: float
    actual_outcome: Outcome
    correct: bool
    predictions: int = Field(ge=1, description="Stored predictions that the outcome is of")
