"""Sentences nobody wrote, made of training sentences' parts, for teachers to label and a student to learn from.

Some are the start of one sentence and the end of another with the same joint (", but "), others have some words replaced
by ones that follow the same word elsewhere ("is approved", "is late"). They read like sentences, and often say something
new or the opposite. Nobody knows their labels, so they are of no use without teachers. Takes a second for 10 000.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_JOINT = re.compile(r",?\s+(?:and|but|so|because|until|unless|if|though|since|while|when|before|after)\s+|[,;:]\s+")
_SHORTEST_PART = 3  # words
_REPLACED = 0.2  # of the words, but at least one


def crossed_sentences(texts: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """At most so many different ones, each the start of one text and the end of another with the same joint."""
    halves: dict[str, list[tuple[str, str]]] = {}
    for text in texts:
        for match in _JOINT.finditer(text):
            start, end = text[: match.start()], text[match.end() :]
            if min(len(start.split()), len(end.split())) >= _SHORTEST_PART:
                halves.setdefault(match.group(), []).append((start, end))
    starts = [(joint, start) for joint, of_joint in halves.items() for start, _ in of_joint]
    invented = []
    for n in random.integers(len(starts), size=count) if starts else ():
        joint, start = starts[n]
        _, end = halves[joint][random.integers(len(halves[joint]))]
        invented.append(start + joint + end)
    return sorted(set(invented) - set(texts))


def reworded_sentences(texts: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """At most so many different ones, each with some words replaced by others that follow the same word in a text."""
    followers: dict[tuple[str, bool], list[str]] = {}
    for text in texts:
        words = text.split()
        for n in range(1, len(words)):
            followers.setdefault(_before(words, n), []).append(words[n])
    invented = []
    for text_number in random.integers(len(texts), size=count):
        words = texts[text_number].split()
        if len(words) > 1:
            for place in random.integers(1, len(words), size=max(1, round(_REPLACED * len(words)))):
                known = followers.get(_before(words, place), [words[place]])
                words[place] = known[random.integers(len(known))]
            invented.append(" ".join(words))
    return sorted(set(invented) - set(texts))


def _before(words: Sequence[str], place: int) -> tuple[str, bool]:
    """What decides which words may stand there: the one before, and whether punctuation ends it."""
    return words[place - 1].lower(), words[place][-1].isalnum()
