"""From segments to one vector: weights by speaker and lateness, whitening, scaling, pooling; formulas worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from conversations.conversation import Conversation, ConversationContext, Turn, labels_of
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from modelling import starter_head
from modelling.conversation_vectors import ConversationSpace, mean_segment_vectors, pool_blocks, spoken_vectors
from modelling.ridge import ridge_weights
from modelling.segments import BLOCKS, Block, Segment, SegmentedConversations, block_weights, segment_conversations
from modelling.starter_head import STARTER_BLOCKS, StarterHead
from modelling.whitening import WHITENING_FLOOR, BlockScaling, SegmentWhitening, longest_directions, normalised

RETAIL = ConversationContext(industry="retail")
CUSTOMER, SELLER, LAST_WORDS, CONTEXT = range(len(BLOCKS))


def test_late_words_weigh_more_and_each_side_apart() -> None:
    parts = [
        Segment("The budget is small.", "customer", 0.5),
        Segment("We can help.", "seller", 0.75),
        Segment("Then yes.", "customer", 1.0),
        Segment("company size: large", "context", 1.0),
    ]
    weights = block_weights(parts)
    # exp((0.5 − 1) / 0.5) = e⁻¹ = 0.3679 beside 1: 0.3679 / 1.3679 = 0.2689
    assert weights[:, CUSTOMER] == pytest.approx([0.26894, 0, 0.73106, 0], abs=1e-5)
    assert weights[:, SELLER] == pytest.approx([0, 1, 0, 0])
    # exp(−0.5 / 0.2) = e⁻²·⁵ = 0.0821 beside 1: 0.0821 / 1.0821 = 0.0759
    assert weights[:, LAST_WORDS] == pytest.approx([0.07586, 0, 0.92414, 0], abs=1e-5)
    assert weights[:, CONTEXT] == pytest.approx([0, 0, 0, 1])


def test_a_note_counts_for_both_sides_and_a_block_that_nobody_fills_is_zero() -> None:
    weights = block_weights([Segment("They liked it.", "note", 1.0)])
    assert weights[0].tolist() == [1, 1, 1, 0]


def test_a_block_of_anyone_takes_every_segment() -> None:
    parts = [Segment("a", "customer", 1.0), Segment("b", "context", 1.0)]
    assert block_weights(parts, [Block("anyone", 1.0, 1.0)])[:, 0].tolist() == [0.5, 0.5]


def test_no_conversation_has_no_segments(tiny_encoder: SalesEncoder) -> None:
    parts = segment_conversations(tiny_encoder, [])
    assert parts.texts == []
    assert parts.weights.shape == (0, len(BLOCKS))


def test_drawn_segments_keep_the_context_and_come_late_more_often(tiny_encoder: SalesEncoder) -> None:
    turns = [Turn(speaker="customer", text=f"Sentence number {n}.") for n in range(20)]
    conversation = Conversation(turns=turns, conversation_context=RETAIL)
    everything = segment_conversations(tiny_encoder, [conversation])
    drawn = [
        segment_conversations(tiny_encoder, [conversation], 0.5, np.random.default_rng(seed)) for seed in range(40)
    ]
    assert {len(parts.texts) for parts in drawn} == {round(len(everything.texts) / 2)}
    assert all(parts.speakers.count("context") == everything.speakers.count("context") == 1 for parts in drawn)
    early, late = (sum(f"Sentence number {n}." in parts.texts for parts in drawn) for n in (1, 18))
    assert late > 2 * early


def test_whitening_leaves_each_direction_the_share_of_its_variance_above_the_floor() -> None:
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(4000, 3)) * [3.0, 1.0, 0.1]).astype(np.float32)
    speakers = ["customer", "seller"] * 2000
    vectors[1::2] += 5  # the sides differ in their means only, which centring takes away
    whitening = SegmentWhitening.fit(vectors, speakers, whiten=True)
    centred = vectors - whitening.centres(speakers)
    variances = np.linalg.eigvalsh(np.cov(centred.T))
    expected = variances / (variances + WHITENING_FLOOR * variances.max())
    assert np.cov((centred @ whitening.matrix).T) == pytest.approx(np.diag(expected), abs=1e-3)
    assert np.linalg.norm(whitening.apply(vectors, speakers), axis=1) == pytest.approx(1, abs=1e-5)


def test_an_unknown_speaker_is_centred_by_everybody_s_mean() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    whitening = SegmentWhitening.fit(vectors, ["customer", "seller"], whiten=False)
    assert whitening.centres(["customer", "stranger"]).tolist() == [[1.0, 0.0], [0.5, 0.5]]
    assert whitening.matrix.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_segments_that_are_all_alike_whiten_to_zeros_not_to_nonsense() -> None:
    vectors = np.ones((5, 3), dtype=np.float32)
    whitening = SegmentWhitening.fit(vectors, ["customer"] * 5, whiten=True)
    assert whitening.apply(vectors, ["customer"] * 5).tolist() == np.zeros((5, 3)).tolist()


def test_scaling_gives_each_block_its_weight_as_root_mean_square_length() -> None:
    layout = [Block("customer", 1.0, weight=2.0), Block("context", 1.0, weight=0.5), Block("seller", 1.0, weight=1.0)]
    # First block: (3, 4) and (−3, −4) around 0, length 5 each. Second: around (1, 0), length 1. Third: constant.
    blocks = np.array([[3, 4, 2, 0, 7, 7], [-3, -4, 0, 0, 7, 7]], dtype=np.float32)
    scaling = BlockScaling.fit(blocks, layout)
    assert scaling.mean.tolist() == [0, 0, 1, 0, 7, 7]
    assert scaling.factors == pytest.approx([0.4, 0.4, 0.5, 0.5, 0, 0])
    assert scaling.apply(blocks) == pytest.approx(
        np.array([[1.2, 1.6, 0.5, 0, 0, 0], [-1.2, -1.6, -0.5, 0, 0, 0]]), abs=1e-6
    )


def test_pooling_is_the_weighted_mean_of_a_conversation_s_own_segments() -> None:
    weights = np.zeros((3, len(BLOCKS)), dtype=np.float32)
    weights[:, CUSTOMER] = [0.25, 0.75, 1.0]
    weights[2, CONTEXT] = 1.0
    parts = SegmentedConversations(["a", "b", "a"], ["customer"] * 3, np.array([0, 0, 2]), weights)
    vectors = np.array([[4.0, 0.0], [0.0, 8.0], [1.0, 2.0]], dtype=np.float32)
    pooled = pool_blocks(vectors, parts, 3).reshape(3, len(BLOCKS), 2)
    assert pooled[0, CUSTOMER].tolist() == [1.0, 6.0]
    assert pooled[1].tolist() == np.zeros((len(BLOCKS), 2)).tolist(), "a conversation without segments"
    assert pooled[2, CUSTOMER].tolist() == pooled[2, CONTEXT].tolist() == [1.0, 2.0]
    of_distinct = pool_blocks(vectors[:2], parts, 3, rows=np.array([0, 1, 0])).reshape(3, len(BLOCKS), 2)
    assert of_distinct[2, CUSTOMER].tolist() == [4.0, 0.0]


def test_normalised_rows_have_length_one_and_zeros_stay() -> None:
    assert normalised(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))


def test_the_longest_directions_are_kept_first() -> None:
    # Along (0, 1, 0) the squares sum up to 25, along (1, 0, 0) to 4, along (0, 0, 1) to 1.
    vectors = np.array([[0, 3, 0], [2, 0, 0], [0, 0, 1], [0, -4, 0]], dtype=np.float32)
    directions = longest_directions(vectors, 2)
    np.testing.assert_allclose(np.abs(directions), [[0, 1], [1, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors @ directions, axis=1), [3, 2, 0, 4], atol=1e-5)
    assert longest_directions(vectors[:1], 2).shape == (3, 1), "one vector has one direction"


def test_context_is_not_among_what_was_said(tiny_encoder: SalesEncoder) -> None:
    plain = Conversation(transcript="They want to start in May.")
    with_context = Conversation(transcript="They want to start in May.", conversation_context=RETAIL)
    said = spoken_vectors(tiny_encoder, [plain, with_context])
    assert said[0] == pytest.approx(said[1], abs=1e-5)
    means = mean_segment_vectors(tiny_encoder, [plain, with_context])
    assert np.abs(means[0] - means[1]).max() > 0.01


def test_a_space_that_was_kept_gives_the_same_vectors(tiny_encoder: SalesEncoder, splits: DataSplits) -> None:
    space = ConversationSpace.fit(tiny_encoder, splits.train, seed=0)
    vectors, spoken = space.read(splits.test)
    assert vectors.shape == (len(splits.test), space.width)
    again = ConversationSpace.from_state(tiny_encoder, space.state())
    assert np.array_equal(again.vectors(splits.test), vectors)
    assert spoken == pytest.approx(spoken_vectors(tiny_encoder, splits.test), abs=1e-5)
    trained = space.vectors(splits.train)[:, : len(BLOCKS) * tiny_encoder.dim].reshape(
        len(splits.train), len(BLOCKS), -1
    )
    lengths = np.sqrt((trained**2).sum(axis=2).mean(axis=0))
    assert lengths == pytest.approx([block.weight for block in BLOCKS], abs=1e-3)


def knowing_head(encoder: SalesEncoder, conversations: Sequence[Conversation], strength: float) -> StarterHead:
    """A starter that knows how these conversations ended, or with strength 0 says the same of all."""
    blank = StarterHead(np.zeros(len(STARTER_BLOCKS) * encoder.dim, dtype=np.float32), 0.0)
    pooled = blank.read(encoder, conversations)[1]
    weights = strength * ridge_weights(pooled - pooled.mean(axis=0), labels_of(conversations), ridge=1e-3)
    return replace(blank, weights=weights)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_what_the_starter_says_is_taken_where_it_ranks_better(
    tiny_encoder: SalesEncoder, splits: DataSplits, monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    head = knowing_head(tiny_encoder, splits.train, strength)
    monkeypatch.setattr(starter_head, "starter_head_for", lambda encoder: head)
    space = ConversationSpace.fit(tiny_encoder, splits.train, seed=0)
    without = ConversationSpace.fit(tiny_encoder, splits.train, 0, [space], knows_sales=False)
    assert without is not space and without.width == len(BLOCKS) * tiny_encoder.dim
    blocks = space.vectors(splits.test)
    assert np.array_equal(without.vectors(splits.test), blocks[:, : without.width])
    if not strength:
        assert space.starter is None and space.width == without.width
        return
    said_of_train, said = (head.read(tiny_encoder, part)[0] for part in (splits.train, splits.test))
    assert blocks[:, -1] == pytest.approx((said - said_of_train.mean()) / said_of_train.std(), abs=1e-3)
    assert np.std(said) > 0.01, "it says the same of all, and the test proves nothing"
    assert np.array_equal(ConversationSpace.from_state(tiny_encoder, space.state()).vectors(splits.test), blocks)


def test_a_space_that_was_fitted_alike_is_taken(tiny_encoder: SalesEncoder, splits: DataSplits) -> None:
    space = ConversationSpace.fit(tiny_encoder, splits.train, 0)
    assert ConversationSpace.fit(tiny_encoder, list(splits.train), 0, [space]) is space
    assert ConversationSpace.fit(tiny_encoder, splits.train, 1, [space]) is not space
    assert ConversationSpace.fit(tiny_encoder, splits.train[1:], 0, [space]) is not space
    loaded = ConversationSpace.from_state(tiny_encoder, space.state())
    assert ConversationSpace.fit(tiny_encoder, splits.train, 0, [loaded]) is not loaded, "nobody knows of what it is"
