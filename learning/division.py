"""Which outcomes a challenger learns from, and by which, neither of both models having seen them, it is judged.

Held out are the most recent: half of what the champion has not learned from, at most MOST_HELD_OUT. No group, no deal and no
nearly equal text is on both sides, neither of what is held out and the old training data, nor of it and what the challenger
learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from conversations.conversation import Conversation
from conversations.near_duplicates import copies_of
from conversations.reading.record import is_row_id
from learning.outcomes import Outcome

MOST_HELD_OUT = 200


@dataclass(frozen=True)
class Division:
    """The outcomes, apart."""

    learned: list[Conversation]  # the champion has learned from them: the challenger does, too
    new: list[Conversation]  # only the challenger learns from them
    held_out: list[Conversation]  # neither does
    apart: list[Conversation]  # too like those held out; learned from once the decision is made
    repeated: int  # already in the training data: of no further use

    @property
    def everything(self) -> list[Conversation]:
        """All of them, for the model that is served if the challenger is promoted."""
        return [*self.learned, *self.new, *self.apart, *self.held_out]

    @property
    def fresh(self) -> int:
        """How many the champion has not learned from."""
        return len(self.new) + len(self.apart) + len(self.held_out)


def divided(old: Sequence[Conversation], outcomes: Sequence[Outcome], learned_until: datetime | None) -> Division:
    """old: the training data that the champion learned from, beside the outcomes that came until `learned_until`."""
    learned = [one for one in outcomes if learned_until is not None and one.received_at <= learned_until]
    since = [one for one in outcomes if learned_until is None or one.received_at > learned_until]
    seen = [*old, *(one.conversation for one in learned)]
    repeated = _repeated([one.conversation for one in since], seen)
    fresh = [one for one in since if id(one.conversation) not in repeated]
    groups = {one.group for one in seen} - {None}
    free = sorted((one for one in fresh if one.conversation.group not in groups), key=lambda one: one.ended_at)
    related = [one.conversation for one in fresh if one.conversation.group in groups]
    count = min(MOST_HELD_OUT, len(free) // 2)
    held_out = [one.conversation for one in free[len(free) - count :]]
    new, apart = _without_like([*related, *(one.conversation for one in free[: len(free) - count])], held_out)
    return Division([one.conversation for one in learned], new, held_out, apart, len(repeated))


def _repeated(conversations: Sequence[Conversation], seen: Sequence[Conversation]) -> set[int]:
    """`id` of each that is one of those seen: by its own id, or by nearly the same words."""
    ids = {one.conversation_id for one in seen if one.conversation_id and not is_row_id(one.conversation_id)}
    by_id = {id(one) for one in conversations if one.conversation_id in ids}
    return by_id | {id(one) for one, _ in copies_of(conversations, seen)}


def _without_like(
    conversations: Sequence[Conversation], held_out: Sequence[Conversation]
) -> tuple[list[Conversation], list[Conversation]]:
    """(those that share neither group nor words with one held out, the others)."""
    groups = {one.group_key for one in held_out}
    copies = {id(one) for one, _ in copies_of(conversations, held_out)}
    like = {id(one) for one in conversations if one.group_key in groups} | copies
    return [one for one in conversations if id(one) not in like], [one for one in conversations if id(one) in like]
