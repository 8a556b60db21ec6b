"""One line of a plain-text transcript: whom it seems to name, what it says, and the time that stands in it.

It sees one line only, so a name is a candidate: "Note: …" looks alike. What makes it a speaker is the whole text
(`conversations.formats.recordings.plain_text`). Dates, years and addresses are never names.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_STAMP = (
    r"[\[(]?(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?[ T]{1,3})?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?:[ \u202f]?[ap]\.?m\.?)?[\])]?"
)
_FIRST_STAMP = re.compile(rf"{_STAMP}(?!\d)", re.IGNORECASE)
_LAST_STAMP = re.compile(rf"(?<![\d:]){_STAMP}$", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_][\w.'’()&/|,@+ -]{0,58}[\w)]|[^\W\d_]")
_CHAT = re.compile(r"from {1,3}([^\n]{1,60}?)(?: {1,3}to {1,3}[^\n]{1,60})?", re.IGNORECASE)
_SPELLED_OUT = re.compile(
    r"(?<!\d)(?:(\d{1,2}) hours? )?(\d{1,2}) minutes? (\d{1,2}) seconds?$"
)  # as Teams' page shows it
_NO_NAME = re.compile(  # a date, a year, an address, a field of a mail
    r".{0,40}?\b(?:19|20)\d\d\b.{0,40}"
    r"|(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,]{0,2} )?"
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t|tember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.? \d.{0,40}"
    r"|http.{0,60}"
    r"|from|sent|to|cc|bcc|subject|date|von|gesendet|an|betreff|datum|de|envoyé|à|objet|enviado|para|asunto|fecha",
    re.IGNORECASE,
)
# What recorders say themselves, a line each.
_ITSELF = re.compile(
    r"(?:meeting|transcription|transcript|recording) (?:has )?(?:ended|started|stopped|paused|resumed)\b.{0,80}"
    r"|[^.:!?]{1,60} (?:started|stopped|paused|resumed) (?:the )?(?:transcription|recording|screen sharing)\.?"
    r"|this editable transcript was computer generated\b.{0,200}"
    r"|view (?:the )?(?:recording|transcript|original transcript|meeting)\b.{0,200}"
    r"|(?:transcribed|generated|recorded) (?:by|with) (?:https?://)?\S{1,80}"
    r"|(?:action item|screen sharing|highlight|bookmark)s?: .{0,400} - watch\b.{0,300}",
    re.IGNORECASE,
)
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


def read_line(text: str) -> Line:
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
    name, last = name_and_time(before)
    if colon and name and (not after or after[0].isspace() or stamp):
        return Line(name, rest[len(before) + 1 :].strip(), first or last)
    alone, last = name_and_time(rest)
    if alone and (last or first):
        return Line(alone, "", first or last)
    return Line("", rest, first)


def name_and_time(text: str) -> tuple[str, str]:
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
    is_short = len(name) <= _LONGEST_NAME and len(name.split()) <= _MOST_WORDS
    is_name = is_short and _NAME.fullmatch(name) is not None and not _NO_NAME.fullmatch(name)
    return (name, stamp[0] if stamp else "") if is_name else ("", "")


def is_time(line: Line) -> bool:
    return line.stamped and not line.name and not line.words


def is_recorders(text: str) -> bool:
    """Whether a recorder says this line itself: that it started, that it errs, where to watch."""
    return _ITSELF.fullmatch(text) is not None


def with_clock(text: str) -> str:
    """The line with a time in words at its end, "0 minutes 3 seconds", as "0:03"."""
    return _SPELLED_OUT.sub(_as_clock, text)


def _as_clock(found: re.Match[str]) -> str:
    hours, minutes, seconds = found.groups()
    return f"{hours + ':' if hours else ''}{minutes}:{int(seconds):02}"
