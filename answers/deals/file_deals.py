"""The open deals of a file: each as one conversation, with what is found in its words; no evidence, which takes long.

A deal that can't be read as one, being too long or contradicting itself, is told of, and its conversations stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from answers.deal_answer import assess_deal, logged_not_learned, moved_most
from answers.deal_reading import read_deal
from answers.deal_requests import DealReading
from answers.sources import Sources
from conversations.conversation import Conversation
from deals.deal import Deal, deal_of
from encoder.text_encoder import remembered_texts
from foundations.errors import InputError, UnavailableError, quoted
from foundations.long_work import check_deadline
from modelling.conversion_model import ConversionModel


class FileDeals(NamedTuple):
    """The deals that could be read, and a sentence for each that could not."""

    read: list[tuple[Deal, DealReading]]
    notices: list[str]


def deals_of_file(
    sources: Sources, model: ConversionModel, conversations: Sequence[Conversation], longest: int
) -> FileDeals:
    """Of deals none of whose conversations has ended. longest: characters of a whole deal."""
    of_deals: dict[str, list[Conversation]] = {}
    for one in conversations:
        if one.deal_id is not None:
            of_deals.setdefault(one.deal_id, []).append(one)
    deals, notices = [], []
    for deal_id, members in of_deals.items():
        if all(one.outcome is None for one in members):
            try:
                deals.append(_deal(deal_id, members, longest))
            except InputError as error:
                notices.append(f"{error} Its conversations stand for themselves on /deals.")
    try:
        read = [(deal, _reading(sources, model, deal)) for deal in deals]
    except UnavailableError:  # what finds signals: the ranking needs none
        return FileDeals([], notices)
    return FileDeals(read, [*notices, *logged_not_learned(model, deals)])


def _deal(deal_id: str, members: Sequence[Conversation], longest: int) -> Deal:
    deal = deal_of(deal_id, members)
    if (length := deal.whole.characters) > longest:
        raise InputError(
            f"The {len(members)} conversations of deal {quoted(deal_id)} have {length:,} characters together; this service "
            f"reads at most {longest:,} as one."
        )
    return deal


def _reading(sources: Sources, model: ConversionModel, deal: Deal) -> DealReading:
    check_deadline()
    with remembered_texts():
        assessed, after = assess_deal(model, deal)
        _, moved = moved_most(after)
        band, reliable = model.bands.band_of(assessed.probability), assessed.reliability == "ok"
        return read_deal(sources.signals.finder(), deal, after, moved, band, reliable)
