"""From segment vectors to one vector for a conversation: whitened, each side apart, late words weighing more.

A conversation vector has four blocks of the encoder's width (`modelling.segments`) and, on the sales encoder, what its head
says (`modelling.starter_head`), so that a model that learns from few deals of one's own starts from what is known of sales
(docs/accuracy.md). Before averaging, segment vectors are centred and, where it helps, whitened by what the training
conversations' segments have in common. Grouped cross-validation on the training data decides whether whitening helps, the
largest single gain on long real dialogues and a loss on short notes with a fixed set of signals, and whether the starter's
word does (docs/architecture.md). Segments keep vectors of their own as well, which find
the passages that two conversations share.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder, remembered_answer
from modelling import starter_head
from modelling.segments import BLOCKS, SegmentedConversations, segment_conversations
from modelling.starter_head import StarterHead
from modelling.whitening import BlockScaling, SegmentWhitening, normalised

WHITENING_HANDICAP = 0.005  # ROC AUC by which untouched vectors must rank better: less is chance
STARTER_HANDICAP = 0.005  # ROC AUC by which vectors with what the starter says must rank better than those without

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass
class ConversationSpace:
    """Frozen conversation vectors in the space that the training conversations span."""

    encoder: TextEncoder
    whitening: SegmentWhitening
    scaling: BlockScaling
    starter: StarterHead | None = (
        None  # its log-odds are the last column, of mean 0 and spread 1 over the training data
    )
    fitted_on: tuple[int, bool, list[Conversation]] | None = None  # seed, knows_sales, conversations; None: not here

    @classmethod
    def fit(
        cls,
        encoder: TextEncoder,
        training: Sequence[Conversation],
        seed: int,
        known: Iterable[ConversationSpace] = (),
        knows_sales: bool = True,
    ) -> ConversationSpace:
        """Fits centring and scaling; cross-validation on the training conversations decides on whitening and the starter.

        known: spaces of models that were fitted before; one fitted alike on the same conversations is taken.
        knows_sales: whether what the starter says may be part of the vectors, where the encoder is its own.
        """
        wanted = (seed, knows_sales, list(training))
        for space in known:
            if space.encoder is encoder and space.fitted_on == wanted:
                return space
        starter = starter_head.starter_head_for(encoder) if knows_sales else None
        return cls(encoder, *_fitted_parts(encoder, training, seed, starter), wanted)

    @property
    def width(self) -> int:
        """Of a conversation vector."""
        return len(BLOCKS) * self.encoder.dim + (self.starter is not None)

    def vectors(self, conversations: Sequence[Conversation]) -> Floats:
        """Float32 (n, width): block after block, then what the starter says; centred, not normalised."""
        return self.read(conversations)[0]

    def read(self, conversations: Sequence[Conversation]) -> tuple[Floats, Floats]:
        """(`vectors`, `spoken_vectors`) of the same conversations from one pass of the encoder."""
        parts = segment_conversations(self.encoder, conversations)
        texts, speakers, rows = remembered_answer("distinct", [parts], lambda: _distinct(parts))
        vectors = normalised(self.encoder.embed_texts(texts))
        whitened = self.whitening.apply(vectors, speakers)
        blocks = self.scaling.apply(pool_blocks(whitened, parts, len(conversations), rows))
        if self.starter is not None:
            blocks = np.column_stack(
                [blocks, _starter_log_odds(self.starter, vectors, parts, len(conversations), rows)]
            )
        return blocks, _spoken_means(vectors, parts, len(conversations), rows)

    def state(self) -> dict[str, Any]:
        """Arrays for an artifact; the encoder is not among them."""
        starter = {} if self.starter is None else {"starter": asdict(self.starter)}
        return {
            **starter,
            "means": dict(self.whitening.means),
            "matrix": self.whitening.matrix,
            "block_mean": self.scaling.mean,
            "block_factors": self.scaling.factors,
        }

    @classmethod
    def from_state(cls, encoder: TextEncoder, state: dict[str, Any]) -> ConversationSpace:
        """What `state` gave, on the same encoder."""
        whitening = SegmentWhitening(dict(state["means"]), state["matrix"])
        starter = StarterHead(**state["starter"]) if "starter" in state else None
        return cls(encoder, whitening, BlockScaling(state["block_mean"], state["block_factors"]), starter)


def _fitted_parts(
    encoder: TextEncoder, training: Sequence[Conversation], seed: int, starter: StarterHead | None
) -> tuple[SegmentWhitening, BlockScaling, StarterHead | None]:
    """What ranks best in cross-validation, fitted to all training conversations."""
    from sklearn.metrics import roc_auc_score  # seconds to import, and serving never fits

    from conversations.folds import group_folds
    from modelling.ridge import ridge_weights

    parts = segment_conversations(encoder, training)
    vectors, labels = normalised(encoder.embed_texts(parts.texts)), labels_of(training)
    folds = list(group_folds(training, seed))

    def ranking(whiten: bool, said: Floats | None = None) -> float:
        scores = np.zeros(len(labels))
        for kept, held in folds:
            blocks = _fit_blocks(vectors, parts, kept, len(labels), whiten)[2]
            if said is not None:
                blocks = np.column_stack([blocks, said - said[kept].mean()])
            scores[held] = blocks[held] @ ridge_weights(blocks[kept], labels[kept])
        return float(roc_auc_score(labels, scores))

    rankings = {whiten: ranking(whiten) for whiten in (False, True)}
    whiten = rankings[True] > rankings[False] - WHITENING_HANDICAP
    whitening, scaling, _ = _fit_blocks(vectors, parts, np.arange(len(labels)), len(labels), whiten)
    if starter is None:
        return whitening, scaling, None
    starter = _standardised(starter, _starter_log_odds(starter, vectors, parts, len(labels)))
    if ranking(whiten, _starter_log_odds(starter, vectors, parts, len(labels))) <= rankings[whiten] + STARTER_HANDICAP:
        return whitening, scaling, None
    return whitening, scaling, starter


def _standardised(starter: StarterHead, said: Floats) -> StarterHead:
    """Such that what it says of the conversations weighs in their vectors as much as a block, however sure it is."""
    spread = max(float(said.std()), 1e-6)
    return replace(starter, weights=starter.weights / spread, bias=(starter.bias - float(said.mean())) / spread)


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


def _starter_log_odds(
    starter: StarterHead, vectors: Floats, parts: SegmentedConversations, count: int, rows: Rows | None = None
) -> Floats:
    """(count,): `StarterHead.read` of vectors that are there already; vectors and rows as in `pool_blocks`."""
    asked = vectors @ starter.by_block
    of_segments = ((asked if rows is None else asked[rows]) * starter_head.segment_weights(parts.parts)).sum(axis=1)
    return np.asarray(starter.bias + np.bincount(parts.owner, of_segments, minlength=count), dtype=np.float32)


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


class Passages(NamedTuple):
    """What was said in several conversations, segment by segment, without the context."""

    texts: list[str]  # conversation after conversation
    speakers: list[str]
    owner: NDArray[np.int64]  # (passages,) index of the conversation that each belongs to
    vectors: Floats  # (passages, dim), L2-normalised


def spoken_passages(
    encoder: TextEncoder,
    conversations: Sequence[Conversation],
    transform: Callable[[Floats, Sequence[str]], Floats] = lambda vectors, speakers: vectors,
) -> Passages:
    """The segments but for the context; `transform` takes their normalised vectors and speakers to the vectors given."""
    parts = segment_conversations(encoder, conversations)
    spoken = [index for index, speaker in enumerate(parts.speakers) if speaker != "context"]
    texts, speakers = [parts.texts[n] for n in spoken], [parts.speakers[n] for n in spoken]
    if not texts:
        return Passages([], [], np.zeros(0, dtype=np.int64), np.zeros((0, encoder.dim), dtype=np.float32))
    return Passages(texts, speakers, parts.owner[spoken], transform(normalised(encoder.embed_texts(texts)), speakers))
