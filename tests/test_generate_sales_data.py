"""The generated data is reproducible, balanced and complete, and it can't be solved by counting words."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversations.generated import deal_state
from conversations.generated.deal_state import draw_deal_state, expected_noise, steepness_for_noise, success_probability
from conversations.generated.phrasings import PHRASINGS_FILE, SIDES, load_phrasings
from evaluation.difficulty import KEYWORD_LIMIT, TFIDF_LIMIT, check_generated, difficulty_table
from foundations.errors import InputError
from generate_sales_data import INDUSTRIES, generate_conversations, main

Record = dict[str, Any]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return generate_conversations()


@pytest.fixture(scope="module")
def many() -> list[Record]:
    return generate_conversations(count=2000, seed=7)


def text_of(record: Mapping[str, Any]) -> str:
    return record.get("transcript") or " ".join(turn["text"] for turn in record["turns"])


def share(records: list[Record], outcome: str, word: str) -> float:
    """The share of an outcome's conversations that hold the word."""
    texts = [text_of(record).lower() for record in records if record["outcome"] == outcome]
    return float(np.mean([re.search(rf"\b{word}\b", text) is not None for text in texts]))


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


def test_each_family_holds_five_conversations_of_each_outcome(records: list[Record]) -> None:
    cells = Counter((record["group"], record["outcome"]) for record in records)
    assert len(cells) == 40 and set(cells.values()) == {5}
    assert {record["group"] for record in records} == {f"family-{number:02d}" for number in range(20)}


def test_about_half_are_notes_and_dialogues_have_6_to_20_turns_of_two_speakers(records: list[Record]) -> None:
    for outcome in ("successful", "failed"):
        dialogues = [record for record in records if record["outcome"] == outcome and "turns" in record]
        assert 45 <= len(dialogues) <= 55
        assert all(6 <= len(record["turns"]) <= 20 for record in dialogues)
        assert {turn["speaker"] for record in dialogues for turn in record["turns"]} == {"seller", "customer"}
    assert all(("transcript" in record) != ("turns" in record) for record in records)
    assert all(len(record["transcript"].split()) >= 40 for record in records if "transcript" in record)


def test_every_record_has_the_whole_context(many: list[Record]) -> None:
    contexts = [record["conversation_context"] for record in many]
    values = {key: {context[key] for context in contexts} for key in contexts[0]}
    assert values["industry"] == set(INDUSTRIES)
    assert values["company_size"] == {"startup", "small business", "mid-market", "enterprise"}
    assert values["urgency"] == {"high", "medium", "low"}
    assert values["budget_authority"] == {"decision_maker", "influencer", "end_user"}
    assert values["previous_interactions"] == set(range(9))
    assert len(values["contact_role"]) > 5 and len(values["lead_source"]) > 3


def test_every_slot_is_filled_and_every_sentence_starts_with_a_capital(many: list[Record]) -> None:
    for record in many:
        texts = [record["transcript"]] if "transcript" in record else [turn["text"] for turn in record["turns"]]
        assert not any("{" in text or "}" in text or "  " in text for text in texts)
        assert all(text[0].isupper() or not text[0].isalpha() for text in texts)


def test_no_two_conversations_are_the_same(many: list[Record]) -> None:
    assert len({text_of(record) for record in many}) == len(many)


def test_the_known_probability_is_the_frequency_of_success(many: list[Record]) -> None:
    noisy = generate_conversations(count=1500, seed=7, noise=0.2)
    probabilities = np.array([record["true_probability"] for record in noisy])
    won = np.array([record["outcome"] == "successful" for record in noisy])
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.6, 0.8), (0.8, 1.0)):
        inside = (probabilities >= low) & (probabilities < high)
        expected, deviation = probabilities[inside].mean(), np.sqrt(0.25 / inside.sum())
        assert abs(won[inside].mean() - expected) < 3 * deviation, (low, high)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_noise_sets_the_best_reachable_accuracy(noise: float) -> None:
    probabilities = [record["true_probability"] for record in generate_conversations(count=500, noise=noise)]
    assert np.mean([max(p, 1 - p) for p in probabilities]) == pytest.approx(1 - noise, abs=0.015)


def test_without_noise_the_outcome_is_certain() -> None:
    assert {
        (record["true_probability"], record["outcome"]) for record in generate_conversations(count=60, noise=0.0)
    } == {(1.0, "successful"), (0.0, "failed")}


def test_steepness_by_hand_for_a_single_score(monkeypatch: pytest.MonkeyPatch) -> None:
    # Only |score| = 2 occurs: min(p, 1 - p) = 1 / (1 + exp(2 k)) = 0.1 gives k = ln(9) / 2 = 1.0986.
    monkeypatch.setattr(deal_state, "score_distribution", lambda: {2.0: 0.75, -2.0: 0.25})
    steepness = steepness_for_noise.__wrapped__(0.1)
    assert steepness == pytest.approx(np.log(9) / 2, abs=1e-9)
    assert success_probability(2.0, steepness) == pytest.approx(0.9)


def test_enumerated_noise_agrees_with_drawn_deals() -> None:
    rng, steepness = random.Random(0), steepness_for_noise(0.1)
    drawn = [success_probability(deal_state.deal_score(draw_deal_state(rng)), steepness) for _ in range(4000)]
    assert expected_noise(steepness) == pytest.approx(0.1, abs=1e-9)
    assert np.mean([min(p, 1 - p) for p in drawn]) == pytest.approx(0.1, abs=0.01)


def test_deals_hold_signals_that_point_the_other_way() -> None:
    rng = random.Random(1)
    states = [draw_deal_state(rng) for _ in range(500)]
    mixed = [len(set(state.values())) == 2 for state in states]
    assert 0.3 < np.mean(mixed) < 0.8
    assert {len(state) for state in states} == {4, 5, 6, 7} and all("commitment" in state for state in states)


def test_nearly_every_word_spoken_occurs_in_both_outcomes(many: list[Record]) -> None:
    # Words that start in lower case, so no names. A conversation that holds a word counts once.
    found = {outcome: Counter[str]() for outcome in ("successful", "failed")}
    for record in many:
        found[record["outcome"]].update(set(re.findall(r"(?<![\w'])[a-z][a-z']+", text_of(record))))
    in_both = sum(
        sum(words[word] for word in found["successful"] if word in found["failed"]) for words in found.values()
    )
    assert in_both / sum(words.total() for words in found.values()) > 0.98


def test_opposite_states_of_a_signal_share_most_of_their_words() -> None:
    overlaps = []
    for family in load_phrasings()["families"]:
        for signal in family["signals"].values():
            for form in ("note", "customer"):
                good, bad = (set(re.findall(r"[\w'{}]+", signal[form][side].lower())) for side in SIDES)
                overlaps.append(2 * len(good & bad) / (len(good) + len(bad)))
    assert np.mean(overlaps) > 0.7 and min(overlaps) > 0.2


@pytest.mark.parametrize("word", ["budget", "approved", "sign", "price", "love", "excited", "not", "contract", "order"])
def test_telling_words_are_as_common_in_lost_deals(many: list[Record], word: str) -> None:
    won, lost = share(many, "successful", word), share(many, "failed", word)
    assert won > 0 and abs(won - lost) < 0.12


def test_opposite_states_are_worded_at_similar_length() -> None:
    lengths: dict[str, list[int]] = {side: [] for side in SIDES}
    for family in load_phrasings()["families"]:
        for signal in family["signals"].values():
            for form in ("note", "customer"):
                assert signal[form]["favourable"] != signal[form]["against"]
                for side in SIDES:
                    lengths[side].append(len(signal[form][side].split()))
    assert np.mean(lengths["favourable"]) == pytest.approx(np.mean(lengths["against"]), rel=0.05)


def test_no_phrasing_is_shared_by_two_families() -> None:
    texts = [
        signal[form][side]
        for family in load_phrasings()["families"]
        for signal in family["signals"].values()
        for form in ("note", "customer")
        for side in SIDES
    ]
    assert len(set(texts)) == len(texts) == 20 * 7 * 4


def test_bags_of_words_stay_near_chance_over_ten_seeds() -> None:
    figures = [check_generated(generate_conversations(seed=seed), seed=seed, splits=1) for seed in range(10)]
    assert np.mean([figure["keyword_accuracy"] for figure in figures]) <= KEYWORD_LIMIT
    assert np.mean([figure["tfidf_accuracy"] for figure in figures]) <= TFIDF_LIMIT
    assert np.mean([figure["bayes_accuracy"] for figure in figures]) == pytest.approx(0.98, abs=0.005)
    assert sum(figure["near_duplicates"] for figure in figures) == 0


def test_the_check_finds_planted_vocabulary_and_planted_copies(records: list[Record]) -> None:
    spoiled = [dict(record) for record in records]
    for record in spoiled:
        word = "great" if record["outcome"] == "successful" else "problem"
        record["transcript"] = text_of(record) + f" It was {word}!" * 8
        record.pop("turns", None)
    spoiled[1] = {**spoiled[0], "conversation_id": "copy", "group": "another family"}
    figures = check_generated(spoiled, splits=2)
    assert figures["keyword_accuracy"] > 0.9 and figures["tfidf_accuracy"] > 0.9 and figures["near_duplicates"] >= 1


@pytest.mark.parametrize("count", [19, 0, -4, True, 20.5])
def test_a_bad_count_is_quoted(count: Any) -> None:
    with pytest.raises(InputError, match=re.escape(repr(count))):
        generate_conversations(count=count)


@pytest.mark.parametrize("noise", [-0.01, 0.5, 3.0, float("nan")])
def test_a_bad_noise_is_quoted(noise: float) -> None:
    with pytest.raises(InputError, match=re.escape(repr(noise))):
        generate_conversations(count=20, noise=noise)


def test_a_damaged_phrasing_bank_is_an_input_error(tmp_path: Path) -> None:
    bank = json.loads(PHRASINGS_FILE.read_text(encoding="utf-8"))
    damaged = tmp_path / "bank.json"
    damaged.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        load_phrasings(damaged)
    damaged.write_text(json.dumps({**bank, "families": []}), encoding="utf-8")
    load_phrasings.cache_clear()
    with pytest.raises(InputError, match="no families"):
        load_phrasings(damaged)
    bank["families"][3]["signals"]["budget"]["note"]["against"] = "Nothing for {compny}."
    damaged.write_text(json.dumps(bank), encoding="utf-8")
    with pytest.raises(InputError, match="compny"):
        load_phrasings(damaged)
    del bank["families"][3]["signals"]["budget"]
    damaged.write_text(json.dumps(bank), encoding="utf-8")
    with pytest.raises(InputError, match="budget"):
        load_phrasings(damaged)
    with pytest.raises(InputError, match="absent.json"):
        load_phrasings(tmp_path / "absent.json")


def test_the_command_line_writes_the_file_and_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "data.json"
    assert main(["--count", "200", "--seed", "5", "--output", str(output)]) == 0
    assert json.loads(output.read_text(encoding="utf-8")) == generate_conversations(count=200, seed=5)
    printed = capsys.readouterr().out
    assert "TF-IDF" in printed and "Bayes" in printed and "200 conversations" in printed


def test_the_command_line_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--noise", "0.7", "--output", str(tmp_path / "data.json")]) == 2
    assert "0.7" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_table_has_a_row_for_each_figure(records: list[Record]) -> None:
    figures = check_generated(records, splits=1)
    assert difficulty_table(figures).row_count == len(figures) == 4
