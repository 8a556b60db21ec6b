"""Texts that make a pattern slow if any do, made from the pattern itself.

Slow is a pattern that can read one stretch of text in several ways, and tries them all before it gives up, or that reads
on to the end from many places. So each loop is fed what its body takes, alone and in pairs, after what leads to it and
before what it does not take; and so are the pattern's characters, its beginnings, and pairs of them drawn at random.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_NO_WORDS = {"ASSERT", "ASSERT_NOT", "AT", "GROUPREF"}
_LONG_LOOP = 5  # rounds from which a loop is one
_MOST_SAMPLES = 16
_DRAWN = 60  # pairs of characters
_ENDS = ("", "\x00", "\n", "x")
_CATEGORIES = {
    "CATEGORY_SPACE": " \t\n",
    "CATEGORY_DIGIT": "1",
    "CATEGORY_WORD": "aA1_",
    "CATEGORY_NOT_SPACE": "a.",
    "CATEGORY_NOT_WORD": " .",
    "CATEGORY_NOT_DIGIT": "a.",
}
_PROBES = " aA1.,;:<>“\"'!?\n-_&|/"
# What froze the service before, and what is common in texts.
_KNOWN = (
    "uhhm",
    "uhhm, ",
    "<v ",
    "On 1",
    "> ",
    "Subject:",
    "and ",
    "A.",
    "“",
    "\n\n",
    "\r\n",
    " \n",
    "1 ",
    "a@",
    "<<",
    "{",
)


class Attack(NamedTuple):
    """A text of any length."""

    start: str
    pump: str
    end: str

    def text(self, times: int) -> str:
        """The pump so often, between the start and the end."""
        return f"{self.start}{self.pump * times}{self.end}"


class Node(NamedTuple):
    """A part of a parsed pattern: its name in the dump of re.DEBUG, what stands behind it there, and its own parts."""

    name: str
    told: str
    parts: list[Node]

    @property
    def bounds(self) -> tuple[int, float]:
        """How often a loop runs at least and at most."""
        least, most = self.told.split()
        return int(least), float("inf") if most == "MAXREPEAT" else int(most)


def attacks(pattern: re.Pattern[Any]) -> list[Attack]:
    """The different attacks on a pattern, always the same; those on its loops first."""
    nodes = parsed(pattern)
    found = list(_on_loops(nodes))
    alphabet = list(dict.fromkeys("".join(_characters(nodes))))
    beginnings = [attack.start for attack in found if attack.start]
    drawn = random.Random(0)
    pairs = ["".join(drawn.choices(alphabet, k=2)) for _ in range(_DRAWN)] if alphabet else []
    pumps = [*alphabet, *beginnings, *_samples_of(nodes), *_KNOWN, *pairs]
    found += [Attack("", pump, end) for pump in pumps if pump for end in ("", "\x00\n")]
    return list(dict.fromkeys(found))


def parsed(pattern: re.Pattern[Any]) -> list[Node]:
    """The pattern as Python's own parser reads it."""
    dump = io.StringIO()
    with contextlib.redirect_stdout(dump):
        re.compile(pattern.pattern, pattern.flags | re.DEBUG)
    lines = dump.getvalue().partition("\n\n")[0].splitlines()
    return _nodes([(len(line) - len(line.lstrip()), line.strip()) for line in lines if line.strip()])


def _nodes(lines: Sequence[tuple[int, str]]) -> list[Node]:
    """Lines with their indents; what is further in than a line is part of it, and "OR" begins the next alternative."""
    nodes: list[Node] = []
    place = 0
    while place < len(lines):
        indent, line = lines[place]
        end = next((n for n in range(place + 1, len(lines)) if lines[n][0] <= indent), len(lines))
        name, _, told = line.partition(" ")
        parts = _nodes(lines[place + 1 : end])
        if name == "BRANCH":
            nodes.append(Node(name, told, [Node("ALTERNATIVE", "", parts)]))
        elif name == "OR":
            nodes[-1].parts.append(Node("ALTERNATIVE", "", parts))
        else:
            nodes.append(Node(name, told, parts))
        place = end
    return nodes


def _on_loops(nodes: Sequence[Node], starts: Iterable[str] = ("",)) -> Iterator[Attack]:
    """Each loop, wherever it is nested, after what leads to it."""
    starts = list(dict.fromkeys(starts))
    for place, node in enumerate(nodes):
        before = _samples_of(nodes[:place])
        leading = list(dict.fromkeys(start + way for start in starts for way in (before[0], before[-1])))[:4]
        if node.name in _REPEATS and node.bounds[1] >= _LONG_LOOP:
            body = [sample for sample in _samples_of(node.parts) if sample]
            pairs = [one + other for one, other in itertools.product(body, body) if one != other]
            for start in leading:
                yield from (Attack(start, pump, end) for pump in body for end in _ENDS)
                yield from (Attack("", start + pump, end) for pump in body[:6] for end in _ENDS[:2])
            yield from (Attack(leading[0], pump, end) for pump in pairs for end in _ENDS[:2])
        if node.name == "BRANCH":
            for alternative in node.parts:
                yield from _on_loops(alternative.parts, leading)
        else:
            yield from _on_loops(node.parts, leading)


def _samples_of(nodes: Sequence[Node]) -> list[str]:
    """Texts that a sequence takes: the shortest first, then with each part in its other ways, and all in their last."""
    ways = [_samples(node) for node in nodes]
    first = [way[0] for way in ways]
    found = ["".join(first)]
    for place, way in enumerate(ways):
        found += ["".join([*first[:place], other, *first[place + 1 :]]) for other in way[1:]]
    return list(dict.fromkeys([*found[: _MOST_SAMPLES - 1], "".join(way[-1] for way in ways)]))


def _samples(node: Node) -> list[str]:
    """Texts that one part takes, at least one."""
    if node.name in _NO_WORDS:
        return [""]
    if node.name in _REPEATS:
        least, most = node.bounds
        body = [sample * max(1, least) for sample in _samples_of(node.parts)] if most else [""]
        return body if least else ["", *body]
    if node.name == "BRANCH":
        by_alternative = [_samples_of(alternative.parts) for alternative in node.parts]
        return [way for ways in itertools.zip_longest(*by_alternative) for way in ways if way is not None][:40]
    if node.name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
        return _one_character(node) or [""]
    return _samples_of(node.parts)


def _one_character(node: Node) -> list[str]:
    if node.name == "LITERAL":
        return [chr(int(node.told))]
    if node.name == "ANY":
        return ["a", " "]
    excluded = node.name == "NOT_LITERAL" or any(part.name == "NEGATE" for part in node.parts)
    named = [chr(int(node.told))] if node.name == "NOT_LITERAL" else [c for part in node.parts for c in _of_class(part)]
    if not excluded:
        return list(dict.fromkeys(named))[:12]
    spans = [_range(part) for part in node.parts if part.name == "RANGE"]
    return [c for c in _PROBES if c not in named and not any(low <= ord(c) <= high for low, high in spans)]


def _of_class(part: Node) -> str:
    """Characters that a part of a character class names."""
    if part.name == "LITERAL":
        return chr(int(part.told))
    if part.name == "RANGE":
        low, high = _range(part)
        return chr(low) + chr(high)
    return _CATEGORIES.get(part.told, "")


def _range(part: Node) -> tuple[int, int]:
    low, high = map(int, part.told.strip("()").split(","))
    return low, high


def _characters(nodes: Sequence[Node]) -> Iterator[str]:
    """Every character that the pattern names, and one of each class."""
    for node in nodes:
        if node.name in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            yield from _one_character(node)
        else:
            yield from _characters(node.parts)
