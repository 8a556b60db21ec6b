"""What is found in a deal's words: what holds of each signal, the card, the warnings of today, and what to do next.

It predicts nothing: the probabilities come with the deal. Costs one encoder pass for each conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from answers.analysis import analyse
from answers.deals.requests import DatedSignal, DealReading, DealStep, MovedMost
from answers.recommendations import read_rules, recommend
from answers.responses import PredictionResponse
from answers.sources import Sources
from conversations.conversation import Conversation
from deals.deal import Deal, date_of, deal_of
from deals.heard import Heard, hear
from deals.qualification import qualification
from deals.warnings import deal_warnings, silence_of
from encoder.text_encoder import remembered_texts
from probability.bands import Band
from signals.finder import Signal, SignalFinder
from signals.mentions import settled

MOST_SENTENCES = 5


def read_deal(
    finder: SignalFinder,
    deal: Deal,
    after: Sequence[DealStep],
    moved: MovedMost,
    band: Band,
    reliable: bool,
    today: date | None = None,
) -> DealReading:
    """after: the deal as it stood after each of its conversations. today: for warnings; that of UTC where None is given."""
    heard = hear(deal.conversations, finder)
    found = analyse(deal.whole, _numbered(heard))
    return DealReading(
        band=band.name,
        after=list(after),
        moved_most=moved,
        signals=_dated_signals(heard),
        qualification=qualification(heard),
        warnings=deal_warnings(heard, today or datetime.now(UTC).date(), [step.probability for step in after]),
        silence=silence_of(heard),
        recommended_actions=recommend(read_rules(), found, band, reliable=reliable),
    )


def read_single(sources: Sources, conversation: Conversation, answered: PredictionResponse) -> tuple[Deal, DealReading]:
    """A conversation that is put to a deal, as the deal of it alone. Raises UnavailableError as `answer` does."""
    deal = deal_of(conversation.deal_id or "", [conversation])
    step = step_of(conversation, answered.prediction.probability, None)
    evidence = answered.analysis.evidence[:MOST_SENTENCES] if answered.analysis else []
    moved = MovedMost(conversation_id=step.conversation_id, date=step.date, change=None, evidence=evidence)
    with remembered_texts():
        reliable = answered.reliability == "ok"
        return deal, read_deal(sources.signals.finder(), deal, [step], moved, answered.band, reliable)


def step_of(conversation: Conversation, probability: float, before: float | None) -> DealStep:
    """The deal after a conversation; before: its probability before that one, None for the first."""
    return DealStep(
        conversation_id=conversation.conversation_id or None,
        date=date_of(conversation),
        probability=probability,
        change=None if before is None else probability - before,
    )


def _numbered(heard: Sequence[Heard]) -> list[Signal]:
    """The mentions of all conversations in order, their `turn` being their place among these."""
    mentions = [mention for one in heard for mention in one.mentions]
    return [replace(mention, turn=place) for place, mention in enumerate(mentions)]


def _dated_signals(heard: Sequence[Heard]) -> list[DatedSignal]:
    """What holds of each signal after all conversations, with the one that says so."""
    said = [(one.conversation, mention) for one in heard for mention in one.mentions]
    return [_dated(signal, *said[signal.turn]) for signal in settled(_numbered(heard)) if signal.turn is not None]


def _dated(signal: Signal, conversation: Conversation, mention: Signal) -> DatedSignal:
    """A signal as it is settled, from the mention that it rests on."""
    return DatedSignal(
        name=signal.name,
        polarity=signal.polarity,
        strength=signal.strength,
        quote=signal.quote,
        speaker=signal.speaker,
        turn=mention.turn,
        conversation_id=conversation.conversation_id or None,
        date=date_of(conversation),
    )
