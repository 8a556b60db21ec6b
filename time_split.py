"""Splits conversations by time: train on the past, test on the most recent, as the model will be used.

It deals by date alone; groups may lie on both sides, which `conversation_split` warns of. Conversations of one moment
stay together, so that nothing in a later part is as old as something in an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conversation import Conversation
from conversation_dates import moment_of
from foundations.errors import InputError


def deal_by_time(labelled: Sequence[Conversation], shares: Mapping[str, float]) -> dict[str, list[Conversation]]:
    """The conversations of each split, oldest first; `shares` names the splits from the oldest to the most recent.

    Each cut is the one between two moments that is nearest to its share. Raises InputError for a missing or bad date,
    and where there are fewer different moments than splits.
    """
    dated = sorted(((moment_of(conversation), conversation) for conversation in labelled), key=lambda pair: pair[0])
    cuts = [n for n in range(1, len(dated)) if dated[n - 1][0] < dated[n][0]]  # places where time goes on
    if len(cuts) < len(shares) - 1:
        raise InputError(
            f"The {len(dated)} labelled conversations have {len(cuts) + 1} different dates; a split by time needs at "
            f"least {len(shares)}."
        )
    ends = _ends(cuts, list(shares.values()), len(dated))
    starts = [0, *ends[:-1]]
    return {
        name: [conversation for _, conversation in dated[start:end]]
        for name, start, end in zip(shares, starts, ends, strict=True)
    }


def _ends(cuts: Sequence[int], shares: Sequence[float], total: int) -> list[int]:
    """Where each split ends, from the most recent back, so that its share is the one kept most exactly."""
    ends = [total]
    wanted = float(total)
    for left in range(len(shares) - 1, 0, -1):  # how many splits come before this end
        wanted -= shares[left] / sum(shares) * total
        possible = [cut for cut in cuts[left - 1 :] if cut < ends[0]]
        ends.insert(0, min(possible, key=lambda cut: abs(cut - wanted)))
    return ends
