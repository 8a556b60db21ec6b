"""Finds conversations whose words are nearly the same: token Jaccard above 0.8.

Exact: scikit-learn counts which words each text has, and one product of sparse matrices how many every pair shares. It
sees words, not meaning: a paraphrase is no duplicate. Texts of fewer than three different words ("No answer") coincide by
chance and are not compared. About 2 s for every pair of 4,500 conversations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from conversations.conversation import Conversation
from conversations.model_text import spoken_text

NEAR_DUPLICATE = 0.8  # token Jaccard above which two conversations count as copies
_FEWEST_WORDS = 3
_PAIRS_AT_ONCE = 2_000_000  # whose shared words are in memory, 8 bytes each


def alike(texts: Sequence[frozenset[str]], originals: Sequence[frozenset[str]]) -> Iterator[tuple[int, list[int]]]:
    """The index of each text that shares more than NEAR_DUPLICATE of all words with an original, and those of all such."""
    if not any(originals):
        return
    from sklearn.feature_extraction.text import CountVectorizer  # here: whoever only reads conversations has none

    counter = CountVectorizer(analyzer=frozenset)
    words_of_originals = counter.fit_transform(originals).T  # (words, originals)
    lengths = np.array([len(original) for original in originals])
    rows = max(1, _PAIRS_AT_ONCE // len(originals))
    for start in range(0, len(texts), rows):
        part = texts[start : start + rows]
        shared = (counter.transform(part) @ words_of_originals).toarray()  # (rows, originals)
        own = np.array([[len(text)] for text in part])
        is_alike = shared / np.maximum(own + lengths - shared, 1) > NEAR_DUPLICATE
        found = is_alike & (own >= _FEWEST_WORDS)
        yield from (
            (start + int(row), np.flatnonzero(found[row]).tolist()) for row in np.flatnonzero(found.any(axis=1))
        )


def near_duplicates(conversations: Sequence[Conversation]) -> list[tuple[str, str]]:
    """Ids of the pairs of near duplicates from different groups, in the order of the conversations."""
    texts = [word_set(conversation) for conversation in conversations]
    return [
        (conversations[one].conversation_id, conversations[other].conversation_id)
        for one, others in alike(texts, texts)
        for other in others
        if other > one and conversations[other].group_key != conversations[one].group_key
    ]


def copies_of(
    conversations: Sequence[Conversation], originals: Sequence[Conversation]
) -> list[tuple[Conversation, Conversation]]:
    """Each conversation that nearly repeats one of `originals`, with the first one that it repeats."""
    found = alike([word_set(one) for one in conversations], [word_set(original) for original in originals])
    return [(conversations[number], originals[first]) for number, (first, *_) in found]


def word_set(conversation: Conversation) -> frozenset[str]:
    """The different words of a conversation, in lower case, with the punctuation that touches them."""
    return frozenset(spoken_text(conversation).lower().split())
