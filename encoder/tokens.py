"""Texts to token ids, as the tokenizer gives them; words that were read before come from memory.

A tokenizer of BERT's kind never looks beyond a blank: a text's tokens are those of its words, one after the other. So each
word goes through it once, and a sentence of known words costs microseconds in place of a tenth of a millisecond. Every
other tokenizer reads whole texts. Safe to use from many threads.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

FEW_TEXTS = 8  # for so few the tokenizer's own threads cost more than they save, most of all on a busy machine
MOST_WORDS, LONGEST_WORD = 50_000, 24  # remembered, characters: some 10 MB; ids and numbers would only push words out
_BLANK = " "

Ids = list[int]


class TokenIds:
    """What a tokenizer makes of texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._by_word = _reads_word_by_word(tokenizer)
        self._known: dict[str, Ids] = {}
        self._start, self._end = _special_ids(tokenizer) if self._by_word else ([], [])

    def bare(self, texts: Sequence[str]) -> list[Ids]:
        """Without the special tokens at a text's start and end."""
        if not self._by_word:
            return self._encoded(texts, special=False)
        words = [text.split(_BLANK) for text in texts]
        known = self._known
        new = {word for of_one in words for word in of_one if word not in known}
        found = self._learned(list(new)) if new else {}
        return [[token for word in of_one for token in (found if word in found else known)[word]] for of_one in words]

    def whole(self, texts: Sequence[str]) -> list[Ids]:
        """With the special tokens."""
        if not self._by_word:
            return self._encoded(texts, special=True)
        return [[*self._start, *ids, *self._end] for ids in self.bare(texts)]

    def _learned(self, words: list[str]) -> dict[str, Ids]:
        """What the tokenizer makes of each; from now on the short ones are remembered."""
        found = dict(zip(words, self._encoded(words, special=False), strict=True))
        short = {word: ids for word, ids in found.items() if len(word) <= LONGEST_WORD}
        if len(self._known) + len(short) > MOST_WORDS:
            self._known = short  # another one, as other threads may be reading the full one
        else:
            self._known.update(short)
        return found

    def _encoded(self, texts: Sequence[str], special: bool) -> list[Ids]:
        if len(texts) <= FEW_TEXTS:
            return [self._tokenizer.encode(text, add_special_tokens=special).ids for text in texts]
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)  # without offsets
        return [encoding.ids for encoding in encodings]


def _reads_word_by_word(tokenizer: Tokenizer) -> bool:
    """Whether a text's tokens are those of what lies between its blanks."""
    kinds = ((tokenizer.normalizer, BertNormalizer), (tokenizer.pre_tokenizer, BertPreTokenizer))
    added = tokenizer.get_added_tokens_decoder().values()
    return (
        all(isinstance(part, kind) for part, kind in (*kinds, (tokenizer.model, WordPiece)))
        and tokenizer.truncation is None
        and tokenizer.padding is None
        and not any(token.lstrip or token.rstrip or _BLANK in token.content for token in added)
    )


def _special_ids(tokenizer: Tokenizer) -> tuple[Ids, Ids]:
    """Those at a text's start and at its end."""
    whole, bare = (tokenizer.encode("a", add_special_tokens=special).ids for special in (True, False))
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]
