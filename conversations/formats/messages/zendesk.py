"""Reads Zendesk's tickets with their comments, as its API and its JSON export give them, and its chats.

Agents and admins sell, end users buy; without roles, the requester buys and the assignee sells, others keep their names.
Internal comments are left out, as the customer never read them. It does not know how a deal ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conversations.dates import seconds_since_1970
from conversations.formats.fields import KEPT_FIELDS, object_or_empty, objects_in, text_or_empty
from conversations.formats.kinds import DocumentFormat, Placed
from conversations.formats.messages.written import Message, words_of_body, written_conversation
from conversations.formats.notices import left_out

_SIDES = {"agent": "seller", "admin": "seller", "trigger": "seller", "end-user": "customer", "visitor": "customer"}
_PEOPLE = ("requester", "assignee", "submitter")


def is_zendesk(record: Mapping[str, Any]) -> bool:
    """Whether a JSON object holds tickets with comments, or chats."""
    return bool(_tickets(record) or _chats(record))


def zendesk_records(document: Mapping[str, Any], where: str) -> Iterator[Placed]:
    """One record a ticket or chat."""
    users = {text_or_empty(user.get("id")): user for user in objects_in(document.get("users"))}
    found = [(one, _comments(one, users)) for one in _tickets(document)]
    found += [(one, _said_in_chat(one)) for one in _chats(document)]
    for number, (one, messages) in enumerate(found, start=1):
        place = where if len(found) == 1 else f"{where}, conversation {number}"
        record = written_conversation(_identifier(one), list(messages), text_or_empty(one.get("organization_id")))
        yield place, record | {key: one[key] for key in KEPT_FIELDS if one.get(key) is not None}


def _identifier(ticket: Mapping[str, Any]) -> str:
    return text_or_empty(ticket.get("id"))


def _tickets(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Tickets that have their comments with them; `{"ticket": …, "comments": […]}` is one too."""
    inside = document.get("ticket")
    whole = {**inside, "comments": document.get("comments")} if isinstance(inside, dict) else document
    listed = [*objects_in(document.get("tickets")), whole]
    return [one for one in listed if _are_comments(one.get("comments")) and "turns" not in one]


def _are_comments(value: Any) -> bool:
    comments = objects_in(value)
    return bool(comments) and all(
        "author_id" in one and one.keys() & {"public", "html_body", "plain_body"} for one in comments[:3]
    )


def _comments(ticket: Mapping[str, Any], users: Mapping[str, Mapping[str, Any]]) -> Iterator[Message]:
    people = (object_or_empty(ticket.get(role)) for role in _PEOPLE)
    known = {**users, **{text_or_empty(person["id"]): person for person in people if "id" in person}}
    for comment in objects_in(ticket["comments"]):
        bodies = (comment.get(name) for name in ("plain_body", "html_body", "body"))
        words = words_of_body(next((body for body in bodies if body), ""))
        if words and comment.get("public") is False:
            left_out("internal comments")
        elif words:
            author = text_or_empty(comment.get("author_id"))
            person = object_or_empty(comment.get("author")) or known.get(author, {})
            side = _SIDES.get(text_or_empty(person.get("role")).lower(), "") or _side_by_part(ticket, author)
            yield _message(person, author, words, side, comment.get("created_at"))


def _side_by_part(ticket: Mapping[str, Any], author: str) -> str:
    """The side that somebody without a role has in a ticket: who asked buys, who is charged with it sells."""
    for side, part in (("customer", "requester"), ("seller", "assignee")):
        if author and author == text_or_empty(ticket.get(f"{part}_id") or object_or_empty(ticket.get(part)).get("id")):
            return side
    return ""


def _chats(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = [*objects_in(document.get("chats")), document]
    return [one for one in listed if isinstance(one.get("visitor"), dict) and ("history" in one or "message" in one)]


def _said_in_chat(chat: Mapping[str, Any]) -> Iterator[Message]:
    visitor = object_or_empty(chat.get("visitor"))
    if chat.get("message"):  # left while nobody was there
        yield _message(visitor, "", words_of_body(chat["message"]), "customer", chat.get("timestamp"))
    agents: Sequence[Any] = names if isinstance(names := chat.get("agent_names"), list) else []
    for event in objects_in(chat.get("history")):
        if event.get("type") == "chat.msg" and (words := words_of_body(event.get("msg"))):
            name = text_or_empty(event.get("name"))
            known = _SIDES.get(text_or_empty(event.get("sender_type")).lower(), "")
            side = known or ("seller" if name in agents else "customer" if name == visitor.get("name") else "")
            person = visitor | {"name": name} if side == "customer" else {"name": name}
            yield _message(person, "", words, side, event.get("timestamp"))


def _message(person: Mapping[str, Any], author: str, words: str, side: str, at: Any) -> Message:
    address = text_or_empty(person.get("email"))
    return Message(text_or_empty(person.get("name")) or author, words, side, seconds_since_1970(at), address)


FORMAT = DocumentFormat("Zendesk", is_zendesk, zendesk_records)
