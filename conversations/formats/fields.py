"""Fields of other tools' files, read without trust: a value that is missing or of another kind is nothing, not an error.

Also what all call recorders share: sentences in order of time, and the company of the customers from their mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conversations.clock import seconds_of
from conversations.formats.turns import Spoken
from foundations.errors import InputError, described

FREE_MAIL = {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.de"}
KEPT_FIELDS = ("outcome", "group", "date", "split", "conversation_context")  # of ours, that a person may have added
# When a deal was closed, as `plain_name` gives the names of columns.
CLOSE_NAMES = frozenset(
    "closedate closed closedat closedon closeddate closingdate actualclosedate datewon datelost".split()
)


def in_order_of_time(spoken: Sequence[Spoken]) -> list[Spoken]:
    """By start where every one has it; people who talk at once come in monologues that overlap."""
    if all(one.start is not None for one in spoken):
        return sorted(spoken, key=lambda one: one.start or 0.0)
    return list(spoken)


def words_of(sentence: Mapping[str, Any], where: str) -> str:
    """The words of a sentence. Raises InputError, beginning with `where`, where they are no text."""
    text = next((sentence[key] for key in ("text", "sentence", "raw_text") if sentence.get(key) is not None), None)
    if not isinstance(text, str):
        raise InputError(f"{where}: a sentence has the text {described(text)}; it should be words.")
    return text


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def object_or_empty(value: Any) -> dict[str, Any]:
    """The value where it is an object."""
    return value if isinstance(value, dict) else {}


def seconds_in(value: Any, per_second: float = 1000) -> float | None:
    """Seconds from a number of parts of a second, milliseconds unless said otherwise; None for what is no such number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return seconds_of(value / per_second) if is_number and abs(value) < 1e18 else None


def text_or_empty(value: Any) -> str:
    """A text or a whole number as text."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def mail_domain(address: Any) -> str:
    """ "globex.example" of "ana@globex.example"; "" of what is no address."""
    return address.rpartition("@")[2].strip().lower() if isinstance(address, str) and "@" in address else ""


def only_domain(addresses: Iterable[Any]) -> str | None:
    """The company that all customers of a call are of: a group that must not be split."""
    domains = {mail_domain(address) for address in addresses} - {"", *FREE_MAIL}
    return domains.pop() if len(domains) == 1 else None


def without_none(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the fields that are not known."""
    return {key: value for key, value in record.items() if value is not None}


def plain_name(column: str) -> str:
    """A column's name without case, spaces and signs: "Deal Stage", "deal_stage" and "DEALSTAGE" are one."""
    return "".join(re.findall(r"[^\W_]+", column.casefold()))
