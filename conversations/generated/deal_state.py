"""The latent state of a generated deal, and how its outcome follows from it.

A deal leans towards a sale or away from it. A few of seven signals come up; each agrees with the lean with
probability AGREEMENT, so most deals also hold something that points the other way. Only this state decides:

    score       = sum of SIGNAL_WEIGHTS[s] * state[s]       state[s] is +1 (favourable), -1 (against) or absent
    P(success)  = 1 / (1 + exp(-steepness * score))

`steepness` is solved so that the outcome goes against the sign of the score with expected probability `noise`; the best
reachable accuracy is therefore 1 - noise. Deals with |score| < MARGIN are redrawn: a deal without a direction is still
open, and nobody could call it. Text and randomness of names live in `generate_sales_data`. Exact, no sampling; solving
for the steepness enumerates a few hundred states (milliseconds, cached).
"""

from __future__ import annotations

import itertools
import math
import random
from functools import lru_cache

from foundations.errors import InputError

DealState = dict[str, int]  # signal -> +1 favourable, -1 against; a signal that nobody raised is absent

SIGNAL_WEIGHTS = {
    "need": 1.0,
    "budget": 1.5,
    "authority": 1.5,
    "timeline": 1.0,
    "objection": 1.5,  # +1: raised and resolved, -1: raised and still standing
    "competitor": 1.0,
    "commitment": 2.0,  # always comes up: a closed deal ends with a step or with none
}
RAISED_BESIDE_COMMITMENT = (3, 4, 5, 6)  # equally likely
AGREEMENT = 0.88
MARGIN = 2.5
CONTEXT_AGREEMENT = 0.9  # how often the CRM field says the same as the signal that it records

_OTHER_SIGNALS = [name for name in SIGNAL_WEIGHTS if name != "commitment"]


def draw_deal_state(rng: random.Random) -> DealState:
    """One state with 4 to 7 signals and |score| >= MARGIN; both leans are equally likely."""
    while True:
        lean = rng.choice((1, -1))
        raised = rng.sample(_OTHER_SIGNALS, rng.choice(RAISED_BESIDE_COMMITMENT)) + ["commitment"]
        state = {name: lean if rng.random() < AGREEMENT else -lean for name in raised}
        if abs(deal_score(state)) >= MARGIN:
            return state


def deal_score(state: DealState) -> float:
    """The weighted sum of the signals, between -9.5 and 9.5."""
    return sum(SIGNAL_WEIGHTS[name] * value for name, value in state.items())


def success_probability(score: float, steepness: float) -> float:
    """P(successful) in [0, 1] for a score and a steepness >= 0; an infinite steepness gives 0 or 1."""
    if math.isinf(steepness):
        return float(score > 0)
    return 1.0 / (1.0 + math.exp(-steepness * score))


@lru_cache(maxsize=32)
def steepness_for_noise(noise: float) -> float:
    """The steepness at which E[min(p, 1 - p)] over all states equals `noise`; infinite for 0.

    Raises InputError unless 0 <= noise < 0.5.
    """
    if not 0.0 <= noise < 0.5:
        raise InputError(f"The noise {noise!r} is not a share of outcomes below one half; give 0 <= noise < 0.5.")
    if noise == 0.0:
        return math.inf
    low, high = 0.0, 1.0
    while expected_noise(high) > noise:
        high *= 2.0
    for _ in range(60):  # bisection: expected_noise falls as the steepness grows
        middle = (low + high) / 2.0
        low, high = (middle, high) if expected_noise(middle) > noise else (low, middle)
    return high


def expected_noise(steepness: float) -> float:
    """E[min(p, 1 - p)] over the states that `draw_deal_state` draws."""
    weights = score_distribution()
    return sum(weight * success_probability(-abs(score), steepness) for score, weight in weights.items())


@lru_cache(maxsize=1)
def score_distribution() -> dict[float, float]:
    """The probability of each score with |score| >= MARGIN, for a deal that leans to a sale (the other is its mirror)."""
    weights: dict[float, float] = {}
    for size in RAISED_BESIDE_COMMITMENT:
        combinations = list(itertools.combinations(_OTHER_SIGNALS, size))
        for raised in combinations:
            for values in itertools.product((1, -1), repeat=size + 1):
                score = deal_score(dict(zip((*raised, "commitment"), values, strict=True)))
                agreeing = values.count(1)
                chance = AGREEMENT**agreeing * (1.0 - AGREEMENT) ** (size + 1 - agreeing)
                if abs(score) >= MARGIN:
                    weights[score] = weights.get(score, 0.0) + chance / len(combinations)
    total = sum(weights.values())
    return {score: weight / total for score, weight in weights.items()}


def draw_context_levels(state: DealState, rng: random.Random) -> tuple[str, str]:
    """(budget_authority, urgency) as the CRM has them: evidence of the authority and the timeline signal, no more.

    A signal that did not come up leaves the field to chance.
    """
    authority = _recorded(state.get("authority", 0), rng)
    urgency = _recorded(state.get("timeline", 0), rng)
    return (
        rng.choices(("decision_maker", "influencer", "end_user"), (4, 2, 1) if authority > 0 else (1, 3, 3))[0],
        rng.choices(("high", "medium", "low"), (4, 2, 1) if urgency > 0 else (1, 2, 4))[0],
    )


def _recorded(value: int, rng: random.Random) -> int:
    if value == 0:
        return rng.choice((1, -1))
    return value if rng.random() < CONTEXT_AGREEMENT else -value
