"""Reads what many recorders write alike: a list 'transcript' of words beside the people of the meeting, or that list alone.

People, times and ids are looked for under the names that such tools use. Who sells is taken from flags, or from the mail
domain of whoever recorded. A list by itself, with fields that are not of a passage, is not taken for one meeting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import mail_domain, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.recordings.meeting import Meeting, Passage, first_text, meeting_record
from conversations.formats.recordings.people import Person, side_of_flag, with_sides
from foundations.errors import InputError, described

_WORDS = ("text", "words", "content", "sentence", "transcript")
_VOICES = tuple("speaker_name speakerName speaker name participant role author sender speaker_id speakerId".split())
_NAMES = ("name", "displayName", "display_name", "id")  # of a voice or, but for the last, of a person
_STARTS = ("start_time", "startTime", "start", "timestamp", "time", "start_timestamp")
_ENDS = ("end_time", "endTime", "end", "end_timestamp")
_OF_A_PASSAGE = frozenset(
    (*_WORDS, *_VOICES, *_STARTS, *_ENDS, *"index duration confidence language sentiment email speaker_email".split())
)
_PEOPLE = ("attendees", "participants", "invitees", "calendar_invitees")
_RECORDERS = ("owner", "organizer", "organiser", "host", "user", "recorded_by")
_IDENTIFIERS = ("meeting_id", "meetingId", "call_id", "recording_id", "id", "uuid")
_DATES = ("started_at", "startedAt", "start_time", "startTime", "date", "created_at", "createdAt")


def _is_listed(record: Mapping[str, Any]) -> bool:
    said, people = record.get("transcript"), (*_PEOPLE, *_RECORDERS, *(f"{name}_email" for name in _RECORDERS))
    is_recorder_s = "turns" not in record and any(record.get(name) for name in people)
    return is_recorder_s and isinstance(said, list) and bool(said) and all(map(_is_passage, said))


def _is_passage(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and any(isinstance(one.get(name), str) for name in _WORDS)
        and any(name in one for name in _VOICES)
    )


def _is_part(record: Mapping[str, Any]) -> bool:
    """Whether an element of a JSON list is a passage with a time and nothing else: another field may name its conversation."""
    return _is_passage(record) and any(name in record for name in _STARTS) and record.keys() <= _OF_A_PASSAGE


def _part_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one meeting of a bare list of passages. Raises InputError for an element that is none."""
    for where, part in placed:
        if not _is_passage(part):
            raise InputError(f"{where}: a passage has a speaker and words, not {described(part)}.")
    return list(_listed_records({"id": path.stem, "transcript": [part for _, part in placed]}, str(path)))


def _listed_records(meeting: Mapping[str, Any], where: str) -> Iterator[Placed]:
    passages = [
        Passage(_voice(one), _first(one, _WORDS), _first(one, _STARTS), _first(one, _ENDS))
        for one in objects_in(meeting["transcript"])
    ]
    found = Meeting(passages, _people(meeting), first_text(meeting, _IDENTIFIERS), _first(meeting, _DATES))
    yield where, meeting_record(found, meeting, where)


def _first(one: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((one[name] for name in names if one.get(name) not in (None, "")), None)


def _voice(one: Mapping[str, Any]) -> str:
    voices = (one.get(name) for name in _VOICES)
    names = (first_text(voice, _NAMES) if isinstance(voice, dict) else text_or_empty(voice) for voice in voices)
    return next(filter(None, names), "")


def _people(meeting: Mapping[str, Any]) -> list[Person]:
    recorders = [object_or_empty(meeting.get(name)) for name in _RECORDERS]
    mails = [*(one.get("email") for one in recorders), *(meeting.get(f"{name}_email") for name in _RECORDERS)]
    home = next((domain for mail in mails if (domain := mail_domain(mail))), "")
    invited = [one for name in _PEOPLE for one in objects_in(meeting.get(name))]
    people = [
        Person(
            first_text(one, _NAMES[:3]),
            text_or_empty(one.get("email")).lower(),
            side_of_flag(one.get("is_external", one.get("isExternal")))
            or side_of_flag(one.get("is_internal", one.get("isInternal")), "seller"),
        )
        for one in [*invited, *recorders]
        if one
    ]
    return with_sides(people, home)


PARTS = ListFormat("a recorder's transcript", _is_part, _part_records)
FORMAT = DocumentFormat("a recorder's transcript", _is_listed, _listed_records)
