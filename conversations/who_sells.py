"""Who of those who talk sells, found from their words, where no file says it.

Recorders give names, not roles. Each voice gets the log-odds of selling that its words have under a logistic regression on
words and pairs of words (`knowledge.who_sells` learns it from written dialogues); the highest sells, the lowest buys, any
other stands with the nearer one. Where words don't tell them apart nobody is called anything. Costs about 0.2 µs a character.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from conversations.terms import TermWeights, read_weights

ROLE_WORDS = Path(__file__).with_name("who_sells.json")
FEWEST_WORDS = 20  # of a voice that decides who sells; one that says less stands with the nearer side
LEAST_MARGIN = 0.1  # between seller and customer, in log-odds: below, chance decides


@dataclass(frozen=True)
class RoleWords:
    """Log-odds of selling that a voice's terms bring, and that who speaks first brings."""

    terms: TermWeights
    first: float

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
        found = {speaker: self.terms.log_odds(texts) for speaker, texts in voices.items()}
        found[said[0][0]] += self.first
        seller = max(enough, key=found.__getitem__)
        customer = min(enough, key=found.__getitem__)
        if found[seller] - found[customer] < LEAST_MARGIN:
            return {}
        middle = (found[seller] + found[customer]) / 2
        return {speaker: "seller" if value > middle else "customer" for speaker, value in found.items()}


@lru_cache(maxsize=1)
def role_words(path: Path = ROLE_WORDS) -> RoleWords:
    """The words that come with the program. Raises InputError where the file is damaged."""
    weights, (first,) = read_weights(path, "first")
    return RoleWords(TermWeights(weights), first)


def _says_enough(texts: Sequence[str]) -> bool:
    words = 0
    for text in texts:
        words += len(text.split(maxsplit=FEWEST_WORDS))
        if words >= FEWEST_WORDS:
            return True
    return False
