"""The ensemble's parts: the bag of words, the stacking weights, and what it takes from models that are there already."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from classification_head_model import ClassificationHeadModel
from conversations.conversation import Conversation, Turn, labels_of
from conversations.model_text import render_input
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from ensemble_model import MEMBERS, WORDS, EnsembleModel, EnsembleSettings, expected_weights, stacking_weights
from evaluation.learning_curve import balanced_subset
from few_shot_model import FewShotModel
from foundations.errors import InputError
from modelling.ridge import ridge_weights, ridge_weights_of_samples
from modelling.words import WordModel, _all_terms, _classifier


@pytest.fixture(scope="module")
def words(splits: DataSplits) -> WordModel:
    return WordModel.fit(splits.train)


def test_words_weigh_as_in_scikit_learn(words: WordModel, splits: DataSplits) -> None:
    vectorizer = TfidfVectorizer(analyzer=_all_terms, sublinear_tf=True)
    pipeline = make_pipeline(vectorizer, _classifier(words.penalty))
    pipeline.fit([render_input(c) for c in splits.train], labels_of(splits.train))
    odd = [Conversation(transcript=text) for text in ("??", "Straße ÉTÉ don't x", "zzz qqq", "budget budget budget")]
    asked = [*splits.test, *odd]
    expected = pipeline.decision_function([render_input(c) for c in asked])
    np.testing.assert_allclose(words.log_odds(asked), expected, atol=1e-9)


def test_terms_by_hand() -> None:
    talk = Conversation(turns=[Turn(speaker="seller", text="Buy it?"), Turn(speaker="customer", text="Yes")])
    assert sorted(_all_terms(render_input(talk))) == sorted(
        ["seller", "buy", "it", "customer", "yes"]
        + ["seller buy", "buy it", "it customer", "customer yes"]
        + ["seller: buy", "seller: it", "customer: yes"]
    )


def test_a_count_weighs_sublinearly() -> None:
    # Vocabulary of one term with idf 2 and weight 3, another with idf 1 and weight 0: "a a a b" has tf-idf
    # (1 + ln 3) · 2 = 4.197 and 1, of length 4.315, so the log-odds are 3 · 4.197 / 4.315 + 0.5.
    model = WordModel({"aa": 0, "bb": 1}, np.array([2.0, 1.0]), np.array([3.0, 0.0]), 0.5, 10.0)
    (found,) = model.log_odds([Conversation(transcript="aa aa aa bb")])
    assert found == pytest.approx(3 * 4.1972 / np.hypot(4.1972, 1) + 0.5, abs=1e-4)


def test_words_come_back_from_an_artifact(words: WordModel, splits: DataSplits) -> None:
    again = WordModel.from_state(words.state())
    np.testing.assert_array_equal(again.log_odds(splits.test), words.log_odds(splits.test))


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_text_has_finite_log_odds(words: WordModel, text: str) -> None:
    assert math.isfinite(words.log_odds([Conversation(transcript=text)])[0])


def test_a_member_that_knows_more_weighs_more() -> None:
    labels = np.array([1, 0] * 200)
    knows = np.where(labels == 1, 1.0, -1.0)
    guesses = np.random.default_rng(0).normal(size=400)
    weights = stacking_weights(np.stack([knows, guesses], axis=1), labels, 1.0, np.full(2, 0.5))
    assert weights[0] > 1 > 0.3 > weights[1] >= 0
    # A member that is always wrong would deserve a negative weight; it gets none.
    assert stacking_weights(np.stack([knows, -knows], axis=1), labels, 0.0, np.full(2, 0.5))[1] == 0


def test_without_evidence_models_weigh_alike_and_words_nothing() -> None:
    labels = np.array([1, 0] * 50)
    expected = expected_weights(["starter", "few_shot", WORDS])
    assert expected.tolist() == [0.5, 0.5, 0.0]
    np.testing.assert_allclose(stacking_weights(np.zeros((100, 3)), labels, 1.0, expected), expected)


def test_the_stacking_optimum_by_hand() -> None:
    # One member says ±1, right three times of four; no pull. Best sigmoid(w) = 3/4, so w = log 3 = 1.0986.
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 1])
    said = np.array([[1.0], [1], [1], [1], [-1], [-1], [-1], [-1]])
    assert stacking_weights(said, labels, 0.0, np.ones(1)) == pytest.approx([math.log(3)], abs=1e-4)
    # With pull p the gradient n · (sigmoid(w) − 3/4) + p · (w − 1) vanishes; for w = 1 it needs p → ∞.
    assert stacking_weights(said, labels, 1e6, np.ones(1)) == pytest.approx([1.0], abs=1e-4)


def test_models_that_were_fitted_on_the_same_conversations_are_taken(
    tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    splits = replace(splits, train=balanced_subset(splits.train, 24, seed=0))
    known = ClassificationHeadModel(tiny_encoder, seed=7)
    known.fit(splits.train, splits.validation)
    other_seed = FewShotModel(tiny_encoder, seed=8)
    other_seed.fit(splits.train, splits.validation)
    ensemble = EnsembleModel(tiny_encoder, seed=7)
    ensemble.reuse({known.name: known, other_seed.name: other_seed})
    history = ensemble.fit(splits.train, splits.validation)
    assert ensemble.members[known.name] is known
    assert ensemble.members[other_seed.name] is not other_seed
    assert [row["name"] for row in history.rows] == [*(member.name for member in MEMBERS), WORDS]
    fresh = EnsembleModel(tiny_encoder, seed=7)
    fresh.fit(splits.train, splits.validation)
    np.testing.assert_allclose(fresh.predict_proba(splits.test), ensemble.predict_proba(splits.test), atol=1e-6)


def test_a_negative_pull_is_refused() -> None:
    with pytest.raises(InputError, match="pull is -1"):
        EnsembleSettings(pull=-1)


def test_ridge_weights_of_vectors_that_tell_nothing_are_zero() -> None:
    assert not ridge_weights(np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1])).any()


def test_ridge_weights_of_many_samples_are_those_of_each() -> None:
    random = np.random.default_rng(3)
    vectors = random.normal(size=(30, 5)).astype(np.float32)
    labels = (vectors[:, 0] > 0).astype(np.int64)
    samples = [np.arange(20), np.arange(5, 30)]
    together = ridge_weights_of_samples(vectors, labels, samples)
    for found, rows in zip(together, samples, strict=True):
        np.testing.assert_allclose(found, ridge_weights(vectors[rows], labels[rows]), rtol=1e-4, atol=1e-7)
