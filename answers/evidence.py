"""Evidence: how much the probability changes without each sentence, measured on the model that made the prediction.

A sentence's effect is P(successful) of the whole conversation minus P(successful) of the conversation without it, in
percentage points: the model itself is asked again, nothing is approximated. All variants go through one batched pass
and share their segments. The sentences of a note are its segments, so nothing of it is encoded twice and evidence costs
about as much as the prediction. A turn without one of its sentences is a new text, so first whole turns are left out and
then sentences of the turns that matter, until half as much text as the conversation has was encoded anew; of a long
transcript, whole stretches before that. What the CRM says counts in every probability but is no evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Annotated

from pydantic import Field

from conversations.conversation import Conversation, Turn
from conversations.sentences import sentence_spans
from encoder.text_encoder import remembered_texts
from modelling.conversion_model import ConversionModel

MOST_STRETCHES = 48  # passages left out one by one; of a longer conversation, so many stretches of passages
MOST_NEW_TEXT = 0.5  # characters of shortened turns, for each of the conversation's own, after which no turn follows
MOST_OF_A_TURN = 3.0  # the same for a single turn: a speech of many sentences is not taken apart


@dataclass(frozen=True)
class Sentence:
    """A sentence and where it stands."""

    sentence: str  # white space folded
    speaker: str  # "" for a note
    turn: Annotated[int | None, Field(description="Index into the turns that have words; null in a note")]
    start: Annotated[
        int,
        Field(description="First character, in the turn's text or in the transcript without white space around it"),
    ]
    end: Annotated[int, Field(description="One past the last character")]


@dataclass(frozen=True)
class SentenceEffect(Sentence):
    """A sentence and what the probability would lose without it."""

    effect: Annotated[float, Field(description="Percentage points; positive: the sentence raises the probability")]


Stretch = list[Sentence]  # neighbouring sentences that are left out together
Measured = list[tuple[Stretch, float]]
Shorter = Callable[[Sequence[Sentence]], Conversation]  # one conversation without some of its sentences


def sentences_of(conversation: Conversation) -> list[Sentence]:
    """Every sentence in order; joined by spaces they hold every word of the conversation."""
    if conversation.turns is None:
        return _sentences_in(conversation.transcript or "", "", None)
    return [
        sentence
        for index, turn in enumerate(conversation.turns)
        for sentence in _sentences_in(turn.text, turn.speaker, index)
    ]


def without(conversation: Conversation, sentences: Sequence[Sentence]) -> Conversation:
    """The conversation with those sentences cut out; a turn that says nothing any more is gone.

    What is left of a note is a sentence a line, so that no cut joins two.
    """
    if conversation.turns is None:
        left = _others(sentences_of(conversation), sentences)
        return conversation.model_copy(update={"transcript": "\n".join(one.sentence for one in left)})
    cut: dict[int | None, list[Sentence]] = {}
    for sentence in sentences:
        cut.setdefault(sentence.turn, []).append(sentence)
    shortened = {n: _cut(turn.text, cut[n]) for n, turn in enumerate(conversation.turns) if n in cut}
    turns = [
        turn.model_copy(update={"text": shortened[n]}) if n in shortened else turn
        for n, turn in enumerate(conversation.turns)
        if shortened.get(n, turn.text).strip()
    ]
    return conversation.model_copy(update={"turns": turns})


def evidence(model: ConversionModel, conversation: Conversation) -> list[SentenceEffect]:
    """The sentences that were measured, the largest effect in either direction first.

    Those are all sentences of a note or an ordinary dialogue; of a longer one, those of its turns that matter most.
    """
    sentences = sentences_of(conversation)
    shorter = _shorter(conversation, sentences)
    passages = [list(of_one) for _, of_one in groupby(sentences, _passage)]
    with remembered_texts():
        while len(passages) > MOST_STRETCHES:
            passages = _passages_that_matter(model, shorter, passages)
        measured = _measured(model, shorter, passages)
        inner = _sentences_worth_encoding(measured)
        measured += _measured(model, shorter, [[sentence] for sentence in inner])
    found = [
        SentenceEffect(**vars(part[0]), effect=round(100 * effect, 3)) for part, effect in measured if len(part) == 1
    ]
    return sorted(found, key=lambda one: -abs(one.effect))


def _shorter(conversation: Conversation, sentences: Sequence[Sentence]) -> Shorter:
    """`without` of that conversation, whose sentences are given.

    Those of a note become turns of nobody, which are read as its sentences are, so that its text is split only once.
    """
    if conversation.turns is not None:
        return lambda part: without(conversation, part)
    turns = {one.start: Turn(text=one.sentence) for one in sentences}

    def leave_out(part: Sequence[Sentence]) -> Conversation:
        left = [turns[sentence.start] for sentence in _others(sentences, part)]
        return conversation.model_copy(update={"transcript": None, "turns": left})

    return leave_out


def _others(sentences: Sequence[Sentence], left_out: Sequence[Sentence]) -> list[Sentence]:
    """Those of a note but for some."""
    gone = {sentence.start for sentence in left_out}
    return [sentence for sentence in sentences if sentence.start not in gone]


def _passages_that_matter(model: ConversionModel, shorter: Shorter, passages: list[Stretch]) -> list[Stretch]:
    """The passages of the stretches with the largest effects: of one stretch, or at most MOST_STRETCHES."""
    size = -(-len(passages) // MOST_STRETCHES)
    runs = [passages[start : start + size] for start in range(0, len(passages), size)]
    measured = _measured(model, shorter, [list(chain.from_iterable(run)) for run in runs])
    strongest = sorted(range(len(runs)), key=lambda index: -abs(measured[index][1]))[: max(1, MOST_STRETCHES // size)]
    return [passage for index in sorted(strongest) for passage in runs[index]]


def _measured(model: ConversionModel, shorter: Shorter, parts: list[Stretch]) -> Measured:
    """Each part with P(successful) of the whole minus P(successful) without the part."""
    if not parts:
        return []
    probabilities = model.predict_proba([shorter(part) for part in ([], *parts)])
    return list(zip(parts, (probabilities[0] - probabilities[1:]).tolist(), strict=True))


def _sentences_worth_encoding(measured: Measured) -> list[Sentence]:
    """Sentences of turns with several, turns of large effect first, until enough text is to be encoded."""
    chosen: list[Sentence] = []
    characters = _characters([passage for passage, _ in measured])
    left = MOST_NEW_TEXT * characters
    for passage, _ in sorted(measured, key=lambda pair: -abs(pair[1])):
        cost = (len(passage) - 1) * _characters([passage])  # each is left out once: n turns of n - 1 sentences
        if len(passage) > 1 and left > 0 and cost <= MOST_OF_A_TURN * characters:
            chosen += passage
            left -= cost
    return chosen


def _characters(passages: list[Stretch]) -> int:
    return sum(len(one.sentence) for passage in passages for one in passage)


def _passage(sentence: Sentence) -> tuple[int | None, int]:
    """What render_input makes one passage of: a turn, or a sentence of a note."""
    return sentence.turn, sentence.start if sentence.turn is None else 0


def _sentences_in(text: str, speaker: str, turn: int | None) -> list[Sentence]:
    return [
        Sentence(" ".join(text[start:end].split()), speaker, turn, start, end) for start, end in sentence_spans(text)
    ]


def _cut(text: str, sentences: Sequence[Sentence]) -> str:
    for sentence in sorted(sentences, key=lambda one: -one.start):
        text = text[: sentence.start] + text[sentence.end :]
    return text
