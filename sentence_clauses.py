"""A sentence's clauses, where it says two things: "they have the budget, but the price is too high"."""

from __future__ import annotations

import re

_BETWEEN = re.compile(
    r"(?:;|\s[–—])\s+(?:and|but|however|yet)\b,?\s+|;\s+|(?<!\d)\s[–—]\s+"
    r"|,?\s+(?:and|but|although|even though|whereas)\s+"
    r"|,\s+(?:though|however|yet|while|nevertheless|unfortunately)\b,?\s+",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\b[A-Z][\w.'’-]*(,?\s+and\s+)(?=[A-Z])")
_CONCESSION = re.compile(r"(?:although|though|even though|while|whereas)\s[^,;]+(,\s+)", re.IGNORECASE)


def clauses(sentence: str, fewest_words: int = 2) -> list[str]:
    """The clauses in order, in the sentence's own words; one of fewer words stays with its neighbour.

    [sentence] where it is one clause.
    """
    names = {found.span(1) for found in _NAMES.finditer(sentence)}
    cuts = [found.span() for found in _BETWEEN.finditer(sentence) if found.span() not in names]
    if (found := _CONCESSION.match(sentence)) is not None:
        cuts = sorted({found.span(1), *(cut for cut in cuts if cut[0] > found.end(1))})
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(sentence)]
    spans: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        if spans and _words(sentence, *spans[-1]) < fewest_words:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(spans) > 1 and _words(sentence, *spans[-1]) < fewest_words:
        spans[-2:] = [(spans[-2][0], spans[-1][1])]
    return [sentence[start:end] for start, end in spans]


def _words(sentence: str, start: int, end: int) -> int:
    return len(sentence[start:end].split())
