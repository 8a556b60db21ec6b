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
from pathlib import Path
from typing import Any, NamedTuple

from conversations.clock import seconds_of
from conversations.conversation import SIDES
from conversations.formats.kinds import Placed
from conversations.formats.notices import left_out, notice
from conversations.formats.recordings.lines import Line, is_recorders, is_time, name_and_time, read_line, with_clock
from conversations.formats.turns import Spoken, merged_turns, speaker_with_role

_LINE_END = re.compile(r"\r\n|\n|\r")
_BEGINS_BELOW = re.compile(
    r"[^\w\n]{0,4}(?:full |meeting |call )?(?:transcript|transkript|transcription|transcripción|trascrizione)s?:?",
    re.IGNORECASE,
)


class Transcript(NamedTuple):
    """What was said, and the lines above it that are nobody's."""

    said: list[Spoken]
    heading: list[str]

    @property
    def record(self) -> dict[str, Any]:
        """{"turns": …} of a conversation; a role in a name makes it the seller's or the customer's."""
        return {"turns": merged_turns(self.said)}


def plain_text_records(text: str, path: Path) -> list[Placed]:
    """The one conversation of a text, named after its file: turns where somebody is named, else a note, word for word."""
    record: dict[str, Any] = {"transcript": text}
    if transcript := read_plain_transcript(text):
        record = transcript.record
        if above := transcript.heading:
            notice(path, f"{len(above)} lines above the first speaker are left out (the first is {above[0][:60]!r}).")
    return [(str(path), {"conversation_id": path.stem, **record})]


def read_plain_transcript(text: str) -> Transcript | None:
    """Who says what, in order; None for a text in which nobody is named as people who talk are."""
    written = [line for raw in _LINE_END.split(text) if (line := with_clock(raw.strip()))]
    kept = [line for line in written if not is_recorders(line)]
    below = 1 + max((place for place, line in enumerate(kept) if _BEGINS_BELOW.fullmatch(line)), default=-1)
    found = _talk(kept[below:]) if below else None
    found = found._replace(heading=[*kept[:below], *found.heading]) if found else _talk(kept)
    if found:
        left_out("lines that the recorder added", len(written) - len(kept))
    return found


def _talk(written: Sequence[str]) -> Transcript | None:
    lines = _with_names_above_times([read_line(line) for line in written])
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
        elif is_time(line):
            stamp = line.stamp
        elif words := f"{line.name}: {line.words}".rstrip() if line.name else line.words:
            (said[-1][1] if said else heading).append(words)
    found = [
        Spoken(head.name, " ".join(filter(None, words)), "", _seconds(head.stamp)) for head, words in said if any(words)
    ]
    return Transcript(found, heading) if found else None


def _with_names_above_times(lines: Sequence[Line]) -> list[Line]:
    """The lines, with a name and the time below it as one, where names stand so and come back."""
    pairs = [n for n in range(len(lines) - 1) if _is_alone(lines[n].words, lines[n]) and is_time(lines[n + 1])]
    times = Counter(lines[n].words for n in pairs)
    often = {n for n in pairs if times[lines[n].words] > 1}
    if len(often) < 2 or len(often) <= sum(bool(line.name and line.words) for line in lines):
        return list(lines)
    heads = {n: lines[n]._replace(name=lines[n].words, words="", stamp=lines[n + 1].stamp) for n in pairs}
    return [heads.get(n, line) for n, line in enumerate(lines) if n - 1 not in heads]


def _is_alone(words: str, line: Line) -> bool:
    """Whether a line holds nothing but what may be a name."""
    return not line.name and not line.stamp and name_and_time(words) == (words, "")


def _seconds(stamp: str) -> float | None:
    """Seconds after the start; None for a clock's time with a date or with am and pm, which are no place in a call."""
    return seconds_of(stamp.strip(" []()"))


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
    has_times = any(line.stamped for line in named) or any(is_time(line) for line in lines)
    if not has_times and 3 * of_those < len(lines):
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
