"""Warnings of an open deal that a manager acts on: which rules of `warning_rules.json` hold for it today.

Each says since when and quotes what it rests on. What is not known is no warning: no date, no silence; no names, no lonely
contact. Costs about 0.1 ms a sentence.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from conversations.sentences import split_sentences
from deals import wordings
from deals.heard import Heard, in_order
from deals.qualification import QualificationCard, Quote, qualification, quote_of
from deals.warning_rules import Kind, Severity, WarningRule, WarningTable, read_warning_rules
from signals.mentions import Signal, settled

OF_THE_DAY: tuple[Kind, ...] = ("no_activity", "customer_silent")  # hold or not without a word being said
_ROUNDING = 1e-9  # 0.7 - 0.55 is a little less than 0.15


class DealWarning(BaseModel):
    """One warning of a deal."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    severity: Severity
    sentence: Annotated[str, Field(description="What a person reads, worded in the rule file")]
    since: Annotated[date | None, Field(description="Since when it is so; null where the dates don't say")]
    quotes: Annotated[tuple[Quote, ...], Field(description="What it rests on, the newest first; often none")] = ()


class Silence(BaseModel):
    """Since when nothing was heard: what the warnings of a day rest on."""

    model_config = ConfigDict(frozen=True)

    last_day: Annotated[date | None, Field(description="Of the last conversation; null where it has no date")]
    silent_since: Annotated[
        date | None,
        Field(description="The customer's last word, where attempts followed; null where that was the last"),
    ]
    unanswered: Annotated[int, Field(ge=0, description="Conversations at the end without a word of the customer")]


def silence_of(heard: Sequence[Heard]) -> Silence:
    """Of conversations in any order, at least one."""
    ordered = in_order(heard)
    unanswered = len(list(itertools.takewhile(lambda one: not one.customer_spoke, reversed(ordered))))
    if not unanswered:
        return Silence(last_day=ordered[-1].day, silent_since=None, unanswered=0)
    # Where there is no word of the customer at all it is silent from the start.
    last_word = ordered[-unanswered - 1] if unanswered < len(ordered) else ordered[0]
    return Silence(last_day=ordered[-1].day, silent_since=last_word.day, unanswered=unanswered)


@dataclass(frozen=True)
class _Found:
    """That a rule holds."""

    since: date | None
    quotes: tuple[Quote, ...] = ()
    words: tuple[tuple[str, int | str], ...] = ()  # what the rule's sentence may name


@dataclass(frozen=True)
class _Deal:
    """What the rules look at."""

    heard: Sequence[Heard]  # in the order of time, at least one
    probabilities: Sequence[float]  # after each, or none
    today: date
    silence: Silence

    @cached_property
    def card(self) -> QualificationCard:
        return qualification(self.heard)

    def days_since(self, day: date) -> int:
        return (self.today - day).days


def deal_warnings(
    heard: Sequence[Heard],
    today: date,
    probabilities: Sequence[float] = (),
    table: WarningTable | None = None,
) -> list[DealWarning]:
    """The warnings of a deal, at most one of a kind, in the order of the rules; none of a deal that has ended.

    heard: its conversations in any order. probabilities: of the deal as it stood after each of them in the order of time,
    0 to 1; none where they are not known. table: the rules, else those that come with the program. Raises ValueError where
    there are not as many probabilities as conversations.
    """
    if probabilities and len(probabilities) != len(heard):
        raise ValueError(f"{len(probabilities)} probabilities of {len(heard)} conversations")
    if not heard or any(one.conversation.outcome for one in heard):
        return []
    deal = _Deal(in_order(heard), probabilities, today, silence_of(heard))
    return _warnings(deal, (table or read_warning_rules()).rules, len(heard))


def warnings_on(
    stored: Sequence[DealWarning], silence: Silence, conversations: int, today: date, table: WarningTable | None = None
) -> list[DealWarning]:
    """The warnings of an open deal on another day than that on which `stored` were found: silence goes on.

    conversations: how many the deal has. Costs microseconds.
    """
    rules = (table or read_warning_rules()).rules
    of_the_day = [rule for rule in rules if rule.kind in OF_THE_DAY]
    found = _warnings(_Deal((), (), today, silence), of_the_day, conversations)
    places = {kind: place for place, kind in enumerate(dict.fromkeys(rule.kind for rule in rules))}
    lasting = [warning for warning in stored if warning.kind not in OF_THE_DAY]
    return sorted([*lasting, *found], key=lambda warning: places.get(warning.kind, len(places)))


def fewest_days(kind: Kind, table: WarningTable | None = None) -> int | None:
    """From how many days on a warning of OF_THE_DAY holds; None where no rule is of that kind."""
    return min(
        (rule.days for rule in (table or read_warning_rules()).rules if rule.kind == kind and rule.days), default=None
    )


def _warnings(deal: _Deal, rules: Sequence[WarningRule], conversations: int) -> list[DealWarning]:
    warnings: dict[Kind, DealWarning] = {}
    for rule in rules:
        if rule.kind in warnings or conversations < rule.least_conversations:
            continue
        if found := _CONDITIONS[rule.kind](deal, rule):
            words = {"conversations": conversations, **dict(found.words)}
            warnings[rule.kind] = DealWarning(
                kind=rule.kind,
                severity=rule.severity,
                sentence=rule.sentence.format(**words),
                since=found.since,
                quotes=found.quotes,
            )
    return list(warnings.values())


def _no_activity(deal: _Deal, rule: WarningRule) -> _Found | None:
    return _if_long_ago(deal, rule, deal.silence.last_day) if deal.silence.last_day else None


def _customer_silent(deal: _Deal, rule: WarningRule) -> _Found | None:
    """Since the customer's last word, or from the start where there is none, only the seller spoke."""
    since = deal.silence.silent_since
    return _if_long_ago(deal, rule, since, (("unanswered", deal.silence.unanswered),)) if since else None


def _if_long_ago(
    deal: _Deal, rule: WarningRule, day: date, words: tuple[tuple[str, int | str], ...] = ()
) -> _Found | None:
    days = deal.days_since(day)
    return _Found(day, words=(("days", days), *words)) if rule.days and days >= rule.days else None


def _falling_probability(deal: _Deal, rule: WarningRule) -> _Found | None:
    """The newest lies clearly below the highest before it; since the conversation after that one."""
    if len(deal.probabilities) < 2 or rule.drop is None:
        return None
    *earlier, now = deal.probabilities
    highest = max(earlier)
    if highest - now < rule.drop - _ROUNDING:
        return None
    peak = max(n for n, one in enumerate(earlier) if one == highest)
    return _Found(deal.heard[peak + 1].day, words=(("before", round(100 * highest)), ("now", round(100 * now))))


def _no_decision_maker(deal: _Deal, rule: WarningRule) -> _Found | None:
    """Nobody said to decide; what was said outweighs what the CRM holds."""
    authority = deal.card.authority
    if authority.status == "met":
        return None
    if authority.status == "unknown":
        return None if any(_decides(one, rule.roles) for one in deal.heard) else _Found(_first_day(deal.heard))
    against = tuple(itertools.takewhile(lambda quote: not quote.favourable, authority.quotes))
    return _Found(authority.since, against)


def _decides(heard: Heard, roles: Sequence[str]) -> bool:
    """Whether the CRM says that the contact decides."""
    context = heard.conversation.conversation_context
    authority = (context.budget_authority or "").strip().lower().replace(" ", "_")
    return authority == "decision_maker" or (context.contact_role or "").strip().lower() in roles


def _no_next_step(deal: _Deal, rule: WarningRule) -> _Found | None:
    """In the last conversation in which the customer was heard."""
    last = next((one for one in reversed(deal.heard) if one.customer_spoke), None)
    if last is None:
        return _Found(_first_day(deal.heard))
    step = next((one for one in settled(last.mentions) if one.name == "commitment"), None)
    if step is None:
        return _Found(last.day)
    return _Found(last.day, (_quoted(last, step),)) if step.polarity == "negative" else None


def _price_not_mentioned(deal: _Deal, rule: WarningRule) -> _Found | None:
    return None if any(map(_speaks_of_price, deal.heard)) else _Found(_first_day(deal.heard))


def _speaks_of_price(heard: Heard) -> bool:
    """Whether anybody does, the seller included; a sum counts as one where nothing says that it is another."""
    conversation = heard.conversation
    texts = [turn.text for turn in conversation.turns or []] or [conversation.transcript or ""]
    return any(mention.name == "price_objection" for mention in heard.mentions) or any(
        wordings.PRICE.search(sentence)
        or (wordings.AMOUNT.search(sentence) and not wordings.OTHER_SUM.search(sentence))
        for text in texts
        for sentence in split_sentences(text)
    )


def _one_contact(deal: _Deal, rule: WarningRule) -> _Found | None:
    """One name, or where no names are known one role, in every conversation that tells; a deal of fewer tells nothing."""
    told = [(one, contacts) for one in deal.heard if (contacts := set(_names(one)))]
    if not told:
        told = [(one, {role}) for one in deal.heard if (role := (one.conversation.conversation_context.contact_role))]
    people = {person.casefold(): person for _, contacts in told for person in contacts}
    if len(people) != 1 or len(told) < rule.least_conversations:
        return None
    words = (("conversations", len(told)), ("contact", next(iter(people.values()))))
    return _Found(_first_day([one for one, _ in told]), words=words)


def _names(heard: Heard) -> Iterator[str]:
    """Of those who spoke on the customer's side."""
    turns = heard.conversation.turns or []
    return (" ".join(turn.name.split()) for turn in turns if turn.name and turn.speaker != "seller")


def _first_day(heard: Sequence[Heard]) -> date | None:
    return next((one.day for one in heard if one.day), None)


def _quoted(heard: Heard, signal: Signal) -> Quote:
    return quote_of(heard, signal.quote, signal.question, signal.turn, signal.polarity == "positive")


_CONDITIONS: dict[Kind, Callable[[_Deal, WarningRule], _Found | None]] = {
    "no_activity": _no_activity,
    "customer_silent": _customer_silent,
    "falling_probability": _falling_probability,
    "no_decision_maker": _no_decision_maker,
    "no_next_step": _no_next_step,
    "price_not_mentioned": _price_not_mentioned,
    "one_contact": _one_contact,
}
