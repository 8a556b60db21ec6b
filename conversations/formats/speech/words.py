"""Puts the single words of a speech-to-text engine together: spaces, punctuation, and who says them.

Engines number the voices that they tell apart, and know no names. A voice without a word for it ("0", "A") is "Speaker 0".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from conversations.formats.fields import text_or_empty
from conversations.formats.turns import Spoken

# Signs that stand without a space between them: Thai, Chinese and Japanese, and their punctuation.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_BREATH = 1.0  # seconds
_SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")
_ONLY_A_MARK = re.compile(r"[A-Za-z0-9]{1,2}")


class Word(NamedTuple):
    """One word, or a sign of punctuation, as an engine heard it."""

    text: str
    voice: str = ""  # the name of the speaker; of a sign that is joined it does not count
    start: float | None = None  # seconds
    end: float | None = None
    is_joined: bool = False  # to the word before it, without a space: a comma, a full stop


def spoken_words(words: Iterable[Word]) -> list[Spoken]:
    """What each voice says, a piece from a breath to the next one or to a sentence's end, so that pieces of several
    channels can be put in order of time."""
    pieces: list[list[Word]] = []
    for word in _with_own_voice(words):
        if pieces and (word.is_joined or _goes_on(pieces[-1][-1], word)):
            pieces[-1].append(word)
        else:
            pieces.append([word])
    return [_spoken(piece) for piece in pieces]


def voice_name(mark: Any) -> str:
    """A name for an engine's mark of a voice: "Speaker 0" of 0 or "0", "Speaker A" of "A"; "spk_0" is one; "" of none."""
    name = text_or_empty(mark)
    if name == "?":  # as whisper.cpp writes a voice that it could not tell
        return ""
    return f"Speaker {name}" if _ONLY_A_MARK.fullmatch(name) else name


def channel_name(number: Any) -> str:
    """A name for a channel of the recording, in which one side speaks alone: "Channel 0" of 0; "" of none."""
    name = text_or_empty(number)
    return f"Channel {name}" if name.isdecimal() else name


def _with_own_voice(words: Iterable[Word]) -> Iterator[Word]:
    """Signs that are joined get the voice of the word before them, whatever the engine says."""
    voice = ""
    for word in words:
        if word.is_joined:
            word = word._replace(voice=voice)
        if word.text.strip():
            voice = word.voice
            yield word


def _goes_on(before: Word, word: Word) -> bool:
    has_times = before.end is not None and word.start is not None
    is_near = not has_times or word.start - before.end < _BREATH  # type: ignore[operator]
    return before.voice == word.voice and is_near and not before.text.rstrip().endswith(_SENTENCE_ENDS)


def _spoken(words: list[Word]) -> Spoken:
    pieces = [words[0].text.strip()]
    for before, word in itertools.pairwise(words):
        pieces += ["" if word.is_joined or _stand_close(before.text, word.text) else " ", word.text.strip()]
    starts = (word.start for word in words if word.start is not None)
    ends = (word.end for word in words if word.end is not None)
    return Spoken(words[0].voice, "".join(pieces), "", min(starts, default=None), max(ends, default=None))


def _stand_close(before: str, after: str) -> bool:
    return bool(_UNSPACED.match(before.rstrip()[-1:]) and _UNSPACED.match(after.lstrip()))
