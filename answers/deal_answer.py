"""A deal's answer: the probability after each of its conversations, which one moved it, and the signals with their date.

The models read the conversations up to each one as one conversation (`deals.deal`); the encoder reads each text once. The
sentences of the conversation that moved the probability most are measured in that conversation by itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from answers.deal_requests import DatedSignal, DealResponse, DealStep, MovedMost
from answers.evidence import evidence
from answers.sources import Sources
from conversations.conversation import Conversation
from conversations.model_text import spoken_text
from deals.deal import Deal, date_of
from deals.heard import Heard, hear
from deals.qualification import qualification
from deals.warnings import deal_warnings
from encoder.text_encoder import remembered_texts
from foundations.long_work import check_deadline
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of
from signals.finder import Signal
from signals.languages import language_note
from signals.mentions import settled

MOST_SENTENCES = 5


def answer_deal(
    sources: Sources, deal: Deal, notices: Sequence[str], model_type: str, today: date | None = None
) -> DealResponse:
    """The probability that a deal closes, how it came about, and what is missing in it. today: for warnings, in UTC.

    Raises UnavailableError where a model or what finds signals can't be used.
    """
    started = time.perf_counter()
    name = sources.models.resolve(model_type)
    model = sources.models.model(name)
    with remembered_texts():
        assessed = model.assess([deal.whole])[0]
        earlier = model.predict_proba([deal.upto(count) for count in range(1, len(deal.conversations))]).tolist()
        after = _steps(deal, [*earlier, assessed.probability])
        moved = _moved_most(model, deal, after)
        finder = sources.signals.finder()
        heard = hear(deal.conversations, finder)
    note = language_note(spoken_text(deal.whole), finder.encoder.identity.name)
    return DealResponse(
        deal_id=deal.deal_id,
        prediction=prediction_of(assessed.probability),
        probability_interval=assessed.interval,
        reliability=assessed.reliability,
        reliability_reasons=[reason.sentence for reason in assessed.reasons],
        band=model.bands.band_of(assessed.probability),
        change=after[-1].change,
        after=after,
        moved_most=moved,
        signals=_dated_signals(heard),
        qualification=qualification(heard),
        warnings=deal_warnings(heard, today or datetime.now(UTC).date(), [step.probability for step in after]),
        notices=[*notices, *([note] if note else [])],
        model_used=name,
        model_version=model.version,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _steps(deal: Deal, probabilities: Sequence[float]) -> list[DealStep]:
    before: list[float | None] = [None, *probabilities[:-1]]
    return [
        DealStep(
            conversation_id=one.conversation_id or None,
            date=date_of(one),
            probability=probability,
            change=None if earlier is None else probability - earlier,
        )
        for one, probability, earlier in zip(deal.conversations, probabilities, before, strict=True)
    ]


def _moved_most(model: ConversionModel, deal: Deal, after: Sequence[DealStep]) -> MovedMost:
    """Of equal changes the later one."""
    check_deadline()
    place = max(range(len(after)), key=lambda n: (abs(after[n].change or 0.0), n))
    step = after[place]
    found = evidence(model, deal.conversations[place])[:MOST_SENTENCES]
    return MovedMost(conversation_id=step.conversation_id, date=step.date, change=step.change, evidence=found)


def _dated_signals(heard: Sequence[Heard]) -> list[DatedSignal]:
    """What holds of each signal after all conversations, with the one that says so."""
    said = [(one.conversation, mention) for one in heard for mention in one.mentions]
    numbered = [replace(mention, turn=place) for place, (_, mention) in enumerate(said)]
    return [_dated(signal, *said[signal.turn]) for signal in settled(numbered) if signal.turn is not None]


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
