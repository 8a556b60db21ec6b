"""Which signals a conversation gives: found sentence by sentence in the encoder's vectors, read by a trained head.

The speaker counts. What the seller says is no signal: a pitch, a promise or "so the budget is approved?" tells nothing of
the customer. But a customer's short answer is read together with the seller's question before it ("Do you have a budget?
Yes, we do."). Speakers of other names count as the customer's side, and a note counts whole, as it reports what was said.

Order counts. Where both polarities of a signal occur, the later one holds. An objection that is settled later comes out
as resolved: `objection` goes and `objection_resolved` stays; a price objection with no other objection open before the
resolution turns positive.

A long sentence often says two things ("they have the budget and want to start soon"), so its clauses are read as well as
the whole. A clause lacks its context, so it counts only from CLEAR_CLAUSE. How well single sentences are read: make
signals. Costs one encoder pass over the sentences and clauses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from conversation import Conversation
from data_pipeline import pieces_that_fit, split_sentences
from signal_head import SignalHead
from signal_sentences import SIGNAL_NAMES, Polarity
from text_encoder import TextEncoder

CLEAR_CLAUSE = 0.9  # a lower one raises more false alarms than it finds signals
_CLAUSES_FROM = 10  # words of a sentence from which its clauses are read, too
_SHORTEST_CLAUSE = 3  # words
_CLAUSE_END = re.compile(r";\s+|,?\s+(?:and|but)\s+")
_SHORT_ANSWER = 6  # words up to which a customer's answer is read together with the question


@dataclass(frozen=True)
class Signal:
    """A signal and the sentence that gives it."""

    name: str  # one of SIGNAL_NAMES
    polarity: Polarity
    strength: float  # the head's probability, 0 to 1
    quote: str  # the customer's or the note's own words
    speaker: str  # "customer", another name, or "" for a note
    turn: int | None  # index into `turns`; None for a note


class SaidSentence(NamedTuple):
    """A sentence of a conversation that may carry a signal."""

    quote: str
    text: str  # what the encoder reads: the quote, or the seller's question and the quote
    speaker: str
    turn: int | None


@dataclass(frozen=True)
class SignalFinder:
    """Finds signals with the head and the encoder that its vectors must come from."""

    encoder: TextEncoder
    head: SignalHead

    def find(self, conversation: Conversation) -> list[Signal]:
        """At most one Signal for each of SIGNAL_NAMES, in their order."""
        return self.find_many([conversation])[0]

    def find_many(self, conversations: Sequence[Conversation]) -> list[list[Signal]]:
        """`find` for each, in one encoder pass over the different sentences of all."""
        said = [list(said_sentences(conversation, self.encoder)) for conversation in conversations]
        texts = list(dict.fromkeys(text for of_one in said for sentence in of_one for text in _readings(sentence.text)))
        if not texts:
            return [[] for _ in conversations]
        found = dict(zip(texts, self.head.detect(self.encoder.embed_texts(texts)), strict=True))
        mentions = [
            [
                Signal(name, polarity, strength, sentence.quote, sentence.speaker, sentence.turn)
                for sentence in of_one
                for name, (polarity, strength) in _clearest(sentence.text, found).items()
            ]
            for of_one in said
        ]
        return [_settled(of_one) for of_one in mentions]


def find_signals(conversation: Conversation, finder: SignalFinder) -> list[Signal]:
    """At most one Signal for each of SIGNAL_NAMES, in their order."""
    return finder.find(conversation)


def said_sentences(conversation: Conversation, encoder: TextEncoder) -> Iterator[SaidSentence]:
    """The sentences of everyone but the seller, or those of a note, in order; longer ones than the window in pieces."""
    if conversation.turns is None:
        for quote in _sentences(conversation.transcript or "", encoder):
            yield SaidSentence(quote, quote, "", None)
    question = ""
    for number, turn in enumerate(conversation.turns or []):
        sentences = _sentences(turn.text, encoder)
        if turn.speaker == "seller":
            question = sentences[-1] if sentences and sentences[-1].endswith("?") else ""
            continue
        for quote in sentences:
            answer = f"{question} {quote}" if question and len(quote.split()) <= _SHORT_ANSWER else quote
            fits = encoder.token_count(answer) <= encoder.window
            yield SaidSentence(quote, answer if fits else quote, turn.speaker, number)
            question = ""  # only the first sentence after it answers it


def _readings(text: str) -> list[str]:
    """The text itself and, of a long one, its clauses."""
    if len(text.split()) < _CLAUSES_FROM:
        return [text]
    clauses = [clause for clause in _CLAUSE_END.split(text) if len(clause.split()) >= _SHORTEST_CLAUSE]
    return [text, *clauses] if len(clauses) > 1 else [text]


def _clearest(
    text: str, found: Mapping[str, Sequence[tuple[str, Polarity, float]]]
) -> dict[str, tuple[Polarity, float]]:
    """For each signal the polarity and strength of the reading that gives it most clearly."""
    best: dict[str, tuple[Polarity, float]] = {}
    for reading in _readings(text):
        for name, polarity, strength in found[reading]:
            least = CLEAR_CLAUSE if reading != text else 0.0
            if strength >= max(least, best.get(name, ("", 0.0))[1]):
                best[name] = (polarity, strength)
    return best


def _sentences(text: str, encoder: TextEncoder) -> list[str]:
    return [
        piece
        for sentence in split_sentences(text)
        for piece in pieces_that_fit(sentence, encoder.token_count, encoder.window)
    ]


def _settled(mentions: Sequence[Signal]) -> list[Signal]:
    """Of all mentions in order, what holds at the end; for each signal the strongest sentence that says so."""
    mentions = list(_after_resolution(mentions))
    result = []
    for name in SIGNAL_NAMES:
        own = [mention for mention in mentions if mention.name == name]
        if own:
            # Mentions after the last one of the other polarity: those say how it stands.
            turned = max((n for n, one in enumerate(own) if one.polarity != own[-1].polarity), default=-1)
            result.append(max(own[turned + 1 :], key=lambda one: one.strength))
    return result


def _after_resolution(mentions: Sequence[Signal]) -> Iterator[Signal]:
    """Leaves out objections that are resolved later, and turns a price objection that is all a resolution can mean."""
    last = max(
        (n for n, one in enumerate(mentions) if one.name == "objection_resolved" and one.polarity == "positive"),
        default=-1,
    )
    before = mentions[: last + 1]
    about_price_only = not any(one.name == "objection" and one.polarity == "negative" for one in before)
    for n, one in enumerate(mentions):
        if n >= last or one.polarity == "positive" or one.quote == mentions[last].quote:
            yield one
        elif one.name == "price_objection" and about_price_only:
            resolution = mentions[last]
            yield replace(resolution, name="price_objection")
        elif one.name not in ("objection", "objection_resolved"):
            yield one
