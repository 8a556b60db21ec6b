"""One recording to what was said by whom: decode, tell the channels apart, hear each, put words and voices together.

Two channels with a side each: every word has its speaker for certain. Else voices are told apart by their sound, where what
that needs is installed, sentence by sentence. Nothing is written to disk. Costs 0.1 to 0.2 of the recording's length on two
cores; memory about 700 MB, and 230 MB an hour of two channels, twice as much while they are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conversations.formats.fields import in_order_of_time
from conversations.formats.notices import left_out, notice
from conversations.formats.speech.words import Word, channel_name, spoken_words, voice_name
from conversations.formats.turns import Spoken
from conversations.hearing.channels import Mono, blocks, channel, is_louder, own_sound, separate_channels
from conversations.hearing.containers import Container
from conversations.hearing.decoding import RATE, Samples, decoded, spoken_time
from conversations.hearing.progress import telling_how_far
from conversations.hearing.recognising import LANGUAGE_SECONDS, HeardWord, heard_words, language_of
from conversations.hearing.voices import can_tell_voices, voices_of
from conversations.hearing.weights import HOW_TO_INSTALL, check_can_hear, whisper
from foundations.errors import InputError
from foundations.long_work import check_deadline


class Heard(NamedTuple):
    """What was said, in order of time, and what the recording is."""

    spoken: list[Spoken]
    seconds: float
    language: str  # such as "en"


def heard(data: bytes, container: Container, path: Path, speech_model: Path | None = None) -> Heard:
    """Who says what in the bytes of a recording. `path` names it in messages, speech_model: a folder, or Whisper base.

    Raises UnavailableError where packages or weights are missing, InputError for a recording that is broken or too long, or in
    which nobody speaks, GivenUpError where nobody waits any more.
    """
    check_can_hear(speech_model)
    samples = decoded(data, container, path)
    model, numbers = whisper(speech_model), separate_channels(samples)
    with telling_how_far(path) as tell:
        return _heard(model, samples, numbers, path, tell)


def _heard(model: Any, samples: Samples, numbers: Sequence[int], path: Path, tell: Callable[[float], None]) -> Heard:
    language = language_of(model, _beginning(samples))
    words = {number: list[HeardWord]() for number in numbers}
    for number, word in _words(model, samples, numbers, language, tell):
        if len(numbers) == 1 or is_louder(samples, number, word.start, word.end):
            words[number].append(word)
        else:
            left_out("words that are louder in the other channel")
    seconds = len(samples) / RATE
    if not any(words.values()):
        raise InputError(
            f"{path} is a recording of {spoken_time(seconds)} in which nobody is heard to speak; is it the right one, and its "
            "microphone on?"
        )
    spoken = _by_channel(words) if len(numbers) == 2 else _by_voice(samples, numbers[0], words[numbers[0]], path)
    return Heard(spoken, seconds, language)


def _beginning(samples: Samples) -> Mono:
    return (samples[: LANGUAGE_SECONDS * RATE].mean(axis=1) / 32768).astype(np.float32)


def _words(
    model: Any, samples: Samples, numbers: Sequence[int], language: str, tell: Callable[[float], None]
) -> Iterator[tuple[int, HeardWord]]:
    """Each channel's words in order of time, with the channel's number, a piece of the recording after the other."""
    for start, end in blocks(samples):
        for turn, number in enumerate(numbers):

            def done(seconds: float, start: int = start, end: int = end, turn: int = turn) -> None:
                check_deadline()
                share = min(1.0, seconds * RATE / (end - start))
                tell((start + (end - start) * (turn + share) / len(numbers)) / len(samples))

            sound = (own_sound if len(numbers) == 2 else channel)(samples, number, start, end)
            for word in heard_words(model, sound, language, done):
                yield number, word._replace(start=word.start + start / RATE, end=word.end + start / RATE)
            done((end - start) / RATE)


def _by_channel(words: dict[int, list[HeardWord]]) -> list[Spoken]:
    voices = (_pieces(said, channel_name(number + 1)) for number, said in words.items())
    return in_order_of_time([piece for pieces in voices for piece in pieces])


def _by_voice(samples: Samples, number: int, words: Sequence[HeardWord], path: Path) -> list[Spoken]:
    """One channel: the sentences with their voices, without where they can't be told apart."""
    pieces = _pieces(words, "")
    if not can_tell_voices():
        notice(path, f"the recording has one channel; to tell its voices apart: {HOW_TO_INSTALL} (and PyTorch).")
        return pieces
    found = voices_of(samples, number, [(piece.start or 0.0, piece.end or 0.0) for piece in pieces])
    if not any(found):
        notice(path, "the recording has one channel, and one voice is heard in it; nobody is named.")
        return pieces
    notice(
        path,
        "the recording has one channel; its two voices were told apart by their sound, which is experimental: look through "
        "who says what.",
    )
    return [piece._replace(name=voice_name(voice + 1)) for piece, voice in zip(pieces, found, strict=True)]


def _pieces(words: Sequence[HeardWord], voice: str) -> list[Spoken]:
    return spoken_words(Word(word.text, voice, word.start, word.end, word.is_joined) for word in words)
