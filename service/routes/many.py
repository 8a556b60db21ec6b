"""What is stored of many conversations that came at once: a prediction of each, and one more of each deal of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from conversations.conversation import Conversation
from deals.deal import moment_or_first, stored_of
from prediction_log.deal_readings import ReadDeal
from probability.bands import Prediction, prediction_of

Answered = tuple[str, Conversation, Prediction]


class StoredMany(NamedTuple):
    """The predictions by their ids."""

    ids: Mapping[int, str]  # of the conversations, by their place
    wholes: list[Answered]  # of deals of several, as POST /predict/deal stores them
    deals: dict[str, ReadDeal]  # what was found in deals; that of a single conversation goes with its prediction


def stored_of_many(kept: Sequence[Conversation], deals: Sequence[ReadDeal], ids: Iterator[str]) -> StoredMany:
    """Ids sort by time, and the newest prediction of a deal is what it stands at: so those of later conversations are
    greater, and those of whole deals the greatest.

    kept: as they are stored; deals: made of the same objects.
    """
    several = [read for read in deals if len(read.deal.conversations) > 1]
    drawn = sorted(next(ids) for _ in range(len(kept) + len(several)))
    in_time = sorted(range(len(kept)), key=lambda n: moment_or_first(kept[n]))
    of_conversations = dict(zip(in_time, drawn, strict=False))
    alone = {id(read.deal.conversations[0]): read for read in deals if len(read.deal.conversations) == 1}
    singles = {of_conversations[n]: alone[id(one)] for n, one in enumerate(kept) if id(one) in alone}
    wholes = dict(zip(drawn[len(kept) :], several, strict=True))
    answered = [(name, stored_of(read.deal), _prediction(read)) for name, read in wholes.items()]
    return StoredMany(of_conversations, answered, singles | wholes)


def _prediction(read: ReadDeal) -> Prediction:
    return prediction_of(read.reading.after[-1].probability)
