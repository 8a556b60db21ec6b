"""Reads calls of tools that coach sellers: Avoma and Chorus, which say who is a rep, and Grain, which says who is internal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import object_or_empty, objects_in, seconds_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.recordings.meeting import Meeting, Passage, first_text, meeting_record
from conversations.formats.recordings.people import Person, side_of_flag
from foundations.errors import InputError, described

_SIDES = {"rep": "seller", "internal": "seller", "cust": "customer", "customer": "customer", "external": "customer"}


def _is_avoma(record: Mapping[str, Any]) -> bool:
    said = objects_in(record.get("transcript"))
    return (
        bool(said)
        and isinstance(record.get("speakers"), list)
        and all({"transcript", "speaker_id"} <= one.keys() for one in said)
    )


def _avoma_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    speakers = {text_or_empty(one.get("id")): one for one in objects_in(transcript["speakers"])}
    people = {
        key: Person(
            text_or_empty(one.get("name")),
            text_or_empty(one.get("email")).lower(),
            side_of_flag(one.get("is_rep"), "seller"),
        )
        for key, one in speakers.items()
    }
    passages = []
    for said in objects_in(transcript["transcript"]):
        key = text_or_empty(said["speaker_id"])
        person = people.get(key, Person(f"Speaker {key}" if key else ""))
        moments = said["timestamps"] if isinstance(said.get("timestamps"), list) else []
        start, end = (moments[0], moments[-1]) if moments else (None, None)
        passages.append(Passage(person.name or person.mail, said["transcript"], start, end, person.mail, person.side))
    identifier = transcript.get("meeting_uuid") or transcript.get("uuid")
    yield where, meeting_record(Meeting(passages, list(people.values()), identifier), transcript, where)


def _is_chorus(record: Mapping[str, Any]) -> bool:
    said = objects_in(_chorus_recording(record).get("utterances"))
    return bool(said) and all("snippet" in one for one in said)


def _chorus_attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    one = object_or_empty(record.get("data")) or record
    return object_or_empty(one.get("attributes"))


def _chorus_recording(record: Mapping[str, Any]) -> dict[str, Any]:
    return object_or_empty(_chorus_attributes(record).get("recording"))


def _chorus_records(record: Mapping[str, Any], where: str) -> Iterator[Placed]:
    attributes, recording = _chorus_attributes(record), _chorus_recording(record)
    people = [
        Person(text_or_empty(one.get("name")), text_or_empty(one.get("email")).lower(), _side(one.get("type")))
        for one in objects_in(attributes.get("participants"))
    ]
    passages = [
        Passage(
            text_or_empty(one.get("speaker_name")),
            one["snippet"],
            one.get("snippet_time"),
            side=_side(one.get("speaker_type")),
        )
        for one in objects_in(recording["utterances"])
    ]
    meeting = Meeting(
        passages,
        people,
        (object_or_empty(record.get("data")) or record).get("id"),
        recording.get("start_time"),
        first_text(object_or_empty(attributes.get("account")), ("name", "id")) or None,
        text_or_empty(object_or_empty(attributes.get("deal")).get("id")) or None,
    )
    yield where, meeting_record(meeting, record, where)


def _side(word: Any) -> str:
    return _SIDES.get(word.lower(), "") if isinstance(word, str) else ""


def _is_grain_part(record: Mapping[str, Any]) -> bool:
    return {"participant_id", "speaker", "start", "text"} <= record.keys()


def _is_grain(record: Mapping[str, Any]) -> bool:
    said = _grain_parts(record)
    return bool(said) and all(map(_is_grain_part, said))


def _grain_parts(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return objects_in(record.get("transcript_json")) or objects_in(record.get("transcript"))


def _grain_records(recording: Mapping[str, Any], where: str) -> Iterator[Placed]:
    people = {
        text_or_empty(one.get("id")): Person(
            text_or_empty(one.get("name")), text_or_empty(one.get("email")).lower(), _side(one.get("scope"))
        )
        for one in objects_in(recording.get("participants"))
    }
    passages = []
    for said in _grain_parts(recording):
        person = people.get(text_or_empty(said["participant_id"]), Person(""))
        start, end = (seconds_in(said.get(moment)) for moment in ("start", "end"))
        passages.append(
            Passage(text_or_empty(said["speaker"]) or person.name, said["text"], start, end, person.mail, person.side)
        )
    meeting = Meeting(passages, list(people.values()), recording.get("id"), recording.get("start_datetime"))
    yield where, meeting_record(meeting, recording, where)


def _grain_list_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one recording of a transcript. Raises InputError for an element that is no part of one."""
    for where, part in placed:
        if not isinstance(part, dict) or not _is_grain_part(part):
            raise InputError(
                f"{where}: a part of Grain's transcript has 'speaker', 'start' and 'text', not {described(part)}."
            )
    return list(_grain_records({"id": path.stem, "transcript": [part for _, part in placed]}, str(path)))


AVOMA = DocumentFormat("Avoma", _is_avoma, _avoma_records)
CHORUS = DocumentFormat("Chorus", _is_chorus, _chorus_records)
GRAIN = DocumentFormat("Grain", _is_grain, _grain_records)
GRAIN_LIST = ListFormat("Grain", _is_grain_part, _grain_list_records)
