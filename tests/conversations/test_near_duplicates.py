"""Near duplicates: by hand, against comparing every pair, and fast enough for thousands."""

from __future__ import annotations

import random
import time
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.conversation import Conversation
from conversations.near_duplicates import NEAR_DUPLICATE, alike, copies_of, near_duplicates, word_set

NINE = "one two three four five six seven eight nine"


def deal(name: str, text: str, group: str | None = None) -> Conversation:
    return Conversation(conversation_id=name, transcript=text, group=group)


def test_near_duplicates_by_hand() -> None:
    texts = {"a": NINE, "b": NINE + " ten", "c": NINE + " x y z", "d": NINE}
    groups = {"a": "g", "b": "h", "c": "i", "d": "g"}
    made = [deal(name, text, groups[name]) for name, text in texts.items()]
    # 9 shared of 10 words: 0.9. a-c share 9 of 12 words: 0.75, under the limit; a and d are of one group.
    assert near_duplicates(made) == [("a", "b"), ("b", "d")]


def test_the_limit_itself_is_no_near_duplicate() -> None:
    eight = NINE.rsplit(" ", 1)[0]
    assert near_duplicates([deal("a", eight), deal("b", eight + " ten eleven")]) == []  # 8 of 10 words: 0.8
    assert near_duplicates([deal("a", NINE), deal("b", NINE + " ten eleven")]) == [("a", "b")]  # 9 of 11: 0.818


def test_conversations_without_a_group_are_groups_of_their_own() -> None:
    assert near_duplicates([deal("a", NINE), deal("b", NINE.upper())]) == [("a", "b")]


def test_copies_of_gives_one_original_for_each_copy() -> None:
    originals = [deal("a", NINE), deal("b", NINE), deal("c", "quite another text")]
    found = copies_of([deal("d", NINE + " ten"), deal("e", "nothing like it at all")], originals)
    assert [(copy.conversation_id, original.conversation_id) for copy, original in found] == [("d", "a")]
    assert copies_of(originals, []) == []


def test_a_word_or_two_coincide_by_chance() -> None:
    assert near_duplicates([deal("a", "No answer"), deal("b", "No answer")]) == []


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.frozensets(st.sampled_from("abcdefghijkl")), max_size=12))
def test_the_same_pairs_as_comparing_them_all(texts: list[frozenset[str]]) -> None:
    found = {(n, other) for n, others in alike(texts, texts) for other in others if n < other}
    pairs = [(n, m) for n, m in combinations(range(len(texts)), 2) if len(texts[n]) > 2 and len(texts[m]) > 2]
    assert found == {(n, m) for n, m in pairs if len(texts[n] & texts[m]) / len(texts[n] | texts[m]) > NEAR_DUPLICATE}


@pytest.mark.parametrize("same", [False, True])
def test_thousands_take_seconds(same: bool) -> None:
    draw = random.Random(0)
    vocabulary = [f"word{n}" for n in range(2000)]
    texts = [vocabulary[:200] if same else draw.choices(vocabulary, k=200) for _ in range(3000)]
    made = [deal(str(n), " ".join(text)) for n, text in enumerate(texts)]
    start = time.process_time()  # a busy machine takes none of it
    found = copies_of(made[:900], made[900:])
    assert len(found) == (900 if same else 0)
    assert time.process_time() - start < 10  # about 0.5 s


def test_words_of_turns_count_and_speakers_do_not() -> None:
    spoken = Conversation.model_validate({"turns": [{"speaker": "Agent", "text": "Hello You"}, {"text": "you"}]})
    assert word_set(spoken) == {"hello", "you"}
