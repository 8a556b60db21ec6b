"""Reads a WebVTT transcript as Zoom ("Jane Doe: Hello") and Teams ("<v Jane Doe>Hello</v>") write it: one conversation.

Times are not read, since cues come in order, and no outcome: a recording does not know how the deal ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from conversations.reading.turns import Spoken, merged_turns, speaker_with_role, unescaped
from foundations.errors import InputError

_LINE_END = re.compile(r"\r\n|\n|\r")  # not splitlines(): a separator inside the words ends no cue
_VOICE = re.compile(r"<v(?:\.[^\s<>]*+)?[ \t]++([^<>]*+)>")
_TAG = re.compile(r"</?(?:c|i|b|u|v|ruby|rt|lang)(?:[.\s][^<>]*)?>|<\d\d[\d:.]*>")
_NAMED = re.compile(r"([^\s:<>][^:<>]{0,63}):\s+(\S.*)", re.DOTALL)


def is_webvtt(text: str) -> bool:
    """Whether a file's text begins as every WebVTT file does."""
    return re.match(r"WEBVTT(?:\s|$)", text) is not None


def vtt_record(text: str, where: str) -> dict[str, Any]:
    """The conversation of a WebVTT file: `<v Name>` tags or "Name: " before the words say who speaks.

    Every word of the cues is kept; identifiers, times, styles and notes are not. Raises InputError without words.
    """
    payloads = _cue_payloads(text)
    named = [match for payload in payloads if (match := _NAMED.fullmatch(payload))]
    has_names = 2 * len(named) >= len(payloads)  # else a colon is only a colon
    spoken: list[Spoken] = []
    for payload in payloads:
        spoken += _voices(payload, spoken[-1][0] if spoken else "", has_names)
    turns = merged_turns((speaker_with_role(speaker), words) for speaker, words in spoken)
    if not turns:
        raise InputError(f"{where}: the WebVTT file holds no words; it should have cues such as 'Jane Doe: Hello'.")
    return {"turns": turns}


def _cue_payloads(text: str) -> list[str]:
    cues: list[list[str]] = []
    in_cue = False
    for line in _LINE_END.split(text)[1:]:
        if "-->" in line:
            cues.append([])
            in_cue = True
        elif not line:
            in_cue = False
        elif in_cue:
            cues[-1].append(line)
    return ["\n".join(lines).strip() for lines in cues if lines]


def _voices(payload: str, speaker: str, has_names: bool) -> Iterator[Spoken]:
    """The parts of a cue with their speakers; words that no name precedes are the last speaker's."""
    pieces = _VOICE.split(payload)  # words, name, words, name, words …
    named = _NAMED.fullmatch(payload) if has_names and len(pieces) == 1 else None
    if named:
        pieces = ["", named[1], named[2]]
    for name, words in zip([speaker, *pieces[1::2]], pieces[::2], strict=True):
        if words.strip():
            yield unescaped(name).strip(), " ".join(unescaped(_TAG.sub("", words)).split())
