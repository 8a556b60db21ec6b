"""Token ids from remembered words are the tokenizer's own, whatever a text holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from encoder import tokens
from encoder.source import load_encoder
from encoder.tokens import TokenIds

ODD_PARTS = (
    "[SEP]",
    "[",
    "##s",
    "é",
    "e\u0301",
    "\u0301",
    "\x1c",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\x00",
    "是的",
    "İ",
    "🎉",
)
TEXTS = st.lists(st.one_of(st.sampled_from(ODD_PARTS), st.text(max_size=6), st.just(" ")), max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_encoder().tokenizer


@given(texts=st.lists(TEXTS, min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_words_give_the_ids_that_the_whole_text_gives(tokenizer: Tokenizer, texts: list[str]) -> None:
    ids = TokenIds(tokenizer)
    for _ in range(2):  # the second time from memory
        assert ids.whole(texts) == [tokenizer.encode(text).ids for text in texts]
        assert ids.bare(texts) == [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def test_a_known_word_is_not_read_again(tokenizer: Tokenizer) -> None:
    counting = CountingTokenizer(tokenizer)
    ids = TokenIds(tokenizer)
    ids._tokenizer = counting  # type: ignore[assignment]
    first = ids.whole(["The price is fine.", "The price!"])
    assert counting.read == {"The", "price", "is", "fine.", "price!"}
    counting.read.clear()
    assert ids.whole(["The price!", "The price is fine."]) == first[::-1]
    assert counting.read == set()
    ids.whole(["x" * (tokens.LONGEST_WORD + 1)])
    ids.whole(["x" * (tokens.LONGEST_WORD + 1)])
    assert len(counting.read) == 1  # too long to be a word that comes back: read, not remembered
    assert max(map(len, ids._known)) <= tokens.LONGEST_WORD


def test_no_more_words_are_remembered_than_allowed(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_WORDS", 10)
    ids = TokenIds(tokenizer)
    texts = [f"word{number} and {number}" for number in range(30)]
    assert [ids.whole([text])[0] for text in texts] == [tokenizer.encode(text).ids for text in texts]
    assert len(ids._known) <= 10


def test_a_tokenizer_that_looks_beyond_blanks_reads_whole_texts(tokenizer: Tokenizer) -> None:
    pieces = Tokenizer(
        models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b▁c", -1.0), ("▁", -2.0), ("b", -3.0)], 0, False)
    )
    pieces.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    spaced = Tokenizer.from_str(tokenizer.to_str())
    spaced.add_tokens([AddedToken("due date")])
    for other, text in ((pieces, "a b c"), (spaced, "the due date is near")):
        assert TokenIds(other).bare([text, text]) == [other.encode(text, add_special_tokens=False).ids] * 2


class CountingTokenizer:
    """Notes what it reads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.read: set[str] = set()

    def encode(self, text: str, add_special_tokens: bool) -> object:
        self.read.add(text)
        return self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
