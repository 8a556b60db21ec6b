"""Next best actions: which rules of `recommendation_rules.json` hold for a conversation, most urgent first.

The wording and the conditions are in that file, for a sales manager to edit; here they are checked, once when the
service starts, and matched. Every action names what triggered it. Costs microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field

from answers.analysis import TITLES, ConversationAnalysis
from conversations.conversation import Outcome
from foundations.errors import InputError
from probability.bands import BAND_NAMES, Band

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
_FIELDS = {"when", "action", "urgency", "topic", "bands"}


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    trigger: Trigger
    name: str  # which risk, indicator, missing signal, band or majority
    action: str
    urgency: Urgency
    topic: str  # at most one action a topic is recommended
    bands: tuple[str, ...]  # where it applies


@dataclass(frozen=True)
class RuleTable:
    """The checked file."""

    rules: tuple[Rule, ...]
    most: int  # actions at once
    least_similarity: float = LEAST_SIMILARITY  # cosine from which a similar deal counts, 0 to 1


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
    holding = [rule for rule in table.rules if (rule.trigger, rule.name) in reasons and band.name in rule.bands]
    by_topic: dict[str, Rule] = {}
    for rule in sorted(holding, key=lambda rule: URGENCIES.index(rule.urgency)):
        by_topic.setdefault(rule.topic, rule)
    return [
        Recommendation(rule.action, rule.urgency, rule.trigger, rule.name, reasons[rule.trigger, rule.name])
        for rule in list(by_topic.values())[: table.most]
    ]


@cache
def read_rules(path: Path = RULES_FILE) -> RuleTable:
    """Reads and checks the table. Raises InputError with the file, the rule and the field that is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the rules {str(path)!r} ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path.name} is not valid JSON: {error}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list) or not content["rules"]:
        raise InputError(f"{path.name} must be an object with 'rules', a list of at least one rule.")
    most = content.get("most")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise InputError(f"{path.name}: most is {most!r}; it must be a whole number from 1 up.")
    least = content.get("least_similarity", LEAST_SIMILARITY)
    if not isinstance(least, int | float) or isinstance(least, bool) or not 0 <= least <= 1:
        raise InputError(f"{path.name}: least_similarity is {least!r}; it must be a number from 0 to 1.")
    rules = tuple(_rule(record, f"{path.name}, rule {n}") for n, record in enumerate(content["rules"], start=1))
    _check_no_two_alike(rules, path.name)
    return RuleTable(rules, most, float(least))


def _rule(record: Any, where: str) -> Rule:
    if not isinstance(record, dict):
        raise InputError(f"{where}: a rule is an object with 'when', 'action', 'urgency' and 'topic', not {record!r}.")
    for field in record.keys() - _FIELDS:
        raise InputError(f"{where}: the field {field!r} is not known; a rule has {', '.join(sorted(_FIELDS))}.")
    when = record.get("when")
    if not isinstance(when, dict) or len(when) != 1:
        raise InputError(f"{where}: when is {when!r}; it must name one trigger, for example {{'risk': 'budget'}}.")
    ((trigger, name),) = when.items()
    _one_of(trigger, tuple(_TRIGGERS), f"{where}: the trigger in when")
    _one_of(name, _TRIGGERS[trigger], f"{where}: when.{trigger}")
    _one_of(record.get("urgency"), URGENCIES, f"{where}: urgency")
    bands = record.get("bands", list(BAND_NAMES))
    if not isinstance(bands, list) or not bands:
        raise InputError(f"{where}: bands is {bands!r}; it must be a list of bands, or be left out for all of them.")
    for band in bands:
        _one_of(band, BAND_NAMES, f"{where}: a band in bands")
    for field in ("action", "topic"):
        if not isinstance(record.get(field), str) or not record[field].strip():
            raise InputError(f"{where}: {field} is {record.get(field)!r}; it must be a text.")
    return Rule(
        trigger, name, record["action"].strip(), record["urgency"], record["topic"].strip().lower(), tuple(bands)
    )


def _one_of(value: Any, allowed: Sequence[str], what: str) -> None:
    if value not in allowed:
        raise InputError(f"{what} is {value!r}; use {', '.join(allowed)}.")


def _check_no_two_alike(rules: Sequence[Rule], file_name: str) -> None:
    """Two rules of different topics can be recommended together, so their actions must differ."""
    first: dict[str, tuple[int, str]] = {}
    for n, rule in enumerate(rules, start=1):
        words = "".join(character for character in rule.action.lower() if character.isalnum())
        number, topic = first.setdefault(words, (n, rule.topic))
        if topic != rule.topic:
            raise InputError(
                f"{file_name}, rule {n}: its action is that of rule {number}; give both the same topic, so that only one "
                "is recommended, or reword one."
            )


Reasons = dict[tuple[str, str], str]  # why, by trigger and name


def _said(analysis: ConversationAnalysis) -> Reasons:
    """The first finding of a signal is its reason: a quote comes before what the CRM says."""
    reasons: Reasons = {}
    for finding in analysis.findings:
        title = finding.line.partition(" ")[2]  # without the picture
        trigger = "indicator" if finding.favourable else "risk"
        reasons.setdefault((trigger, finding.signal), title[0].lower() + title[1:])
    return reasons


def _missing(analysis: ConversationAnalysis) -> Reasons:
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
