"""What recorders of meetings have in common: passages of what was said, people, and a record of ours made of them.

A recorder's module says where its file has these. Titles, summaries and action items are not words of the meeting; they are
not read. It does not know how a deal ended; "outcome" and the like that somebody added to a meeting are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from conversations.clock import LONGEST, seconds_of
from conversations.dates import iso_date
from conversations.formats.fields import KEPT_FIELDS, in_order_of_time, text_or_empty, without_none
from conversations.formats.recordings.people import Person, company_of, sides_by_name
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError, described


class Passage(NamedTuple):
    """What somebody said at once."""

    name: str
    text: Any  # judged by `meeting_record`
    start: Any = None  # seconds as a number or "0:03", or a moment in ISO 8601 or in milliseconds since 1970
    end: Any = None
    mail: str = ""
    side: str = ""  # "seller" or "customer" where the recorder says it of this passage


class Meeting(NamedTuple):
    """A meeting as a recorder's file has it."""

    passages: Sequence[Passage]
    people: Sequence[Person] = ()  # with their sides
    identifier: Any = None
    date: Any = None
    company: str | None = None  # of the customers, where their addresses do not say it
    deal_id: str | None = None


def meeting_record(meeting: Meeting, source: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A record of ours. source: the meeting's object in the file, of which fields of ours are kept.

    Raises InputError, beginning with `where`, for a passage whose words are no text.
    """
    by_mail = {person.mail: person.side for person in meeting.people if person.mail}
    by_name = sides_by_name((one.name for one in meeting.passages), meeting.people)
    times = seconds_after_first([moment for one in meeting.passages for moment in (one.start, one.end)])
    spoken = [
        Spoken(
            one.name,
            _words(one.text, where),
            one.side or by_mail.get(one.mail, "") or by_name.get(one.name, ""),
            start,
            end,
        )
        for one, start, end in zip(meeting.passages, times[::2], times[1::2], strict=True)
    ]
    record = {
        "conversation_id": text_or_empty(meeting.identifier),
        "turns": merged_turns(in_order_of_time(spoken)),
        "group": company_of(meeting.people) or meeting.company,
        "deal_id": meeting.deal_id,
        "date": iso_date(meeting.date),
    }
    return without_none(record | {key: source[key] for key in KEPT_FIELDS if key in source and key != "date"})


def _words(text: Any, where: str) -> str:
    if text is not None and not isinstance(text, str):
        raise InputError(f"{where}: a passage has the text {described(text)}; it should be words.")
    return text or ""


def seconds_after_first(moments: Sequence[Any]) -> list[float | None]:
    """Seconds after the call's start; where moments of the calendar are given, after the first of them."""
    offsets = [seconds_of(moment) for moment in moments]
    if any(offset is not None for offset in offsets):
        return offsets
    stamps = [_timestamp(moment) for moment in moments]
    first = min((stamp for stamp in stamps if stamp is not None), default=0.0)
    return [None if stamp is None else seconds_of(round(stamp - first, 3)) for stamp in stamps]


def _timestamp(moment: Any) -> float | None:
    """Seconds since 1970 of a moment in ISO 8601, in seconds or in milliseconds; None of anything else."""
    text = iso_date(moment)
    if text is None:
        is_seconds = isinstance(moment, int | float) and not isinstance(moment, bool) and LONGEST < moment < 1e11
        return float(moment) if is_seconds else None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def first_text(one: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these fields that is a text with words or a whole number; "" where none is."""
    return next((text for name in names if (text := text_or_empty(one.get(name)))), "")
