"""Folds for choices on training data: grouped and stratified, so that no group is on both sides. Needs scikit-learn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from conversations.conversation import Conversation, labels_of

_SET_ASIDE = 8  # folds, one of which is set aside


def group_folds(
    conversations: Sequence[Conversation], seed: int, folds: int = 5
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(kept, held-out) indices of each fold; no group is on both sides, unless there are fewer groups than folds."""
    labels = labels_of(conversations)
    folds = max(2, min(folds, int(np.bincount(labels, minlength=2).min())))
    groups = np.array([conversation.group_key for conversation in conversations])
    if len(set(groups)) >= folds:
        yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    else:
        yield from StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)


def set_aside(conversations: Sequence[Conversation], seed: int) -> tuple[list[Conversation], list[Conversation]]:
    """(the rest, about an eighth): for a caller that has one set of conversations and a model that asks for validation.

    Whole groups, unless that would leave either part without one of the outcomes.
    """
    labels = labels_of(conversations)
    whole_groups = group_folds(conversations, seed, _SET_ASIDE)
    by_outcome = StratifiedKFold(_SET_ASIDE, shuffle=True, random_state=seed).split(labels, labels)
    kept, held = next(
        (kept, held)
        for kept, held in itertools.chain(whole_groups, by_outcome)
        if len(set(labels[kept])) == len(set(labels[held])) == 2
    )
    return [conversations[index] for index in kept], [conversations[index] for index in held]
