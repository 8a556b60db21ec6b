"""From segment vectors to one vector for a conversation: whitened, each side apart, late words weighing more.

A conversation vector has four blocks of the encoder's width: the customer's words, the seller's words, the customer's
last words, and the context. Within a block, segment i weighs exp((position_i − 1) / recency): with recency 0.5 the last
words weigh seven times the first, with 0.2 a hundred and fifty times, as deals are decided late. A plain note has no
speakers, so its sentences count for both sides.

Before averaging, segment vectors are centred and, where it helps, whitened by what the training conversations' segments
have in common. Whether it helps is decided by grouped cross-validation on the training data: it is the largest single
gain on long real dialogues and a loss on short notes with a fixed set of signals (docs/architecture.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from conversation import Conversation, labels_of
from data_pipeline import Segment, segments
from text_encoder import TextEncoder, remembered_answer


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
ANYONE = "anyone"  # a block of this speaker takes every segment
_SIDES = {"customer", "seller", "context"}
WHITENING_HANDICAP = 0.005  # ROC AUC by which untouched vectors must rank better: less is chance
WHITENING_FLOOR = 0.01  # share of the largest variance that is added to each, so that noise is not blown up

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


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


@dataclass
class SegmentWhitening:
    """Centres segment vectors per speaker and, if wanted, evens out their variance: normalise((x − mean) · matrix).

    Su et al. 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval", with a floor under
    the eigenvalues. Fitted without outcomes.
    """

    means: dict[str, Floats]  # by speaker; "*" for a speaker that training did not have
    matrix: Floats  # (dim, dim); the identity where there is no whitening

    @classmethod
    def fit(cls, vectors: Floats, speakers: Sequence[str], whiten: bool) -> SegmentWhitening:
        """vectors: (segments, dim) of the training conversations, L2-normalised."""
        of_speaker = np.asarray(speakers)
        means = {str(name): vectors[of_speaker == name].mean(axis=0) for name in np.unique(of_speaker)}
        means["*"] = vectors.mean(axis=0)
        if not whiten:
            return cls(means, np.eye(vectors.shape[1], dtype=np.float32))
        centred = vectors - np.stack([means[name] for name in speakers])
        variances, directions = np.linalg.eigh(np.cov(centred.T.astype(np.float64)))
        variances = np.maximum(variances, 0) + WHITENING_FLOOR * variances.max()
        return cls(means, np.asarray(directions / np.sqrt(variances), dtype=np.float32))

    def apply(self, vectors: Floats, speakers: Sequence[str]) -> Floats:
        """(segments, dim) whitened and L2-normalised."""
        return normalised((vectors - self.centres(speakers)) @ self.matrix)

    def centres(self, speakers: Sequence[str]) -> Floats:
        """(segments, dim): the mean of each segment's speaker."""
        means = [self.means.get(name, self.means["*"]) for name in speakers]
        return np.asarray(means, dtype=np.float32).reshape(-1, len(self.matrix))


@dataclass
class BlockScaling:
    """Centres conversation vectors and gives each block its share of their length: (x − mean) · factor."""

    mean: Floats  # (blocks · dim,)
    factors: Floats  # (blocks · dim,), equal within a block

    @classmethod
    def fit(cls, blocks: Floats, layout: Sequence[Block] = BLOCKS) -> BlockScaling:
        """blocks: (n, blocks · dim) of the training conversations."""
        mean = blocks.mean(axis=0)
        dim = blocks.shape[1] // len(layout)
        spread = np.sqrt(((blocks - mean) ** 2).mean(axis=0).reshape(len(layout), dim).sum(axis=1))
        factors = np.array([block.weight for block in layout]) / np.maximum(spread, 1e-6) * (spread > 1e-6)
        return cls(mean, np.repeat(factors, dim).astype(np.float32))

    def apply(self, blocks: Floats) -> Floats:
        """(n, blocks · dim); over the training data, the root mean square length of a block is its weight."""
        return (blocks - self.mean) * self.factors


@dataclass
class ConversationSpace:
    """Frozen conversation vectors in the space that the training conversations span."""

    encoder: TextEncoder
    whitening: SegmentWhitening
    scaling: BlockScaling

    @classmethod
    def fit(cls, encoder: TextEncoder, training: Sequence[Conversation], seed: int) -> ConversationSpace:
        """Fits centring, scaling and, if cross-validation on the training conversations favours it, whitening.

        The models of one run share it: asked again for the last conversations and seed, it gives the last answer.
        """
        asked = (seed, [id(conversation) for conversation in training])
        last = _last_space.get(encoder)
        if last is None or last[0] != asked:
            _last_space[encoder] = last = (asked, cls._fit(encoder, training, seed), list(training))
        return cls(encoder, *last[1])

    @classmethod
    def _fit(
        cls, encoder: TextEncoder, training: Sequence[Conversation], seed: int
    ) -> tuple[SegmentWhitening, BlockScaling]:
        from sklearn.metrics import roc_auc_score  # seconds to import, and serving never fits

        from linear_probe import group_folds, ridge_weights

        parts = segment_conversations(encoder, training)
        vectors = normalised(encoder.embed_texts(parts.texts))
        labels = labels_of(training)
        ranking = {}
        for whiten in (False, True):
            scores = np.zeros(len(labels))
            for kept, held in group_folds(training, seed):
                blocks = _fit_blocks(vectors, parts, kept, len(labels), whiten)[2]
                scores[held] = blocks[held] @ ridge_weights(blocks[kept], labels[kept])
            ranking[whiten] = roc_auc_score(labels, scores)
        everything = np.arange(len(labels))
        whiten = ranking[True] > ranking[False] - WHITENING_HANDICAP
        return _fit_blocks(vectors, parts, everything, len(labels), whiten)[:2]

    def vectors(self, conversations: Sequence[Conversation]) -> Floats:
        """Float32 (n, blocks · dim): block after block, centred; not normalised."""
        return self.read(conversations)[0]

    def read(self, conversations: Sequence[Conversation]) -> tuple[Floats, Floats]:
        """(`vectors`, `spoken_vectors`) of the same conversations from one pass of the encoder."""
        parts = segment_conversations(self.encoder, conversations)
        texts, speakers, rows = remembered_answer("distinct", [parts], lambda: _distinct(parts))
        vectors = normalised(self.encoder.embed_texts(texts))
        whitened = self.whitening.apply(vectors, speakers)
        blocks = self.scaling.apply(pool_blocks(whitened, parts, len(conversations), rows))
        return blocks, _spoken_means(vectors, parts, len(conversations), rows)

    def state(self) -> dict[str, Any]:
        """Arrays for an artifact; the encoder is not among them."""
        return {
            "means": dict(self.whitening.means),
            "matrix": self.whitening.matrix,
            "block_mean": self.scaling.mean,
            "block_factors": self.scaling.factors,
        }

    @classmethod
    def from_state(cls, encoder: TextEncoder, state: dict[str, Any]) -> ConversationSpace:
        """What `state` gave, on the same encoder."""
        whitening = SegmentWhitening(dict(state["means"]), state["matrix"])
        return cls(encoder, whitening, BlockScaling(state["block_mean"], state["block_factors"]))


# By encoder: what was asked, the answer, and the conversations themselves, so that their ids stay theirs.
_Fitted = tuple[SegmentWhitening, BlockScaling]
_last_space: WeakKeyDictionary[TextEncoder, tuple[Any, _Fitted, list[Conversation]]] = WeakKeyDictionary()


def _fit_blocks(
    vectors: Floats, parts: SegmentedConversations, kept: NDArray[np.int64], count: int, whiten: bool
) -> tuple[SegmentWhitening, BlockScaling, Floats]:
    """Fits whitening and scaling on the conversations `kept`; the scaled vectors of all come with them."""
    of_kept = np.isin(parts.owner, kept)
    speakers = [speaker for speaker, inside in zip(parts.speakers, of_kept, strict=True) if inside]
    whitening = SegmentWhitening.fit(vectors[of_kept], speakers, whiten)
    blocks = pool_blocks(whitening.apply(vectors, parts.speakers), parts, count)
    scaling = BlockScaling.fit(blocks[kept])
    return whitening, scaling, scaling.apply(blocks)


def pool_blocks(vectors: Floats, parts: SegmentedConversations, count: int, rows: Rows | None = None) -> Floats:
    """Weighted means of segment vectors by conversation and block: (count, blocks · dim).

    vectors: (segments, dim), or of distinct segments, with `rows` saying which of them each segment has.
    """
    blocks = np.empty((count, len(BLOCKS), vectors.shape[1]), dtype=np.float32)
    for index, (of_one, own) in enumerate(_by_conversation(vectors, parts, count, rows)):
        np.matmul(parts.weights[of_one].T, own, out=blocks[index])
    return blocks.reshape(count, -1)


def _by_conversation(
    vectors: Floats, parts: SegmentedConversations, count: int, rows: Rows | None
) -> Iterator[tuple[slice, Floats]]:
    """Where the segments of each conversation are, and their vectors; never those of all, of which rows may be few."""
    ends = np.searchsorted(parts.owner, np.arange(count + 1))
    for start, end in itertools.pairwise(ends):
        yield slice(start, end), vectors[start:end] if rows is None else vectors[rows[start:end]]


def _distinct(parts: SegmentedConversations) -> tuple[list[str], list[str], Rows]:
    """The different segments' texts and speakers, and which of them each segment is."""
    spoken = list(zip(parts.texts, parts.speakers, strict=True))
    row = {pair: index for index, pair in enumerate(dict.fromkeys(spoken))}
    rows = np.fromiter(map(row.__getitem__, spoken), dtype=np.int64, count=len(spoken))
    return [text for text, _ in row], [speaker for _, speaker in row], rows


def spoken_vectors(encoder: TextEncoder, conversations: Sequence[Conversation]) -> Floats:
    """The mean direction of what was said, context left out: float32 (n, dim), L2-normalised.

    Neither centred nor whitened: so seen, texts of another kind are furthest from those trained on.
    """
    parts = segment_conversations(encoder, conversations)
    return _spoken_means(normalised(encoder.embed_texts(parts.texts)), parts, len(conversations))


def _spoken_means(vectors: Floats, parts: SegmentedConversations, count: int, rows: Rows | None = None) -> Floats:
    """vectors and rows: as in `pool_blocks`."""
    spoken = np.array([speaker != "context" for speaker in parts.speakers], dtype=np.float32)
    sums = [spoken[of_one] @ own for of_one, own in _by_conversation(vectors, parts, count, rows)]
    return normalised(np.array(sums, dtype=np.float32).reshape(count, -1))


def mean_segment_vectors(encoder: TextEncoder, conversations: Sequence[Conversation]) -> Floats:
    """The plain mean of a conversation's segment vectors, float32 (n, dim): the baseline that uses no structure."""
    parts = segment_conversations(encoder, conversations)
    means = np.zeros((len(conversations), encoder.dim), dtype=np.float32)
    owners, first = np.unique(parts.owner, return_index=True)
    means[owners] = np.add.reduceat(normalised(encoder.embed_texts(parts.texts)), first)
    counts = np.bincount(parts.owner, minlength=len(conversations))[:, None]
    return np.asarray(means / counts, dtype=np.float32)


def normalised(vectors: NDArray[np.floating[Any]]) -> Floats:
    """Rows scaled to length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def _some_of(parts: list[Segment], kept: float, random: np.random.Generator) -> list[Segment]:
    """A weighted sample without replacement (Gumbel top-k) by exp(position / recency of the sides); context stays."""
    late = np.array([part.position for part in parts]) / BLOCKS[0].recency + random.gumbel(size=len(parts))
    late[[part.speaker == "context" for part in parts]] = np.inf
    chosen = np.sort(np.argsort(-late)[: max(1, round(kept * len(parts)))])
    return [parts[index] for index in chosen]


def _speaks_in(speaker: str, side: str) -> bool:
    """Words that are neither the customer's, the seller's nor context (a note, a third person) count for both sides."""
    return side in {speaker, ANYONE} or (side != "context" and speaker not in _SIDES)
