"""Reads call transcripts as Gong and Fireflies give them as JSON.

Who sells is taken from what the tool knows: Gong's affiliation, the e-mail domains of a Fireflies meeting; otherwise
names are kept as they are. Times only put the sentences in order. Neither knows how a deal ended, but for the stage that
Gong copies from the CRM; add "outcome" to a call or transcript to train on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conversations.dates import iso_date
from conversations.reading.outcomes import outcome_of_stage
from conversations.reading.turns import Spoken, merged_turns, speaker_with_role
from foundations.errors import InputError, described

_FREE_MAIL = {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.de"}
_KEPT = ("outcome", "group", "date", "split", "conversation_context")  # fields of ours that a person may have added


def is_gong(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object is Gong's answer to /v2/calls/transcript."""
    return isinstance(record.get("callTranscripts"), list)


def gong_records(document: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One record a call. `calls` of /v2/calls/extensive beside the transcripts give names, sides, stage and account.

    Raises InputError for a call without a transcript list, and for a sentence without text.
    """
    details = {_name(_dict(call.get("metaData")).get("id")): call for call in _dicts(document.get("calls"))}
    for number, call in enumerate(document["callTranscripts"], start=1):
        place = f"{where}, call {number}"
        if not isinstance(call, dict) or not isinstance(call.get("transcript"), list):
            raise InputError(f"{place}: a Gong call has a list 'transcript' of speakerId and sentences.")
        detail = details.get(_name(call.get("callId")), {})
        parties = [*_dicts(call.get("parties")), *_dicts(detail.get("parties")), *_dicts(document.get("parties"))]
        yield place, _gong_record(call, detail, parties, place)


def _gong_record(
    call: Mapping[str, Any], detail: Mapping[str, Any], parties: Sequence[Mapping[str, Any]], where: str
) -> dict[str, Any]:
    speakers = {_name(party.get("speakerId")): _gong_speaker(party) for party in reversed(parties)}
    sentences = []
    for monologue in _dicts(call["transcript"]):
        name = _name(monologue.get("speakerId"))
        for sentence in _dicts(monologue.get("sentences")):
            sentences.append((sentence.get("start"), speakers.get(name, name), _words(sentence, where)))
    customers = [p.get("emailAddress") for p in parties if str(p.get("affiliation")).lower() == "external"]
    record = {
        "conversation_id": _name(call.get("callId")),
        "turns": merged_turns(_in_order(sentences)),
        "group": _only_domain(customers),
        "date": iso_date(_dict(detail.get("metaData")).get("started")),
    }
    return _without_none(record | _from_crm(detail, where) | {key: call[key] for key in _KEPT if key in call})


def _gong_speaker(party: Mapping[str, Any]) -> str:
    side = {"internal": "seller", "external": "customer"}.get(str(party.get("affiliation")).lower())
    return side or speaker_with_role(_name(party.get("name")) or _name(party.get("speakerId")))


def _from_crm(detail: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The outcome of the opportunity and the account that Gong has for the call."""
    found: dict[str, Any] = {}
    for crm in _dicts(detail.get("context")):
        for item in _dicts(crm.get("objects")):
            if item.get("objectType") == "Account" and _name(item.get("objectId")):
                found.setdefault("group", _name(item["objectId"]))
            for entry in _dicts(item.get("fields")) if item.get("objectType") == "Opportunity" else []:
                if entry.get("name") == "StageName" and isinstance(entry.get("value"), str):
                    found.setdefault("outcome", outcome_of_stage(entry["value"], where))
    return found


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
    data = _dict(document.get("data"))
    single = [document, _dict(document.get("transcript")), _dict(data.get("transcript"))]
    for transcript in (*single, *_dicts(document.get("transcripts")), *_dicts(data.get("transcripts"))):
        is_ours = "turns" in transcript or isinstance(transcript.get("transcript"), str)
        if isinstance(transcript.get("sentences"), list) and not is_ours:
            yield transcript


def _fireflies_record(transcript: Mapping[str, Any], where: str) -> dict[str, Any]:
    sides = _fireflies_sides(transcript)
    sentences = []
    for sentence in _dicts(transcript["sentences"]):
        name = _name(sentence.get("speaker_name")) or _name(sentence.get("speaker_id"))
        start = sentence.get("start_time", sentence.get("startTime"))
        sentences.append((start, sides.get(name.casefold(), speaker_with_role(name)), _words(sentence, where)))
    customers = [p.get("email") for p in _attendees(transcript) if sides.get(_attendee_name(p)) == "customer"]
    record = {
        "conversation_id": _name(transcript.get("id")),
        "turns": merged_turns(_in_order(sentences)),
        "group": _only_domain(customers),
        "date": iso_date(transcript.get("dateString") or transcript.get("date")),
    }
    return _without_none(record | {key: transcript[key] for key in _KEPT if key in transcript and key != "date"})


def _fireflies_sides(transcript: Mapping[str, Any]) -> dict[str, str]:
    """Who sells, by name: those whose e-mail address has the organiser's company as its domain; the others buy."""
    home = _domain(transcript.get("organizer_email") or transcript.get("host_email"))
    if not home or home in _FREE_MAIL:
        return {}
    domains = {_attendee_name(person): _domain(person.get("email")) for person in _attendees(transcript)}
    return {name: "seller" if domain == home else "customer" for name, domain in domains.items() if name and domain}


def _attendees(transcript: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _dicts(transcript.get("meeting_attendees"))


def _attendee_name(person: Mapping[str, Any]) -> str:
    return (_name(person.get("displayName")) or _name(person.get("name"))).casefold()


def _in_order(sentences: Sequence[tuple[Any, str, str]]) -> list[Spoken]:
    """By start where every sentence has one; people who talk at once come in monologues that overlap."""
    if all(isinstance(start, int | float) for start, _, _ in sentences):
        sentences = sorted(sentences, key=lambda sentence: sentence[0])
    return [(speaker, text) for _, speaker, text in sentences]


def _words(sentence: Mapping[str, Any], where: str) -> str:
    text = next((sentence[key] for key in ("text", "sentence", "raw_text") if sentence.get(key) is not None), None)
    if not isinstance(text, str):
        raise InputError(f"{where}: a sentence has the text {described(text)}; it should be words.")
    return text


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _domain(address: Any) -> str:
    return address.rpartition("@")[2].strip().lower() if isinstance(address, str) and "@" in address else ""


def _only_domain(addresses: Iterable[Any]) -> str | None:
    """The company that all customers of a call are of: a group that must not be split."""
    domains = {_domain(address) for address in addresses} - {"", *_FREE_MAIL}
    return domains.pop() if len(domains) == 1 else None


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}
