"""Trials of models in production: what is stored of them, and which version is better by what became of the deals.

A shadow is asked about what the champion has answered: each deal gives a pair of losses. A split answers for its share of
the deals: chance has made two groups. The loss is the log loss of a deal's outcome, each probability clipped to CLIP …
1 − CLIP, so between 0.01 and 4.61; of several predictions of a deal the mean counts, as they share its outcome. The
interval of the difference is that of `learning.confidence_sequence`, so it may be looked at as often as one likes and
acted on at the first look without zero. It holds for all deals only if which outcomes come back does not depend on them.
Reads at most the newest MOST_SCORES scores of a trial.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import func, select

from answers.model_server import Challenger
from answers.served_versions import Trial, TrialRole, unit_of
from conversations.conversation import Conversation
from learning.confidence_sequence import FEWEST, FEWEST_OF_A_GROUP, Estimate, paired, unpaired
from learning.roles import CHAMPION
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import served_versions, trial_scores
from prediction_log.tables.predictions import feedback
from prediction_log.tables.rows import Record

CLIP = 0.01
MOST_SCORES = 20_000
MOST_TRIALS = 10  # that are told, the newest first
Winner = Literal["challenger", "champion"]


class TrialRequest(BaseModel):
    """Which version is compared with the champion, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [
                {"properties": {"role": {"const": "shadow"}, "share": {"type": "null"}}},
                {"properties": {"role": {"const": "split"}, "share": {"type": "number"}}, "required": ["share"]},
            ]
        },
    )

    version: str = Field(min_length=1, max_length=64, description="As GET /models lists them")
    role: TrialRole = Field(description="shadow: asked after each answer; split: answers for a share of the deals")
    share: float | None = Field(
        default=None,
        validate_default=True,
        description="Of a split: percent of the deals",
        json_schema_extra={
            "anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100}, {"type": "null"}]
        },
    )

    @field_validator("share")
    @classmethod
    def _fits_the_role(cls, value: float | None, info: ValidationInfo) -> float | None:
        role = info.data.get("role")
        if role == "split" and value is None:
            raise ValueError(
                "share is missing: a split needs the percent of the deals that it answers for, such as 10."
            )
        if role == "shadow" and value is not None:
            raise ValueError(f"share {value:g} is not for a shadow, which answers for no deal; leave it out.")
        if value is not None and not 0 < value < 100:
            raise ValueError(
                f"share {value:g} is out of range: a split takes more than 0 and less than 100 percent of the deals."
            )
        return value


class TrialStarted(BaseModel):
    """The answer to POST /models/{type}/trial."""

    model: str
    version: str
    role: TrialRole
    share: float | None
    champion: str = Field(description="The version it is compared with; kept by later starts from now on")
    notices: list[str] = Field(description="What one should know of the comparison, a sentence each")
    workers: int = Field(description="That run on this machine")
    workers_trying: int = Field(description="Of them, those that have it in memory already")

    @classmethod
    def of(cls, model: str, trial: Trial, champion: str, notices: list[str], workers: int, trying: int) -> Self:
        """That of a trial that has begun."""
        share = trial.share if trial.role == "split" else None
        return cls(
            model=model,
            version=trial.version,
            role=trial.role,
            share=share,
            champion=champion,
            notices=notices,
            workers=workers,
            workers_trying=trying,
        )


class TrialEnded(BaseModel):
    """The answer to DELETE /models/{type}/trial."""

    model: str
    version: str


class Experiment(BaseModel):
    """A trial, and what it says so far. Losses are log losses, the smaller the better."""

    trial_id: str
    model: str
    role: TrialRole
    share: float | None = Field(description="Of a split: percent of the deals")
    challenger: str
    champion: str
    since: datetime
    until: datetime | None = Field(description="Null while it runs")
    ended: str | None = Field(description="Why: promoted, ended, or another champion")
    deals: int = Field(description="That have ended and count")
    champion_deals: int = Field(description="Of them, those that the champion answered; of a shadow all")
    challenger_deals: int = Field(description="Of them, those that the challenger has judged; of a shadow all")
    waiting: int = Field(description="Deals of the trial whose outcome is not known")
    champion_loss: float | None = Field(description="Mean log loss of its deals")
    challenger_loss: float | None
    difference: float | None = Field(description="challenger_loss − champion_loss; below 0 the challenger is better")
    interval: tuple[float, float] | None = Field(
        description="95 % confidence sequence of the difference, valid at every look; null before enough deals have ended"
    )
    decided: Winner | None = Field(description="Who is better, once the whole interval lies on one side of 0")
    deals_needed: int | None = Field(
        description="How many more deals have to end until it is decided, should it go on like this; 0 where it is, null "
        "where it can't be said"
    )
    sentence: str = Field(description="The same for people")


class Experiments(BaseModel):
    """The answer to GET /experiments."""

    experiments: list[Experiment] = Field(description="Those that run first, then the newest")


def trial_score(
    model: str, challenger: Challenger, conversation: Conversation, prediction_id: str, version: str, probability: float
) -> Record | None:
    """A row of `trial_scores` for what a version answered; None where the answer is no part of the trial.

    Of a shadow the row lacks the challenger's probability, which costs a prediction.
    """
    unit = unit_of(conversation)
    row = {
        "prediction_id": prediction_id,
        "trial_id": challenger.trial.trial_id,
        "unit": hashlib.sha256((unit or prediction_id).encode("utf-8", "replace")).hexdigest(),
        "created_at": datetime.now(UTC),
    }
    if challenger.trial.role == "shadow":
        is_part = version == challenger.champion
        return {**row, "version": challenger.trial.version, "champion": probability} if is_part else None
    should = challenger.trial.version if unit and challenger.trial.takes(model, unit) else challenger.champion
    is_part = version == should or (unit is None and version == challenger.trial.version)
    return {**row, "version": version, "probability": probability, "champion": None} if is_part else None


def experiments(store: PredictionStore) -> Experiments:
    """Every trial and what it says so far. Raises StoreAwayError."""
    columns = served_versions.c
    wanted = select(served_versions).where(columns.role != CHAMPION)
    newest = wanted.order_by(columns.until.is_not(None), columns.since.desc()).limit(MOST_TRIALS)
    return Experiments(experiments=[_experiment(store, row) for row in store.rows(newest)])


def clipped_log_loss(probability: float, actual: str) -> float:
    """−ln of the probability of what happened, CLIP to 1 − CLIP."""
    said = probability if actual == "successful" else 1 - probability
    return -math.log(min(max(said, CLIP), 1 - CLIP))


def _experiment(store: PredictionStore, trial: Any) -> Experiment:
    is_split = trial.role == "split"
    scores = _ended_scores(store, trial.entry_id)
    if is_split:
        champion = _losses(scores, lambda one: None if one.version == trial.version else one.probability)
        challenger = _losses(scores, lambda one: one.probability if one.version == trial.version else None)
        found = unpaired(list(champion.values()), list(challenger.values()))
    else:
        champion = _losses(scores, lambda one: one.champion)
        challenger = _losses(scores, lambda one: one.probability)
        found = paired([challenger[unit] - champion[unit] for unit in challenger])
    deals = len(champion.keys() | challenger.keys())
    known = bool(champion and challenger)
    return Experiment(
        trial_id=trial.entry_id,
        model=trial.model,
        role=trial.role,
        share=trial.share,
        challenger=trial.version,
        champion=trial.against,
        since=trial.since,
        until=trial.until,
        ended=trial.ended,
        deals=deals,
        champion_deals=len(champion),
        challenger_deals=len(challenger),
        waiting=_units(store, trial.entry_id) - deals,
        champion_loss=_mean(champion.values()),
        challenger_loss=_mean(challenger.values()),
        difference=found.mean if known else None,
        interval=found.interval,
        decided=_winner(found),
        deals_needed=found.still_needed(),
        sentence=_sentence(found, min(len(champion), len(challenger)) if is_split else None),
    )


def _ended_scores(store: PredictionStore, trial_id: str) -> Sequence[Any]:
    columns = trial_scores.c
    wanted = select(columns.unit, columns.version, columns.probability, columns.champion, feedback.c.actual_outcome)
    joined = wanted.join(feedback, feedback.c.prediction_id == columns.prediction_id)
    return store.rows(
        joined.where(columns.trial_id == trial_id).order_by(columns.prediction_id.desc()).limit(MOST_SCORES)
    )


def _units(store: PredictionStore, trial_id: str) -> int:
    counted = select(func.count(trial_scores.c.unit.distinct())).where(trial_scores.c.trial_id == trial_id)
    return int(store.rows(counted)[0][0])


def _losses(scores: Iterable[Any], probability_of: Any) -> dict[str, float]:
    """The mean loss of each deal; probability_of: what of a score counts, None where it does not."""
    losses: dict[str, list[float]] = {}
    for score in scores:
        if (probability := probability_of(score)) is not None:
            losses.setdefault(score.unit, []).append(clipped_log_loss(probability, score.actual_outcome))
    return {unit: sum(of_unit) / len(of_unit) for unit, of_unit in losses.items()}


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _winner(found: Estimate) -> Winner | None:
    winners: dict[int, Winner] = {-1: "challenger", 1: "champion"}
    return winners.get(found.sign)


def _sentence(found: Estimate, of_smaller_group: int | None) -> str:
    if not found.is_enough:
        if of_smaller_group is None:
            return f"Nothing is said before {FEWEST} deals have ended: {found.count} have."
        return f"Nothing is said before {FEWEST_OF_A_GROUP} deals of each version have ended: {of_smaller_group} have."
    if winner := _winner(found):
        better = {"challenger": "The challenger is better", "champion": "The champion is better"}[winner]
        return f"{better}: its log loss is lower by {abs(found.mean):.3f} over {found.count:,} deals."
    needed = found.still_needed()
    if needed is None:
        return f"They can't be told apart after {found.count:,} deals, and no number of deals is in sight."
    return f"They can't be told apart after {found.count:,} deals; should it go on like this, {needed:,} more would."
