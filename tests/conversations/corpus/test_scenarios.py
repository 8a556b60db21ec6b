"""The corpus is what it says: two halves that never mix, enough of each form, pairs, and files that are checked."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from conversations.conversation import Conversation
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import Scenario, read_scenarios
from conversations.near_duplicates import copies_of
from conversations.reading.record import conversation_from_record
from foundations.errors import InputError

FEWEST: dict[str, int] = {"call": 700, "note": 500, "mail": 240, "chat": 150}


@pytest.fixture(scope="module")
def every_scenario() -> list[Scenario]:
    return [*read_scenarios("demo"), *read_scenarios("knowledge")]


def drawn(half: str, seed: int) -> list[Conversation]:
    drawing = Drawing(seed)
    records = [drawing.record(scenario) for scenario in read_scenarios(half)]  # type: ignore[arg-type]
    return [conversation_from_record(record, half) for record in records]


def test_there_are_enough_of_each_form(every_scenario: list[Scenario]) -> None:
    assert len(read_scenarios("demo")) >= 400 and len(read_scenarios("knowledge")) >= 1200
    forms = Counter[str](scenario.form for scenario in every_scenario)
    assert all(forms[form] >= count for form, count in FEWEST.items()), forms
    assert len({scenario.writer for scenario in every_scenario}) >= 4
    assert len({scenario.industry for scenario in every_scenario}) >= 25


def test_the_halves_have_no_writer_and_no_text_in_common() -> None:
    writers = [{scenario.writer for scenario in read_scenarios(half)} for half in ("demo", "knowledge")]
    assert not writers[0] & writers[1]
    assert copies_of(drawn("demo", 1), drawn("knowledge", 2)) == []


def test_a_third_are_pairs_that_end_differently(every_scenario: list[Scenario]) -> None:
    pairs = defaultdict(list)
    for scenario in every_scenario:
        if scenario.pair:
            pairs[scenario.group].append(scenario.probability)
    assert all(len(both) == 2 and max(both) - min(both) > 0.3 for both in pairs.values()), "one of them may stay open"
    assert 0.3 <= 2 * len(pairs) / len(every_scenario) <= 0.4


def test_probabilities_are_balanced_and_mostly_clear(every_scenario: list[Scenario]) -> None:
    judged = np.array([scenario.probability for scenario in every_scenario])
    assert 0.48 <= np.mean(judged > 0.5) <= 0.52
    assert 0.6 <= np.mean((judged <= 0.12) | (judged >= 0.88)) <= 0.9
    assert 0.05 <= np.mean((judged > 0.3) & (judged < 0.7)) <= 0.17  # and some could end either way
    unstated = np.mean([not scenario.stated for scenario in every_scenario])
    assert 0.35 <= unstated <= 0.55


def test_lengths_are_those_of_real_records(every_scenario: list[Scenario]) -> None:
    words = np.array([len(scenario.text.split()) for scenario in every_scenario])
    assert words.min() >= 25 and words.max() <= 420  # a note may be three sentences
    assert words.std() > 50


def test_two_drawings_differ_in_names_only_as_far_as_slots_go() -> None:
    scenario = Scenario(
        id="a", form="call", stage="closing", industry="retail", probability=0.9, stated=True, why="", he=("boss",),
        text="S: Hello {customer}, {amount*0.5} for {number*2}?\nC: <<Yes|Fine>>, ask {boss.full} by {day}.\n{customer}",
    )  # fmt: skip
    first, second = (Drawing(seed).record(scenario) for seed in (1, 2))
    assert first != second and Drawing(1).record(scenario) == first
    seller, customer = (turn["text"] for turn in first["turns"])
    name = seller.split()[1].rstrip(",")
    assert customer.endswith(f"\n{name}"), "a name stays the same in one conversation"
    assert customer.startswith(("Yes", "Fine")) and "{" not in seller + customer
    assert first["true_probability"] == 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("probability = 0.9", "probability = 1.4"),
        ('text = "S: Hi\\nC: Yes"', 'text = "Hi"'),
        ('text = "S: Hi\\nC: Yes"', 'text = "S: Hi {nobody}"'),
        ('text = "S: Hi\\nC: Yes"', 'text = "S: <<Hi>>"'),
        ("stated = true", "stated = true\nextra = 1"),
    ],
)
def test_a_damaged_scenario_is_named(tmp_path: Path, change: str, message: str) -> None:
    good = '[[scenario]]\nid = "one"\nform = "call"\nstage = "demo"\nindustry = "retail"\nprobability = 0.9\n'
    good += 'stated = true\nwhy = "w"\ntext = "S: Hi\\nC: Yes"\n'
    folder = tmp_path / "demo" / "writer"
    folder.mkdir(parents=True)
    (folder / "01.toml").write_text(good)
    assert len(read_scenarios("demo", tmp_path)) == 1
    read_scenarios.cache_clear()
    (folder / "01.toml").write_text(good.replace(change, message))
    with pytest.raises(InputError, match=r"01.toml', scenario 'one': .*; correct it"):
        read_scenarios("demo", tmp_path)
    (folder / "01.toml").write_text("no = toml = at all")
    with pytest.raises(InputError, match="is no file of scenarios"):
        read_scenarios("demo", tmp_path)
    with pytest.raises(InputError, match="There are no scenarios"):
        read_scenarios("knowledge", tmp_path)
