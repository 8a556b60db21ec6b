"""Reads what AssemblyAI and Gladia give: utterances, each of one voice, or where voices were not told apart the words.

Both say the whole text once more beside them, which is not taken. Nobody's name is known, nor how the call ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.formats.fields import (
    in_order_of_time,
    object_or_empty,
    objects_in,
    seconds_in,
    text_or_empty,
    words_of,
)
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import Word, channel_name, spoken_words, voice_name
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError

_OF_OURS = {"turns", "transcript", "conversation_id"}  # a record of ours may have utterances too


def is_assemblyai(record: Mapping[str, Any]) -> bool:
    """Whether it is AssemblyAI's transcript, finished or not, or its utterances, sentences or paragraphs alone."""
    said = _pieces(record)
    is_transcript = "audio_url" in record and "status" in record
    return is_transcript or (
        bool(said) and not record.keys() & _OF_OURS and all({"text", "start", "end"} <= one.keys() for one in said)
    )


def _pieces(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The first of the lists that say all that was said."""
    return next(
        (said for name in ("utterances", "sentences", "paragraphs") if (said := objects_in(record.get(name)))), []
    )


def is_gladia(record: Mapping[str, Any]) -> bool:
    """Whether it is Gladia's answer, with or without what stands around its result."""
    return isinstance(_gladia_transcription(record).get("utterances"), list)


def _gladia_transcription(record: Mapping[str, Any]) -> dict[str, Any]:
    result = object_or_empty(record.get("result")) or record
    return object_or_empty(result.get("transcription"))


def _assemblyai_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """The one conversation of a recording. Raises InputError for a transcript that is not finished or has failed."""
    status = transcript.get("status", "completed")
    if status != "completed":
        raise InputError(
            f"{where} is a transcript of AssemblyAI with the status {str(status)[:40]!r}; fetch it again when it is completed."
        )
    said = _pieces(transcript) or objects_in(transcript.get("words"))
    whole = [Spoken("", text_or_empty(transcript.get("text")))]
    spoken = _spoken(said, where, per_second=1 if _has_fractions(said) else 1000) if said else whole
    yield where, {"conversation_id": text_or_empty(transcript.get("id")), "turns": merged_turns(spoken)}


def _gladia_records(answer: Mapping[str, Any], where: str) -> Iterator[Placed]:
    said = objects_in(_gladia_transcription(answer)["utterances"])
    record = {
        "conversation_id": text_or_empty(answer.get("id")),
        "turns": merged_turns(_spoken(said, where, per_second=1)),
    }
    yield where, record


def _has_fractions(said: Sequence[Mapping[str, Any]]) -> bool:
    """Whether times are seconds: AssemblyAI's are whole milliseconds, others that write alike give seconds."""
    return any(isinstance(one.get("end"), float) and not one["end"].is_integer() for one in said)


def _spoken(said: Sequence[Mapping[str, Any]], where: str, per_second: int) -> list[Spoken]:
    channels = {text_or_empty(one.get("channel")) for one in said}
    words = [
        Word(
            words_of(one, where),
            _voice(one, len(channels) > 1),
            seconds_in(one.get("start"), per_second),
            seconds_in(one.get("end"), per_second),
        )
        for one in said
    ]
    return in_order_of_time(spoken_words(words))


def _voice(one: Mapping[str, Any], has_channels: bool) -> str:
    return voice_name(one.get("speaker")) or (channel_name(one.get("channel")) if has_channels else "")


FORMAT = DocumentFormat("AssemblyAI", is_assemblyai, _assemblyai_records)
GLADIA = DocumentFormat("Gladia", is_gladia, _gladia_records)
