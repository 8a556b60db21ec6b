"""From sound to words with their times, by Whisper; what is not speech is left out before it (silero-vad), or Whisper makes
words of it.

Costs about a tenth of the sound's length on two cores for each channel in which somebody talks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from conversations.hearing.channels import Mono
from conversations.hearing.decoding import RATE

LANGUAGE_SECONDS = 120  # of a recording that its language is told by
_VAD = {"min_silence_duration_ms": 500, "speech_pad_ms": 200}


class HeardWord(NamedTuple):
    """One word, as Whisper heard it, with the punctuation that follows it."""

    text: str
    start: float  # seconds after the recording's start
    end: float
    is_joined: bool = False  # to the word before it: ",000", "%"


def language_of(model: Any, sound: Mono) -> str:
    """The code of the language that is spoken, such as "en"; sound: the recording's beginning, or all of it."""
    return str(model.detect_language(audio=sound[: LANGUAGE_SECONDS * RATE], vad_filter=True)[0])


def heard_words(model: Any, sound: Mono, language: str, done: Callable[[float], None]) -> Iterator[HeardWord]:
    """The words of one channel in order of time; none where nobody speaks. done: is told the seconds heard so far."""
    segments, _ = model.transcribe(
        sound,
        language=language,
        word_timestamps=True,
        vad_filter=True,
        vad_parameters=_VAD,
        condition_on_previous_text=False,  # else one sentence that was misheard may come again and again
    )
    for segment in segments:
        for word in segment.words or ():
            if text := word.word.strip():
                is_joined = word.word == word.word.lstrip() and not text[0].isalpha()  # a language without spaces
                yield HeardWord(text, float(word.start), float(word.end), is_joined)
        done(float(segment.end))
