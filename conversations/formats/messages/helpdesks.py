"""Reads conversations of Front, Help Scout and Freshdesk as their APIs give them.

Who sells is what the tool says of each message: inbound or outbound, written by a customer or by a user. Internal notes and
drafts are left out. None of these tools knows how a deal ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from conversations.dates import seconds_since_1970
from conversations.formats.fields import KEPT_FIELDS, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.messages.written import Message, words_of_body, written_conversation
from conversations.formats.notices import left_out

_NAMES = ("name", "first_name", "last_name", "first", "last")
_HELP_SCOUT_SIDES = {"customer": "customer", "user": "seller"}


def _one_conversation(messages: Callable[[Mapping[str, Any]], Iterable[Message]]) -> Callable[..., Iterator[Placed]]:
    def records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
        identifier = text_or_empty(document.get("id"))
        record = written_conversation(identifier, [one for one in messages(document) if one.text])
        yield where, record | {key: document[key] for key in KEPT_FIELDS if document.get(key) is not None}

    return records


def _front_messages(document: Mapping[str, Any]) -> Iterator[Message]:
    for message in objects_in(document.get("_results")):
        if message.get("is_draft"):
            left_out("drafts")
            continue
        author = object_or_empty(message.get("author"))
        sender = next((one for one in objects_in(message.get("recipients")) if one.get("role") == "from"), {})
        address = text_or_empty(author.get("email")) or text_or_empty(sender.get("handle"))
        side = "customer" if message.get("is_inbound") else "seller"
        words = words_of_body(message.get("text") or message.get("body"))
        name = _name(author) or _name(sender) or address
        yield Message(name, words, side, seconds_since_1970(message.get("created_at")), address)


def _is_front(document: Mapping[str, Any]) -> bool:
    messages = objects_in(document.get("_results"))
    return bool(messages) and "is_inbound" in messages[0] and "recipients" in messages[0]


def _help_scout_threads(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return objects_in(object_or_empty(document.get("_embedded")).get("threads"))


def _help_scout_messages(document: Mapping[str, Any]) -> Iterator[Message]:
    for thread in _help_scout_threads(document):
        if thread.get("type") in ("note", "lineitem") or thread.get("state") == "draft":
            left_out("internal notes", int(bool(thread.get("body"))))
            continue
        author = object_or_empty(thread.get("createdBy"))
        address = text_or_empty(author.get("email"))
        side = _HELP_SCOUT_SIDES.get(text_or_empty(author.get("type")), "")
        moment = seconds_since_1970(thread.get("createdAt"))
        yield Message(_name(author) or address, words_of_body(thread.get("body")), side, moment, address)


def _is_help_scout(document: Mapping[str, Any]) -> bool:
    threads = _help_scout_threads(document)
    return bool(threads) and any("createdBy" in thread and "type" in thread for thread in threads)


def _freshdesk_messages(ticket: Mapping[str, Any]) -> Iterator[Message]:
    requester = object_or_empty(ticket.get("requester"))
    customer, address = _name(requester) or "customer", text_or_empty(requester.get("email"))
    asked = words_of_body(ticket.get("description_text") or ticket.get("description"))
    yield Message(customer, asked, "customer", seconds_since_1970(ticket.get("created_at")), address)
    for message in objects_in(ticket["conversations"]):
        if message.get("private"):
            left_out("internal notes")
            continue
        words, moment = words_of_body(message.get("body_text") or message.get("body")), message.get("created_at")
        if message.get("incoming"):
            yield Message(customer, words, "customer", seconds_since_1970(moment), address)
        else:
            name = text_or_empty(message.get("from_email")) or text_or_empty(message.get("user_id"))
            yield Message(name, words, "seller", seconds_since_1970(moment))


def _is_freshdesk(document: Mapping[str, Any]) -> bool:
    messages = objects_in(document.get("conversations"))
    return bool(messages) and all("incoming" in one and "private" in one for one in messages[:3])


def _name(person: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (text_or_empty(person.get(part)) for part in _NAMES)))


FRONT = DocumentFormat("Front", _is_front, _one_conversation(_front_messages))
HELP_SCOUT = DocumentFormat("Help Scout", _is_help_scout, _one_conversation(_help_scout_messages))
FRESHDESK = DocumentFormat("Freshdesk", _is_freshdesk, _one_conversation(_freshdesk_messages))
