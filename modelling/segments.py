"""Conversations cut into segments that fit an encoder's window, and how much each weighs in a conversation's vector.

Model text is cut at turn boundaries, long turns at sentences, and no word is dropped. The vector has four blocks: the
customer's words, the seller's words, the customer's last words, and the context. Within a block, segment i weighs
exp((position_i − 1) / recency): with recency 0.5 the last words weigh seven times the first, with 0.2 a hundred and fifty
times, as deals are decided late. A plain note has no speakers, so its sentences count for both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from conversations.model_text import render_input
from conversations.sentences import split_sentences
from encoder.text_encoder import TextEncoder, remembered_answer

Floats = NDArray[np.float32]
ANYONE = "anyone"  # a block of this speaker takes every segment
_SIDES = {"customer", "seller", "context"}


class Block(NamedTuple):
    """One part of a conversation vector."""

    speaker: str
    recency: float
    weight: float  # root mean square length of the block over the training data


BLOCKS = (
    Block("customer", recency=0.5, weight=1.0),
    Block("seller", recency=0.5, weight=1.0),
    Block("customer", recency=0.2, weight=1.0),
    Block("context", recency=1.0, weight=0.5),
)


class SegmentedConversations(NamedTuple):
    """The segments of several conversations and how they are averaged to one vector for each."""

    texts: list[str]  # all segments, conversation after conversation
    speakers: list[str]
    owner: NDArray[np.int64]  # (segments,) index of the conversation that each segment belongs to, rising
    weights: Floats  # (segments, blocks) share of the segment in each block of its conversation
    parts: Sequence[Sequence[Segment]] = ()  # the same, conversation by conversation


def segment_conversations(
    encoder: TextEncoder,
    conversations: Sequence[Conversation],
    kept: float = 1.0,
    random: np.random.Generator | None = None,
) -> SegmentedConversations:
    """Cuts conversations into segments that fit the encoder's window and weighs them.

    With `kept` below 1, that share of each conversation's spoken segments is drawn at random, late ones more often.
    """
    if random is not None:
        return _weighed([_some_of(of_one, kept, random) for of_one in _segments(encoder, conversations)])
    # Encoders of one model have the same tokenizer and so cut alike.
    made_of = [encoder.tokenizer, *conversations]
    kind = ("segments", encoder.window)
    return remembered_answer(kind, made_of, lambda: _weighed(_segments(encoder, conversations)))


def _segments(encoder: TextEncoder, conversations: Sequence[Conversation]) -> list[list[Segment]]:
    cut: dict[str, list[str]] = {}  # variants of one conversation share most of their passages
    return [segments(conversation, encoder.token_count, encoder.window, cut) for conversation in conversations]


def _weighed(parts: Sequence[Sequence[Segment]]) -> SegmentedConversations:
    weights = [block_weights(of_one) for of_one in parts]
    return SegmentedConversations(
        texts=[part.text for of_one in parts for part in of_one],
        speakers=[part.speaker for of_one in parts for part in of_one],
        owner=np.repeat(np.arange(len(parts)), [len(of_one) for of_one in parts]),
        weights=np.concatenate(weights) if weights else np.zeros((0, len(BLOCKS)), dtype=np.float32),
        parts=parts,
    )


def block_weights(parts: Sequence[Segment], blocks: Sequence[Block] = BLOCKS) -> Floats:
    """(segments, blocks): the weight of each segment in each block; a block sums to 1, or to 0 where nobody fills it."""
    in_block = {
        speaker: [_speaks_in(speaker, block.speaker) for block in blocks] for speaker in {p.speaker for p in parts}
    }
    speaks = np.array([in_block[p.speaker] for p in parts], dtype=np.float64).reshape(-1, len(blocks))
    before_end = np.array([p.position - 1 for p in parts])[:, None]
    weights = speaks * np.exp(before_end / np.array([block.recency for block in blocks]))
    totals = weights.sum(axis=0)
    totals[totals == 0] = 1.0
    return (weights / totals).astype(np.float32)


def _some_of(parts: list[Segment], kept: float, random: np.random.Generator) -> list[Segment]:
    """A weighted sample without replacement (Gumbel top-k) by exp(position / recency of the sides); context stays."""
    late = np.array([part.position for part in parts]) / BLOCKS[0].recency + random.gumbel(size=len(parts))
    late[[part.speaker == "context" for part in parts]] = np.inf
    chosen = np.sort(np.argsort(-late)[: max(1, round(kept * len(parts)))])
    return [parts[index] for index in chosen]


def _speaks_in(speaker: str, side: str) -> bool:
    """Words that are neither the customer's, the seller's nor context (a note, a third person) count for both sides."""
    return side in {speaker, ANYONE} or (side != "context" and speaker not in _SIDES)


@dataclass(frozen=True)
class Segment:
    """Model text that fits one encoder window."""

    text: str  # without the speaker's name: who speaks decides the block, and a sentence reads alike whoever says it
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
        pieces = cut.get(passage.said)
        if pieces is None:
            pieces = cut[passage.said] = pieces_that_fit(passage.said, token_count, max_tokens)
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
