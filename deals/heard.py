"""A deal's conversations in the order of time, each with what the customer's side said in it and the signals found there.

It reads nothing into the words (`deals.qualification`, `deals.warnings`). Costs one encoder pass for each conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from conversations.conversation import Conversation
from deals.deal import UNDATED, moment_or_first, place_in_deal
from signals.finder import SignalFinder
from signals.mentions import Signal
from signals.said import SaidSentence, said_sentences


@dataclass(frozen=True)
class Heard:
    """One conversation of a deal."""

    conversation: Conversation
    sentences: Sequence[SaidSentence] = ()  # those that may carry a signal, in order
    mentions: Sequence[Signal] = ()  # every one, in order

    @property
    def day(self) -> date | None:
        """When it took place; None where no date can be read."""
        moment = moment_or_first(self.conversation)
        return None if moment == UNDATED else moment.date()

    @property
    def customer_spoke(self) -> bool:
        """Whether it has a word of the customer's side, or, as a note, tells of one."""
        turns = self.conversation.turns
        return bool(self.sentences) if turns is None else any(turn.speaker != "seller" for turn in turns)

    def said_by(self, turn: int | None) -> str:
        """Who spoke in a turn: the name, or else "customer"; "" in a note and where nobody says."""
        if turn is None or self.conversation.turns is None:
            return ""
        said = self.conversation.turns[turn]
        return said.name or said.speaker


def hear(conversations: Iterable[Conversation], finder: SignalFinder) -> list[Heard]:
    """Every conversation with its sentences and signals, in the order of time."""
    return in_order(
        Heard(one, tuple(said_sentences(one, finder.encoder)), tuple(finder.mentions(one))) for one in conversations
    )


def in_order(heard: Iterable[Heard]) -> list[Heard]:
    """The oldest first, those without a date before all others, and those of one moment by id, then by their words.

    So it is one order in whatever order they are given.
    """
    return sorted(heard, key=lambda one: place_in_deal(one.conversation))
