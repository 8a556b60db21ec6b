"""Words and pairs of words as evidence: what a logistic regression on them says of a text, without its libraries.

Texts are unit vectors of 1 + ln(how often a term occurs). Costs about 0.2 µs a character.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundations.errors import InputError

_TOKEN = re.compile(r"[^\W_][\w'’]*+|\?")


@dataclass(frozen=True)
class TermWeights:
    """Log-odds that a term brings, one word or two in a row, and those of a text that has none."""

    weights: Mapping[str, float]
    bias: float = 0.0

    def log_odds(self, texts: Sequence[str]) -> float:
        """Of texts that are one: the weighted sum over its unit vector."""
        counts = term_counts(texts)
        known = {term: 1.0 + math.log(count) for term, count in counts.items() if term in self.weights}
        length = math.sqrt(sum(value * value for value in known.values()))
        return self.bias + (sum(self.weights[term] * value for term, value in known.items()) / length if known else 0.0)


def term_counts(texts: Sequence[str]) -> Counter[str]:
    """How often each word, and each two in a row of one text, occur; a question mark is a word."""
    counts: Counter[str] = Counter()
    for text in texts:
        tokens = [token.replace("’", "'") for token in _TOKEN.findall(text.lower())]
        counts.update(tokens)
        counts.update(map(" ".join, itertools.pairwise(tokens)))
    return counts


def written_weights(weights: Mapping[str, float], **more: float) -> dict[str, Any]:
    """What `read_weights` reads: to three decimals, without terms that weigh nothing."""
    kept = {term: round(weight, 3) for term, weight in weights.items() if abs(weight) >= 0.0005}
    return {**{name: round(value, 3) for name, value in more.items()}, "weights": kept}


def read_weights(path: Path, *names: str) -> tuple[dict[str, float], list[float]]:
    """The weights of a file, and the numbers beside them of these names. Raises InputError where it is damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        weights = {term: float(weight) for term, weight in kept["weights"].items()}
        return weights, [float(kept[name]) for name in names]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{str(path)!r} does not say what words weigh ({error}); restore it.") from error
