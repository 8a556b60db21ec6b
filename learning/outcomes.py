"""Outcomes as conversations to learn from: those of a deal in order as one, without what took place after its close."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from conversations.conversation import MAX_TRANSCRIPT_CHARACTERS, Conversation
from conversations.dates import moment_in
from deals.deal import date_of
from deals.grouping import before_close, deals_of
from prediction_log.outcomes.ended import Ended, ended
from prediction_log.store import PredictionStore


@dataclass(frozen=True)
class Outcome:
    """A deal that ended, or a conversation without one."""

    conversation: Conversation  # as models read it, with its outcome
    received_at: datetime  # when the outcome came
    ended_at: datetime  # the day it ended where that was said, else when it came


class Outcomes(NamedTuple):
    """What may be learned from, in the order in which it came, and what a person should know of it, a sentence each."""

    known: list[Outcome]
    notices: list[str]


def outcomes_to_learn_from(store: PredictionStore) -> Outcomes:
    """All outcomes whose words are stored. Raises StoreAwayError."""
    found = [(one, _that_fit_together(one)) for one in ended(store)]
    of = {id(conversation): one for one, conversations in found for conversation in conversations}
    deals = before_close(deals_of(conversation for _, conversations in found for conversation in conversations))
    known = [(deal.whole, of[id(deal.conversations[0])]) for deal in deals.deals]
    return Outcomes([Outcome(whole, one.received_at, one.ended_at) for whole, one in known], deals.notices)


def _that_fit_together(one: Ended) -> list[Conversation]:
    """The newest conversations of a deal that are together no longer than one may be."""
    left, kept = MAX_TRANSCRIPT_CHARACTERS, []
    for conversation in sorted(one.conversations, key=_when, reverse=True):
        left -= conversation.characters
        if left < 0:
            break
        kept.append(conversation)
    return kept


def _when(conversation: Conversation) -> float:
    moment = moment_in(date_of(conversation))
    return moment.timestamp() if moment else 0.0
