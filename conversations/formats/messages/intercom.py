"""Reads conversations as Intercom's API gives them: one, or a list, with their parts.

What admins, teams and bots write is the seller's, what users, leads and contacts write the customer's. Internal notes are
left out, as the customer never read them. It does not know how a deal ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conversations.dates import seconds_since_1970
from conversations.formats.fields import KEPT_FIELDS, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.messages.written import Message, words_of_body, written_conversation
from conversations.formats.notices import left_out

_SIDES = dict.fromkeys(("admin", "team", "bot"), "seller") | dict.fromkeys(("user", "lead", "contact"), "customer")


def is_intercom(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a conversation of Intercom, or a list of such."""
    return bool(_conversations(record))


def intercom_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """One record a conversation."""
    found = _conversations(document)
    for number, conversation in enumerate(found, start=1):
        place = where if len(found) == 1 else f"{where}, conversation {number}"
        record = written_conversation(text_or_empty(conversation.get("id")), list(_messages(conversation)))
        yield place, record | {key: conversation[key] for key in KEPT_FIELDS if key in conversation}


def _conversations(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = objects_in(document.get("conversations")) if document.get("type") == "conversation.list" else []
    return [one for one in (document, *listed) if _is_conversation(one)]


def _is_conversation(record: Mapping[str, Any]) -> bool:
    has_parts = "conversation_parts" in record or isinstance(record.get("source"), dict)
    return record.get("type") == "conversation" and has_parts and "turns" not in record


def _messages(conversation: Mapping[str, Any]) -> Iterator[Message]:
    first = object_or_empty(conversation.get("source")) or object_or_empty(conversation.get("conversation_message"))
    parts = conversation.get("conversation_parts")
    listed = objects_in(object_or_empty(parts).get("conversation_parts", parts))
    for part in (first | {"created_at": conversation.get("created_at")}, *listed):
        author = object_or_empty(part.get("author"))
        words = words_of_body(part.get("body"))
        if words and "note" in text_or_empty(part.get("part_type")):
            left_out("internal notes")
        elif words:
            name = text_or_empty(author.get("name")) or text_or_empty(author.get("email"))
            side = _SIDES.get(text_or_empty(author.get("type")), "")
            moment = seconds_since_1970(part.get("created_at"))
            yield Message(name, words, side, moment, text_or_empty(author.get("email")))


FORMAT = DocumentFormat("Intercom", is_intercom, intercom_records)
