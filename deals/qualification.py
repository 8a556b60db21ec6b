"""What is known of a deal and what is missing: budget, authority, need and timing (BANT), each with who said what when.

From the signals of its conversations and, where a sentence has none, from clear words. The newest word counts: a budget
that was missing and is approved later is there. Who knows the way to a decision has not said who takes it, so only words
on the person count for authority; who is in a hurry, or in none, has spoken of the time where nobody names a date.
Costs about 0.1 ms a sentence.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from deals.clear_words import ClearWord, Element, clear_words, detail_of
from deals.heard import Heard, in_order
from signals.grammar import subjects
from signals.mentions import Signal
from signals.said import SaidSentence

ELEMENTS: tuple[Element, ...] = ("budget", "authority", "need", "timing")
MOST_QUOTES = 5  # of one element
_SIGNALS: dict[str, Element] = {"budget": "budget", "authority": "authority", "need": "need", "timeline": "timing"}
_INSTEAD: dict[str, Element] = {"urgency": "timing"}  # counts where nothing else was said

Status = Literal["met", "not met", "unknown"]


class Quote(BaseModel):
    """What was said, by whom and when."""

    model_config = ConfigDict(frozen=True)

    text: Annotated[str, Field(description="The customer's or the note's own words: a sentence, or a clause of it")]
    question: Annotated[str, Field(description="The seller's, where the text is a short answer to it; else empty")] = ""
    said_by: Annotated[str, Field(description="The name, or customer; empty in a note and where nobody says")]
    day: Annotated[date | None, Field(description="Of the conversation; null where it has no date")]
    conversation_id: str
    favourable: Annotated[bool, Field(description="Whether it speaks for the deal")]
    detail: Annotated[str, Field(description="How much, who decides or by when; empty where that is not said")] = ""


class Criterion(BaseModel):
    """One of budget, authority, need and timing."""

    model_config = ConfigDict(frozen=True)

    status: Annotated[Status, Field(description="What the newest word says; unknown: a gap, nothing was said")]
    detail: Annotated[
        str, Field(description="The newest amount, decider or date that holds; empty where none is named")
    ]
    since: Annotated[date | None, Field(description="The day from which on it stands so; null where no date says")]
    quotes: Annotated[tuple[Quote, ...], Field(max_length=MOST_QUOTES, description="The newest first")]


class QualificationCard(BaseModel):
    """How well a deal is known."""

    model_config = ConfigDict(frozen=True)

    budget: Annotated[Criterion, Field(description="Met: the money is there. Not met: it is missing or in doubt")]
    authority: Annotated[Criterion, Field(description="Met: who decides was heard. Not met: somebody else decides")]
    need: Annotated[Criterion, Field(description="Met: something hurts. Not met: they see no need")]
    timing: Annotated[Criterion, Field(description="Met: there is a date or hurry. Not met: neither, or a late one")]

    @property
    def gaps(self) -> list[Element]:
        """What nobody has said a word on, in the order of ELEMENTS."""
        return [element for element in ELEMENTS if self.criterion(element).status == "unknown"]

    def criterion(self, element: Element) -> Criterion:
        """One of the four by its name."""
        found: Criterion = getattr(self, element)
        return found


class _Word(NamedTuple):
    """One thing said about an element."""

    element: Element
    quote: Quote
    instead: bool = False  # counts only where nothing else was said about the element


def qualification(heard: Sequence[Heard]) -> QualificationCard:
    """The card of a deal's conversations, in whatever order they are given; all gaps where there are none."""
    words = [word for one in in_order(heard) for word in _words(one)]
    return QualificationCard(**{element: _criterion(element, words) for element in ELEMENTS})


def _criterion(element: Element, words: Sequence[_Word]) -> Criterion:
    own = [word for word in words if word.element == element]
    own = [word for word in own if not word.instead] or own
    newest_first = [word.quote for word in reversed(own)]
    if not newest_first:
        return Criterion(status="unknown", detail="", since=None, quotes=())
    favourable = newest_first[0].favourable
    holding = list(itertools.takewhile(lambda quote: quote.favourable == favourable, newest_first))
    detail = next((quote.detail for quote in holding if quote.detail), "")
    status: Status = "met" if favourable else "not met"
    return Criterion(status=status, detail=detail, since=holding[-1].day, quotes=tuple(newest_first[:MOST_QUOTES]))


def _words(heard: Heard) -> Iterator[_Word]:
    """Everything said about an element in one conversation, in order."""
    for sentence, mentions, subject in zip(
        heard.sentences, _by_sentence(heard), subjects(heard.sentences), strict=True
    ):
        covered = {_SIGNALS[mention.name] for mention in mentions if mention.name in _SIGNALS}
        for mention in mentions:
            if element := (_SIGNALS | _INSTEAD).get(mention.name):
                yield _Word(element, _mentioned(heard, mention, element), instead=mention.name in _INSTEAD)
        for word in clear_words(sentence, subject):
            if word.element not in covered:
                yield _Word(word.element, _said(heard, sentence, word))


def _by_sentence(heard: Heard) -> list[list[Signal]]:
    """The mentions of each sentence; both are in the order in which they were said."""
    found: list[list[Signal]] = [[] for _ in heard.sentences]
    place = 0
    for mention in heard.mentions:
        for n in range(place, len(found)):
            sentence = heard.sentences[n]
            if sentence.turn == mention.turn and mention.quote in sentence.quote:
                place = n
                found[n].append(mention)
                break
    return found


def _mentioned(heard: Heard, mention: Signal, element: Element) -> Quote:
    detail = detail_of(element, mention.quote)
    return quote_of(heard, mention.quote, mention.question, mention.turn, mention.polarity == "positive", detail)


def _said(heard: Heard, sentence: SaidSentence, word: ClearWord) -> Quote:
    question = sentence.question if word.clause == sentence.quote else ""
    return quote_of(heard, word.clause, question, sentence.turn, word.favourable, word.detail)


def quote_of(heard: Heard, text: str, question: str, turn: int | None, favourable: bool, detail: str = "") -> Quote:
    """Words of a conversation with who said them when; turn: their index into its turns, None in a note."""
    return Quote(
        text=text,
        question=question,
        said_by=heard.said_by(turn),
        day=heard.day,
        conversation_id=heard.conversation.conversation_id,
        favourable=favourable,
        detail=detail,
    )
