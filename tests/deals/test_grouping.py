"""Which conversations are one deal, what is told of them, and that nothing from after the close is learned from."""

from __future__ import annotations

import pytest

from conversations.conversation import Conversation
from deals.grouping import before_close, deals_of
from tests.deals.test_deal import record


def ids(found: list[Conversation]) -> list[str]:
    return [one.conversation_id for one in found]


def test_one_deal_id_is_one_deal_and_none_is_a_deal_of_its_own() -> None:
    given = [
        record("a", deal_id="d-1", date="2024-01-02"),
        record("b", deal_id=None),
        record("c", deal_id="d-2"),
        record("d", deal_id="d-1", date="2024-01-01"),
        record("e", deal_id=None),
    ]
    deals, notices = deals_of(given)
    assert [(deal.deal_id, [one.conversation_id for one in deal.conversations]) for deal in deals] == [
        ("d-1", ["d", "a"]),
        ("b", ["b"]),
        ("d-2", ["c"]),
        ("e", ["e"]),
    ]
    assert notices == []
    assert deals[1].whole is given[1]


def test_missing_dates_ties_and_repeated_ids_are_told_with_counts() -> None:
    _, notices = deals_of(
        [
            record("a", deal_id="d-1", date="2024-01-01"),
            record("b", deal_id="d-1", date="2024-01-01T00:00"),
            record("c", deal_id="d-2"),
            record("d", deal_id="d-2", date="1.2.2024"),
            record("e", deal_id="d-2", date="2024-01-01"),
            record("f", deal_id="d-3", date="2024-01-01", said="One."),
            record("f", deal_id="d-3", date="2024-01-02", said="Two."),
            record("f", deal_id="d-3", date="2024-01-02", said="Two."),
            record("g", deal_id=None),  # alone, it needs no date
        ]
    )
    copies, undated, tied, repeated = notices
    assert copies.startswith("1 conversations are left out, as their deal has them twice")
    assert undated.startswith("2 conversations of 1 deals (the first: 'c' of deal 'd-2') have no date that can be read")
    assert tied.startswith("1 conversations of 1 deals (the first: 'a' of deal 'd-1') have the moment of another one")
    assert repeated.startswith("1 conversations of 1 deals (the first: 'f' of deal 'd-3') have the id of another one")


@pytest.mark.parametrize(
    ("date", "close", "kept"),
    [
        ("2024-03-13", "2024-03-14", True),
        ("2024-03-14", "2024-03-14T10:00", False),
        ("2024-03-14T09:59", "2024-03-14", False),
        ("2024-03-14T09:59", "2024-03-14T10:00", True),
        ("2024-03-14T10:00", "2024-03-14T10:00:00Z", False),
        ("2024-03-15", "2024-03-14", False),
        (None, "2024-03-14", True),  # told as undated
        ("2024-03-15", "true", True),  # a column that says whether it is closed, not when
    ],
)
def test_what_is_dated_on_the_day_of_the_close_or_after_it_is_not_learned_from(
    date: str | None, close: str, kept: bool
) -> None:
    given = [
        record("a", date="2024-03-01", **{"Close Date": close}),
        record("b", date=date, outcome="successful", closed=close),
    ]
    deals = before_close(deals_of(given))
    assert len(deals.deals[0].conversations) == 1 + kept
    assert deals.wholes[0].outcome == "successful", "also where the one that said so is left out"
    late = [sentence for sentence in deals.notices if "day of the close" in sentence]
    assert len(late) == (not kept)
    if late:
        assert late[0].startswith("1 conversations of 1 deals are left out")
        assert f"'b' of deal 'd', {date}" in late[0]


def test_a_deal_that_has_nothing_from_before_its_close_is_left_out_and_told() -> None:
    late = [record("a", date="2024-03-14", outcome="failed", close_date="2024-03-13"), record("b", deal_id=None)]
    deals = before_close(deals_of(late))
    assert ids(deals.wholes) == ["b"]
    assert "1 of these deals have no other and are left out altogether" in deals.notices[0]


def test_of_an_open_deal_the_close_is_only_expected() -> None:
    given = [record("a", date="2024-03-15", close_date="2024-03-14"), record("b", date="2024-03-01")]
    assert len(before_close(deals_of(given)).deals[0].conversations) == 2


def test_where_there_is_no_date_but_the_closes_nothing_is_known_which_is_told() -> None:
    table = [
        record(f"r{n}", deal_id=f"r{n}", date="2024-03-14", outcome="failed", **{"Close Date": "2024-03-14"})
        for n in (1, 2)
    ]
    deals = before_close(deals_of(table))
    assert ids(deals.wholes) == ["r1", "r2"]
    assert deals.notices[0].startswith("2 conversations are of deals with no other date than that of the close")
