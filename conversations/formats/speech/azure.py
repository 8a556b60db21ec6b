"""Reads what Azure's speech service gives: batch transcription (recognizedPhrases) and fast transcription (phrases).

Of several readings of a phrase the first is taken, as it would be printed. Both say each channel's whole text once more. Where
there are several channels and no voices, channels are the speakers. Times are in ticks of 100 ns, or in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conversations.dates import iso_date
from conversations.formats.fields import in_order_of_time, objects_in, seconds_in, text_or_empty, without_none
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import channel_name, voice_name
from conversations.formats.turns import Spoken, merged_turns

_TICKS, _MILLISECONDS = 1e7, 1e3  # in a second


def is_azure(record: Mapping[str, Any]) -> bool:
    """Whether it is the result of a batch or of a fast transcription."""
    return isinstance(record.get("recognizedPhrases"), list) or (
        isinstance(record.get("phrases"), list) and isinstance(record.get("combinedPhrases"), list)
    )


def _records(result: Mapping[str, Any], where: str) -> Iterator[Placed]:
    phrases = objects_in(result.get("recognizedPhrases") or result.get("phrases"))
    has_channels = len({text_or_empty(phrase.get("channel")) for phrase in phrases}) > 1
    spoken = in_order_of_time([_spoken(phrase, has_channels) for phrase in phrases])
    yield where, without_none({"turns": merged_turns(spoken), "date": iso_date(result.get("timestamp"))})


def _spoken(phrase: Mapping[str, Any], has_channels: bool) -> Spoken:
    best: Mapping[str, Any] = next(iter(objects_in(phrase.get("nBest"))), phrase)
    name = voice_name(phrase.get("speaker")) or (channel_name(phrase.get("channel")) if has_channels else "")
    start, length = (_seconds(phrase, what) for what in ("offset", "duration"))
    text = text_or_empty(best.get("display")) or text_or_empty(best.get("text"))
    return Spoken(name, text, "", start, None if start is None or length is None else start + length)


def _seconds(phrase: Mapping[str, Any], what: str) -> float | None:
    for name, per_second in ((f"{what}InTicks", _TICKS), (f"{what}Milliseconds", _MILLISECONDS)):
        if (seconds := seconds_in(phrase.get(name), per_second)) is not None:
            return seconds
    return None


FORMAT = DocumentFormat("Azure speech", is_azure, _records)
