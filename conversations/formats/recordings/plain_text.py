"""Reads a plain-text transcript as recorders, chats and people write it: one conversation, turn by turn.

    Jane Doe: Hello.                    [00:12] Jane Doe: Hello.          0:11 : Jane Doe : Hello.
    [Jane Doe] 22:30:46                 Jane Doe  0:01                    00:00:00
    Hello.                              Hello.                            Jane Doe: Hello.

and what is like them: Speaker 1 (00:12), 12/03/2024, 10:15 - Jane:, 10:02:11 From Jane to Everyone:, **Jane:**. A name
counts where names come back, as they do when people talk; "Budget: 50k" and "Timeline: May", each once, are a note. Costs one
pass over the lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from conversations.clock import seconds_of
from conversations.conversation import SIDES
from conversations.formats.turns import Spoken, merged_turns, speaker_with_role

_STAMP = (
    r"[\[(]?(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?[ T]{1,3})?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:[ \u202f]?[ap]\.?m\.?)?[\])]?"
)
_FIRST_STAMP = re.compile(rf"{_STAMP}(?!\d)", re.IGNORECASE)
_LAST_STAMP = re.compile(rf"(?<![\d:]){_STAMP}$", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\n|\r")
_NAME = re.compile(r"[^\W\d_][\w.'’()&/|,@+ -]{0,58}[\w)]|[^\W\d_]")
_CHAT = re.compile(r"from (.{1,60}?) to .{1,60}", re.IGNORECASE)
_LONGEST_NAME = 60
_MOST_WORDS = 6  # of a name with its role
_SEPARATORS = " \t:-–—|,"


class Line(NamedTuple):
    """A line: whom it seems to name, what it says, and the time that stands in it."""

    name: str
    words: str
    stamp: str

    @property
    def stamped(self) -> bool:
        """Whether a time stands in it."""
        return bool(self.stamp)


class Transcript(NamedTuple):
    """What was said, and the lines above it that are nobody's."""

    said: list[Spoken]
    heading: list[str]

    @property
    def record(self) -> dict[str, Any]:
        """{"turns": …} of a conversation; a role in a name makes it the seller's or the customer's."""
        return {"turns": merged_turns(self.said)}


def read_plain_transcript(text: str) -> Transcript | None:
    """Who says what, in order; None for a text in which nobody is named as people who talk are."""
    lines = [_line(line) for raw in _LINE_END.split(text) if (line := raw.strip())]
    names = _speakers(lines)
    if names is None:
        return None
    heads = {id(line) for line in _named(lines) if line.name in names}
    said: list[tuple[Line, list[str]]] = []
    heading: list[str] = []
    stamp = ""  # on a line of its own, above who speaks
    for line in lines:
        if id(line) in heads:
            said.append((line._replace(stamp=line.stamp or stamp), [line.words]))
            stamp = ""
        elif line.stamp and not line.name and not line.words:
            stamp = line.stamp
        elif words := f"{line.name}: {line.words}".rstrip() if line.name else line.words:
            (said[-1][1] if said else heading).append(words)
    found = [
        Spoken(head.name, " ".join(filter(None, words)), "", _seconds(head.stamp)) for head, words in said if any(words)
    ]
    return Transcript(found, heading) if found else None


def _seconds(stamp: str) -> float | None:
    """Seconds after the start; None for a clock's time with a date or with am and pm, which are no place in a call."""
    return seconds_of(stamp.strip(" []()"))


def _line(text: str) -> Line:
    """A line's name and words; the name is only a candidate, as "Note: …" looks alike."""
    text = text.replace("**", "").strip()
    stamp = _FIRST_STAMP.match(text)
    rest = text[stamp.end() :].lstrip(_SEPARATORS) if stamp else text
    if stamp and not rest:
        return Line("", "", stamp[0])
    before, colon, after = rest[: _LONGEST_NAME + 40].partition(":")
    while colon and before[-1:].isdigit() and after[:2].isdigit():  # inside of a time
        more, colon, after = after.partition(":")
        before = f"{before}:{more}"
    first = stamp[0] if stamp else ""
    name, last = _name(before)
    if colon and name and (not after or after[0].isspace() or stamp):
        return Line(name, rest[len(before) + 1 :].strip(), first or last)
    alone, last = _name(rest)
    if alone and (last or first):
        return Line(alone, "", first or last)
    return Line("", rest, first)


def _name(text: str) -> tuple[str, str]:
    """(the name that a text is, or "", without its time; the time, or "")."""
    text = text.strip()
    if len(text) > _LONGEST_NAME + 40:
        return "", ""
    stamp = _LAST_STAMP.search(text)
    name = (text[: stamp.start()] if stamp else text).strip(_SEPARATORS)
    if chat := _CHAT.fullmatch(name):
        name = chat[1].strip()
    if name[:1] in "[(" and name[-1:] in "])":
        name = name[1:-1].strip()
    is_name = len(name) <= _LONGEST_NAME and len(name.split()) <= _MOST_WORDS and _NAME.fullmatch(name) is not None
    return (name, stamp[0] if stamp else "") if is_name else ("", "")


def _speakers(lines: Sequence[Line]) -> set[str] | None:
    """The names of those who talk, or None: at least two thirds of the named lines are of names that come back."""
    if not lines:
        return None
    named = _named(lines)
    times = Counter(line.name for line in named)
    back = {name for name, count in times.items() if count > 1}
    of_those = sum(times[name] for name in back)
    few = len(named) <= 4 and len(times) == 2 and all(line.stamped or _is_side(line.name) for line in named)
    if few and len(named) > 1:
        return set(times)
    if len(back) < 1 or of_those < 4 or 3 * of_those < 2 * len(named):
        return None
    if not any(line.stamped for line in named) and 3 * of_those < len(lines):
        return None  # a few labels in a long text
    return back | {name for name in _once(times) if _stands_like(name, named)}


def _named(lines: Sequence[Line]) -> list[Line]:
    """The lines that may begin somebody's turn: where most of them have a time, only those that have one."""
    named = [line for line in lines if line.name]
    stamped = [line for line in named if line.stamped]
    return stamped if 2 * len(stamped) > len(named) else named


def _once(times: Counter[str]) -> Iterator[str]:
    return (name for name, count in times.items() if count == 1)


def _stands_like(name: str, named: Sequence[Line]) -> bool:
    """Whether a name that is heard once stands as the others do: with a time, or as one or two words with capitals."""
    line = next(one for one in named if one.name == name)
    words = name.split()
    return line.stamped or (len(words) <= 3 and all(word[:1].isupper() for word in words))


def _is_side(name: str) -> bool:
    return speaker_with_role(name) in SIDES
