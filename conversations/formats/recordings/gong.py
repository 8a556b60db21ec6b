"""Reads calls as Gong gives them as JSON: /v2/calls/transcript, with /v2/calls/extensive beside it.

Who sells is taken from Gong's affiliation; otherwise names are kept as they are. It does not know how a deal ended, but for
the stage that it copies from the CRM; add "outcome" to a call to train on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.clock import seconds_of
from conversations.dates import iso_date
from conversations.formats.fields import (
    KEPT_FIELDS,
    in_order_of_time,
    object_or_empty,
    objects_in,
    only_domain,
    text_or_empty,
    without_none,
    words_of,
)
from conversations.formats.kinds import DocumentFormat
from conversations.formats.outcomes import outcome_of_stage
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError


def is_gong(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object is Gong's answer to /v2/calls/transcript."""
    return isinstance(record.get("callTranscripts"), list)


def gong_records(document: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One record a call. `calls` of /v2/calls/extensive beside the transcripts give names, sides, stage and account.

    Raises InputError for a call without a transcript list, and for a sentence without text.
    """
    details = {
        text_or_empty(object_or_empty(call.get("metaData")).get("id")): call
        for call in objects_in(document.get("calls"))
    }
    for number, call in enumerate(document["callTranscripts"], start=1):
        place = f"{where}, call {number}"
        if not isinstance(call, dict) or not isinstance(call.get("transcript"), list):
            raise InputError(f"{place}: a Gong call has a list 'transcript' of speakerId and sentences.")
        detail = details.get(text_or_empty(call.get("callId")), {})
        parties = [
            *objects_in(call.get("parties")),
            *objects_in(detail.get("parties")),
            *objects_in(document.get("parties")),
        ]
        yield place, _gong_record(call, detail, parties, place)


def _gong_record(
    call: Mapping[str, Any], detail: Mapping[str, Any], parties: Sequence[Mapping[str, Any]], where: str
) -> dict[str, Any]:
    known = {speaker: party for party in reversed(parties) if (speaker := text_or_empty(party.get("speakerId")))}
    sentences = []
    for monologue in objects_in(call["transcript"]):
        speaker = text_or_empty(monologue.get("speakerId"))
        name, side = _name_and_side(known.get(speaker, {}), speaker)
        for sentence in objects_in(monologue.get("sentences")):
            start, end = (_seconds(sentence.get(moment)) for moment in ("start", "end"))
            sentences.append(Spoken(name, words_of(sentence, where), side, start, end))
    customers = [p.get("emailAddress") for p in parties if str(p.get("affiliation")).lower() == "external"]
    record = {
        "conversation_id": text_or_empty(call.get("callId")),
        "turns": merged_turns(in_order_of_time(sentences)),
        "group": only_domain(customers),
        "date": iso_date(object_or_empty(detail.get("metaData")).get("started")),
    }
    return without_none(record | _from_crm(detail, where) | {key: call[key] for key in KEPT_FIELDS if key in call})


def _name_and_side(party: Mapping[str, Any], speaker: str) -> tuple[str, str]:
    side = {"internal": "seller", "external": "customer"}.get(str(party.get("affiliation")).lower(), "")
    return text_or_empty(party.get("name")) or speaker, side


def _seconds(milliseconds: Any) -> float | None:
    seconds = seconds_of(milliseconds)
    return None if seconds is None else seconds / 1000


def _from_crm(detail: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The outcome of the opportunity and the account that Gong has for the call."""
    found: dict[str, Any] = {}
    for crm in objects_in(detail.get("context")):
        for item in objects_in(crm.get("objects")):
            if item.get("objectType") == "Account" and text_or_empty(item.get("objectId")):
                found.setdefault("group", text_or_empty(item["objectId"]))
            for entry in objects_in(item.get("fields")) if item.get("objectType") == "Opportunity" else []:
                if entry.get("name") == "StageName" and isinstance(entry.get("value"), str):
                    found.setdefault("outcome", outcome_of_stage(entry["value"], where))
    return found


FORMAT = DocumentFormat("Gong", is_gong, gong_records)
