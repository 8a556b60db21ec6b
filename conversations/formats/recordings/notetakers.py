"""Reads meetings of assistants that take notes: Fathom, Read.ai, tl;dv, Granola and Otter, from their APIs and webhooks.

Who sells is taken from what they say of the invited (Fathom's is_external), or from the mail domain of the one who recorded.
Granola tells its user's own microphone from the others' voices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.fields import mail_domain, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.notices import notice
from conversations.formats.recordings.meeting import Meeting, Passage, meeting_record
from conversations.formats.recordings.people import Person, company_of, people_of, side_of_flag, with_sides
from conversations.formats.recordings.plain_text import read_plain_transcript
from foundations.errors import InputError, described


def _is_fathom(record: Mapping[str, Any]) -> bool:
    return any(map(_is_fathom_meeting, [record, *objects_in(record.get("items"))]))


def _is_fathom_meeting(one: Mapping[str, Any]) -> bool:
    is_meeting = "calendar_invitees" in one and "recorded_by" in one
    return is_meeting or any(
        "display_name" in object_or_empty(said.get("speaker")) for said in objects_in(one.get("transcript"))
    )


def _fathom_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """One record a meeting; those that were listed without a transcript are silent."""
    if document.get("next_cursor"):
        notice(Path(where), "this is one page of a list; the meetings of the next ones are not in it.")
    for place, one in _listed(document, "items", where, "meeting"):
        yield place, meeting_record(_fathom_meeting(one), one, place)


def _listed(document: Mapping[str, Any], field: str, where: str, what: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The objects of a page's list, or the one that the document is by itself, each with its place."""
    found = objects_in(document.get(field))
    return [(f"{where}, {what} {n}", one) for n, one in enumerate(found, start=1)] or [(where, document)]


def _fathom_meeting(one: Mapping[str, Any]) -> Meeting:
    invitees = [
        Person(
            text_or_empty(guest.get("matched_speaker_display_name")) or text_or_empty(guest.get("name")),
            text_or_empty(guest.get("email")).lower(),
            side_of_flag(guest.get("is_external")),
        )
        for guest in objects_in(one.get("calendar_invitees"))
    ]
    recorder = object_or_empty(one.get("recorded_by"))
    matches = object_or_empty(one.get("crm_matches"))
    companies = [text_or_empty(company.get("name")) for company in objects_in(matches.get("companies"))]
    deals = [
        text_or_empty(deal.get("record_url")).rstrip("/").rpartition("/")[2]
        for deal in objects_in(matches.get("deals"))
    ]
    passages = [
        Passage(
            text_or_empty(speaker.get("display_name")),
            said.get("text"),
            said.get("timestamp"),
            mail=text_or_empty(speaker.get("matched_calendar_invitee_email")).lower(),
        )
        for said in objects_in(one.get("transcript"))
        for speaker in [object_or_empty(said.get("speaker"))]
    ]
    return Meeting(
        passages,
        with_sides([*invitees, *people_of([recorder])], mail_domain(recorder.get("email"))),
        one.get("recording_id"),
        next((one[at] for at in ("recording_start_time", "scheduled_start_time", "created_at") if one.get(at)), None),
        companies[0] if len(companies) == 1 and companies[0] else None,
        deals[0] if len(deals) == 1 and deals[0] else None,
    )


def _is_read(record: Mapping[str, Any]) -> bool:
    return isinstance(object_or_empty(record.get("transcript")).get("speaker_blocks"), list)


def _read_records(meeting: Mapping[str, Any], where: str) -> Iterator[Placed]:
    passages = [
        Passage(
            text_or_empty(object_or_empty(one.get("speaker")).get("name")),
            one.get("words"),
            one.get("start_time"),
            one.get("end_time"),
        )
        for one in objects_in(meeting["transcript"]["speaker_blocks"])
    ]
    owner = object_or_empty(meeting.get("owner"))
    people = with_sides(people_of([*objects_in(meeting.get("participants")), owner]), mail_domain(owner.get("email")))
    identifier = meeting.get("session_id") or meeting.get("id")
    yield where, meeting_record(Meeting(passages, people, identifier, meeting.get("start_time")), meeting, where)


def _is_tldv(record: Mapping[str, Any]) -> bool:
    said = _tldv_passages(record)
    return bool(said) and all({"speaker", "text", "startTime"} <= one.keys() for one in said)


def _tldv_passages(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    inner = record.get("data")
    return objects_in(inner.get("data") if isinstance(inner, dict) else inner)


def _tldv_records(transcript: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """tl;dv's transcript; the fields of its meeting count where somebody put them beside it."""
    inner = object_or_empty(transcript.get("data")) or transcript
    passages = [
        Passage(text_or_empty(one.get("speaker")), one.get("text"), one.get("startTime"), one.get("endTime"))
        for one in _tldv_passages(transcript)
    ]
    organizer = object_or_empty(transcript.get("organizer"))
    people = with_sides(
        people_of([*objects_in(transcript.get("invitees")), organizer]), mail_domain(organizer.get("email"))
    )
    identifier = inner.get("meetingId") or inner.get("id")
    yield where, meeting_record(Meeting(passages, people, identifier, transcript.get("happenedAt")), transcript, where)


def _is_granola(record: Mapping[str, Any]) -> bool:
    return any(map(_is_granola_note, [record, *objects_in(record.get("notes"))]))


def _is_granola_note(one: Mapping[str, Any]) -> bool:
    said = objects_in(one.get("transcript"))
    return one.get("object") == "note" or any("source" in object_or_empty(each.get("speaker")) for each in said)


def _granola_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    for place, note in _listed(document, "notes", where, "note"):
        yield place, meeting_record(_granola_meeting(note), note, place)


def _granola_meeting(note: Mapping[str, Any]) -> Meeting:
    owner, event = object_or_empty(note.get("owner")), object_or_empty(note.get("calendar_event"))
    home = mail_domain(owner.get("email"))
    mine = people_of([owner])[0]
    invited = people_of([*objects_in(note.get("attendees")), *objects_in(event.get("invitees"))])
    others = with_sides((one for one in invited if one.mail != mine.mail), home)
    sides = {person.side for person in others}
    side = sides.pop() if len(sides) == 1 else ""  # of all voices but the owner's, where they are of one side
    name = others[0].name if len({person.mail for person in others}) == 1 else ""
    passages = []
    for said in objects_in(note.get("transcript")):
        voice = object_or_empty(said.get("speaker"))
        is_mine = voice.get("attribution") == "me" or voice.get("source") == "microphone"
        other = text_or_empty(voice.get("diarization_label")) or name or "Them"
        own_side = "seller" if side == "customer" else ""
        times = said.get("start_time"), said.get("end_time")
        passages.append(
            Passage(mine.name or "Me", said.get("text"), *times, side=own_side)
            if is_mine
            else Passage(
                text_or_empty(voice.get("name")) or other, said.get("text"), *times, side=side if own_side else ""
            )
        )
    date = event.get("scheduled_start_time") or note.get("created_at")
    return Meeting(passages, (), note.get("id"), date, company_of(others))


def _is_granola_entry(record: Mapping[str, Any]) -> bool:
    return record.get("source") in ("microphone", "system") and {"text", "start_timestamp"} <= record.keys()


def _granola_entry_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """One record a document. Raises InputError for an element that is no entry of a transcript."""
    documents: dict[str, list[Passage]] = {}
    for where, entry in placed:
        if not isinstance(entry, dict) or not _is_granola_entry(entry):
            raise InputError(
                f"{where}: an entry of Granola has 'source', 'text' and 'start_timestamp', not {described(entry)}."
            )
        name = "Me" if entry["source"] == "microphone" else "Them"
        said = Passage(name, entry.get("text"), entry["start_timestamp"], entry.get("end_timestamp"))
        documents.setdefault(text_or_empty(entry.get("document_id")) or path.stem, []).append(said)
    return [
        (f"{path}, document {name!r}", meeting_record(Meeting(passages, (), name), {}, str(path)))
        for name, passages in documents.items()
    ]


def _is_otter(record: Mapping[str, Any]) -> bool:
    return isinstance(_otter_transcript(record).get("content"), str)


def _otter_transcript(record: Mapping[str, Any]) -> dict[str, Any]:
    one = object_or_empty(record.get("data")) or record
    return object_or_empty(object_or_empty(one.get("relationships")).get("transcript"))


def _otter_records(record: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """Otter's API gives the transcript as its plain text inside JSON."""
    one, text = object_or_empty(record.get("data")) or record, _otter_transcript(record)["content"]
    transcript = read_plain_transcript(text)
    said = transcript.record if transcript else {"transcript": text}
    yield where, {"conversation_id": text_or_empty(one.get("id")), "date": one.get("created_at"), **said}


FATHOM = DocumentFormat("Fathom", _is_fathom, _fathom_records)
READ = DocumentFormat("Read.ai", _is_read, _read_records)
TLDV = DocumentFormat("tl;dv", _is_tldv, _tldv_records)
GRANOLA = DocumentFormat("Granola", _is_granola, _granola_records)
GRANOLA_ENTRIES = ListFormat("Granola", _is_granola_entry, _granola_entry_records)
OTTER = DocumentFormat("Otter", _is_otter, _otter_records)
