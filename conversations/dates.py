"""When a conversation took place: its `date` field, in ISO 8601 or as milliseconds since 1970.

A date without a time is its midnight, a time without a zone is UTC. It does not guess what 3/4/2024 means.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from conversations.conversation import Conversation
from foundations.errors import InputError

_SECONDS = re.compile(r"\d{9,10}(?:\.\d{1,9})?")
_LONGEST_DAY = len("2024-03-14")
_LAST_SECOND = 253_402_300_800  # of the year 9999


def moment_of(conversation: Conversation) -> datetime:
    """The conversation's `date` as a moment. Raises InputError where there is none, or where it is not ISO 8601."""
    written = (conversation.model_extra or {}).get("date")
    text = iso_date(written) or written
    if text is None or not str(text).strip():
        raise InputError(
            f"Conversation {conversation.conversation_id!r} has no date; to split by time every labelled conversation "
            "needs a 'date' such as 2024-03-14."
        )
    moment = _read(str(text))
    if moment is None:
        raise InputError(
            f"Conversation {conversation.conversation_id!r} has the date {str(text)[:60]!r}; write it as 2024-03-14 or "
            "2024-03-14T10:30."
        )
    return moment


def moment_in(written: Any) -> datetime | None:
    """The moment that a date says, written as `moment_of` takes it; None where it is none."""
    return _read(iso_date(written) or "")


def has_time(written: Any) -> bool:
    """Whether a date that `moment_in` reads says more than the day."""
    return len((iso_date(written) or "").strip()) > _LONGEST_DAY


def _read(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso_date(value: Any) -> str | None:
    """A date as other tools write it: milliseconds since 1970 (a number, or 12 digits and more) become ISO 8601, other
    text stays as it is. None for what is neither."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    digits = text.removesuffix(".0")
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 14):
        return text if text and isinstance(value, str) else None
    return datetime.fromtimestamp(int(digits) / 1000, tz=UTC).isoformat()


def seconds_since_1970(value: Any) -> float | None:
    """The moment that other tools write as seconds since 1970 (a number, or a text of one) or in ISO 8601; else None."""
    if isinstance(value, str) and not _SECONDS.fullmatch(value.strip()):
        try:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    number = float(value) if isinstance(value, str) else value
    return float(number) if 0 <= number < _LAST_SECOND else None


def iso_moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC of seconds since 1970, to the whole second."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), tz=UTC).isoformat()
