"""Finds conversations whose words are nearly the same: token Jaccard above 0.8.

Exact, but fast: words are folded into a row of bits, and texts whose bits differ in more places than near duplicates can
are never compared word by word. It sees words, not meaning: a paraphrase is no duplicate. Texts of fewer than three
different words ("No answer") coincide by chance and are not compared. About 2 s for every pair of 5,000 conversations.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from conversations.model_text import spoken_text

NEAR_DUPLICATE = 0.8  # token Jaccard above which two conversations count as copies
_FEWEST_WORDS = 3
_BITS = 2048  # of a signature; more would rule out more pairs, and take longer for each
# With J the Jaccard of two sets, the words that only one of them has are (1 - J) / (1 + J) of their sizes' sum.
_MOST_UNSHARED = (1 - NEAR_DUPLICATE) / (1 + NEAR_DUPLICATE)


class NearDuplicateIndex:
    """The word sets of some texts, to be asked which of them a text nearly repeats."""

    def __init__(self, texts: Sequence[frozenset[str]]) -> None:
        self._texts = texts
        self._sizes = np.array([len(text) for text in texts])  # (n,)
        self._signatures = np.array([_signature(text) for text in texts]).reshape(-1, _BITS // 64)  # (n, words)

    def matches(self, text: frozenset[str]) -> Iterator[int]:
        """The indices, rising, of the texts that share more than NEAR_DUPLICATE of all words with this one."""
        if len(text) < _FEWEST_WORDS or not self._texts:
            return
        # A bit that differs is a word, at least one, that only one of the two texts has.
        differing = np.bitwise_count(self._signatures ^ _signature(text)).sum(axis=1)
        possible = differing <= _MOST_UNSHARED * (self._sizes + len(text)) + 1e-9
        for index in map(int, np.flatnonzero(possible)):
            other = self._texts[index]
            shared = len(text & other)
            if shared / (len(text) + len(other) - shared) > NEAR_DUPLICATE:
                yield index


def near_duplicates(conversations: Sequence[Conversation]) -> list[tuple[str, str]]:
    """Ids of the pairs of near duplicates from different groups, in the order of the conversations."""
    texts = [word_set(conversation) for conversation in conversations]
    index = NearDuplicateIndex(texts)
    return [
        (conversation.conversation_id, conversations[other].conversation_id)
        for number, conversation in enumerate(conversations)
        for other in index.matches(texts[number])
        if other > number and conversations[other].group_key != conversation.group_key
    ]


def copies_of(
    conversations: Sequence[Conversation], originals: Sequence[Conversation]
) -> list[tuple[Conversation, Conversation]]:
    """Each conversation that nearly repeats one of `originals`, with one that it repeats."""
    index = NearDuplicateIndex([word_set(original) for original in originals])
    found = ((conversation, next(index.matches(word_set(conversation)), None)) for conversation in conversations)
    return [(conversation, originals[number]) for conversation, number in found if number is not None]


def word_set(conversation: Conversation) -> frozenset[str]:
    """The different words of a conversation, in lower case, with the punctuation that touches them."""
    return frozenset(spoken_text(conversation).lower().split())


def _signature(text: frozenset[str]) -> NDArray[np.uint64]:
    """(_BITS / 64,): the bits that a text's words fall on."""
    bits = np.zeros(_BITS, dtype=np.uint8)
    bits[[zlib.crc32(word.encode("utf-8", "surrogatepass")) % _BITS for word in text]] = 1
    return np.packbits(bits).view(np.uint64)
