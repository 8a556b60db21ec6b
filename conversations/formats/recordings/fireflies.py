"""Reads meetings as Fireflies gives them: the answer of its API, or the download, a bare list of sentences.

Who sells is taken from the e-mail domains of those invited; otherwise names are kept as they are. It does not know how a deal
ended; add "outcome" to a transcript to train on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.clock import seconds_of
from conversations.dates import iso_date
from conversations.formats.fields import (
    KEPT_FIELDS,
    in_order_of_time,
    mail_domain,
    object_or_empty,
    objects_in,
    text_or_empty,
    without_none,
    words_of,
)
from conversations.formats.kinds import DocumentFormat, ListFormat, Placed
from conversations.formats.recordings.people import Person, company_of, sides_by_name, with_sides
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError, described


def is_fireflies(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object holds a Fireflies transcript, bare or inside the answer of its API."""
    return any(True for _ in _fireflies_transcripts(record))


def is_fireflies_sentence(record: Any) -> bool:
    """Whether an element of a JSON list is a sentence of a Fireflies download."""
    return isinstance(record, dict) and "speaker_name" in record and ("sentence" in record or "text" in record)


def fireflies_records(document: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One record a transcript. Raises InputError for a sentence without text."""
    found = list(_fireflies_transcripts(document))
    places = [where] if len(found) == 1 else [f"{where}, transcript {number}" for number in range(1, len(found) + 1)]
    for place, transcript in zip(places, found, strict=True):
        yield place, _fireflies_record(transcript, place)


def _fireflies_transcripts(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    data = object_or_empty(document.get("data"))
    single = [document, object_or_empty(document.get("transcript")), object_or_empty(data.get("transcript"))]
    for transcript in (*single, *objects_in(document.get("transcripts")), *objects_in(data.get("transcripts"))):
        is_ours = "turns" in transcript or isinstance(transcript.get("transcript"), str)
        sentences = transcript.get("sentences")
        has_voices = any(one.keys() & {"speaker_name", "speaker_id"} for one in objects_in(sentences))
        if isinstance(sentences, list) and (has_voices or not sentences) and not is_ours:
            yield transcript


def _fireflies_record(transcript: Mapping[str, Any], where: str) -> dict[str, Any]:
    people = _people(transcript)
    said = objects_in(transcript["sentences"])
    sides = sides_by_name(map(_speaker, said), people)
    sentences = []
    for sentence in said:
        name = _speaker(sentence)
        start, end = (seconds_of(sentence.get(f"{end}_time", sentence.get(f"{end}Time"))) for end in ("start", "end"))
        sentences.append(Spoken(name, words_of(sentence, where), sides.get(name, ""), start, end))
    record = {
        "conversation_id": text_or_empty(transcript.get("id")),
        "turns": merged_turns(in_order_of_time(sentences)),
        "group": company_of(people),
        "date": iso_date(transcript.get("dateString") or transcript.get("date")),
    }
    return without_none(record | {key: transcript[key] for key in KEPT_FIELDS if key in transcript and key != "date"})


def _speaker(sentence: Mapping[str, Any]) -> str:
    return text_or_empty(sentence.get("speaker_name")) or text_or_empty(sentence.get("speaker_id"))


def _people(transcript: Mapping[str, Any]) -> list[Person]:
    """Those invited: the company of whoever had it recorded sells, the others buy. Fireflies often knows no names."""
    invited = [
        Person(
            text_or_empty(one.get("displayName")) or text_or_empty(one.get("name")),
            text_or_empty(one.get("email")).lower(),
        )
        for one in objects_in(transcript.get("meeting_attendees"))
    ]
    known = {person.mail for person in invited}
    guests = transcript.get("participants")
    texts = [guest.lower() for guest in guests if isinstance(guest, str)] if isinstance(guests, list) else []
    mails = [mail.strip() for text in texts for mail in text.split(",")]
    invited += [Person("", mail) for mail in dict.fromkeys(mails) if "@" in mail and mail not in known]
    owner = object_or_empty(transcript.get("user")).get("email")
    return with_sides(invited, mail_domain(owner or transcript.get("organizer_email") or transcript.get("host_email")))


def _download_records(placed: Sequence[Placed], path: Path) -> list[Placed]:
    """The one conversation of a download. Raises InputError for an element that is no sentence."""
    for where, record in placed:
        if not is_fireflies_sentence(record):
            raise InputError(
                f"{where}: a sentence of Fireflies has 'speaker_name' and 'sentence', not {described(record)}."
            )
    meeting = {"id": path.stem, "sentences": [record for _, record in placed]}
    return [(str(path), _fireflies_record(meeting, str(path)))]


FORMAT = DocumentFormat("Fireflies", is_fireflies, fireflies_records)
DOWNLOAD = ListFormat("Fireflies", is_fireflies_sentence, _download_records)
