"""Reads transcripts as the platforms of meetings give them as JSON: Teams and Stream, Zoom, Google Meet, and Recall.ai's bots.

They know names and times, and not who sells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.notices import notice
from conversations.formats.recordings.meeting import Meeting, Passage, first_text, meeting_record
from conversations.formats.speech.words import Word, spoken_words
from foundations.errors import InputError, described


def _is_stream(record: Mapping[str, Any]) -> bool:
    entries = objects_in(record.get("entries"))
    return bool(entries) and all({"text", "speakerDisplayName"} <= one.keys() for one in entries)


def _stream_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    passages = [
        Passage(
            first_text(one, ("speakerDisplayName", "speakerId")),
            one["text"],
            one.get("startOffset"),
            one.get("endOffset"),
        )
        for one in objects_in(transcript["entries"])
    ]
    yield where, meeting_record(Meeting(passages), transcript, where)


def _is_zoom(record: Mapping[str, Any]) -> bool:
    timeline = objects_in(record.get("timeline"))
    return bool(timeline) and all({"ts", "text"} <= one.keys() for one in timeline)


def _zoom_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    passages = [
        Passage(_zoom_name(one), one["text"], one["ts"], one.get("end_ts"))
        for one in objects_in(transcript["timeline"])
    ]
    identifier = first_text(transcript, ("meeting_id", "call_id", "recording_id"))
    yield where, meeting_record(Meeting(passages, (), identifier, transcript.get("recording_start")), transcript, where)


def _zoom_name(one: Mapping[str, Any]) -> str:
    voices = [one, *objects_in(one.get("users"))]
    return next((name for voice in voices if (name := first_text(voice, ("username", "name")))), "")


def _is_meet(record: Mapping[str, Any]) -> bool:
    entries = objects_in(record.get("transcriptEntries"))
    return bool(entries) and all({"participant", "text"} <= one.keys() for one in entries)


def _meet_records(page: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """Google Meet's API names people by a number of theirs, the last part of a path."""
    if page.get("nextPageToken"):
        notice(Path(where), "this is one page of a transcript; what was said on the next ones is not in it.")
    passages = [
        Passage(
            text_or_empty(one["participant"]).rpartition("/")[2], one["text"], one.get("startTime"), one.get("endTime")
        )
        for one in objects_in(page["transcriptEntries"])
    ]
    began = passages[0].start
    yield where, meeting_record(Meeting(passages, (), None, began), page, where)


def _is_recall(record: Mapping[str, Any]) -> bool:
    has_voice = isinstance(record.get("participant"), dict) or "speaker" in record
    words = objects_in(record.get("words"))
    return has_voice and bool(words) and all({"text", "start_timestamp"} <= word.keys() for word in words)


def _recall_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one meeting of a transcript. Raises InputError for an element that is no part of one."""
    passages: list[Passage] = []
    for where, part in placed:
        if not isinstance(part, dict) or not isinstance(part.get("words"), list):
            raise InputError(
                f"{where}: a part of Recall.ai's transcript has 'participant' and 'words', not {described(part)}."
            )
        person = object_or_empty(part.get("participant"))
        name = text_or_empty(person.get("name")) or text_or_empty(part.get("speaker"))
        words = (Word(text_or_empty(word.get("text")), name) for word in objects_in(part["words"]))
        said = " ".join(one.text for one in spoken_words(words))
        passages.append(Passage(name, said, *_moments(objects_in(part["words"]))))
    return [(str(path), meeting_record(Meeting(passages, (), path.stem), {}, str(path)))]


def _moments(words: Sequence[Mapping[str, Any]]) -> tuple[Any, Any]:
    """The start and the end of some words: seconds, or an object that has them as "relative"."""
    ends = (words[0].get("start_timestamp"), words[-1].get("end_timestamp")) if words else (None, None)
    first, last = (moment.get("relative") if isinstance(moment, dict) else moment for moment in ends)
    return first, last


STREAM = DocumentFormat("a transcript of Teams", _is_stream, _stream_records)
ZOOM = DocumentFormat("Zoom", _is_zoom, _zoom_records)
MEET = DocumentFormat("Google Meet", _is_meet, _meet_records)
RECALL = ListFormat("Recall.ai", _is_recall, _recall_records)
