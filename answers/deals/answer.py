"""A deal's answer: the probability after each of its conversations, which one moved it, and what was found in its words.

The models read the conversations up to each one as one conversation (`deals.deal`); the encoder reads each text once. The
sentences of the conversation that moved the probability most are measured in that conversation by itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from datetime import date

from answers.deals.reading import MOST_SENTENCES, read_deal, step_of
from answers.deals.requests import DealReading, DealResponse, DealStep, MovedMost
from answers.evidence import evidence
from answers.sources import Sources
from conversations.model_text import spoken_text
from deals.deal import Deal
from encoder.text_encoder import remembered_texts
from foundations.json_log import log
from foundations.long_work import check_deadline
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of
from probability.reliability import Assessment
from signals.languages import language_note


def answer_deal(
    sources: Sources, deal: Deal, notices: Sequence[str], model_type: str, today: date | None = None
) -> DealResponse:
    """The probability that a deal closes, how it came about, and what is missing in it. today: for warnings, in UTC.

    Raises UnavailableError where a model or what finds signals can't be used.
    """
    started = time.perf_counter()
    name = sources.models.resolve(model_type)
    model = sources.models.model_for(name, deal.whole)
    with remembered_texts():
        assessed, after = assess_deal(model, deal)
        moved = _moved_most(model, deal, after)
        band, reliable = model.bands.band_of(assessed.probability), assessed.reliability == "ok"
        finder = sources.signals.finder()
        reading = read_deal(finder, deal, after, moved, band, reliable, today)
    note = language_note(spoken_text(deal.whole), finder.encoder.identity.name)
    return DealResponse(
        deal_id=deal.deal_id,
        prediction=prediction_of(assessed.probability),
        probability_interval=assessed.interval,
        reliability=assessed.reliability,
        reliability_reasons=[reason.sentence for reason in assessed.reasons],
        change=after[-1].change,
        notices=[*notices, *logged_not_learned(model, [deal]), *([note] if note else [])],
        model_used=name,
        model_version=model.version,
        processing_time=round(time.perf_counter() - started, 6),
        **{**dict(reading), "band": band},
    )


def reading_of(response: DealResponse) -> DealReading:
    """What of an answer was found in the deal's words."""
    found = {name: getattr(response, name) for name in DealReading.model_fields}
    return DealReading(**{**found, "band": response.band.name})


def assess_deal(model: ConversionModel, deal: Deal) -> tuple[Assessment, list[DealStep]]:
    """What the model says of a deal, and how that came about, conversation by conversation."""
    assessed = model.assess([deal.whole])[0]
    earlier = model.predict_proba([deal.upto(count) for count in range(1, len(deal.conversations))]).tolist()
    steps: list[DealStep] = []
    for one, probability in zip(deal.conversations, [*earlier, assessed.probability], strict=True):
        steps.append(step_of(one, probability, steps[-1].probability if steps else None))
    return assessed, steps


def moved_most(after: Sequence[DealStep]) -> tuple[int, MovedMost]:
    """Which conversation changed the probability most, of equal changes the later one; without its sentences."""
    place = max(range(len(after)), key=lambda n: (abs(after[n].change or 0.0), n))
    step = after[place]
    return place, MovedMost(conversation_id=step.conversation_id, date=step.date, change=step.change, evidence=[])


def logged_not_learned(model: ConversionModel, deals: Sequence[Deal]) -> list[str]:
    """What `not_learned_from_deals` says, which the service's log says once for a version of a model."""
    sentences = not_learned_from_deals(model, deals)
    if sentences:
        _log_once(model.name, model.version)
    return sentences


def not_learned_from_deals(model: ConversionModel, deals: Sequence[Deal]) -> list[str]:
    """A sentence where a model that learned from single conversations only is to judge deals of several."""
    if model.record.joined_deals or all(len(deal.conversations) == 1 for deal in deals):
        return []
    return [
        f"The model {model.name} learned from single conversations, so what it says of a deal of several is less "
        "certain; train with --by deal to have it learn from whole deals."
    ]


@functools.cache
def _log_once(name: str, version: str) -> None:
    log.warning("deals of several conversations, but learned from single ones", model=name, version=version)


def _moved_most(model: ConversionModel, deal: Deal, after: Sequence[DealStep]) -> MovedMost:
    """Of equal changes the later one."""
    check_deadline()
    place, moved = moved_most(after)
    return moved.model_copy(update={"evidence": evidence(model, deal.conversations[place])[:MOST_SENTENCES]})
