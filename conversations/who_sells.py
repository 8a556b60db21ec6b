"""Who of those who talk sells, found from their words, where no file says it.

Recorders give names, not roles. Each voice gets the log-odds of selling that its words have under a logistic regression on
words and pairs of words (`knowledge.who_sells` learns it from written dialogues); the highest sells, the lowest buys, any
other stands with the nearer one. Where words don't tell them apart nobody is called anything. Costs about 0.2 µs a character.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from foundations.errors import InputError

ROLE_WORDS = Path(__file__).with_name("who_sells.json")
FEWEST_WORDS = 20  # of a voice that decides who sells; one that says less stands with the nearer side
LEAST_MARGIN = 0.1  # between seller and customer, in log-odds: below, chance decides
_TOKEN = re.compile(r"[^\W_][\w'’]*+|\?")


@dataclass(frozen=True)
class RoleWords:
    """Log-odds of selling that a term brings, one word or two in a row; and that who speaks first brings."""

    weights: Mapping[str, float]
    first: float

    def log_odds(self, texts: Sequence[str]) -> float:
        """Of one voice: the weighted mean of its terms, each counting 1 + ln(how often it is said), on a unit vector."""
        counts = term_counts(texts)
        known = {term: 1.0 + math.log(count) for term, count in counts.items() if term in self.weights}
        length = math.sqrt(sum(value * value for value in known.values()))
        return sum(self.weights[term] * value for term, value in known.items()) / length if known else 0.0

    def sides(self, said: Sequence[tuple[str, str]]) -> dict[str, str]:
        """ "seller" or "customer" for each voice of (speaker, text) in order; {} where it can't be told.

        A conversation in which words belong to nobody, or only one voice says enough, is one of those.
        """
        voices: dict[str, list[str]] = {}
        for speaker, text in said:
            voices.setdefault(speaker, []).append(text)
        enough = [speaker for speaker, texts in voices.items() if _says_enough(texts)]
        if "" in voices or len(enough) < 2:
            return {}
        found = {speaker: self.log_odds(texts) for speaker, texts in voices.items()}
        found[said[0][0]] += self.first
        seller = max(enough, key=found.__getitem__)
        customer = min(enough, key=found.__getitem__)
        if found[seller] - found[customer] < LEAST_MARGIN:
            return {}
        middle = (found[seller] + found[customer]) / 2
        return {speaker: "seller" if value > middle else "customer" for speaker, value in found.items()}


def term_counts(texts: Sequence[str]) -> Counter[str]:
    """How often each word, and each two in a row of one text, occur; a question mark is a word."""
    counts: Counter[str] = Counter()
    for text in texts:
        tokens = [token.replace("’", "'") for token in _TOKEN.findall(text.lower())]
        counts.update(tokens)
        counts.update(map(" ".join, itertools.pairwise(tokens)))
    return counts


@lru_cache(maxsize=1)
def role_words(path: Path = ROLE_WORDS) -> RoleWords:
    """The words that come with the program. Raises InputError where the file is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return RoleWords({term: float(weight) for term, weight in kept["weights"].items()}, float(kept["first"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{str(path)!r} does not say which words sell ({error}); restore it.") from error


def _says_enough(texts: Sequence[str]) -> bool:
    words = 0
    for text in texts:
        words += len(text.split(maxsplit=FEWEST_WORDS))
        if words >= FEWEST_WORDS:
            return True
    return False
