"""Conversations cut into segments, and how much each segment weighs in the four blocks of a conversation vector.

The blocks are the customer's words, the seller's words, the customer's last words, and the context. Within a block,
segment i weighs exp((position_i − 1) / recency): with recency 0.5 the last words weigh seven times the first, with 0.2 a
hundred and fifty times, as deals are decided late. A plain note has no speakers, so its sentences count for both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from data_pipeline import Segment, segments
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
    return np.asarray(np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0), dtype=np.float32)


def _some_of(parts: list[Segment], kept: float, random: np.random.Generator) -> list[Segment]:
    """A weighted sample without replacement (Gumbel top-k) by exp(position / recency of the sides); context stays."""
    late = np.array([part.position for part in parts]) / BLOCKS[0].recency + random.gumbel(size=len(parts))
    late[[part.speaker == "context" for part in parts]] = np.inf
    chosen = np.sort(np.argsort(-late)[: max(1, round(kept * len(parts)))])
    return [parts[index] for index in chosen]


def _speaks_in(speaker: str, side: str) -> bool:
    """Words that are neither the customer's, the seller's nor context (a note, a third person) count for both sides."""
    return side in {speaker, ANYONE} or (side != "context" and speaker not in _SIDES)
