"""The gate: whether a challenger may take the champion's place, by the most recent outcomes, which neither has seen.

Let d = L(challenger) − L(champion), the difference of mean log losses in nats on the same held-out outcomes. A challenger is
promoted only if the upper end of d's 95 % interval (paired bootstrap by group, `probability.confidence`) is below THRESHOLD.
So it need not be better, which a few dozen outcomes can't show, but it must not be noticeably worse.

No comparison shows that all outcomes are turned round: a model that learned from turned ones looks better on turned ones. It
shows in the champion, which then ranks them worse than a coin with its whole interval; that is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from probability.confidence import bootstrap_intervals, paired_bootstrap_difference
from probability.metrics import classification_metrics

THRESHOLD = 0.02  # nats of log loss
FEWEST_OF_EACH = 10  # held-out outcomes of each kind
_COIN = 0.5  # ROC AUC

Probabilities = NDArray[np.float64]


class Verdict(NamedTuple):
    """What the gate says, and by which figures."""

    passed: bool
    reason: str  # a sentence
    champion_loss: float | None = None  # mean log loss in nats; None where there were too few to judge
    challenger_loss: float | None = None
    difference: float | None = None  # challenger − champion
    interval: tuple[float, float] | None = None  # of it, 95 %


def too_few(held_out: Sequence[Conversation], fresh: int) -> Verdict | None:
    """A refusal where not enough is held out to judge by; None where there is."""
    successful = sum(one.label for one in held_out)
    failed = len(held_out) - successful
    if min(successful, failed) >= FEWEST_OF_EACH:
        return None
    return Verdict(
        False,
        f"Too few outcomes: of the {fresh} that the champion has not learned from, the most recent {len(held_out)} are held "
        f"out, {successful} successful and {failed} failed; at least {FEWEST_OF_EACH} of each are needed.",
    )


def judged(held_out: Sequence[Conversation], champion: Probabilities, challenger: Probabilities) -> Verdict:
    """champion, challenger: (n,) what each says of the n held-out conversations, in [0, 1]; of these both outcomes."""
    labels, groups = labels_of(held_out), [one.group_key for one in held_out]
    losses = [classification_metrics(labels, said)["log_loss"] for said in (champion, challenger)]
    found = paired_bootstrap_difference(labels, challenger, champion, "log_loss", groups)
    assert found is not None  # log loss needs no second outcome
    difference, low, high = found
    ranking = bootstrap_intervals(labels, champion, groups).get("roc_auc", (_COIN, 1.0))
    if ranking[1] < _COIN:
        passed, reason = False, _contradicted(len(held_out), ranking[1])
    elif high < THRESHOLD:
        passed, reason = True, f"Not worse: {_upper(high)} is below {THRESHOLD:+.2f}."
    else:
        passed, reason = False, f"May be worse: {_upper(high)} is not below {THRESHOLD:+.2f}."
    return Verdict(passed, reason, losses[0], losses[1], difference, (low, high))


def _upper(high: float) -> str:
    return f"the upper end of the loss difference's 95 % interval, {high:+.3f},"


def _contradicted(count: int, highest: float) -> str:
    return (
        f"The {count} most recent outcomes contradict all that was learned before: the champion ranks them worse than a coin "
        f"(ROC AUC at most {highest:.2f} at 95 %); see whether won and lost are exchanged."
    )
