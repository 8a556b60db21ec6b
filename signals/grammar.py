"""What grammar decides about a sentence's signals, where the head alone errs: whom it speaks of, and how time presses.

What is said of a rival or of the tool in use is not said of us. A sentence is of a rival or of the tool where it names
one ("our current vendor", "the old system"), where a customer in a talk says "they" or "their hotline", as the one who is
spoken to would be "you", and where "it" or "they" goes on from a sentence or a seller's question of that kind. Bad
things said there speak for us: a rival's for the choice of us, the tool's for the need. A deadline that is days or weeks
away is urgency, "no rush" is the lack of it, and a day that is named in answer to a proposal accepts it. English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from signals.said import SaidSentence
from signals.sentences import Polarity

Subject = Literal["us", "rival", "tool"]
Found = dict[str, tuple[Polarity, float]]  # by signal: polarity and strength

_NOW_OR_BEFORE = r"(?:current|present|existing|old|former|previous|last|legacy)"
_RIVAL = re.compile(
    rf"\b(?:{_NOW_OR_BEFORE} (?:vendor|provider|supplier|partner|agency|contractor|installer|lot)s?|incumbents?|rivals?"
    r"|competitors?|the others|other (?:vendor|provider|supplier|bidder|firm|company|offer|lot|one|two)s?|another (?:firm"
    r"|vendor|provider|supplier|company|offer)|who else|anyone else|your (?:vendor|provider|supplier))\b",
    re.IGNORECASE,
)
_TOOL = re.compile(
    rf"\b(?:{_NOW_OR_BEFORE} (?:tool|software|system|program|solution|app|platform|application|set-?up|machine)s?"
    r"|(?:tool|software|system|program|app|thing)s? (?:that )?(?:we|they|you)(?:['’]ve)? (?:use|used|have|had|got)\b"
    r"|(?:do|did) you use (?:now|today|so far|before|at present|at the moment|currently)|(?:had|used) before)\b",
    re.IGNORECASE,
)
_YOU = re.compile(r"\byou(?:rs?|['’]\w+)?\b", re.IGNORECASE)
_THEY = re.compile(r"\b(?:they|them|theirs?|they['’]\w+)\b", re.IGNORECASE)
_IT = re.compile(r"\b(?:it|its|it['’]s|that thing|the thing)\b", re.IGNORECASE)
_THEIR_TRADE = re.compile(
    r"\b(?i:their) (?:\w+ )?(?:support|service|hotline|help ?desk|software|app|system|tool|product|demo|offer|quote|sales\w*"
    r"|technicians?|engineers?|consultants?|installers?|updates?|contracts?|prices?|pricing|fees?|account manager)\b"
)
_OF_A_THING = ("sentiment", "objection", "objection_resolved")  # what is said of a product or its maker

_BY_THEN = re.compile(r"\b(?:before|by|until|when)\b", re.IGNORECASE)
_NEAR = re.compile(
    r"\b(?:(?:in|within|only|just) (?:(?:the next|about|only|just|less than|under) )?(?:a|\d+|two|three|four|five|six|seven"
    r"|eight|nine|ten) (?:days?|weeks?)|today|tomorrow|tonight|this week|next week|this (?:mon|tues|wednes|thurs|fri)day)\b",
    re.IGNORECASE,
)
_MUST = re.compile(r"\b(?:must|(?:have|has|had|need|needs|got) to|needs? (?:it|this|that|you))\b", re.IGNORECASE)
_NO_RUSH = re.compile(
    r"(?:\bno (?:great |big |real |particular )?|(?:\bnot|n['’]t) in (?:a|any) |\bnothing to )(?:rush|hurry)\b",
    re.IGNORECASE,
)
_NOT = re.compile(r"\b(?:not?|never|but|only|until|unless|perhaps|maybe)\b|n['’]t\b", re.IGNORECASE)
_PROPOSAL = re.compile(
    r"\b(?:shall|should|may|can|could) (?:I|we)\b|\blet['’]s\b|\bI (?:suggest|propose)\b|\b(?:how|what) about \w+day\b"
    r"|\bI['’](?:d|ll) (?:suggest|propose|send|come)\b|\bwould \w+day\b|\bwe (?:could|can) (?:begin|start|meet)\b",
    re.IGNORECASE,
)
_LONGEST_ACCEPTANCE = 8  # words


def subjects(sentences: Sequence[SaidSentence]) -> Iterator[Subject]:
    """Of whom each of a conversation's sentences speaks."""
    subject: Subject = "us"
    turn: int | None = None
    for sentence in sentences:
        is_new_turn = sentence.turn is not None and sentence.turn != turn
        before = (_named(sentence.before) or "us") if is_new_turn else subject
        turn = sentence.turn
        subject = _subject(sentence.quote, before, spoken=turn is not None)
        yield subject


def judged(sentence: SaidSentence, found: Mapping[str, tuple[Polarity, float]], subject: Subject) -> Found:
    """The signals that the head found in a sentence, as far as grammar lets them stand, and those that grammar tells."""
    result = dict(found)
    if subject != "us":
        result = _of_another(result, subject)
    if sentence.quote.endswith("?"):
        return result
    if _NO_RUSH.search(sentence.quote):
        result["urgency"] = ("negative", 1.0)
    elif _is_pressed(sentence.quote):
        result.setdefault("urgency", ("positive", 1.0))
    if list(result) == ["timeline"] and result["timeline"][0] == "positive" and _accepts(sentence):
        result = {"commitment": result["timeline"]}
    return result


def _subject(quote: str, before: Subject, spoken: bool) -> Subject:
    """before: of whom the sentence or the question before it speaks; spoken: whether the customer speaks to us."""
    if _YOU.search(quote):
        return "us"
    if (named := _named(quote)) is not None:
        return named
    if before != "us" and (_THEY.search(quote) or _IT.search(quote)):
        return before
    return "rival" if spoken and _THEIR_TRADE.search(quote) else "us"


def _is_pressed(quote: str) -> bool:
    """Whether something must be done by a deadline that is near."""
    by_then = _BY_THEN.search(quote)
    near = by_then is not None and _NEAR.search(quote, by_then.end())
    return bool(near and _MUST.search(quote) and not _NOT.search(quote))


def _named(text: str) -> Subject | None:
    if _RIVAL.search(text):
        return "rival"
    return "tool" if _TOOL.search(text) else None


def _of_another(found: Mapping[str, tuple[Polarity, float]], subject: Subject) -> Found:
    """What speaks against another speaks for us, and the other way round; trouble with the tool in use is a need."""
    result = {name: said for name, said in found.items() if name not in _OF_A_THING}
    name = "competitor" if subject == "rival" else "need"
    for of_a_thing in _OF_A_THING:
        if of_a_thing in found:
            polarity, strength = found[of_a_thing]
            result.setdefault(name, ("negative" if polarity == "positive" else "positive", strength))
    if subject == "tool" and result.get("competitor", ("negative",))[0] == "positive":
        result.setdefault("need", result["competitor"])
        del result["competitor"]
    return result


def _accepts(sentence: SaidSentence) -> bool:
    words = len(sentence.quote.split())
    return words <= _LONGEST_ACCEPTANCE and bool(_PROPOSAL.search(sentence.before)) and not _NOT.search(sentence.quote)
