"""A call, mail or note of a CRM, as its API answers it, to a conversation: by the way that a file with such an answer goes.

What that way does not know is added here: who wrote a mail, without the mails that it quotes. A record without words is no
conversation. Costs under a millisecond a record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from conversations.conversation import Conversation, Turn
from conversations.formats.markup import plain_words
from conversations.formats.options import ReadingOptions
from conversations.formats.tables.silence import says_something
from conversations.mail import own_message
from conversations.reading.uploads import received, uploaded_records
from crm.deals import NOTE_BEGINS, Said
from foundations.errors import InputError

Side = Literal["seller", "customer"]
_AS_IT_IS = ReadingOptions()


class Activity(NamedTuple):
    """One record: `words` is the column that holds them."""

    record_id: str
    record: Mapping[str, Any]  # as the API answers it, with the deal that it belongs to
    words: str
    side: Side | None = None  # of a mail: who wrote it


def said_in(activities: Iterable[Activity], what: str) -> Said:
    """What was said in one deal, without our own note. what: the CRM, for messages."""
    conversations: list[Conversation] = []
    note_id = None
    for activity in activities:
        words = plain_words(activity.words).lstrip()
        if words.startswith(NOTE_BEGINS):
            note_id = activity.record_id
        elif says_something(words):
            try:
                conversations.append(_conversation(activity, what))
            except InputError as error:
                return Said(problem=str(error))
    return Said(conversations, note_id)


def _conversation(activity: Activity, what: str) -> Conversation:
    written = json.dumps(activity.record).encode()
    (found,) = received(uploaded_records, written, f"{what} {activity.record_id}", _AS_IT_IS).conversations
    return _by_its_writer(found, activity.side)


def _by_its_writer(conversation: Conversation, side: Side | None) -> Conversation:
    """A mail as its writer's turn, where it is known which side wrote it."""
    text = conversation.transcript
    if side is None or text is None or conversation.turns:
        return conversation
    own = own_message(text).strip() or text.strip()
    return conversation.model_copy(update={"transcript": None, "turns": [Turn(speaker=side, text=own)]})
