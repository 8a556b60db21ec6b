"""The generated data is reproducible, balanced and drawn with known probabilities, and it can't be solved by counting."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversations.corpus.scenarios import read_scenarios
from evaluation.difficulty import CUE_LIMIT, KEYWORD_LIMIT, check_generated, difficulty_table
from foundations.errors import InputError
from generate_sales_data import generate_conversations, main, sharpened, steepness_for_noise

pytestmark = pytest.mark.seconds(10)

Record = dict[str, Any]
MEASURED_TFIDF_LIMIT = 0.78  # above the aim of TFIDF_LIMIT; docs/data.md says what gives it away


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return generate_conversations()


def text_of(record: Mapping[str, Any]) -> str:
    return record.get("transcript") or " ".join(turn["text"] for turn in record["turns"])


def test_the_default_is_200_conversations_half_of_them_successful(records: list[Record]) -> None:
    assert Counter(record["outcome"] for record in records) == {"successful": 100, "failed": 100}
    assert [record["conversation_id"] for record in records] == [f"c-{number:04d}" for number in range(1, 201)]


def test_an_odd_count_gets_one_more_failed_conversation() -> None:
    assert Counter(r["outcome"] for r in generate_conversations(count=21)) == {"successful": 10, "failed": 11}


def test_same_seed_same_records_whatever_ran_before() -> None:
    first = generate_conversations(count=40, seed=3)
    random.seed(99)
    generate_conversations(count=30, seed=1)
    assert generate_conversations(count=40, seed=3) == first
    assert generate_conversations(count=40, seed=4) != first


def test_200_conversations_are_200_scenarios_and_more_of_them_repeat_with_other_names(records: list[Record]) -> None:
    def beginnings(some: list[Record]) -> Counter[tuple[str, float]]:
        return Counter((record["group"], record["true_probability"]) for record in some)

    assert max(beginnings(records).values()) == 1
    many = generate_conversations(count=1000, seed=5)
    assert max(beginnings(many).values()) >= 2
    assert len({text_of(record) for record in many}) > 950


def test_forms_are_mixed_and_every_slot_is_filled(records: list[Record]) -> None:
    notes = [record for record in records if "transcript" in record]
    assert 50 < len(notes) < 120
    assert all(("transcript" in record) != ("turns" in record) for record in records)
    speakers = {turn["speaker"] for record in records for turn in record.get("turns", [])}
    assert speakers == {"seller", "customer"}
    assert not [record for record in records for mark in ("{", "}", "<<", ">>") if mark in text_of(record)]


def test_the_known_probability_is_the_frequency_of_success() -> None:
    noisy = generate_conversations(count=3000, seed=7, noise=0.2)
    probabilities = np.array([record["true_probability"] for record in noisy])
    won = np.array([record["outcome"] == "successful" for record in noisy])
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.6, 0.8), (0.8, 1.0)):
        inside = (probabilities >= low) & (probabilities < high)
        expected, deviation = probabilities[inside].mean(), np.sqrt(0.25 / inside.sum())
        assert abs(won[inside].mean() - expected) < 3 * deviation + 0.02, (low, high)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_noise_sets_the_best_reachable_accuracy(noise: float) -> None:
    probabilities = [record["true_probability"] for record in generate_conversations(count=400, noise=noise)]
    assert np.mean([max(p, 1 - p) for p in probabilities]) == pytest.approx(1 - noise, abs=0.015)


def test_without_noise_the_outcome_is_what_the_writer_judged_likelier() -> None:
    assert {
        (record["true_probability"], record["outcome"]) for record in generate_conversations(count=60, noise=0.0)
    } == {(1.0, "successful"), (0.0, "failed")}


def test_sharpening_by_hand() -> None:
    # logit(0.8) = ln 4; twice that is ln 16, so σ = 16 / 17. Half of logit(0.9) = ln 9 is ln 3, so σ = 3 / 4.
    assert sharpened(0.8, 2.0) == pytest.approx(16 / 17)
    assert sharpened(0.9, 0.5) == pytest.approx(0.75)
    assert sharpened(0.3, 0.0) == 0.5
    # With one probability of 0.8, a noise of 1 / 17 needs the steepness 2 of above.
    assert steepness_for_noise([0.8, 0.2], 1 / 17) == pytest.approx(2.0)


def test_what_single_cues_tell() -> None:
    figures = check_generated(
        generate_conversations(count=400), splits=5
    )  # nearly every scenario: of 200 a cue tells by chance
    assert figures["keyword_accuracy"] <= KEYWORD_LIMIT
    assert 0.5 <= figures["tfidf_accuracy"] <= MEASURED_TFIDF_LIMIT
    for name in ("length_auc", "tone_auc", "customer_share_auc"):
        assert 1 - CUE_LIMIT <= figures[name] <= CUE_LIMIT, name
    assert figures["near_duplicates"] == 0
    judged = [scenario.probability for scenario in read_scenarios("demo")]
    assert figures["bayes_accuracy"] == pytest.approx(np.mean([max(p, 1 - p) for p in judged]), abs=0.03)
    shown = difficulty_table(figures)
    assert shown.row_count == 7


@pytest.mark.parametrize("count", [0, 19, -5, 2.5, True])
def test_a_bad_count_is_quoted(count: Any) -> None:
    with pytest.raises(InputError, match=rf"{count!r} is too small or no whole number; give at least 20"):
        generate_conversations(count=count)


@pytest.mark.parametrize("noise", [0.5, -0.1, float("nan")])
def test_a_bad_noise_is_quoted(noise: float) -> None:
    with pytest.raises(InputError, match="is not a share of outcomes below one half"):
        generate_conversations(noise=noise)


def test_the_command_line_writes_the_records_and_prints_how_hard_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.json"
    assert main(["--count", "60", "--seed", "3", "--output", str(path)]) == 0
    assert json.loads(path.read_text()) == generate_conversations(count=60, seed=3)
    assert "TF-IDF" in (out := capsys.readouterr().out) and f"60 conversations written to {path}" in out
    assert main(["--count", "3", "--output", str(tmp_path / "none.json")]) == 2
    assert "3 is too small" in capsys.readouterr().err
    assert not (tmp_path / "none.json").exists()
