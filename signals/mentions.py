"""A signal as it is mentioned, and what holds at the end of a conversation that mentions it several times.

Order counts. Where both polarities of a signal occur, the later one holds. A resolution settles an objection before it,
not all of them: those it shares words with, or else the latest; "all concerns are settled" settles all. It settles a
price objection only where it speaks of the price, or where nothing else was objected to and it names nothing else. What
is settled is told by words, as the detector's vectors tell signals apart and hardly topics.

Where the customer stands at the end is the balance of all mentions, each counting FADING times as much as the one after
it: who was cross for ten minutes and then says "Yes please, send it over" is for the deal.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field

from signals.sentences import SIGNAL_NAMES, Polarity

Sentiment = Literal["positive", "neutral", "negative"]

FADING = 0.7
_MARGIN = 0.5  # of the balance, within which the customer stands on neither side
_WEIGHTS = {
    "commitment": 3.0,
    "authority": 0.5,
    "timeline": 0.5,
    "decision_process": 0.5,
    "urgency": 0.5,
}  # of others: 1
_OBSTACLES = {
    "authority",
    "budget",
    "competitor",
    "decision_process",
    "objection",
    "price_objection",
    "timeline",
    "urgency",
}
_OF_AN_OBSTACLE = 0.5  # who names one is not yet against the deal
_MOST_OPEN = 200  # objections that may be open at once; of more, the latest
_CONCERN = r"(?:worr(?:y|ies)|concerns?|doubts?|fears?|objections?|issues?|questions?|problems?|reservations?|points?)"
_SETTLED = (
    r"(?:settled|(?:re)?solved|answered|cleared|addressed|sorted|handled|gone|fine|off the table|no(?:t an?)? \w+)"
)
# The word that says what is settled: "the migration worry", "concerns about migration", "the migration is settled".
_TOPIC = re.compile(
    rf"\b(\w+)\s+{_CONCERN}\b"
    rf"|\b(?:{_CONCERN}|worried|concerned|afraid|anxious) (?:about|over|with|regarding|around|on|of) (?:the |their |our )?(\w+)"
    rf"|\b(\w+) (?:is|are|was|were|has been|have been) (?:now |all |then |longer |no longer )?{_SETTLED}\b",
    re.IGNORECASE,
)
_ALL = re.compile(r"\b(?:all|every\w*|each|both|worries|concerns|doubts|fears|objections)\b", re.IGNORECASE)
_PRICE = re.compile(
    r"\b(?:pric\w+|costs?|costly|expens\w+|dear|cheap\w*|afford\w*|discount\w*|fees?|money)\b|[$€£]", re.IGNORECASE
)
_GENERIC = re.compile(
    rf"{_CONCERN}|{_SETTLED}|th(?:e|at|is|ose|ese|eir|ey|em|ere|en)|our|his|her|its?|my|your|main|big\w*|last|only|first|open|other|"
    r"earlier|initial|remaining|single|real|one|no|any|all|every\w*|some|what|which|who|with|from|about|have|been|will|very|still|"
    r"also|were|worried|concerned|afraid|unsure|customer|client|prospect|after|before|longer|more|into|over|said|says",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Signal:
    """Something a deal is decided by, and where it was said."""

    name: str  # one of SIGNAL_NAMES
    polarity: Polarity
    strength: Annotated[float, Field(ge=0.0, le=1.0)]  # the head's probability
    quote: str  # the customer's or the note's own words: a sentence, or the clause of one that says two things
    speaker: str  # "customer", another name, or "" for a note
    turn: Annotated[int | None, Field(description="Index into the turns that have words; null in a note")]
    question: Annotated[str, Field(exclude=True)] = ""  # the seller's, where the quote is a short answer to it


def settled(mentions: Sequence[Signal]) -> list[Signal]:
    """Of all mentions in order, what holds at the end; for each signal the strongest one that says so."""
    mentions = _after_resolutions(mentions)
    result = []
    for name in SIGNAL_NAMES:
        own = [mention for mention in mentions if mention.name == name]
        if own:
            # Mentions after the last one of the other polarity: those say how it stands.
            turned = max((n for n, one in enumerate(own) if one.polarity != own[-1].polarity), default=-1)
            result.append(max(own[turned + 1 :], key=lambda one: one.strength))
    return result


def stance(mentions: Sequence[Signal]) -> Sentiment:
    """Where the customer stands at the end of all mentions, in order."""
    balance = 0.0
    for mention in mentions:
        weight = _WEIGHTS.get(mention.name, 1.0) * mention.strength
        if mention.polarity == "negative":
            weight *= -_OF_AN_OBSTACLE if mention.name in _OBSTACLES else -1.0
        balance = FADING * balance + weight
    return "positive" if balance > _MARGIN else "negative" if balance < -_MARGIN else "neutral"


def _after_resolutions(mentions: Sequence[Signal]) -> list[Signal]:
    """Leaves out the objections that are resolved later; where one was about the price, the price is accepted there."""
    kept: dict[int, Signal] = {}  # by place
    still_open: deque[int] = deque(maxlen=_MOST_OPEN)
    for place, mention in enumerate(mentions):
        if mention.name == "objection_resolved" and mention.polarity == "positive":
            done = _resolved_by(mention, [kept[n] for n in still_open if kept[n].quote != mention.quote])
            for n in [n for n in still_open if kept[n] in done]:
                still_open.remove(n)
                kept.pop(n)
            if any(one.name == "price_objection" for one in done):
                kept[-place - 1] = replace(mention, name="price_objection")
        elif _is_open(mention):
            still_open.append(place)
        kept[place] = mention
    return list(kept.values())


def _is_open(mention: Signal) -> bool:
    return mention.polarity == "negative" and mention.name in ("objection", "price_objection")


def _resolved_by(resolution: Signal, objections: Sequence[Signal]) -> list[Signal]:
    """Which of the open objections, in their order, a resolution settles."""
    prices = [one for one in objections if one.name == "price_objection"]
    others = [one for one in objections if one.name == "objection"]
    said = f"{resolution.question} {resolution.quote}"
    if prices and _PRICE.search(said):
        return prices
    if not others:
        return [] if _names_a_topic(said) else prices
    of_this = [one for one in others if _content(one.quote) & _content(said)]
    if of_this or _names_a_topic(said):
        return of_this or others[-1:]
    if _ALL.search(said):
        return others
    latest = others[-1]
    return [one for one in others if one is latest or _content(one.quote) & _content(latest.quote)]


def _names_a_topic(text: str) -> bool:
    named = [word for groups in _TOPIC.findall(text) for word in groups if word]
    return any(not _GENERIC.fullmatch(word) for word in named)


@lru_cache(maxsize=_MOST_OPEN)
def _content(text: str) -> frozenset[str]:
    """The beginnings of the words that tell what a text is about: "import" and "imported" are one."""
    words = re.findall(r"[^\W\d_]{4,}", text.lower())
    return frozenset(word[:5] for word in words if not _GENERIC.fullmatch(word))
