"""From a conversation to model text, and from a file to train, validation and test data.

`render_input` is the one place where a conversation becomes the text that models and bags of words read; `segments`
cuts that text to what one encoder window holds, at turn boundaries and without dropping a word. Reading files is
`conversations.reading.files`, splitting is `conversations.split`; both are offered here under one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from conversations.conversation import Conversation, ConversationContext, Turn, conversation_from_record
from conversations.model_text import Passage, render_input, rendered_text, spoken_text
from conversations.reading.files import read_conversations, read_splits, write_splits
from conversations.sentences import sentence_spans, split_sentences
from conversations.split import DataSplits, split_conversations

__all__ = [
    "Conversation",
    "ConversationContext",
    "DataSplits",
    "Passage",
    "Segment",
    "Turn",
    "conversation_from_record",
    "read_conversations",
    "read_splits",
    "render_input",
    "rendered_text",
    "segments",
    "sentence_spans",
    "split_conversations",
    "split_sentences",
    "spoken_text",
    "write_splits",
]


@dataclass(frozen=True)
class Segment:
    """Model text that fits one encoder window."""

    text: str
    speaker: str  # as in Passage
    position: float  # where in the conversation it lies: 0.0 the first words, 1.0 the last


def segments(
    conversation: Conversation,
    token_count: Callable[[str], int],
    max_tokens: int,
    cut: dict[str, list[str]] | None = None,
) -> list[Segment]:
    """The passages of a conversation, those longer than `max_tokens` cut at a sentence or, failing that, a word.

    `token_count` gives the number of tokens of a text without special tokens. No word is lost: the segments of a
    passage joined by spaces are the passage, but that a single word longer than `max_tokens` is cut into parts.
    `cut` keeps the pieces of each passage for other conversations that have it too.
    """
    cut = {} if cut is None else cut
    passages = render_input(conversation)
    spoken = sum(passage.speaker != "context" for passage in passages)
    result: list[Segment] = []
    place = 0
    for passage in passages:
        position = 0.0 if passage.speaker == "context" or spoken < 2 else place / (spoken - 1)
        place += passage.speaker != "context"
        pieces = cut.get(passage.text)
        if pieces is None:
            pieces = cut[passage.text] = pieces_that_fit(passage.text, token_count, max_tokens)
        result += [Segment(piece, passage.speaker, position) for piece in pieces]
    return result


def pieces_that_fit(text: str, token_count: Callable[[str], int], max_tokens: int) -> list[str]:
    surely_fits = 2 * len(text.encode("utf-8")) <= max_tokens  # a byte never makes more than two tokens
    if surely_fits or token_count(text) <= max_tokens:
        return [text]
    sentences = split_sentences(text)
    units = sentences if len(sentences) > 1 else list(_words_that_fit(text, token_count, max_tokens))
    return [
        piece
        for packed in _pack(units, token_count, max_tokens)
        for piece in ([packed] if len(units) == 1 else pieces_that_fit(packed, token_count, max_tokens))
    ]


def _words_that_fit(text: str, token_count: Callable[[str], int], max_tokens: int) -> Iterator[str]:
    """Words, those of more than `max_tokens` tokens (a long URL, an unspaced script) halved until they fit."""
    for word in text.split():
        stack = [word]
        while stack:
            part = stack.pop()
            if len(part) < 2 or token_count(part) <= max_tokens:
                yield part
            else:
                stack += [part[len(part) // 2 :], part[: len(part) // 2]]


def _pack(units: Sequence[str], token_count: Callable[[str], int], max_tokens: int) -> Iterator[str]:
    """Joins neighbouring units while their tokens fit; a unit that is too long alone stays alone."""
    packed: list[str] = []
    used = 0
    for unit in units:
        tokens = token_count(unit)
        if packed and used + tokens > max_tokens:
            yield " ".join(packed)
            packed, used = [], 0
        packed.append(unit)
        used += tokens
    if packed:
        yield " ".join(packed)
