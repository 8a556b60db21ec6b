"""Trials: which deals a split takes, what counts, and what the comparison says, by hand and on stored predictions."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from answers.model_server import Challenger
from answers.served_versions import Trial, TrialRole, unit_of
from conversations.conversation import Conversation, Outcome
from learning import roles
from learning.trials import Experiment, TrialRequest, clipped_log_loss, experiments, trial_score
from modelling.saved.versions import ModelVersion
from prediction_log.actors import OPERATOR
from prediction_log.outcomes.recording import GivenOutcome, record_outcomes
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import trial_scores
from prediction_log.tables.rows import Record, new_prediction_id

DEALS = [f"deal_id d-{n}" for n in range(4000)]


class Deals:
    """A trial of "new" against "old", and the predictions made in it."""

    def __init__(self, store: PredictionStore, role: TrialRole, share: float | None = None) -> None:
        self.store = store
        for version in ("old", "new"):
            manifest = {"created_at": datetime.now(UTC).isoformat(), "cross_validation_metrics": {}}
            found = ModelVersion(version, Path("nowhere"), manifest, False)
            if version == "old":
                roles.promote(store, "few_shot", found, OPERATOR)
            else:
                trial = roles.start_trial(store, "few_shot", found, role, share, OPERATOR)[0]
        self.challenger = Challenger(trial, "old")

    def predict(self, deal: str, champion: float, challenger: float, outcome: Outcome | None) -> str:
        """What is stored of a prediction; a split's challenger answers where `champion` is NaN."""
        identifier = new_prediction_id()
        version, answered = ("new", challenger) if math.isnan(champion) else ("old", champion)
        self.store.write([_prediction(identifier, version, answered)])
        conversation = Conversation(transcript="Hi", deal_id=deal)
        score = trial_score("few_shot", self.challenger, conversation, identifier, version, answered)
        if score is not None:
            self.store.write_trial_scores([{"probability": challenger, **score}])
        if outcome:
            record_outcomes(self.store, [GivenOutcome("prediction", identifier, outcome)], OPERATOR)
        return identifier

    def result(self) -> Experiment:
        (found,) = experiments(self.store).experiments
        return found


def _prediction(identifier: str, version: str, probability: float) -> Record:
    values: dict[str, Any] = {"request_id": "r", "created_at": datetime.now(UTC), "caller": "c", "model": "few_shot"}
    values |= {"model_version": version, "outcome": "successful", "probability": probability, "latency_ms": 1.0}
    return values | {"prediction_id": identifier, "batch_size": 1, "context": {}}


# Which deals a split takes


def test_a_split_takes_its_share_and_the_same_deals_always() -> None:
    half = Trial("t", "split", "new", 50)
    taken = [half.takes("few_shot", deal) for deal in DEALS]
    assert 0.47 < sum(taken) / len(DEALS) < 0.53
    # SHA-256 of "few_shot new deal_id d-0" begins with 86, of the next ones with 10, 76, a1, 82, 78, bd, e7: half is 80
    assert taken[:8] == [False, True, True, False, False, True, False, False]
    tenth = Trial("t", "split", "new", 10)
    assert all(half.takes("few_shot", deal) for deal in DEALS if tenth.takes("few_shot", deal)), (
        "more share, same deals"
    )
    assert not any(Trial("t", "shadow", "new").takes("few_shot", deal) for deal in DEALS[:50])
    other = [Trial("t", "split", "newer", 50).takes("few_shot", deal) for deal in DEALS]
    assert 0.4 < sum(a == b for a, b in zip(taken, other, strict=True)) / len(DEALS) < 0.6, (
        "another challenger, other deals"
    )


def test_what_it_is_sticky_by() -> None:
    named: dict[str, Any] = {"deal_id": "d", "group": "g", "conversation_id": "c"}
    assert unit_of(Conversation(transcript="Hi", **named)) == "deal_id d"
    assert unit_of(Conversation(transcript="Hi", group="g", conversation_id="c")) == "group g"
    assert unit_of(Conversation(transcript="Hi", conversation_id="c")) == "conversation_id c"
    assert unit_of(Conversation(transcript="Hi")) is None


def test_only_what_the_trial_meant_to_answer_counts() -> None:
    """A batch, or a worker that is behind, may have another version answer."""
    split = Challenger(Trial("t", "split", "new", 50), "old")
    deal = next(deal for deal in DEALS if split.trial.takes("few_shot", deal)).removeprefix("deal_id ")
    conversation = Conversation(transcript="Hi", deal_id=deal)

    def counts(challenger: Challenger, asked: Conversation, version: str) -> bool:
        return trial_score("few_shot", challenger, asked, "p", version, 0.5) is not None

    assert counts(split, conversation, "new") and not counts(split, conversation, "old")
    assert not counts(split, conversation, "older")
    alone = Conversation(transcript="Hi")
    assert counts(split, alone, "new") and counts(split, alone, "old")
    shadow = Challenger(Trial("t", "shadow", "new"), "old")
    assert counts(shadow, conversation, "old") and not counts(shadow, conversation, "older")


def test_what_is_stored_of_a_deal_is_no_name() -> None:
    shadow = Challenger(Trial("t", "shadow", "new"), "old")
    row = trial_score("few_shot", shadow, Conversation(transcript="Hi", deal_id="Jane Doe"), "p", "old", 0.5)
    assert row is not None
    assert len(row["unit"]) == 64
    assert "Jane" not in repr(row)


# The comparison


def test_the_loss_by_hand() -> None:
    assert clipped_log_loss(0.8, "successful") == pytest.approx(0.2231436)  # −ln 0.8
    assert clipped_log_loss(0.8, "failed") == pytest.approx(1.6094379)  # −ln 0.2
    assert clipped_log_loss(1.0, "failed") == pytest.approx(4.6051702)  # −ln 0.01
    assert clipped_log_loss(1.0, "successful") == pytest.approx(0.0100503, abs=1e-6)  # −ln 0.99


def test_a_shadow_gives_pairs_and_a_deal_counts_once(store: PredictionStore) -> None:
    deals = Deals(store, "shadow")
    deals.predict("a", 0.5, 0.8, "successful")  # 0.693147, 0.223144
    deals.predict("b", 0.5, 0.8, "failed")  # 0.693147, 1.609438
    deals.predict("b", 0.2, 0.5, "failed")  # 0.223144, 0.693147; the mean of b: 0.458145, 1.151293
    deals.predict("c", 0.5, 0.8, None)
    found = deals.result()
    assert (found.deals, found.champion_deals, found.challenger_deals, found.waiting) == (2, 2, 2, 1)
    assert found.champion_loss == pytest.approx((0.693147 + 0.458145) / 2, abs=1e-6)
    assert found.challenger_loss == pytest.approx((0.223144 + 1.151293) / 2, abs=1e-6)
    assert found.difference == pytest.approx(0.111572, abs=2e-6)
    assert (found.interval, found.decided, found.deals_needed) == (None, None, None)
    assert found.sentence == "Nothing is said before 60 deals have ended: 2 have."


def test_a_better_shadow_is_found_better(store: PredictionStore) -> None:
    deals = Deals(store, "shadow")
    for n in range(80):
        won = n % 2 == 0
        said = 0.7 if won else 0.3
        deals.predict(f"d-{n}", 0.5, said if n % 8 else 1 - said, "successful" if won else "failed")
    found = deals.result()
    assert found.decided == "challenger"
    assert found.interval is not None and found.interval[0] < found.difference < found.interval[1] < 0  # type: ignore[operator]
    assert found.deals_needed == 0
    assert found.sentence.startswith("The challenger is better: its log loss is lower by 0.")


def test_a_split_compares_two_groups(store: PredictionStore) -> None:
    deals = Deals(store, "split", 50)
    taken = [deals.challenger.trial.takes("few_shot", f"deal_id d-{n}") for n in range(120)]
    for n, is_tried in enumerate(taken):
        said = (0.9 if is_tried else 0.2) if n % 2 else (0.8 if is_tried else 0.3)
        deals.predict(f"d-{n}", math.nan if is_tried else said, said, "successful")
    found = deals.result()
    assert (found.champion_deals, found.challenger_deals) == (taken.count(False), taken.count(True))
    assert found.deals == 120
    assert found.champion_loss is not None and found.champion_loss > 1.2
    assert found.decided == "challenger"
    assert (found.role, found.share, found.challenger, found.champion) == ("split", 50, "new", "old")


def test_equals_are_not_told_apart(store: PredictionStore) -> None:
    deals = Deals(store, "shadow")
    for n in range(60):
        deals.predict(f"d-{n}", 0.6 - 0.2 * (n % 3 == 0), 0.6 - 0.2 * (n % 3 == 1), "successful")
    found = deals.result()
    assert found.decided is None
    assert found.deals_needed is None
    assert found.sentence == "They can't be told apart after 60 deals, and no number of deals is in sight."


def test_what_is_deleted_counts_no_more_and_leaves_nothing(store: PredictionStore) -> None:
    deals = Deals(store, "shadow")
    first = deals.predict("a", 0.5, 0.8, "successful")
    deals.predict("b", 0.5, 0.8, "successful")
    assert store.remove(first, OPERATOR)
    assert deals.result().deals == 1
    assert len(store.rows(trial_scores.select())) == 1
    store.purge(datetime.now(UTC) + timedelta(seconds=1))
    assert store.rows(trial_scores.select()) == []


def test_trials_that_run_come_first(store: PredictionStore) -> None:
    deals = Deals(store, "shadow")
    roles.end_trial(store, "few_shot", OPERATOR)
    ended = deals.result()
    assert (ended.ended, ended.until is not None) == ("ended", True)
    manifest = {"created_at": datetime.now(UTC).isoformat(), "cross_validation_metrics": {}}
    roles.start_trial(store, "few_shot", ModelVersion("newer", Path(), manifest, False), "shadow", None, OPERATOR)
    assert [one.challenger for one in experiments(store).experiments] == ["newer", "new"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"role": "split"},
            "share is missing: a split needs the percent of the deals that it answers for, such as 10.",
        ),
        ({"role": "split", "share": 100}, "share 100 is out of range"),
        ({"role": "split", "share": 0}, "share 0 is out of range"),
        ({"role": "split", "share": -3.5}, "share -3.5 is out of range"),
        ({"role": "split", "share": float("nan")}, "share nan is out of range"),
        ({"role": "shadow", "share": 10}, "share 10 is not for a shadow"),
    ],
)
def test_a_share_that_cannot_be_is_refused_with_its_value(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrialRequest(version="new", **given)
    assert said in str(caught.value.errors()[0]["ctx"]["error"])
