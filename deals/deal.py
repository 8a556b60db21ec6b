"""A deal: its conversations in the order of time, and all of them as the one conversation that models read.

Who says what stays as it was said, the turns of one conversation after those of the one before; a note's sentences are turns
of nobody. What the CRM knows is the newest that is known of each field. A deal of one conversation is that conversation
itself, the same object. The order in which conversations are given changes nothing. Costs microseconds a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conversations.conversation import (
    DEAL_PARTS,
    MAX_TRANSCRIPT_CHARACTERS,
    MAX_TURNS,
    Conversation,
)
from conversations.dates import iso_date, moment_in
from conversations.model_text import words_sha256
from conversations.prefixes import turns_of
from deals.parts import DealPart, newest_context
from foundations.errors import InputError, quoted

Place = tuple[datetime, str, str, str]  # moment, id, words, context
UNDATED = datetime.min.replace(tzinfo=UTC)
_AGREED = {"outcome": "how it ended", "group": "its group", "split": "its split"}


@dataclass(frozen=True)
class Deal:
    """The conversations of one deal, and what they are together."""

    deal_id: str  # of a conversation without one, the conversation's own id
    conversations: tuple[Conversation, ...]  # the oldest first; those without a date before all others, by id
    whole: Conversation  # as models read it

    def upto(self, count: int) -> Conversation:
        """The deal as it stood after its first `count` conversations, 1 or more."""
        return joined(self.deal_id, self.conversations[:count], _agreed(self.deal_id, self.conversations))

    def without(self, left_out: Sequence[Conversation]) -> Deal | None:
        """The deal without some of its conversations, ended as all of them say; None where none is left."""
        gone = {id(one) for one in left_out}
        left = tuple(one for one in self.conversations if id(one) not in gone)
        if not left or not gone:
            return self if left else None
        return Deal(self.deal_id, left, joined(self.deal_id, left, _agreed(self.deal_id, self.conversations)))

    @property
    def dates(self) -> list[str]:
        """The dates that can be read, as they were written, in order."""
        return [text for one in self.conversations if moment_in(text := date_of(one)) and text is not None]


def deal_of(deal_id: str, conversations: Sequence[Conversation]) -> Deal:
    """The deal of conversations in any order; of copies (one id, one date and the same words) one counts.

    Raises InputError where they contradict each other about the outcome, the group or the split, and where they are longer
    together than a conversation may be.
    """
    placed = _in_order(conversations)
    agreed = _agreed(deal_id, [one for _, one in placed])
    ordered = _without_copies(placed)
    whole = joined(deal_id, ordered, agreed)
    if len(ordered) > 1:
        _check_length(deal_id, whole, len(ordered))
    return Deal(deal_id, tuple(ordered), whole)


def joined(deal_id: str, conversations: Sequence[Conversation], agreed: dict[str, Any]) -> Conversation:
    """One conversation of several in order; of one that conversation, but for what the deal knows and it does not.

    agreed: the fields that all conversations of a deal have in common.
    """
    if len(conversations) == 1:
        lacking = {name: value for name, value in agreed.items() if getattr(conversations[0], name) != value}
        return conversations[0].model_copy(update=lacking) if lacking else conversations[0]
    turns = [turns_of(one) for one in conversations]
    parts = [_part(one, len(of_one)) for one, of_one in zip(conversations, turns, strict=True)]
    known = {
        name: value
        for one in conversations
        for name, value in (one.model_extra or {}).items()
        if value not in (None, "")
    }
    return conversations[-1].model_copy(
        update={
            **known,
            **agreed,
            "conversation_id": deal_id,
            "deal_id": deal_id,
            "transcript": None,
            # Each call's times begin at zero.
            "turns": [turn.model_copy(update={"start": None, "end": None}) for of_one in turns for turn in of_one],
            "conversation_context": newest_context([one.conversation_context for one in conversations]),
            "sides_inferred": any(one.sides_inferred for one in conversations),
            "true_probability": None,
            DEAL_PARTS: [part.model_dump(exclude_none=True) for part in parts],
        }
    )


def stored_of(deal: Deal) -> Conversation:
    """What a deal's prediction is stored as: its newest conversation, with what is known of the deal."""
    known = {name: getattr(deal.whole, name) for name in ("conversation_context", "group", "deal_id")}
    return deal.conversations[-1].model_copy(update=known)


def date_of(conversation: Conversation) -> str | None:
    """The date of a conversation as its record has it, in ISO 8601 where it came as milliseconds since 1970."""
    return iso_date((conversation.model_extra or {}).get("date"))


def moment_or_first(conversation: Conversation) -> datetime:
    """When it took place; of one without a date that can be read, UNDATED, before everything."""
    return moment_in(date_of(conversation)) or UNDATED


def place_in_deal(conversation: Conversation) -> Place:
    """Where it stands in its deal. All that models read is in it, so that what is still equal may stand in any order."""
    moment = moment_or_first(conversation)
    context = conversation.conversation_context.model_dump_json(exclude_none=True)
    return moment, conversation.conversation_id, words_sha256(conversation), context


def _in_order(conversations: Sequence[Conversation]) -> list[tuple[Place, Conversation]]:
    placed = [(place_in_deal(one), one) for one in conversations]
    return sorted(placed, key=lambda pair: pair[0])


def _without_copies(placed: Sequence[tuple[Place, Conversation]]) -> list[Conversation]:
    kept: dict[Any, Conversation] = {}
    for number, (place, one) in enumerate(placed):
        kept.setdefault(place[:3] if one.conversation_id else number, one)
    return list(kept.values())


def _agreed(deal_id: str, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """The fields that conversations of one deal share, None where no one has it. Raises InputError where two differ."""
    agreed: dict[str, Any] = {}
    for name, what in _AGREED.items():
        said = {value: one for one in conversations if (value := getattr(one, name)) is not None}
        if len(said) > 1:
            (first, by), (second, by_another) = sorted(said.items())[:2]
            raise InputError(
                f"The conversations of deal {quoted(deal_id)} contradict each other about {what}: {quoted(first)} says "
                f"{quoted(by.conversation_id)}, {quoted(second)} says {quoted(by_another.conversation_id)}; correct one, "
                "or give them different deal ids."
            )
        agreed[name] = next(iter(said), None)
    return agreed


def _check_length(deal_id: str, whole: Conversation, count: int) -> None:
    for length, most, what in (
        (whole.characters, MAX_TRANSCRIPT_CHARACTERS, "characters"),
        (len(whole.turns or []), MAX_TURNS, "turns"),
    ):
        if length > most:
            raise InputError(
                f"The {count} conversations of deal {quoted(deal_id)} have {length:,} {what} together; at most {most:,} "
                "are accepted, so leave out the oldest of them."
            )


def _part(conversation: Conversation, turns: int) -> DealPart:
    return DealPart(
        conversation_id=conversation.conversation_id,
        date=date_of(conversation),
        turns=turns,
        conversation_context=conversation.conversation_context,
    )
