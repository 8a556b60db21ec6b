"""What all written conversations share: messages in order of time, and turns with the seconds since the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from conversations.clock import seconds_of
from conversations.dates import iso_moment
from conversations.formats.fields import only_domain, without_none
from conversations.formats.markup import plain_words
from conversations.formats.turns import Spoken, merged_turns
from conversations.mail import own_message


class Message(NamedTuple):
    """One message of one person."""

    name: str
    text: str
    side: str = ""  # "seller" or "customer" where the tool knows it
    moment: float | None = None  # seconds since 1970
    address: str = ""  # of mail


def written_conversation(identifier: str, messages: Sequence[Message], group: str | None = None) -> dict[str, Any]:
    """The record of messages: in order of time where every one has a time, `date` that of the first.

    group: else the one mail domain that all customers have, where there is one.
    """
    messages = in_order(messages)
    first = messages[0].moment if messages else None
    customers = (message.address for message in messages if message.side == "customer")
    record = {
        "conversation_id": identifier,
        "turns": merged_turns(_spoken(messages, first)),
        "group": group or only_domain(customers),
        "date": iso_moment(first),
    }
    return without_none(record)


def in_order(messages: Sequence[Message]) -> list[Message]:
    """By time where every one has a time; else as they stand."""
    if all(message.moment is not None for message in messages):
        return sorted(messages, key=lambda message: message.moment or 0.0)
    return list(messages)


def words_of_body(body: Any) -> str:
    """What the writer of a message says: without HTML, quoted mails and signatures, unless nothing else is there."""
    words = plain_words(body) if isinstance(body, str) else ""
    return own_message(words).strip() or words.strip()


def _spoken(messages: Iterable[Message], first: float | None) -> Iterable[Spoken]:
    for message in messages:
        after = None if first is None or message.moment is None else seconds_of(message.moment - first)
        yield Spoken(message.name, message.text, message.side, after)
