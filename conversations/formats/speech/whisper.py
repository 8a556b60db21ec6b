"""Reads what Whisper and its relatives write: openai-whisper, WhisperX, faster-whisper, whisper.cpp, and OpenAI's API.

All have segments of some words with their times; WhisperX and the API's diarized answer say which voice a segment is of. The
whole text beside the segments is the same words once more. Nobody's name is known, nor how the call ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.clock import seconds_of
from conversations.formats.fields import in_order_of_time, object_or_empty, objects_in, seconds_in, words_of
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.speech.words import voice_name
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError, described

_OF_A_SEGMENT = frozenset(
    """id seek start end text tokens temperature avg_logprob compression_ratio no_speech_prob words speaker confidence language
    type channel chars""".split()
)


def is_segment(record: Any) -> bool:
    """Whether it is a segment: text between two moments given in seconds."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("text"), str)
        and _is_number(record.get("start"))
        and "end" in record  # of the last one it may be null
    )


def _is_listed_segment(record: Mapping[str, Any]) -> bool:
    """Whether an element of a JSON list is a segment and nothing else: another field may name its conversation."""
    is_numbered = isinstance(record.get("id", 0), int)
    return is_segment(record) and is_numbered and record.keys() <= _OF_A_SEGMENT


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whisper(record: Mapping[str, Any]) -> bool:
    segments = record.get("segments")
    return "turns" not in record and isinstance(segments, list) and bool(segments) and all(map(is_segment, segments))


def _is_cpp(record: Mapping[str, Any]) -> bool:
    parts = record.get("transcription")
    return (
        isinstance(parts, list)
        and bool(parts)
        and all("offsets" in part and "text" in part for part in objects_in(parts))
    )


def _is_pipeline(record: Mapping[str, Any]) -> bool:
    chunks = record.get("chunks")
    return (
        isinstance(chunks, list)
        and bool(chunks)
        and all("timestamp" in one and "text" in one for one in objects_in(chunks))
    )


def _records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """The one conversation of a recording. Raises InputError for a segment without text."""
    yield (
        where,
        {"turns": merged_turns(in_order_of_time([_spoken(one, where) for one in objects_in(document["segments"])]))},
    )


def _cpp_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    segments = [
        {**part, "start": seconds_in(moments.get("from")), "end": seconds_in(moments.get("to"))}
        for part in objects_in(document["transcription"])
        for moments in [object_or_empty(part["offsets"])]
    ]
    return _records({"segments": segments}, where)


def _pipeline_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """Of a pipeline of Transformers; with voices, where they were told apart, in a list of their own."""
    chunks = objects_in(document.get("speakers")) or objects_in(document["chunks"])
    pairs = [one["timestamp"] if isinstance(one.get("timestamp"), list) else [] for one in chunks]
    segments = [
        {**chunk, "start": (pair or [None])[0], "end": (pair or [None])[-1]}
        for chunk, pair in zip(chunks, pairs, strict=True)
    ]
    return _records({"segments": segments}, where)


def _segment_list_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one conversation of a bare list of segments. Raises InputError for an element that is none."""
    for where, record in placed:
        if not is_segment(record):
            raise InputError(f"{where}: a segment has 'start', 'end' (seconds) and 'text', not {described(record)}.")
    segments = [record for _, record in placed]
    return [
        (where, {"conversation_id": path.stem, **record})
        for where, record in _records({"segments": segments}, str(path))
    ]


def _spoken(segment: Mapping[str, Any], where: str) -> Spoken:
    start, end = (seconds_of(segment.get(moment)) for moment in ("start", "end"))
    return Spoken(voice_name(segment.get("speaker")), words_of(segment, where), "", start, end)


FORMAT = DocumentFormat("Whisper", _is_whisper, _records)
CPP = DocumentFormat("whisper.cpp", _is_cpp, _cpp_records)
PIPELINE = DocumentFormat("a speech recognition pipeline", _is_pipeline, _pipeline_records)
SEGMENTS = ListFormat("a list of segments", _is_listed_segment, _segment_list_records)
