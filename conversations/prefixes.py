"""The beginnings of a conversation: as it stood after each turn, or after a share of its turns.

A turn is the unit of a dialogue; a plain note has none, so there it is the sentence. A beginning keeps the context, which
is known before anybody speaks, and everything else of the record. Nothing is scored here
(`modelling.conversion_model.ConversionModel.trajectory`). Costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from conversations.conversation import Conversation, Turn
from conversations.sentences import split_sentences


def turns_of(conversation: Conversation) -> list[Turn]:
    """The turns of a dialogue; the sentences of a note as turns of nobody."""
    if conversation.turns is not None:
        return conversation.turns
    return [Turn(text=sentence) for sentence in split_sentences(conversation.transcript or "")]


def prefixes(conversation: Conversation, numbers: Sequence[int] | None = None) -> list[Conversation]:
    """The conversation as it stood after each turn, in order; the last one reads as the whole conversation does.

    numbers: only after these turns, the first of which is 1.
    """
    turns = turns_of(conversation)
    return [_beginning(conversation, turns[:count]) for count in numbers or range(1, len(turns) + 1)]


def prefix_at(conversation: Conversation, share: float) -> Conversation:
    """The conversation after a share of its turns, 0 to 1: rounded to whole turns (a half up), at least one."""
    turns = turns_of(conversation)
    return _beginning(conversation, turns[: max(1, int(share * len(turns) + 0.5))])


def _beginning(conversation: Conversation, turns: Sequence[Turn]) -> Conversation:
    if conversation.turns is not None:
        return conversation.model_copy(update={"turns": list(turns), "transcript": None})
    # A sentence a line: a line break ends a sentence that has no full stop, which a space would not.
    return conversation.model_copy(update={"transcript": "\n".join(turn.text for turn in turns)})
