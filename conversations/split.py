"""Splits labelled conversations into train, validation and test: by group, or by time.

By group it stratifies by outcome and never cuts through a group. Groups are dealt one by one to the split that lacks
most of what the group holds, in a seeded random order, so equal groups give exact shares (200 conversations in 20 groups
of 10: 140, 20, 40). By time it trains on the past and tests on the most recent, as the model will be used; it deals by
date alone, and conversations of one moment stay together. Either way it warns of what would make the figures flatter:
a group, or nearly the same text, in two splits. Costs about a second for 5,000.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from conversations.conversation import Conversation, Outcome
from conversations.dates import moment_of
from conversations.near_duplicates import copies_of
from foundations.errors import InputError

SplitBy = Literal["group", "time"]
SPLIT_WAYS: tuple[SplitBy, ...] = get_args(SplitBy)
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
LEARNED_FROM = ("train", "validation")  # a model decides by validation when to stop, and then learns from both
FEWEST_PER_CLASS = 10
ENOUGH_PER_CLASS = 40
_CLASSES: tuple[Outcome, ...] = ("successful", "failed")


@dataclass
class DataSplits:
    """Labelled conversations, no group of which lies in two splits unless the data said so itself."""

    train: list[Conversation]
    validation: list[Conversation]
    test: list[Conversation]
    warnings: list[str] = field(default_factory=list)

    @property
    def learned_from(self) -> list[Conversation]:
        """The conversations of LEARNED_FROM."""
        return [conversation for name in LEARNED_FROM for conversation in self.part(name)]

    def part(self, name: str) -> list[Conversation]:
        """The split "train", "validation" or "test"."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def split_conversations(conversations: Sequence[Conversation], seed: int = 42, by: SplitBy = "group") -> DataSplits:
    """Splits the labelled conversations 70/10/20; open deals are left out.

    By group a record's own `split` is kept; by time it is not, and `seed` plays no part. Raises InputError with fewer
    than 10 conversations of a class, where a split would lack a class, and by time for a missing or bad `date`.
    """
    labelled = [conversation for conversation in conversations if conversation.outcome is not None]
    if conversations and not labelled:
        raise InputError(_without_outcomes(conversations))
    warnings = _check_class_counts(labelled)
    if by == "time":
        parts = deal_by_time(labelled, SHARES)
        if any(conversation.split for conversation in labelled):
            warnings.append("The data's own 'split' field is not used: it is split by time, as asked.")
    else:
        parts = {name: [c for c in labelled if c.split == name] for name in SHARES}
        _deal_groups(labelled, parts, seed)
    _check_every_split_has_both_classes(parts, by)
    warnings += _repeated_ids(labelled) + _groups_on_both_sides(parts) + _copies_on_both_sides(parts)
    return DataSplits(parts["train"], parts["validation"], parts["test"], warnings)


def _without_outcomes(conversations: Sequence[Conversation]) -> str:
    """What to say of data in which no deal is closed, with the fields that may say how they ended."""
    others = sorted({name for conversation in conversations for name in conversation.model_extra or {}} - {"date"})
    found = f" (other fields: {', '.join(repr(name[:40]) for name in others[:12])})" if others else ""
    return (
        f"None of the {len(conversations)} conversations has an outcome; training needs closed deals. Name the column that "
        f"says how they ended, as in --column outcome=Stage{found}."
    )


def _check_class_counts(labelled: Sequence[Conversation]) -> list[str]:
    counts = Counter(conversation.outcome for conversation in labelled)
    told = f"{counts['successful']} successful and {counts['failed']} failed"
    fewest = min(counts[outcome] for outcome in _CLASSES)
    if fewest < FEWEST_PER_CLASS:
        raise InputError(f"There are {told} conversations; training needs at least {FEWEST_PER_CLASS} of each.")
    if fewest < ENOUGH_PER_CLASS:
        return [f"There are only {told} conversations; below {ENOUGH_PER_CLASS} of each, expect unreliable figures."]
    return []


def _groups_on_both_sides(parts: dict[str, list[Conversation]]) -> list[str]:
    """Of groups in two splits: those that the data's own 'split' field put there, or the calendar."""
    places: dict[str, set[str]] = {}
    for name, members in parts.items():
        for conversation in members:
            places.setdefault(conversation.group_key, set()).add(name)
    shared = sorted(group for group, names in places.items() if len(names) > 1)
    if not shared:
        return []
    return [
        f"{len(shared)} groups (for example {shared[0]!r}) lie in more than one split; the test figures will flatter the "
        "models."
    ]


def _copies_on_both_sides(parts: dict[str, list[Conversation]]) -> list[str]:
    learned_from = [conversation for name in LEARNED_FROM for conversation in parts[name]]
    copies = copies_of(parts["validation"], parts["train"]) + copies_of(parts["test"], learned_from)
    if not copies:
        return []
    copy, original = copies[0]
    return [
        f"{len(copies)} validation or test conversations (for example {copy.conversation_id!r}) nearly repeat the words "
        f"of one that is learned from ({original.conversation_id!r}); the figures will flatter the models. Give such "
        "conversations the same 'group'."
    ]


def _deal_groups(labelled: Sequence[Conversation], parts: dict[str, list[Conversation]], seed: int) -> None:
    shares, pool = _shares_and_pool(labelled, parts)
    groups: dict[str, list[Conversation]] = {}
    for conversation in pool:
        groups.setdefault(conversation.group_key, []).append(conversation)
    counts = {name: Counter(c.outcome for c in parts[name]) for name in shares}
    totals = sum(counts.values(), Counter(c.outcome for c in pool))
    targets = {name: {c: shares[name] / sum(shares.values()) * totals[c] for c in _CLASSES} for name in shares}
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: -len(groups[group]))  # large groups first: small ones can then even things out
    for group in order:
        holds = Counter(conversation.outcome for conversation in groups[group])
        name = max(shares, key=lambda split: _lack(targets[split], counts[split], holds))
        parts[name] += groups[group]
        counts[name] += holds


def _shares_and_pool(
    labelled: Sequence[Conversation], parts: dict[str, list[Conversation]]
) -> tuple[dict[str, float], list[Conversation]]:
    """What is to be dealt, and to which splits: the records without a split of their own, to all three; where every
    record has one but a split is absent (train and test given, no validation), that split is dealt from train."""
    undecided = [conversation for conversation in labelled if conversation.split is None]
    absent = [name for name in SHARES if not parts[name]]
    if undecided or not absent:
        return SHARES, _without_followers(undecided, parts)
    pool, parts["train"] = parts["train"], []
    return {name: SHARES[name] for name in SHARES if name == "train" or name in absent}, pool


def _without_followers(undecided: Sequence[Conversation], parts: dict[str, list[Conversation]]) -> list[Conversation]:
    """Puts a conversation whose group has a split already into that one; gives those that are still to be dealt."""
    split_of = {conversation.group_key: name for name, members in parts.items() for conversation in members}
    for conversation in undecided:
        if conversation.group_key in split_of:
            parts[split_of[conversation.group_key]].append(conversation)
    return [conversation for conversation in undecided if conversation.group_key not in split_of]


def _lack(target: dict[Outcome, float], count: Counter[Outcome | None], holds: Counter[Outcome | None]) -> float:
    """How much of a split's target is still missing, in shares, weighted by what the group would bring."""
    return sum(holds[c] * (target[c] - count[c]) / target[c] for c in _CLASSES if target[c] > 0)


def _repeated_ids(labelled: Sequence[Conversation]) -> list[str]:
    counts = Counter(conversation.conversation_id for conversation in labelled if conversation.conversation_id)
    repeated = [name for name, count in counts.items() if count > 1]
    if not repeated:
        return []
    return [
        f"{len(repeated)} ids (for example {repeated[0]!r}) occur more than once; each of their conversations counts, and "
        "those without a group of their own are kept in one split."
    ]


def _check_every_split_has_both_classes(parts: dict[str, list[Conversation]], by: SplitBy) -> None:
    for name, members in parts.items():
        counts = Counter(conversation.outcome for conversation in members)
        lacking = [outcome for outcome in _CLASSES if not counts[outcome]]
        if lacking:
            everyone = [conversation for members in parts.values() for conversation in members]
            groups = len({conversation.group_key for conversation in everyone})
            share_ids = ", as conversations with one id are one group" if _repeated_ids(everyone) else ""
            why = f" ({groups} groups in all{share_ids})" if by == "group" else ", as the data lies in time"
            remedy = "give more groups, or set each record's 'split' yourself" if by == "group" else "split by group"
            raise InputError(f"The {name} split would hold no {' and no '.join(lacking)} conversation{why}; {remedy}.")


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
