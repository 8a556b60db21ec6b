"""Splitting: exact shares, stratified, never through a group, and the data's own `split` kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.reading.record import conversation_from_record
from conversations.split import SHARES, DataSplits, split_conversations
from data_pipeline import check_words_differ
from foundations.errors import InputError


def deals(successful: int, failed: int, group: str | None = None, split: str | None = None) -> Iterator[Conversation]:
    """Conversations of one group (None: each its own), with the given split of their own."""
    for outcome, count in (("successful", successful), ("failed", failed)):
        for n in range(count):
            identifier = f"{group}-{split}-{outcome}-{n}"
            record = {"conversation_id": identifier, "transcript": "Hi", "outcome": outcome}
            yield conversation_from_record({**record, "group": group, "split": split}, "test")


def sizes(splits: DataSplits) -> dict[str, tuple[int, int]]:
    """(successful, failed) of each split."""
    counts = {name: Counter(c.outcome for c in splits.part(name)) for name in SHARES}
    return {name: (count["successful"], count["failed"]) for name, count in counts.items()}


def identifiers(conversations: Sequence[Conversation]) -> list[str]:
    return [conversation.conversation_id for conversation in conversations]


def groups_in(conversations: Sequence[Conversation]) -> set[str]:
    return {conversation.group_key for conversation in conversations}


@pytest.mark.parametrize("seed", [0, 1, 42])
@pytest.mark.parametrize("mixed", [True, False], ids=["mixed groups", "groups of one outcome"])
def test_200_in_20_groups_give_exactly_140_20_40_half_of_each(seed: int, mixed: bool) -> None:
    kinds = [(5, 5)] * 20 if mixed else [(10, 0)] * 10 + [(0, 10)] * 10
    conversations = [c for n, (won, lost) in enumerate(kinds) for c in deals(won, lost, group=f"g{n}")]
    splits = split_conversations(conversations, seed)
    assert sizes(splits) == {"train": (70, 70), "validation": (10, 10), "test": (20, 20)}
    assert splits.warnings == []


def test_without_groups_a_third_of_successes_stays_a_third() -> None:
    splits = split_conversations([*deals(100, 200)])
    assert sizes(splits) == {"train": (70, 140), "validation": (10, 20), "test": (20, 40)}


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=12, max_size=40), st.integers(0, 1000))
def test_no_group_is_split_and_no_conversation_lost(kinds: list[tuple[int, int]], seed: int) -> None:
    conversations = [c for n, (won, lost) in enumerate(kinds) for c in deals(won, lost, group=f"g{n}")]
    try:
        splits = split_conversations(conversations, seed)
    except InputError:
        return  # too few, or a class within one group: said in other tests
    dealt = [*splits.train, *splits.validation, *splits.test]
    assert sorted(identifiers(dealt)) == sorted(identifiers(conversations))
    train, validation, test = map(groups_in, (splits.train, splits.validation, splits.test))
    assert not train & validation
    assert not train & test
    assert not validation & test
    # The group that filled a split may overshoot its share by at most its own size, here 12, in each class.
    assert abs(len(splits.train) - 0.7 * len(conversations)) <= 2 * 12


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    conversations = [c for n in range(20) for c in deals(5, 5, group=f"g{n}")]
    first, again, other = (split_conversations(conversations, seed) for seed in (3, 3, 4))
    assert first == again
    assert groups_in(first.test) != groups_in(other.test)


def test_open_deals_are_left_out() -> None:
    open_deal = conversation_from_record({"conversation_id": "open", "transcript": "Hi"}, "test")
    splits = split_conversations([open_deal, *deals(40, 40)])
    assert sum(map(sum, sizes(splits).values())) == 80


# ------------------------------------------------------------------------------------------------- the data's own split


def test_the_data_s_own_split_is_kept_whatever_its_shares() -> None:
    parts = {"train": [*deals(20, 10, split="train")]}
    parts["validation"] = [*deals(15, 15, split="validation")]
    parts["test"] = [*deals(5, 25, split="test")]
    splits = split_conversations([*parts["test"], *parts["train"], *parts["validation"]])
    assert {name: splits.part(name) for name in parts} == parts


def test_without_a_validation_split_it_is_dealt_from_train_and_never_from_test() -> None:
    test = [*deals(20, 20, split="test")]
    splits = split_conversations([*deals(80, 80, split="train"), *test])
    assert splits.test == test
    assert sizes(splits) == {
        "train": (70, 70),
        "validation": (10, 10),
        "test": (20, 20),
    }  # 160 · 0.1 / (0.7 + 0.1) = 20


def test_records_without_a_split_are_dealt_around_those_that_have_one() -> None:
    splits = split_conversations([*deals(20, 20, split="test"), *deals(80, 80)])
    assert sizes(splits) == {"train": (70, 70), "validation": (10, 10), "test": (20, 20)}


def test_a_record_without_a_split_follows_its_group() -> None:
    placed = [c for n in range(8) for c in deals(5, 5, group=f"g{n}", split="test" if n % 2 else "train")]
    undecided = [c for n in range(8) for c in deals(1, 1, group=f"g{n}")]
    splits = split_conversations([*placed, *undecided, *deals(20, 20)])
    assert not groups_in(splits.train) & groups_in(splits.test)
    assert groups_in(splits.test) >= {"g1", "g3", "g5", "g7"}


def test_a_group_that_the_data_puts_in_two_splits_is_warned_about() -> None:
    parts = [deals(40, 40, group="acme" if split != "validation" else None, split=split) for split in SHARES]
    (warning,) = split_conversations([c for part in parts for c in part]).warnings
    assert "1 groups" in warning
    assert "'acme'" in warning


@pytest.mark.parametrize(("copied", "copy"), [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_nearly_the_same_words_on_both_sides_are_warned_about(copied: str, copy: str) -> None:
    words = "We went through the offer again and she asked for the contract by Friday"
    parts = {name: list(deals(40, 40, split=name)) for name in SHARES}
    for name, text in ((copied, words), (copy, words + " noon")):
        parts[name][0] = parts[name][0].model_copy(update={"conversation_id": name, "transcript": text})
    (warning,) = split_conversations([c for part in parts.values() for c in part]).warnings
    assert warning.startswith(f"1 validation or test conversations (for example {copy!r}) nearly repeat the words")
    assert f"({copied!r})" in warning


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("successful", "failed"), [(9, 60), (60, 9), (30, 0), (0, 0)])
def test_fewer_than_10_of_a_class_are_refused_with_the_counts(successful: int, failed: int) -> None:
    with pytest.raises(InputError, match=f"{successful} successful and {failed} failed .* at least 10"):
        split_conversations([*deals(successful, failed)])


def test_data_without_any_outcome_are_told_with_the_fields_that_may_hold_it() -> None:
    records = [{"transcript": "Hi", "Result": "won", "Owner": "Kim"}, {"transcript": "Ho", "date": "2024-03-14"}]
    with pytest.raises(InputError, match="None of the 2 conversations has an outcome") as caught:
        split_conversations([conversation_from_record(record, "here") for record in records])
    assert "--column outcome=Stage (other fields: 'Owner', 'Result')" in str(caught.value)


def test_conversations_with_the_same_words_are_refused() -> None:
    same = list(deals(2, 2))
    with pytest.raises(InputError, match="The 4 conversations to learn from all have the same words, 'Hi'"):
        check_words_differ(same)
    record = {"transcript": "Hi", "outcome": "failed"}
    check_words_differ([*same, conversation_from_record({**record, "conversation_context": {"urgency": "high"}}, "")])
    check_words_differ([*same, conversation_from_record({**record, "transcript": "Ho"}, "")])


def test_ids_that_occur_more_than_once_are_warned_of() -> None:
    twice = [c.model_copy(update={"conversation_id": f"c-{n // 2}"}) for n, c in enumerate(deals(40, 40))]
    (warning,) = split_conversations(twice).warnings
    assert warning.startswith("40 ids (for example 'c-0') occur more than once")
    with pytest.raises(InputError, match="1 groups in all, as conversations with one id are one group"):
        split_conversations([c.model_copy(update={"conversation_id": "same"}) for c in twice])


def test_10_of_a_class_are_accepted_and_fewer_than_40_warned_about() -> None:
    (warning,) = split_conversations([*deals(10, 60)]).warnings
    assert "10 successful and 60 failed" in warning
    assert split_conversations([*deals(39, 40)]).warnings != []
    assert split_conversations([*deals(40, 40)]).warnings == []


def test_a_split_that_would_lack_a_class_is_refused() -> None:
    two_groups = [*deals(20, 20, group="a"), *deals(20, 20, group="b")]
    with pytest.raises(InputError, match=r"test split would hold no .*2 groups in all"):
        split_conversations(two_groups)
    own = [*deals(20, 20, split="train"), *deals(5, 5, split="validation"), *deals(0, 9, split="test")]
    with pytest.raises(InputError, match="The test split would hold no successful"):
        split_conversations(own)
