"""One message a row, in a table or in JSON lines: rows of one conversation, by its id, become a record with turns.

They are ordered by time where every row of a conversation has one that is understood, else they stay as they stand. Who
sells is taken from a role, a flag or a direction where there is one, and from names that say so. What a column is called
and may mean is told by `conversations.formats.tables.names`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conversations.clock import seconds_of
from conversations.conversation import SIDES, canonical_speaker
from conversations.formats.fields import plain_name, text_or_empty
from conversations.formats.notices import notice
from conversations.formats.options import ReadingOptions
from conversations.formats.outcomes import OutcomeReader
from conversations.formats.tables.names import MessageColumns
from conversations.formats.turns import Spoken, merged_turns
from foundations.errors import InputError

Rows = Sequence[tuple[str, Mapping[str, Any]]]
_TRUE, _FALSE = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}
_DIRECTIONS = {"inbound": "customer", "incoming": "customer", "in": "customer", "received": "customer"}
_DIRECTIONS |= {"outbound": "seller", "outgoing": "seller", "out": "seller", "sent": "seller"}
_LATEST = 1e10  # seconds since 1970: the year 2286
_ORDERS = ("turn", "sequence", "seq", "order", "position", "index")  # count messages, no seconds


def id_column(rows: Rows, columns: MessageColumns, options: ReadingOptions) -> str | None:
    """The column whose values come again and again, each for one conversation; None where a row is a conversation.

    Who names the column of the speakers says that rows are messages.
    """
    if not any(_speaks(row, columns) for _, row in rows):
        return None
    for column in columns.ids:
        values = [value for _, row in rows if (value := text_or_empty(row.get(column)))]
        if len(set(values)) < len(values):
            return column
    return columns.ids[0] if "speaker" in options.columns else None


def conversations_of(rows: Rows, columns: MessageColumns, id_name: str, path: Path) -> list[tuple[str, Rows]]:
    """The rows of each conversation by its id, in the order of their first rows; those without an id are left out."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for where, row in rows:
        found.setdefault(text_or_empty(row.get(id_name)), []).append((where, row))
    if nameless := found.pop("", []):
        notice(path, f"{len(nameless)} of {len(rows)} rows have nothing in {id_name!r} and are left out.")
    if silent := sum(not _words(row, columns) for _, rows_ in found.items() for _, row in rows_):
        notice(path, f"{silent} of {len(rows)} messages have no words in {columns.words!r} and are left out.")
    notice(path, f"{len(rows)} rows are read as the messages of {len(found)} conversations, by {id_name!r}.")
    return list(found.items())


def spoken_turns(rows: Rows, columns: MessageColumns) -> list[dict[str, Any]]:
    """The turns of one conversation's rows, in order of time."""
    times = _times([text_or_empty(row.get(columns.time or "")) for _, row in rows])
    order = sorted(range(len(rows)), key=times.__getitem__) if times else range(len(rows))
    says_when = not plain_name(columns.time or "").startswith(_ORDERS) and len(set(times)) > 1
    first = min(times, default=0.0)
    begin = 0.0 if first < 1e6 else first  # moments become seconds since the first message
    starts = [round(time - begin, 3) for time in times] if says_when else [None] * len(rows)
    return merged_turns(
        Spoken(_name(rows[n][1], columns), _words(rows[n][1], columns), _side(rows[n][1], columns), starts[n])
        for n in order
    )


def first_moment(rows: Rows, columns: MessageColumns) -> str | None:
    """When the first message was sent, in ISO 8601, where times are dates."""
    written = [text_or_empty(row.get(columns.time or "")) for _, row in rows]
    moments = [moment for text in written if (moment := _moment(text)) is not None]
    return datetime.fromtimestamp(min(moments), tz=UTC).isoformat() if len(moments) == len(rows) else None


def conversation_cells(rows: Rows, columns: MessageColumns, fields: Iterable[str]) -> dict[str, Any]:
    """What is said of a conversation as a whole: of `fields` the first value, of others one that no row contradicts."""
    of_messages = {columns.words, columns.speaker, columns.role, columns.time}
    found: dict[str, Any] = {}
    differing: set[str] = set()
    for name, value in (item for _, row in rows for item in row.items()):
        if value not in (None, "") and found.setdefault(name, value) != value:
            differing.add(name)
    left_out = of_messages | (differing - set(fields))
    return {name: value for name, value in found.items() if name not in left_out}


def one_outcome(
    name: str, rows: Rows, outcome_of: Callable[[Mapping[str, Any], str], str | None], reader: OutcomeReader, path: Path
) -> str | None:
    """How a conversation ended, by those of its rows that say it; two that contradict each other are not understood."""
    said: dict[str, str] = {}
    for where, row in rows:
        if (outcome := outcome_of(row, where)) is not None:
            said.setdefault(outcome, where.removeprefix(f"{path}, "))
    if len(said) < 2:
        return next(iter(said), None)
    why = (
        f"{path}: the conversation {name[:60]!r} is won in {said['successful']} and lost in {said['failed']}; say one."
    )
    reader.not_understood(name, InputError(why))
    return None


def _words(row: Mapping[str, Any], columns: MessageColumns) -> str:
    return text_or_empty(row.get(columns.words))


def _name(row: Mapping[str, Any], columns: MessageColumns) -> str:
    for column in (columns.speaker, columns.role):
        value = row.get(column or "")
        if isinstance(value, dict):
            value = next((value[key] for key in ("name", "display_name", "id", "role") if value.get(key)), "")
        if name := text_or_empty(value):
            return name
    return _side(row, columns)


def _side(row: Mapping[str, Any], columns: MessageColumns) -> str:
    """ "seller" or "customer" where a role, a flag or the direction says it, else ""."""
    role = canonical_speaker(text_or_empty(row.get(columns.role or "")))
    if role in SIDES:
        return role
    for column, yes, no in ((columns.agent, "seller", "customer"), (columns.customer, "customer", "seller")):
        flag = str(row.get(column or "", "")).casefold().removesuffix(".0")
        if flag in _TRUE | _FALSE:
            return yes if flag in _TRUE else no
    return _DIRECTIONS.get(plain_name(text_or_empty(row.get(columns.direction or ""))), "")


def _speaks(row: Mapping[str, Any], columns: MessageColumns) -> bool:
    return bool(_name(row, columns) and _words(row, columns))


def _times(written: Sequence[str]) -> list[float]:
    """Seconds after the start, places in a sequence, or moments; none where one is not understood."""
    for read in (seconds_of, _moment):
        times = [time for text in written if (time := read(text)) is not None]
        if times and len(times) == len(written):
            return times
    return []


def _moment(text: str) -> float | None:
    """Seconds since 1970 of ISO 8601, or of seconds or milliseconds since then; what 3/4/2024 means is not guessed."""
    digits = text.removesuffix(".0")
    if digits.isascii() and digits.isdigit():
        return float(digits) / (1000 if len(digits) >= 12 else 1) if 9 <= len(digits) <= 13 else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return seconds if 0 <= seconds < _LATEST else None
