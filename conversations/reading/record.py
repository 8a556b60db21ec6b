"""One raw record of a file or a request as a conversation, or one sentence that says why it is none.

What a valid record is, `conversations.conversation` says; here is what a person is told about one that is not, without
the words of a customer, and what a conversation is called that came without an id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from conversations.conversation import Conversation
from foundations.errors import InputError, described, quoted

_SPOKEN = {"transcript", "turns", "text", "speaker", "conversations"}  # fields whose values are a customer's words
_ROW_ID = re.compile(r"row-\d+")


def conversation_from_record(record: Any, where: str) -> Conversation:
    """Validates one raw record; `where` ("deals.jsonl, line 7") starts the message of the InputError."""
    if not isinstance(record, dict):
        raise InputError(f"{where}: a conversation is an object with 'transcript' or 'turns', not {described(record)}.")
    try:
        return Conversation.model_validate(record)
    except ValidationError as error:
        raise InputError(f"{where}: {first_problem(error)}.") from error


def with_identifiers(conversations: Sequence[Conversation]) -> list[Conversation]:
    """Gives every conversation without an id its 1-based place in the file as id, e.g. "row-17"."""
    return [
        conversation if conversation.conversation_id else conversation.model_copy(update={"conversation_id": row_id(n)})
        for n, conversation in enumerate(conversations, start=1)
    ]


def row_id(number: int | str) -> str:
    """What a record without an id is called: by its place in the file, from 1."""
    return f"row-{number}"


def is_row_id(identifier: str) -> bool:
    """Whether an id was made up by `row_id`: it says nothing outside of its file, as every file has a row-1."""
    return _ROW_ID.fullmatch(identifier) is not None


def first_problem(error: ValidationError) -> str:
    """What pydantic found first, as the end of a sentence that quotes the bad value."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "literal_error":
        return f"{field} {quoted(problem['input'])} is not known; use {problem['ctx']['expected']}, or leave it out"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"]).rstrip(".")
    if problem["type"] == "missing":
        return f"{field} is missing"
    if problem["type"] in ("model_type", "model_attributes_type"):
        return f"{field} {shown_value(problem['loc'], problem['input'])} is wrong: it should be an object"
    shown = shown_value(problem["loc"], problem["input"])
    return f"{field} {shown} is wrong: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def shown_value(place: Sequence[int | str], value: Any) -> str:
    """A bad value for a message: quoted, but for what was said, by whom, and lists and objects, which may hold that."""
    names = [name for name in place if isinstance(name, str)]
    holds_words = isinstance(value, list | dict) or (names and names[-1] in _SPOKEN)
    return described(value) if holds_words else quoted(value)
