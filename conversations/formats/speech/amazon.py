"""Reads what Amazon gives: Transcribe's segments or items, and Call Analytics and Contact Lens, which know the agent.

Call Analytics says who is AGENT and CUSTOMER; what it adds of feelings, interruptions and categories is not read. Transcribe
itself numbers voices (spk_0) or channels (ch_0). Times of items are texts in seconds, those of Call Analytics milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.clock import seconds_of
from conversations.formats.fields import in_order_of_time, object_or_empty, objects_in, seconds_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.speech.words import Word, spoken_words
from conversations.formats.turns import Spoken, merged_turns

_SIDES = {"AGENT": "seller", "CUSTOMER": "customer"}


def is_transcribe(record: Mapping[str, Any]) -> bool:
    """Whether it is the result of a job of Transcribe."""
    results = object_or_empty(record.get("results"))
    return isinstance(results.get("transcripts"), list) and isinstance(results.get("items"), list)


def is_call_analytics(record: Mapping[str, Any]) -> bool:
    """Whether it is the result of Call Analytics or of Contact Lens."""
    said = record.get("Transcript")
    return isinstance(said, list) and all("Content" in one for one in objects_in(said))


def _transcribe_records(job: Mapping[str, Any], where: str) -> Iterator[Placed]:
    results = job["results"]
    segments = objects_in(results.get("audio_segments"))
    channels = objects_in(object_or_empty(results.get("channel_labels")).get("channels"))
    if segments:
        spoken = [Spoken(_label(one), text_or_empty(one.get("transcript")), "", *_times(one)) for one in segments]
    elif channels:
        words = (_words(objects_in(one.get("items")), text_or_empty(one.get("channel_label"))) for one in channels)
        spoken = [said for channel in words for said in spoken_words(channel)]
    elif items := _labelled(objects_in(results["items"]), results):
        spoken = spoken_words(_words(items, ""))
    else:
        spoken = [Spoken("", text_or_empty(one.get("transcript"))) for one in objects_in(results["transcripts"])]
    yield where, {"conversation_id": text_or_empty(job.get("jobName")), "turns": merged_turns(in_order_of_time(spoken))}


def _labelled(items: Sequence[dict[str, Any]], results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items, each with its speaker; jobs of some years ago say it in segments alone, by the start of a word."""
    segments = objects_in(object_or_empty(results.get("speaker_labels")).get("segments"))
    speakers = {
        text_or_empty(word.get("start_time")): _label(word) or _label(segment)
        for segment in segments
        for word in objects_in(segment.get("items"))
    }
    return [
        {**item, "speaker_label": _label(item) or speakers.get(text_or_empty(item.get("start_time")), "")}
        for item in items
    ]


def _words(items: Sequence[Mapping[str, Any]], channel: str) -> Iterator[Word]:
    for item in items:
        best = next(iter(objects_in(item.get("alternatives"))), {})
        is_joined = item.get("type") == "punctuation"
        yield Word(text_or_empty(best.get("content")), channel or _label(item), *_times(item), is_joined)


def _label(one: Mapping[str, Any]) -> str:
    return text_or_empty(one.get("speaker_label")) or text_or_empty(one.get("channel_label"))


def _times(one: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return seconds_of(one.get("start_time")), seconds_of(one.get("end_time"))


def _analytics_records(job: Mapping[str, Any], where: str) -> Iterator[Placed]:
    roles = {
        text_or_empty(one.get("ParticipantId")): one.get("ParticipantRole")
        for one in objects_in(job.get("Participants"))
    }
    spoken = []
    for one in objects_in(job["Transcript"]):
        name = text_or_empty(one.get("DisplayName")) or text_or_empty(one.get("ParticipantId"))
        role = text_or_empty(one.get("ParticipantRole") or roles.get(name) or name).upper()
        start, end = (seconds_in(one.get(f"{moment}OffsetMillis")) for moment in ("Begin", "End"))
        spoken.append(
            Spoken(name or role.capitalize(), text_or_empty(one.get("Content")), _SIDES.get(role, ""), start, end)
        )
    call = job.get("JobName") or object_or_empty(job.get("CustomerMetadata")).get("ContactId")
    yield where, {"conversation_id": text_or_empty(call), "turns": merged_turns(in_order_of_time(spoken))}


FORMAT = DocumentFormat("Amazon Transcribe", is_transcribe, _transcribe_records)
CALL_ANALYTICS = DocumentFormat("Amazon Transcribe Call Analytics", is_call_analytics, _analytics_records)
