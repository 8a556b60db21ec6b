"""Which outcome to look up next: uncertain ones of different kinds, others by chance, the same all day; and clusters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from conversations.conversation import Outcome
from learning.review.alike import clusters, word_vectors
from learning.review.suggestions import Suggestion, suggestion_list
from prediction_log.store import PredictionStore
from tests.learning.logged import ended, prediction

KINDS = {
    "price": "The price of the licences is too high and they want a discount on the price.",
    "lawyers": "Their lawyers read the contract and want another clause about liability in the contract.",
    "pilot": "The pilot runs in the warehouse and the drivers like the scanners of the pilot.",
}
NOW = datetime.now(UTC)


def suggested(store: PredictionStore, count: int, now: datetime = NOW) -> list[Suggestion]:
    return suggestion_list(store, count, now).suggestions


def test_half_are_the_least_certain_one_of_each_kind_and_half_drawn_from_the_others(store: PredictionStore) -> None:
    rows = [
        prediction(0.5 + 0.01 * n, conversation_id=f"{kind}-{n}", transcript=f"{words} Call {'abcdef'[n] * 4}.")
        for kind, words in KINDS.items()
        for n in range(1, 6)
    ]
    sure = [prediction(0.9, conversation_id=f"sure-{n}") for n in range(40)]
    store.write([*rows, *sure])
    found = suggestion_list(store, 6, NOW)
    assert found.without_outcome == 55
    assert [one.chosen_by for one in found.suggestions] == ["uncertainty"] * 3 + ["chance"] * 3
    assert {one.conversation_id for one in found.suggestions[:3]} == {"price-1", "lawyers-1", "pilot-1"}
    assert all(one.probability == 0.51 for one in found.suggestions[:3]), "the least certain of each kind"
    reasons = [one.reason for one in found.suggestions[:3]]
    assert "The model gives 51 %, the nearest to a coin toss of 4 undecided deals that sound alike." in reasons
    assert "Drawn at random from 52 others" in found.suggestions[3].reason
    assert found.suggestions[0].excerpt in [row["transcript"] for row in rows]
    assert found.notices == []


def test_the_list_is_the_same_all_day_and_another_tomorrow(store: PredictionStore) -> None:
    noon = NOW.replace(hour=12)
    store.write([prediction(0.8, conversation_id=f"c-{n}") for n in range(60)])
    ids = [one.conversation_id for one in suggested(store, 10, noon)]
    store.write([prediction(0.5, days_ago=0, conversation_id=f"new-{n}") for n in range(5)])
    assert [one.conversation_id for one in suggested(store, 10, noon + timedelta(hours=3))] == ids
    assert [one.conversation_id for one in suggested(store, 10, noon + timedelta(days=1))] != ids


def test_what_was_looked_up_today_stays_with_its_outcome_and_is_gone_tomorrow(store: PredictionStore) -> None:
    rows = [prediction(0.5, conversation_id=f"c-{n}") for n in range(3)]
    store.write(rows)
    before = [one.conversation_id for one in suggested(store, 3)]
    ended(store, rows[0], "failed")
    today = suggested(store, 3)
    assert [one.conversation_id for one in today] == before
    assert {one.conversation_id: one.outcome for one in today} == {"c-0": "failed", "c-1": None, "c-2": None}
    tomorrow = suggested(store, 3, NOW + timedelta(days=1))
    assert {one.conversation_id for one in tomorrow} == {"c-1", "c-2"}


def test_a_deal_is_one_entry_by_its_newest_prediction_and_closed_by_any_of_them(store: PredictionStore) -> None:
    first, second = prediction(0.2, deal_id="d-1"), prediction(0.6, days_ago=1.5, deal_id="d-1")
    closed, later = prediction(0.4, deal_id="d-2"), prediction(0.5, deal_id="d-2")
    alone = [prediction(0.7), prediction(0.7)]
    store.write([first, second, closed, later, *alone])
    ended(store, closed, "successful")
    found = suggestion_list(store, 10, NOW + timedelta(days=1))
    shown = [(one.deal_id, one.prediction_id) for one in found.suggestions]
    assert set(shown) == {("d-1", second["prediction_id"]), *((None, row["prediction_id"]) for row in alone)}
    assert found.without_outcome == 3


def test_without_stored_words_it_goes_without_clusters_and_says_so(store: PredictionStore) -> None:
    store.write([prediction(0.5 + n / 100, transcript=None, conversation_id=f"c-{n}") for n in range(8)])
    found = suggestion_list(store, 4, NOW)
    assert [one.conversation_id for one in found.suggestions[:2]] == ["c-0", "c-1"]
    assert found.suggestions[0].reason == "The model gives 50 %, among the nearest to a coin toss."
    assert found.suggestions[0].excerpt is None
    assert found.notices == [
        "No words of these deals are stored (SALES_STORE_TRANSCRIPTS), so the least certain may be all alike."
    ]


def test_on_the_first_day_todays_predictions_are_taken_and_that_is_said(store: PredictionStore) -> None:
    store.write([prediction(0.5, days_ago=0)])
    now = datetime.now(UTC) + timedelta(seconds=1)
    if now.date() != (now - timedelta(seconds=2)).date():
        pytest.skip("the day ends just now")
    found = suggestion_list(store, 4, now)
    assert len(found.suggestions) == 1
    assert found.notices == ["Nothing was predicted before today, so this list changes with each prediction of today."]
    empty = suggestion_list(store, 4, NOW - timedelta(days=30))
    assert (empty.suggestions, empty.notices, empty.without_outcome) == ([], [], 0)


def test_the_log_names_the_outcomes_that_contradict_what_was_predicted_before_the_strongest_first(
    store: PredictionStore,
) -> None:
    probabilities = {"a": 0.9, "b": 0.6, "c": 0.2, "d": 0.97}
    rows = {name: prediction(p, conversation_id=name) for name, p in probabilities.items()}
    store.write(list(rows.values()))
    outcomes: dict[str, Outcome] = {"a": "failed", "b": "failed", "c": "successful", "d": "successful"}
    for name, outcome in outcomes.items():
        ended(store, rows[name], outcome)
    found = suggestion_list(store, 10, NOW).contradictions
    assert [one.conversation_id for one in found] == ["a", "c", "b"], "d ended as expected"
    # ln(0.9 / 0.1) = 2.197, ln(0.8 / 0.2) = 1.386, ln(0.6 / 0.4) = 0.405
    assert [one.log_odds_against for one in found] == pytest.approx([2.197, 1.386, 0.405], abs=0.001)
    assert [one.predicted_probability for one in found] == [0.9, 0.2, 0.6]
    assert len(suggestion_list(store, 1, NOW).contradictions) == 1


def test_a_words_weight_grows_with_its_count_and_its_rarity() -> None:
    vectors = word_vectors(["red red blue", "blue", "!?"])
    # red: (1 + ln 2) · ln(4 / 2) = 1.174; blue, in two of three: 1 · ln(4 / 3) = 0.288; length 1.208
    assert sorted(vectors[0][vectors[0] > 0].tolist()) == pytest.approx([0.238, 0.971], abs=0.001)
    assert np.linalg.norm(vectors, axis=1).tolist() == pytest.approx([1, 1, 0])


def test_clusters_are_of_one_kind_each_and_the_same_for_the_same_seed() -> None:
    texts = [f"{words} {'xyzw'[n] * 5}" for words in KINDS.values() for n in range(4)]
    found = clusters(texts, 3, seed=5)
    assert [len(set(found[4 * kind : 4 * kind + 4].tolist())) for kind in range(3)] == [1, 1, 1]
    assert len(set(found.tolist())) == 3
    assert found.tolist() == clusters(texts, 3, seed=5).tolist()
    assert clusters(texts[:2], 3, seed=5).tolist() == [0, 1]
