"""The tools that agents are offered: each is one request to a route of the service, and its answer is that of the route.

So a tool has the limits, the roles and the sentences of its route. Knows nothing of the protocol that offers them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from answers.deals.requests import DealRequest, DealResponse
from answers.requests import PredictionRequest
from answers.responses import PredictionResponse
from answers.similar_requests import SimilarResponse
from conversations.reading.record import first_problem
from foundations.errors import InputError, quoted
from prediction_log.deals.listing import DealFilter, DealPage
from prediction_log.deals.timeline import DealTimeline
from similarity.search import DEFAULT_COUNT

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request to a route; `path` is percent-encoded and has the query."""

    method: str
    path: str
    body: Any = None  # sent as JSON; None: none


@dataclass(frozen=True)
class Tool:
    """What an agent reads of a tool, and the request that a call of it makes."""

    name: str
    title: str
    description: str
    takes: dict[str, Any]  # JSON schema of the arguments
    gives: dict[str, Any]  # and of the answer
    request: Callable[[Arguments], Asked]  # raises InputError
    stores: bool = False  # whether a call adds to the log


class WonDealsLike(BaseModel):
    """What `similar_won_deals` takes."""

    model_config = ConfigDict(extra="forbid")

    conversation: Annotated[str, Field(description="The transcript of a sales conversation, or a note about it.")]
    industry: str | None = Field(default=None, description='Only deals in it, for example "technology".')
    count: int = Field(default=DEFAULT_COUNT, ge=1, le=50, description="At most so many.")


def _score(given: Arguments) -> Asked:
    return Asked("POST", "/predict", {"include_analysis": True, **given})


def _explain(given: Arguments) -> Asked:
    deal_id = given.get("deal_id")
    if given.get("conversations") is not None:
        return Asked("POST", "/predict/deal", given)
    if not isinstance(deal_id, str | int) or not str(deal_id).strip():
        raise InputError(f"deal_id is {quoted(deal_id)}; give the deal's id as `pipeline` lists it.")
    return Asked("GET", f"/deals/{quote(str(deal_id), safe='')}")


def _similar(given: Arguments) -> Asked:
    try:
        wanted = WonDealsLike.model_validate(given)
    except ValidationError as error:
        raise InputError(f"{first_problem(error)}.") from error
    only = {"outcome": "successful"} | ({"industry": wanted.industry} if wanted.industry else {})
    asked = {"transcript": wanted.conversation, "similar_count": wanted.count, "similar_filter": only}
    return Asked("POST", "/similar", asked)


def _pipeline(given: Arguments) -> Asked:
    query = urlencode({name: value for name, value in given.items() if value is not None})
    return Asked("GET", "/deals" + (f"?{query}" if query else ""))


def _answer(kind: type[BaseModel]) -> dict[str, Any]:
    return kind.model_json_schema(mode="serialization")


def _one_of(*kinds: type[BaseModel]) -> dict[str, Any]:
    """An answer of one of several kinds, their definitions beside each other."""
    schemas = [_answer(kind) for kind in kinds]
    definitions = {name: one for schema in schemas for name, one in schema.pop("$defs", {}).items()}
    return {"type": "object", "anyOf": schemas, "$defs": definitions}


TOOLS = (
    Tool(
        "score_conversation",
        "Score a conversation",
        "How likely a sales conversation is to end in a deal: probability with interval and reliability, the signals and risks "
        "with their quotes, and recommended next steps. Give transcript or turns. The prediction is stored.",
        PredictionRequest.model_json_schema(),
        _answer(PredictionResponse),
        _score,
        stores=True,
    ),
    Tool(
        "explain_deal",
        "Explain a deal",
        "Why a deal stands where it does: the probability after each of its conversations, which one moved it by which "
        "sentences, what is missing (budget, authority, need, timing) and warnings. With deal_id alone as the log has it; "
        "with its conversations too it is predicted anew, and stored.",
        {**DealRequest.model_json_schema(), "required": ["deal_id"]},
        _one_of(DealTimeline, DealResponse),
        _explain,
        stores=True,
    ),
    Tool(
        "similar_won_deals",
        "Similar won deals",
        "Past conversations that ended in a deal and resemble the given one, with the passage that is most alike.",
        WonDealsLike.model_json_schema(),
        _answer(SimilarResponse),
        _similar,
    ),
    Tool(
        "pipeline",
        "The pipeline",
        "The open deals, likeliest to close first, each with its probability and the change since last time, page by page.",
        DealFilter.model_json_schema(),
        _answer(DealPage),
        _pipeline,
    ),
)
