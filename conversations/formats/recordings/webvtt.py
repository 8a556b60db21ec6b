"""Reads subtitles, WebVTT and SRT, as recorders write them: one conversation.

Who speaks stands in `<v Jane Doe>` (Teams), before the words as "Jane Doe: " (Zoom), "[Jane Doe] " or "(Jane Doe)" (Google
Meet), or in the cue's identifier as `7 "Jane Doe" (123)` (Webex) or alone. No outcome is
read: a recording does not know how the deal ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conversations.clock import seconds_of
from conversations.formats.kinds import Placed, TextFormat
from conversations.formats.notices import notice
from conversations.formats.turns import Spoken, merged_turns, unescaped
from foundations.errors import InputError

_LINE_END = re.compile(r"\r\n|\n|\r")  # not splitlines(): a separator inside the words ends no cue
_VOICE = re.compile(r"<v(?:\.[^\s<>]*+)?[ \t]++([^<>]*+)>")
_TAG = re.compile(r"</?(?:c|i|b|u|v|ruby|rt|lang)(?:[.\s][^<>]*)?>|<\d\d[\d:.]*>")
_COLON = re.compile(r"([^\s:<>][^:<>]{0,63}):\s+(\S.*)", re.DOTALL)
_BRACKETS = re.compile(r"[\[(]([^\W\d_][^\[\]()<>:]{0,63})[\])]:?\s+(\S.*)", re.DOTALL)
_IDENTIFIER = re.compile(r"(?:\d{1,9}\s{1,4})?\"([^\"]{1,64})\"(?:\s{1,4}\(\d{1,20}\))?")  # as Webex writes it
_NAME_ALONE = re.compile(r"[^\W\d_][^\d:<>/{}-]{1,63}")
_HEADER = re.compile(r"WEBVTT(?:\s|$)")
_SRT = re.compile(r"\s{0,20}\d{1,9}\s{1,4}\d{1,3}:\d\d:\d\d[,.]\d{1,3}\s{0,4}-->")


Named = Callable[[str], re.Match[str] | None]  # from a cue's payload to its name and words


class _Cue(NamedTuple):
    identifier: str
    payload: str
    start: float | None
    end: float | None


def is_subtitles(text: str) -> bool:
    """Whether a text begins as every WebVTT file does, or as SubRip's: a number, and times with "-->" below it."""
    return _HEADER.match(text) is not None or _SRT.match(text) is not None


def vtt_record(text: str, where: str) -> dict[str, Any]:
    """The conversation of a WebVTT or SRT file.

    Every word of the cues is kept, with its times; identifiers, styles and notes are not. Raises InputError without words.
    """
    cues = _cues(text)
    named = next((way for way in (_by_brackets, _by_colon) if _names_half(way, cues)), _by_nothing)
    by_identifier = named is _by_nothing and _are_names([cue.identifier for cue in cues])
    spoken: list[Spoken] = []
    for cue in cues:
        last = spoken[-1].name if spoken else ""
        spoken += _voices(cue, _identified(cue.identifier) or last if by_identifier else last, named)
    turns = merged_turns(spoken)
    if not turns:
        raise InputError(f"{where}: the subtitles hold no words; there should be cues such as 'Jane Doe: Hello'.")
    return {"turns": turns}


def _cues(text: str) -> list[_Cue]:
    cues: list[tuple[str, str, list[str]]] = []
    before, in_cue = "", False
    for line in _LINE_END.split(text):
        if "-->" in line:
            if in_cue and cues[-1][2][-1:] == [before]:  # no blank line between the cues: it was an identifier
                cues[-1][2].pop()
            cues.append((before, line, []))
            in_cue = True
        elif not line.strip():
            in_cue = False
        elif in_cue:
            cues[-1][2].append(line)
        before = line.strip()
    return [_Cue(identifier, "\n".join(lines).strip(), *_times(times)) for identifier, times, lines in cues if lines]


def _times(line: str) -> tuple[float | None, float | None]:
    start, _, end = line.partition("-->")
    return seconds_of(start), seconds_of(end.split()[0] if end.strip() else "")


def _by_colon(payload: str) -> re.Match[str] | None:
    return _COLON.fullmatch(payload)


def _by_brackets(payload: str) -> re.Match[str] | None:
    return _BRACKETS.fullmatch(payload)


def _by_nothing(payload: str) -> None:
    """No cue has a name before its words."""


def _names_half(named: Named, cues: Sequence[_Cue]) -> bool:
    """Whether half of the cues are written so; else a colon is only a colon."""
    return bool(cues) and 2 * sum(named(cue.payload) is not None for cue in cues) >= len(cues)


def _identified(identifier: str) -> str:
    """The name in a cue's identifier, or "" where it is a number or another key."""
    if found := _IDENTIFIER.fullmatch(identifier):
        return found[1]
    return identifier if _NAME_ALONE.fullmatch(identifier) else ""


def _are_names(identifiers: Sequence[str]) -> bool:
    """Whether identifiers name speakers: those of half of the cues at least, and some come back."""
    names = [name for identifier in identifiers if (name := _identified(identifier))]
    return 2 * len(names) >= len(identifiers) and len(set(names)) < len(names)


def _voices(cue: _Cue, speaker: str, named: Named) -> Iterator[Spoken]:
    """The parts of a cue with their speakers; words that no name precedes are the last speaker's."""
    pieces = _VOICE.split(cue.payload)  # words, name, words, name, words …
    if len(pieces) == 1 and (found := named(cue.payload)):
        pieces = ["", found[1], found[2]]
    for name, words in zip([speaker, *pieces[1::2]], pieces[::2], strict=True):
        if words.strip():
            said = " ".join(unescaped(_TAG.sub("", words)).split())
            yield Spoken(unescaped(name).strip(), said, "", cue.start, cue.end)


def _records(text: str, path: Path) -> list[Placed]:
    record = vtt_record(text, str(path))
    if not any(turn["speaker"] for turn in record["turns"]):
        notice(path, "nobody is named as speaking, so every word counts for both sides.")
    return [(str(path), {"conversation_id": path.stem, **record})]


FORMAT = TextFormat("a transcript with times (WebVTT or SRT)", lambda text, path: is_subtitles(text), _records)
