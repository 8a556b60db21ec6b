"""Splitting by time: exact shares of the past, its validation and the most recent, and what is refused or warned of."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.dates import iso_date, moment_of
from conversations.reading.record import conversation_from_record
from conversations.split import deal_by_time, split_conversations
from foundations.errors import InputError


def deal(number: int, day: object, **fields: Any) -> Conversation:
    outcome = "successful" if number % 2 else "failed"
    record = {"conversation_id": f"c-{number}", "transcript": f"a{number} b{number} c{number}", "outcome": outcome}
    return conversation_from_record({**record, "date": day, **fields}, "test")


def daily(count: int, **fields: Any) -> list[Conversation]:
    """One conversation a day, shuffled, alternately lost and won."""
    made = [deal(n, (date(2024, 1, 1) + timedelta(days=n)).isoformat(), **fields) for n in range(count)]
    random.Random(0).shuffle(made)
    return made


def numbers(conversations: list[Conversation]) -> list[int]:
    return [int(conversation.conversation_id[2:]) for conversation in conversations]


def test_train_on_the_past_and_test_on_the_most_recent_fifth() -> None:
    splits = split_conversations(daily(200), by="time")
    assert numbers(splits.train) == list(range(140))
    assert numbers(splits.validation) == list(range(140, 160))
    assert numbers(splits.test) == list(range(160, 200))
    assert splits.warnings == []


def test_open_deals_are_left_out_and_need_no_date() -> None:
    undated = conversation_from_record({"conversation_id": "open", "transcript": "Hi"}, "test")
    splits = split_conversations([undated, *daily(200)], by="time")
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 200


@given(st.lists(st.integers(0, 30), min_size=3, max_size=80))
def test_no_part_is_as_old_as_the_part_before_it(days: list[int]) -> None:
    made = [deal(n, (date(2024, 1, 1) + timedelta(days=day)).isoformat()) for n, day in enumerate(days)]
    try:
        parts = deal_by_time(made, {"train": 0.7, "validation": 0.1, "test": 0.2})
    except InputError:
        assert len(set(days)) < 3
        return
    train, validation, test = ([moment_of(c) for c in part] for part in parts.values())
    assert max(train) < min(validation) <= max(validation) < min(test)
    assert len(train) + len(validation) + len(test) == len(days)


def test_the_cut_is_the_one_between_two_days_that_is_nearest() -> None:
    days = ["2024-01-01"] * 69 + ["2024-01-02"] * 10 + ["2024-01-03"] * 21
    parts = deal_by_time([deal(n, day) for n, day in enumerate(days)], {"train": 0.7, "validation": 0.1, "test": 0.2})
    assert [len(part) for part in parts.values()] == [69, 10, 21]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-03-14", "2024-03-14T00:00:00+00:00"),
        (" 2024-03-14 10:30 ", "2024-03-14T10:30:00+00:00"),
        ("2024-03-14T10:30:00.000+0200", "2024-03-14T10:30:00+02:00"),
        ("2024-03-14T10:30:00Z", "2024-03-14T10:30:00+00:00"),
        (1710412200000, "2024-03-14T10:30:00+00:00"),
        ("1710412200000", "2024-03-14T10:30:00+00:00"),
    ],
)
def test_dates(written: object, moment: str) -> None:
    assert moment_of(deal(1, written)).isoformat() == moment


@pytest.mark.parametrize("written", [None, "", "  "])
def test_a_missing_date_is_told_of(written: object) -> None:
    with pytest.raises(InputError, match=r"'c-7' has no date; .* 2024-03-14"):
        moment_of(deal(7, written))


@pytest.mark.parametrize("written", ["3/14/2024", "yesterday", "2024-13-01", 7, ["2024-03-14"]])
def test_another_date_is_quoted(written: object) -> None:
    with pytest.raises(InputError, match="'c-7' has the date .* write it as 2024-03-14"):
        moment_of(deal(7, written))


@pytest.mark.parametrize("value", [None, True, 3.5, [], {}, " "])
def test_what_is_no_date_in_an_export_is_none(value: object) -> None:
    assert iso_date(value) is None


def test_too_few_dates_and_a_part_of_one_outcome_are_refused() -> None:
    with pytest.raises(InputError, match="60 labelled conversations have 2 different dates"):
        split_conversations([deal(n, f"2024-01-0{1 + n % 2}") for n in range(60)], by="time")
    lost_last = sorted(daily(60), key=lambda c: c.outcome == "failed")
    dated = [deal(n, f"2024-01-{1 + n // 4:02}", outcome=c.outcome) for n, c in enumerate(lost_last)]
    with pytest.raises(InputError, match="split would hold no successful .* split by group"):
        split_conversations(dated, by="time")


def test_groups_copies_and_an_own_split_are_warned_of() -> None:
    made = daily(100, split="train")
    early, late = (next(c for c in made if c.conversation_id == name) for name in ("c-0", "c-99"))
    early.group = late.group = "acme"
    late.transcript = early.transcript
    own, groups, copies = split_conversations(made, by="time").warnings
    assert "'split' field is not used" in own
    assert "1 groups (for example 'acme')" in groups
    assert "1 validation or test conversations (for example 'c-99')" in copies and "'c-0'" in copies


def test_copies_are_warned_of_when_splitting_by_group_too() -> None:
    copied = [deal(n, None, transcript="the very same words again", group=f"g{n}") for n in range(100)]
    (warning,) = split_conversations(copied).warnings
    assert "30 validation or test conversations" in warning and "'group'" in warning
