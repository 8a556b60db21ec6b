"""Which outcome to look up next: half where the model can't decide, each of another kind, and half at random.

An outcome of a deal near a coin toss teaches most, and ten of one kind teach as much as one: of the least certain deals,
clusters by words give one each. The random half keeps the known outcomes like all deals, on which live accuracy rests.
Chosen from what was predicted before the day (UTC) began, and seeded by it, so that the list is the same all day.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from conversations.conversation import Outcome
from learning.review.alike import clusters
from learning.review.contradictions import MEANING, Contradiction, logged_contradictions
from learning.review.outcomes_in_log import MOST_PREDICTIONS, LoggedDeal, stored_texts, with_outcome, without_outcome
from prediction_log.store import PredictionStore

USUAL_COUNT, MOST_SUGGESTIONS = 10, 100
# The least certain deals that clusters are made of: a quarter of all, but so many for each that is chosen.
_UNDECIDED, _FEWEST, _MOST = 4, 2, 10
_EXCERPT = 160  # characters

Way = Literal["uncertainty", "chance"]


class Suggestion(BaseModel):
    """A deal whose outcome to look up."""

    deal_id: str | None
    conversation_id: str | None
    prediction_id: str = Field(description="Of its newest prediction, for POST /feedback")
    predicted_at: datetime
    probability: float
    model: str
    chosen_by: Way
    reason: str
    excerpt: str | None = Field(description="How what is stored of it begins; null where nothing is")
    outcome: Outcome | None = Field(description="Where it came since the day began")


class SuggestionList(BaseModel):
    """The answer to GET /suggest."""

    day: date = Field(description="In UTC; the list stays as it is for so long")
    without_outcome: int = Field(ge=0, description="Deals of the log, or conversations of no deal, when the day began")
    suggestions: list[Suggestion]
    contradictions: list[Contradiction] = Field(description="Closed deals of the log, the most contradicted first")
    contradictions_mean: str
    notices: list[str] = Field(description="What could not be done, a sentence each")


class _Choice(NamedTuple):
    deal: LoggedDeal
    way: Way
    reason: str


def suggestion_list(store: PredictionStore, count: int, now: datetime) -> SuggestionList:
    """At most `count` deals to look up, and as many contradicted ones. Raises StoreAwayError."""
    day = now.astimezone(UTC).date()
    begins = datetime.combine(day, time(), UTC)
    notices = []
    deals = without_outcome(store, before=begins, known_until=begins)
    if not deals and (deals := without_outcome(store, before=now, known_until=begins)):
        notices.append("Nothing was predicted before today, so this list changes with each prediction of today.")
    if len(deals) >= MOST_PREDICTIONS:
        notices.append(f"Only the newest {MOST_PREDICTIONS:,} predictions were looked at.")
    uncertain, said = _uncertain(store, deals, (count + 1) // 2, day)
    taken = {choice.deal.key for choice in uncertain}
    chosen = [*uncertain, *_drawn([deal for deal in deals if deal.key not in taken], count - len(uncertain), day)]
    texts = stored_texts(store, [choice.deal.prediction_id for choice in chosen])
    return SuggestionList(
        day=day,
        without_outcome=len(deals),
        suggestions=[_suggestion(choice, texts.get(choice.deal.prediction_id)) for choice in chosen],
        contradictions=logged_contradictions(with_outcome(store))[:count],
        contradictions_mean=MEANING,
        notices=[*notices, *said],
    )


def _uncertain(
    store: PredictionStore, deals: Sequence[LoggedDeal], count: int, day: date
) -> tuple[list[_Choice], list[str]]:
    """The least certain of each cluster, and what is to be told of it."""
    least_certain = sorted(deals, key=lambda deal: (abs(deal.probability - 0.5), _drawn_place(deal, day)))
    pool = least_certain[: min(_MOST * count, max(_FEWEST * count, len(deals) // _UNDECIDED))]
    texts = stored_texts(store, [deal.prediction_id for deal in pool])
    if not texts:
        told = ["No words of these deals are stored (SALES_STORE_TRANSCRIPTS), so the least certain may be all alike."]
        return [_Choice(deal, "uncertainty", _reason(deal, None)) for deal in pool[:count]], told if pool else []
    cluster_of = clusters([texts.get(deal.prediction_id, "") for deal in pool], count, day.toordinal()).tolist()
    sizes, seen = Counter(cluster_of), set[int]()
    firsts, others = list[_Choice](), list[_Choice]()
    for deal, cluster in zip(pool, cluster_of, strict=True):
        reason = _reason(deal, sizes[cluster] if cluster not in seen else None)
        (others if cluster in seen else firsts).append(_Choice(deal, "uncertainty", reason))
        seen.add(cluster)
    return [*firsts, *others][:count], []


def _reason(deal: LoggedDeal, alike: int | None) -> str:
    given = f"The model gives {100 * deal.probability:.0f} %"
    if alike is None:
        return f"{given}, among the nearest to a coin toss."
    if alike == 1:
        return f"{given}, and no other deal of the undecided ones sounds like it."
    return f"{given}, the nearest to a coin toss of {alike} undecided deals that sound alike."


def _drawn(deals: Sequence[LoggedDeal], count: int, day: date) -> list[_Choice]:
    reason = f"Drawn at random from {len(deals)} others, so that the known outcomes stay like those of all deals."
    in_order = sorted(deals, key=lambda deal: _drawn_place(deal, day))
    return [_Choice(deal, "chance", reason) for deal in in_order[: max(0, count)]]


def _drawn_place(deal: LoggedDeal, day: date) -> str:
    """A deal's place in an order by chance that other deals don't change."""
    return hashlib.sha256(f"{day} {deal.key}".encode("utf-8", "replace")).hexdigest()


def _suggestion(choice: _Choice, text: str | None) -> Suggestion:
    deal = choice.deal
    return Suggestion(
        **{name: getattr(deal, name) for name in Suggestion.model_fields if hasattr(deal, name)},
        chosen_by=choice.way,
        reason=choice.reason,
        excerpt=None if text is None else textwrap.shorten(text, _EXCERPT, placeholder=" …"),
    )
