"""Reads a chat as WhatsApp exports it, on Android and iOS, in whatever way its language writes dates: one conversation.

    12/03/2024, 10:15 - Jane Doe: Hello.            [12.03.24, 10:15:03] Jane Doe: Hello.

A message goes on until the next line that begins so. What WhatsApp itself says (encryption, who joined), media and deleted
messages are left out. Which number is the day all dates of a file tell together; where they don't, no time is given. Who
sells is told by names only. Costs one pass.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from conversations.formats.kinds import Placed, TextFormat
from conversations.formats.messages.written import Message, written_conversation
from conversations.formats.notices import left_out, notice

_HALF = r"[ap]\.? ?m\.?|上午|下午|오전|오후|午前|午後"
_STAMP = re.compile(
    r"\[?(\d{1,4})([./-]) ?(\d{1,2})[./-] ?(\d{1,4})\.?,? {1,3}(?:(?:à|at|um|kl) )?"
    rf"(?:({_HALF}) ?)?(\d{{1,2}})[:.](\d\d)(?:[:.](\d\d))?(?: ?({_HALF}))?(?:\] | [-–] )",
    re.IGNORECASE,
)
_LINE_END = re.compile(r"\r\n|\n|\r")
_SPACES = re.compile("[\u00a0\u202f]")
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")  # which way a line runs
_ITSELF = "\u200e"  # stands before what WhatsApp for iOS says itself
_MEDIA = re.compile(r"<[^<>]{3,60}>|null")  # "<Media omitted>" in any language
_FILE = re.compile(r"[^\s()][^()\n]{0,120}\.\w{2,5} \([^()\n]{4,40}\)")  # "IMG-1.jpg (file attached)"
_DELETED = re.compile(r"(?:you deleted this message|this message was deleted|waiting for this message)\b.{0,60}", re.I)
_EDITED = re.compile(r"\s?<this message was edited>$", re.IGNORECASE)
_NAME = re.compile(r"[^\n:\"“”«»]{1,60}")
_AFTERNOON = ("p", "下", "오후", "午後")


class _Entry(NamedTuple):
    stamp: re.Match[str]
    name: str  # "" for what WhatsApp says itself
    lines: list[str]


def is_whatsapp(text: str) -> bool:
    """Whether a text begins with a dated message, and its messages are those of people who write to each other."""
    start = _SPACES.sub(" ", _DIRECTIONS.sub("", text[:400])).lstrip()
    if not _STAMP.match(start):
        return False
    named = Counter(entry.name for entry in _entries(text) if entry.name)
    total = named.total()
    return total > 1 and (max(named.values()) > 1 or (len(named) == 2 and total < 5))


def whatsapp_records(text: str, path: Path) -> list[Placed]:
    """The one conversation of a chat; without a word that somebody wrote it has no turns."""
    entries = _entries(text)
    moments = _moments([entry.stamp for entry in entries])
    messages = []
    for entry, moment in zip(entries, moments, strict=True):
        words = _words(entry.lines)
        if entry.name and words:
            messages.append(Message(entry.name, words, "", moment))
    wordless = sum(not entry.name or _says_nothing(entry.lines[0]) for entry in entries)
    left_out("lines of WhatsApp itself, media and deleted messages", wordless)
    if entries and moments[0] is None:
        a, sign, b, c = entries[0].stamp.group(1, 2, 3, 4)
        notice(path, f"'{a}{sign}{b}{sign}{c}' may be one day or another, so times are left out.")
    return [(str(path), written_conversation(path.stem, messages))]


def _entries(text: str) -> list[_Entry]:
    entries: list[_Entry] = []
    for raw in _LINE_END.split(text):
        line = _SPACES.sub(" ", raw)
        stamp = _STAMP.match(_DIRECTIONS.sub("", line))
        if stamp is None:
            if entries:
                entries[-1].lines.append(line)
            continue
        name, colon, words = stamp.string[stamp.end() :].partition(": ")
        if not colon and name.endswith(":"):
            name, colon = name[:-1], ":"
        is_said = bool(colon) and _NAME.fullmatch(name) is not None
        itself = f": {_ITSELF}" in line
        entries.append(_Entry(stamp, name.strip() if is_said else "", [_ITSELF + words if itself else words]))
    return entries


def _words(lines: Sequence[str]) -> str:
    """What a message says, or "" where it is a medium or deleted; what is written below a medium is said."""
    said = lines[1:] if _says_nothing(lines[0]) else lines
    return _EDITED.sub("", "\n".join(_DIRECTIONS.sub("", line).strip() for line in said).strip())


def _says_nothing(first_line: str) -> bool:
    plain = _DIRECTIONS.sub("", first_line).strip()
    is_wordless = _MEDIA.fullmatch(plain) or _FILE.fullmatch(plain) or _DELETED.fullmatch(plain)
    return first_line.startswith(_ITSELF) or is_wordless is not None


def _moments(stamps: Sequence[re.Match[str]]) -> list[float | None]:
    """Seconds since 1970, or None for all where the dates don't tell which number is the month."""
    ways = {
        first: moments
        for first in ("day", "month")
        if None not in (moments := [_moment(stamp, first) for stamp in stamps])
    }
    if len(ways) == 2 and ways["day"] != ways["month"]:
        ways = {first: moments for first, moments in ways.items() if _rise(moments)}
    return (
        next(iter(ways.values())) if ways and len({tuple(one) for one in ways.values()}) == 1 else [None] * len(stamps)
    )


def _rise(moments: Sequence[float | None]) -> bool:
    return all((one or 0) <= (other or 0) for one, other in itertools.pairwise(moments))


def _moment(stamp: re.Match[str], first: str) -> float | None:
    a, sign, b, c, before, hour, minute, second, after = stamp.groups()
    day, month, year = (c, b, a) if len(a) == 4 else (a, b, c) if first == "day" or sign == "." else (b, a, c)
    half = (before or after or "").lower()
    hours = int(hour) % 12 + 12 * half.startswith(_AFTERNOON) if half else int(hour)
    try:
        when = datetime(int(year) + 2000 * (len(year) < 3), int(month), int(day), hours, int(minute), int(second or 0))
    except ValueError:
        return None
    return when.replace(tzinfo=UTC).timestamp()


FORMAT = TextFormat("a chat", lambda text, path: is_whatsapp(text), whatsapp_records)
