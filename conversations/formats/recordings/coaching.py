"""Reads calls of tools that coach sellers: Avoma, Chorus and Grain, and of others that write a transcript as a list.

Avoma and Chorus say who is a rep, Grain who is internal. Of the others, whose file has a list 'transcript' of somebody's words,
people are looked for under the names that such tools use; who sells is taken from the recorder's mail domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import mail_domain, object_or_empty, objects_in, seconds_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.recordings.meeting import Meeting, Passage, first_text, meeting_record
from conversations.formats.recordings.people import Person, side_of_flag, with_sides
from foundations.errors import InputError, described

_SIDES = {"rep": "seller", "internal": "seller", "cust": "customer", "customer": "customer", "external": "customer"}
_WORDS = ("text", "words", "content", "sentence", "transcript")
_VOICES = (
    "speaker_name",
    "speakerName",
    "speaker",
    "name",
    "participant",
    "role",
    "author",
    "sender",
    "speaker_id",
    "speakerId",
)
_STARTS = ("start_time", "startTime", "start", "timestamp", "time", "start_timestamp")
_ENDS = ("end_time", "endTime", "end", "end_timestamp")
_OF_A_MESSAGE = frozenset(
    """id conversation_id root session_id ticket_id dialogue_id dialog_id transcript_id call_id meeting_id thread_id chat_id
    deal_id channel subject outcome turns""".split()
)
_PEOPLE = ("attendees", "participants", "invitees", "calendar_invitees")
_RECORDERS = ("owner", "organizer", "organiser", "host", "user", "recorded_by")
_IDENTIFIERS = ("meeting_id", "meetingId", "call_id", "recording_id", "id", "uuid")
_DATES = ("started_at", "startedAt", "start_time", "startTime", "date", "created_at", "createdAt")


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
            text_or_empty(one.get("name")), text_or_empty(one.get("email")).lower(), _opposite(one.get("is_rep"))
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


def _opposite(is_rep: Any) -> str:
    return side_of_flag(not is_rep) if isinstance(is_rep, bool) else ""


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
    """Whether an element of a JSON list is a passage with a time, of no conversation that it names."""
    return _is_passage(record) and any(name in record for name in _STARTS) and not record.keys() & _OF_A_MESSAGE


def _part_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one meeting of a bare list of passages. Raises InputError for an element that is none."""
    for where, part in placed:
        if not _is_passage(part):
            raise InputError(f"{where}: a passage has a speaker and words, not {described(part)}.")
    return list(_listed_records({"id": path.stem, "transcript": [part for _, part in placed]}, str(path)))


def _listed_records(meeting: Mapping[str, Any], where: str) -> Iterator[Placed]:
    passages = [
        Passage(
            _voice(one),
            next(one[name] for name in _WORDS if isinstance(one.get(name), str)),
            next((one[name] for name in _STARTS if one.get(name) is not None), None),
            next((one[name] for name in _ENDS if one.get(name) is not None), None),
        )
        for one in objects_in(meeting["transcript"])
    ]
    date = next((meeting[name] for name in _DATES if meeting.get(name)), None)
    yield (
        where,
        meeting_record(Meeting(passages, _people(meeting), first_text(meeting, _IDENTIFIERS), date), meeting, where),
    )


def _voice(one: Mapping[str, Any]) -> str:
    for name in _VOICES:
        voice = one.get(name)
        if (
            found := first_text(voice, ("name", "display_name", "displayName", "id"))
            if isinstance(voice, dict)
            else text_or_empty(voice)
        ):
            return found
    return ""


def _people(meeting: Mapping[str, Any]) -> list[Person]:
    recorders = [object_or_empty(meeting.get(name)) for name in _RECORDERS]
    mails = [one.get("email") for one in recorders if one.get("email")] + [
        meeting.get(f"{name}_email") for name in _RECORDERS
    ]
    home = next((domain for mail in mails if (domain := mail_domain(mail))), "")
    invited = [one for name in _PEOPLE for one in objects_in(meeting.get(name))]
    people = [
        Person(
            first_text(one, ("name", "displayName", "display_name")),
            text_or_empty(one.get("email")).lower(),
            side_of_flag(one.get("is_external", one.get("isExternal")))
            or _opposite(one.get("is_internal", one.get("isInternal"))),
        )
        for one in [*invited, *recorders]
        if one
    ]
    return with_sides(people, home)


AVOMA = DocumentFormat("Avoma", _is_avoma, _avoma_records)
CHORUS = DocumentFormat("Chorus", _is_chorus, _chorus_records)
GRAIN = DocumentFormat("Grain", _is_grain, _grain_records)
GRAIN_LIST = ListFormat("Grain", _is_grain_part, _grain_list_records)
PARTS = ListFormat("a recorder's transcript", _is_part, _part_records)
LISTED = DocumentFormat("a recorder's transcript", _is_listed, _listed_records)
