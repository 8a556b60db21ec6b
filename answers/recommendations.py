"""Next best actions: which rules of `recommendation_rules.json` hold for a conversation, most urgent first.

The wording and the conditions are in that file, for a sales manager to edit; here they are checked, once when the
service starts, and matched. Every action names what triggered it. Costs microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from answers.analysis import TITLES, ConversationAnalysis
from conversations.conversation import Outcome
from foundations.rule_files import read_rule_file
from probability.bands import BAND_NAMES, Band, BandName

RULES_FILE = Path(__file__).parent / "recommendation_rules.json"
Urgency = Literal["today", "this week", "this month"]
Trigger = Literal["risk", "indicator", "missing", "band", "similar"]
URGENCIES: tuple[Urgency, ...] = get_args(Urgency)
MOSTLY = 2 / 3  # share of the similar deals from which they count as mostly won or lost
FEWEST_SIMILAR = 3  # closed deals that are similar enough; fewer say nothing
LEAST_SIMILARITY = 0.5  # cosine, where the file names none
# A signal that was said counts for another, too: who knows the way to the decision has spoken of who decides.
_SPEAKS_OF = {"decision_process": "authority", "urgency": "timeline"}
_TRIGGERS: dict[Trigger, tuple[str, ...]] = {
    "risk": tuple(TITLES),
    "indicator": tuple(TITLES),
    "missing": tuple(TITLES),
    "band": BAND_NAMES,
    "similar": ("mostly_successful", "mostly_failed"),
}


class Rule(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, str_strip_whitespace=True)

    when: Annotated[dict[Trigger, str], Field(min_length=1, max_length=1)]  # which risk, indicator, … it is for
    action: Annotated[str, Field(min_length=1)]
    urgency: Urgency
    topic: Annotated[str, Field(min_length=1), AfterValidator(str.lower)]  # at most one action a topic is recommended
    bands: Annotated[list[BandName], Field(min_length=1)] = list(BAND_NAMES)  # where it applies

    @property
    def cause(self) -> tuple[Trigger, str]:
        """The trigger and which one of its kind."""
        return next(iter(self.when.items()))

    @field_validator("when")
    @classmethod
    def _name_is_known(cls, when: dict[Trigger, str]) -> dict[Trigger, str]:
        for trigger, name in when.items():
            if name not in _TRIGGERS[trigger]:
                raise ValueError(f"when.{trigger} is {name!r}; use {', '.join(_TRIGGERS[trigger])}")
        return when


class RuleTable(BaseModel):
    """The checked file."""

    model_config = ConfigDict(strict=True, frozen=True)

    rules: Annotated[list[Rule], Field(min_length=1)]
    most: Annotated[int, Field(ge=1)]  # actions at once
    least_similarity: Annotated[float, Field(ge=0, le=1)] = LEAST_SIMILARITY  # cosine from which a similar deal counts

    @model_validator(mode="after")
    def _alike_actions_have_one_topic(self) -> Self:
        """Two rules of different topics can be recommended together, so their actions must differ."""
        first: dict[str, tuple[int, str]] = {}
        for n, rule in enumerate(self.rules, start=1):
            words = "".join(character for character in rule.action.lower() if character.isalnum())
            number, topic = first.setdefault(words, (n, rule.topic))
            if topic != rule.topic:
                raise ValueError(
                    f"the action of rule {n} is that of rule {number}; give both the same topic, so that only one is "
                    "recommended, or reword one"
                )
        return self


class SimilarDeal(NamedTuple):
    """How a deal ended that is like this one."""

    outcome: Outcome | None  # None: it is open, and counts for nothing
    similarity: float  # cosine


@dataclass(frozen=True)
class Recommendation:
    """One of the recommendations, in parts."""

    action: str
    urgency: Urgency
    trigger: Trigger
    name: Annotated[str, Field(description="Which signal, band or majority of similar deals")]
    reason: str

    @property
    def line(self) -> str:
        """What a person reads."""
        return f"{self.action} ({self.urgency}) — because {self.reason}"


def recommend(
    table: RuleTable,
    analysis: ConversationAnalysis,
    band: Band,
    similar: Sequence[SimilarDeal] = (),
    reliable: bool = True,
) -> list[Recommendation]:
    """At most `table.most` actions, the most urgent first and those of one urgency in the order of the file.

    reliable: whether the probability is; one that is not recommends nothing for its band, nor for similar deals, as a
    conversation that is unlike those trained on resembles none of them. Of the rules of one topic, the most urgent that
    holds is taken.
    """
    near = [deal for deal in similar if deal.similarity >= table.least_similarity]
    doubtful = {**_band(band), **_similar(near)} if reliable else {}
    reasons = {**_said(analysis), **_missing(analysis), **doubtful}
    holding = [rule for rule in table.rules if rule.cause in reasons and band.name in rule.bands]
    by_topic: dict[str, Rule] = {}
    for rule in sorted(holding, key=lambda rule: URGENCIES.index(rule.urgency)):
        by_topic.setdefault(rule.topic, rule)
    return [
        Recommendation(rule.action, rule.urgency, *rule.cause, reasons[rule.cause])
        for rule in list(by_topic.values())[: table.most]
    ]


@cache
def read_rules(path: Path = RULES_FILE) -> RuleTable:
    """Reads and checks the table. Raises InputError with the file, the rule and the field that is wrong."""
    return read_rule_file(path, RuleTable)


Reasons = dict[tuple[Trigger, str], str]  # why, by trigger and name


def _said(analysis: ConversationAnalysis) -> Reasons:
    """The first finding of a signal is its reason: a quote comes before what the CRM says."""
    reasons: Reasons = {}
    for finding in analysis.findings:
        title = finding.line.partition(" ")[2]  # without the picture
        trigger: Trigger = "indicator" if finding.favourable else "risk"
        reasons.setdefault((trigger, finding.signal), title[0].lower() + title[1:])
    return reasons


def _missing(analysis: ConversationAnalysis) -> Reasons:
    """None in a language in which most signals are overlooked: what was not found may well have been said."""
    if analysis.language_note:
        return {}
    said = {finding.signal for finding in analysis.findings if finding.is_said} | analysis.mentioned
    found = {finding.signal for finding in analysis.findings} | said
    found |= {_SPEAKS_OF[name] for name in said if name in _SPEAKS_OF}
    return {("missing", name): f"no clear word on: {name.replace('_', ' ')}" for name in TITLES if name not in found}


def _band(band: Band) -> Reasons:
    if not band.conversations:
        return {("band", band.name): f"the probability lies in band {band.name}"}
    low, high = band.interval
    share = f"{band.successful} of {band.conversations} converted in band {' and '.join(band.shared_by)}"
    return {("band", band.name): f"{share} (95 % interval {100 * low:.0f}–{100 * high:.0f} %)"}


def _similar(deals: Sequence[SimilarDeal]) -> Reasons:
    closed = [deal.outcome for deal in deals if deal.outcome is not None]
    reasons: Reasons = {}
    if len(closed) < FEWEST_SIMILAR:
        return reasons
    for outcome, ended in (("successful", "won"), ("failed", "lost")):
        count = sum(one == outcome for one in closed)
        if count / len(closed) >= MOSTLY:
            share = f"all {count}" if count == len(closed) else f"{count} of the {len(closed)}"
            reasons["similar", f"mostly_{outcome}"] = f"{share} most similar deals were {ended}"
    return reasons
