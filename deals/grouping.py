"""Conversations to deals: those with one `deal_id` are one deal, one without is a deal of its own.

What a person should know of it is told in sentences with counts, which the caller prints or answers. Before training,
conversations are left out that took place on the day of the close or after it, as these often say how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from conversations.conversation import Conversation
from conversations.dates import has_time, iso_date, moment_in
from conversations.formats.fields import CLOSE_NAMES, plain_name
from deals.deal import Deal, date_of, deal_of
from foundations.errors import quoted


class Deals(NamedTuple):
    """Deals, and what a person should know of them, a sentence each."""

    deals: list[Deal]
    notices: list[str]

    @property
    def wholes(self) -> list[Conversation]:
        """Each deal as one conversation."""
        return [deal.whole for deal in self.deals]


def deals_of(conversations: Iterable[Conversation]) -> Deals:
    """The deals, in the order of the first conversation of each. Raises InputError as `deals.deal.deal_of` does."""
    of_deals: dict[str, list[Conversation]] = {}
    found: list[tuple[str, list[Conversation]]] = []
    for one in conversations:
        if one.deal_id is None:
            found.append((one.conversation_id, [one]))
        elif one.deal_id in of_deals:
            of_deals[one.deal_id].append(one)
        else:
            found.append((one.deal_id, of_deals.setdefault(one.deal_id, [one])))
    deals = [deal_of(deal_id, members) for deal_id, members in found]
    copies = sum(len(members) for _, members in found) - sum(len(deal.conversations) for deal in deals)
    return Deals(deals, [*_copies(copies), *_order_notices([deal for deal in deals if len(deal.conversations) > 1])])


def before_close(deals: Deals) -> Deals:
    """The deals without the conversations of closed ones that took place on the day of the close or after it.

    The close is a field of the record (`close_date`, `closed` …), of several the latest. A deal that has no other date than
    that of its close, as in a table of deals, does not say when anything was said: it stays, and is told of.
    """
    kept: list[Deal] = []
    late: list[tuple[Deal, Conversation]] = []
    unsure = 0
    for deal in deals.deals:
        closes = [] if deal.whole.outcome is None else [text for one in deal.conversations for text in _closes(one)]
        close = max(closes, key=_moment, default=None)
        after = [one for one in deal.conversations if close and _is_on_or_after(date_of(one), close)]
        gone = [] if all(date_of(one) in _closes(one) for one in deal.conversations) else after
        unsure += len(after) - len(gone)
        late += [(deal, one) for one in gone]
        if (left := deal.without(gone)) is not None:
            kept.append(left)
    return Deals(kept, [*deals.notices, *_close_notices(late, len(deals.deals) - len(kept), unsure)])


def is_close(column: str) -> bool:
    """Whether a field or column of that name says when a deal was closed."""
    return plain_name(column.rpartition(".")[2]) in CLOSE_NAMES


def _closes(conversation: Conversation) -> list[str]:
    """When its record says that the deal was closed, as it was written; what is no date says nothing."""
    fields = (conversation.model_extra or {}).items()
    written = (iso_date(value) for name, value in fields if is_close(name))
    return [text for text in written if text is not None and moment_in(text)]


def _moment(written: str) -> datetime:
    moment = moment_in(written)
    assert moment is not None  # `_closes` gives no other
    return moment


def _is_on_or_after(date: str | None, close: str) -> bool:
    moment, closed = moment_in(date), _moment(close)
    if moment is None:
        return False
    return moment >= closed if has_time(date) and has_time(close) else moment.date() >= closed.date()


def _close_notices(late: Sequence[tuple[Deal, Conversation]], lost: int, unsure: int) -> Iterator[str]:
    if late:
        (deal, first), count = late[0], len({deal.deal_id for deal, _ in late})
        whole = f"; {lost:,} of these deals have no other and are left out altogether" if lost else ""
        yield (
            f"{len(late):,} conversations of {count:,} deals are left out, as they are dated on the day of the close or after "
            f"it (the first: {quoted(first.conversation_id)} of deal {quoted(deal.deal_id)}, {date_of(first)}){whole}."
        )
    if unsure:
        yield (
            f"{unsure:,} conversations are of deals with no other date than that of the close, so it is not known whether they "
            "were before it; they are kept."
        )


def _copies(count: int) -> Iterator[str]:
    if count:
        yield f"{count:,} conversations are left out, as their deal has them twice, with one id, date and the same words."


def _order_notices(deals: Sequence[Deal]) -> Iterator[str]:
    """Of deals of several conversations whose order is not known from their dates, and of ids that repeat."""
    undated = [(deal, one) for deal in deals for one in deal.conversations if moment_in(date_of(one)) is None]
    tied = [(deal, one) for deal in deals for one, other in pairwise(deal.conversations) if _same_moment(one, other)]
    repeated = [(deal, one) for deal in deals for one in _repeated(deal)]
    if undated:
        yield f"{_told(undated)} no date that can be read; they stand before the dated ones, in the order of their ids."
    if tied:
        yield f"{_told(tied)} the moment of another one of the deal; such stand in the order of their ids."
    if repeated:
        yield f"{_told(repeated)} the id of another one of the deal and other words; each of them counts."


def _told(found: Sequence[tuple[Deal, Conversation]]) -> str:
    deal, first = found[0]
    count = len({deal.deal_id for deal, _ in found})
    named = f"the first: {quoted(first.conversation_id)} of deal {quoted(deal.deal_id)}"
    return f"{len(found):,} conversations of {count:,} deals ({named}) have"


def _same_moment(one: Conversation, other: Conversation) -> bool:
    moment = moment_in(date_of(one))
    return moment is not None and moment == moment_in(date_of(other))


def _repeated(deal: Deal) -> list[Conversation]:
    """Those whose id one before them has."""
    first: dict[str, Conversation] = {}
    return [
        one
        for one in deal.conversations
        if one.conversation_id and first.setdefault(one.conversation_id, one) is not one
    ]
