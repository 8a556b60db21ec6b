"""What the writers' scenarios are worth is measured on conversations that have nothing in common with them."""

from __future__ import annotations

from collections import defaultdict

import pytest

from benchmarks.accuracy.corpus import UNSEEN, drawn, judged, words_table
from conversations.near_duplicates import copies_of
from data_pipeline import read_conversations


@pytest.mark.parametrize("name", ["field", "buyer"])
def test_unseen_conversations_share_no_text_with_the_corpus(name: str) -> None:
    unseen = read_conversations(UNSEEN / f"{name}.jsonl")
    corpus = [one.conversation for half in ("demo", "knowledge") for one in drawn(half)]  # type: ignore[arg-type]
    assert copies_of(unseen, corpus) == []


@pytest.mark.parametrize("name", ["field", "buyer"])
def test_half_of_them_are_deals_and_pairs_end_differently(name: str) -> None:
    unseen = judged(read_conversations(UNSEEN / f"{name}.jsonl"))
    assert sum(one.outcome == "successful" for one in unseen) == len(unseen) / 2 == 36
    pairs = defaultdict(set)
    for one in unseen:
        pairs[one.group].add(one.outcome)
    assert sum(len(outcomes) == 2 for outcomes in pairs.values()) == 12


def test_each_writer_is_tested_by_words_of_the_others() -> None:
    some = [one for one in drawn("demo") if one.scenario.form == "chat"]
    table = words_table(some)
    writers = sorted({one.scenario.writer for one in some})
    assert list(table.columns[0].cells) == writers and len(writers) > 2
    assert all(0 < float(str(cell).split(" / ")[0]) < 1 for cell in table.columns[3].cells)
