"""Reads calls as Gong gives them as JSON: /v2/calls/transcript, with /v2/calls/extensive beside it, or one call by itself.

Who sells is taken from Gong's affiliation; otherwise names are kept as they are. It does not know how a deal ended, but for
the stage that it copies from the CRM; add "outcome" to a call to train on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.dates import iso_date
from conversations.formats.fields import (
    KEPT_FIELDS,
    in_order_of_time,
    object_or_empty,
    objects_in,
    only_domain,
    seconds_in,
    text_or_empty,
    without_none,
    words_of,
)
from conversations.formats.kinds import DocumentFormat
from conversations.formats.notices import notice
from conversations.formats.outcomes import outcome_of_stage
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError


def is_gong(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object is Gong's answer to /v2/calls/transcript or /v2/calls/extensive, or one call of them."""
    return isinstance(record.get("callTranscripts"), list) or _is_one_call(record) or _has_no_words(record)


def _is_one_call(record: Mapping[str, Any]) -> bool:
    monologues = record.get("transcript")
    return "callId" in record and isinstance(monologues, list) and all("sentences" in m for m in objects_in(monologues))


def _has_no_words(record: Mapping[str, Any]) -> bool:
    """Whether it is the answer to /v2/calls/extensive, or one call of it, which says all but what was said."""
    calls = [*objects_in(record.get("calls")), record]
    return (
        not _is_one_call(record)
        and "callTranscripts" not in record
        and any(
            isinstance(call.get("metaData"), dict) and isinstance(call.get("parties") or call.get("context"), list)
            for call in calls
        )
    )


def gong_records(document: Mapping[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One record a call. `calls` of /v2/calls/extensive beside the transcripts give names, sides, stage and account.

    Raises InputError for a call without a transcript list, for a sentence without text, and for calls without words.
    """
    if _has_no_words(document):
        raise InputError(
            f"{where} is Gong's answer to /v2/calls/extensive, which holds no words; ask /v2/calls/transcript for the same "
            "calls, and put 'calls' of this file beside its 'callTranscripts'."
        )
    details = {
        text_or_empty(object_or_empty(call.get("metaData")).get("id")): call
        for call in objects_in(document.get("calls"))
    }
    is_alone = "callTranscripts" not in document
    for number, call in enumerate([document] if is_alone else document["callTranscripts"], start=1):
        place = where if is_alone else f"{where}, call {number}"
        if not isinstance(call, dict) or not isinstance(call.get("transcript"), list):
            raise InputError(f"{place}: a Gong call has a list 'transcript' of speakerId and sentences.")
        detail = details.get(text_or_empty(call.get("callId")), call)
        sources = {id(one): one for one in (call, detail, document)}.values()
        yield place, _gong_record(call, detail, [p for one in sources for p in objects_in(one.get("parties"))], place)


def _gong_record(
    call: Mapping[str, Any], detail: Mapping[str, Any], parties: Sequence[Mapping[str, Any]], where: str
) -> dict[str, Any]:
    known = {speaker: party for party in reversed(parties) if (speaker := text_or_empty(party.get("speakerId")))}
    sentences = []
    for monologue in objects_in(call["transcript"]):
        speaker = text_or_empty(monologue.get("speakerId"))
        name, side = _name_and_side(known.get(speaker, {}), speaker)
        for sentence in objects_in(monologue.get("sentences")):
            start, end = (seconds_in(sentence.get(moment)) for moment in ("start", "end"))
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


def _from_crm(detail: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The outcome of the opportunity, its id and the account that Gong has for the call, as they stand now."""
    found: dict[str, Any] = {}
    objects = [item for crm in objects_in(detail.get("context")) for item in objects_in(crm.get("objects"))]
    for item in sorted(objects, key=lambda item: str(item.get("timing")).lower() == "timeofcall"):
        identifier, kind = text_or_empty(item.get("objectId")), item.get("objectType")
        if kind in ("Account", "Company") and identifier:
            found.setdefault("group", identifier)
        if kind in ("Opportunity", "Deal"):
            if identifier:
                found.setdefault("deal_id", identifier)
            if found.get("deal_id", "") == identifier and "outcome" not in found:
                found |= _outcome(item, where)
    return found


def _outcome(deal: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The field 'outcome', from the deal's stage; nothing where Gong has none."""
    fields = {text_or_empty(one.get("name")): one.get("value") for one in objects_in(deal.get("fields"))}
    stage = next((text for name in ("StageName", "dealstage") if (text := text_or_empty(fields.get(name)))), "")
    try:
        return {"outcome": outcome_of_stage(stage, where)} if stage else {}
    except InputError:  # there is no column to name, so no way to say what it means
        notice(Path(where), f"the deal's stage {stage[:60]!r} says neither won nor lost, so the call counts as open.")
        return {}


FORMAT = DocumentFormat("Gong", is_gong, gong_records)
