"""Outcomes that contradict what training said of a conversation while it was held out, beside what the log has of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.accuracy.turned_outcomes import share_found, turned_round
from conversations.conversation import Conversation, labels_of
from conversations.model_text import conversations_sha256
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from few_shot_model import FewShotModel
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from learning.review.contradictions import held_out_contradictions
from learning.review.outcomes_in_log import LoggedDeal
from model_registry import load_model
from modelling.conversion_model import ConversionModel
from modelling.names import FEW_SHOT


@pytest.fixture(scope="module")
def model(fitted_models: dict[str, ConversionModel]) -> ConversionModel:
    return fitted_models[FEW_SHOT]


def logged(conversation: Conversation, probability: float, identifier: str) -> LoggedDeal:
    now = datetime.now(UTC)
    return LoggedDeal(
        key=conversation.conversation_id,
        prediction_id=identifier,
        predicted_at=now,
        probability=probability,
        model="few_shot",
        deal_id=None,
        conversation_id=conversation.conversation_id,
        outcome=conversation.outcome,
    )


def test_they_are_those_that_were_held_out_and_called_the_other_way_the_strongest_first(
    model: ConversionModel, splits: DataSplits
) -> None:
    learned_from = splits.learned_from
    assert model.last_fit is not None
    probabilities = model.calibration.probabilities(model.last_fit.log_odds)
    labels = labels_of(learned_from)
    wrong = [n for n in range(len(labels)) if (probabilities[n] > 0.5) != labels[n]]
    found = held_out_contradictions(model, learned_from)
    assert {one.conversation_id for one in found} == {learned_from[n].conversation_id for n in wrong}
    strength = [one.log_odds_against for one in found]
    assert strength == sorted(strength, reverse=True) and min(strength) > 0
    first = found[0]
    assert first.held_out_probability is not None and first.predicted_probability is None
    odds = first.held_out_probability / (1 - first.held_out_probability)
    assert first.log_odds_against == pytest.approx(abs(np.log(odds)))


def test_a_deal_that_is_in_the_log_as_well_stands_once_with_both_figures(
    model: ConversionModel, splits: DataSplits
) -> None:
    found = held_out_contradictions(model, splits.learned_from)
    by_id = {one.conversation_id: one for one in splits.learned_from}
    contradicted = by_id[found[0].conversation_id or ""]
    expected = next(one for one in splits.learned_from if one.conversation_id not in {c.conversation_id for c in found})
    elsewhere = Conversation(conversation_id="elsewhere", transcript="Hello.", outcome="failed")
    in_log = [logged(contradicted, 0.5, "1"), logged(expected, 0.01, "2"), logged(elsewhere, 0.999, "3")]
    again = held_out_contradictions(model, splits.learned_from, in_log)
    both = [one for one in again if one.conversation_id == contradicted.conversation_id]
    assert [(one.prediction_id, one.predicted_probability) for one in both] == [("1", 0.5)]
    assert both[0].held_out_probability == found[0].held_out_probability
    assert [one.prediction_id for one in again if one.held_out_probability is None] == ["3"]
    assert expected.conversation_id not in {one.conversation_id for one in again}, "what was held out counts first"
    assert len(again) == len(found) + 1


def test_what_was_held_out_is_kept_with_the_model(
    model: ConversionModel, trained_artifacts: ArtifactFolder, splits: DataSplits
) -> None:
    served = load_model(trained_artifacts, FEW_SHOT)
    assert model.last_fit is not None and served.held_out_log_odds is not None
    np.testing.assert_allclose(
        served.held_out_log_odds, model.last_fit.log_odds, atol=1e-5
    )  # another process may have trained it
    assert held_out_contradictions(served, splits.learned_from)


def test_other_conversations_and_a_model_of_an_older_version_are_refused(
    model: ConversionModel, splits: DataSplits, tiny_encoder: SalesEncoder
) -> None:
    with pytest.raises(InputError, match="'few_shot' learned from other conversations than the splits hold now"):
        held_out_contradictions(model, splits.learned_from[1:])
    with pytest.raises(InputError, match="'few_shot' was trained by an older version"):
        held_out_contradictions(FewShotModel(tiny_encoder), splits.learned_from)


def test_turning_outcomes_round_turns_as_many_as_were_asked_for(conversations: list[Conversation]) -> None:
    turned, places = turned_round(conversations, 0.05, seed=1)
    assert len(places) == 4, "5 % of 80"
    assert [n for n in range(80) if turned[n].outcome != conversations[n].outcome] == sorted(places)
    assert turned_round(conversations, 0.05, seed=2)[1] != places


def test_turned_outcomes_are_all_found_by_a_sure_model_and_by_chance_by_a_coin(
    model: ConversionModel, conversations: list[Conversation]
) -> None:
    turned, places = turned_round(conversations, 0.05, seed=3)
    wrong = [turned[place].conversation_id for place in places]

    def share(log_odds: NDArray[np.float64]) -> float:
        said = copy.copy(model)
        said.held_out_log_odds = log_odds
        said.record = replace(model.record, training_data_sha256=conversations_sha256(turned))
        return share_found(said, turned, wrong)

    truth = np.where(labels_of(conversations) == 1, 3.0, -3.0)
    assert share(truth + np.random.default_rng(0).normal(size=80)) == 1.0
    assert np.mean([share(np.random.default_rng(n).normal(size=80)) for n in range(60)]) == pytest.approx(
        0.05, abs=0.04
    )
