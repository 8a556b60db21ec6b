"""One request's answer, whoever asks: the API, and code that has the models in its own process.

Knows nothing of HTTP. Whatever is asked for, the encoder reads each text of the conversation once; what else each part
costs stands with its module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from answers.analysis import ConversationAnalysis, analyse
from answers.evidence import evidence
from answers.recommendations import Recommendation, SimilarDeal, read_rules, recommend
from answers.requests import MOST_TRAJECTORY_TURNS, AnswerOptions, SimilarOptions
from answers.responses import Analysis, BatchResponse, PredictionResponse, RankedPrediction
from answers.sources import Sources
from conversations.conversation import Conversation
from conversations.model_text import spoken_text
from conversations.prefixes import turns_of
from conversations.talk import talk_figures
from encoder.text_encoder import remembered_texts
from foundations.errors import InputError
from foundations.long_work import check_deadline
from foundations.tracing import span
from modelling.conversion_model import ConversionModel, TurnProbability
from probability.bands import prediction_of, ranking
from signals.languages import language_note
from similarity.search import SimilarConversation, SimilarConversations, SimilarSearch
from similarity.vector_index import IndexAwayError

T = TypeVar("T")


class Step(Protocol):
    """Does one part of an answer; whoever watches the parts gives one that tells of each."""

    def __call__(self, name: str, work: Callable[[], T], /) -> T:
        """What `work` gives. name: trajectory, prediction, similar_conversations or analysis."""


def _do(name: str, work: Callable[[], T]) -> T:
    return work()


def _while_wanted(step: Step) -> Step:
    """`step`, but that nothing is begun once nobody waits for the answer."""

    def begun(name: str, work: Callable[[], T]) -> T:
        check_deadline()
        with span(name):
            return step(name, work)

    return begun


def answer(
    sources: Sources,
    conversation: Conversation,
    wanted: AnswerOptions,
    similar: SimilarConversations | None = None,
    step: Step = _do,
) -> PredictionResponse:
    """The probability that a conversation converts, with what else was asked for.

    Similar conversations come from `similar`, or else from those of `sources`; `step` does each part.

    Raises InputError for a conversation with too many turns for a trajectory, UnavailableError where a model or the past
    conversations can't be used.
    """
    started = time.perf_counter()
    step = _while_wanted(step)
    name = sources.models.resolve(wanted.model_type)
    model = sources.models.model_for(name, conversation)
    with remembered_texts():  # every part of the answer reads the same sentences
        trajectory = None
        if wanted.include_trajectory:
            trajectory = step("trajectory", lambda: _trajectory(model, conversation, wanted.trajectory_points))
        assessed = step("prediction", lambda: model.assess([conversation])[0])
        probability = assessed.probability
        if trajectory:  # its end is the same prediction but for rounding, and one answer gives one figure
            trajectory[-1] = replace(trajectory[-1], probability=probability)
        band = model.bands.band_of(probability)
        found: list[SimilarConversation] = []
        similar_problem: str | None = None
        if wanted.include_similar:
            found, similar_problem = step(
                "similar_conversations", lambda: similar_to(similar or sources.similar, wanted, conversation)
            )
        deals = [] if _outcome_was_asked_for(wanted) else [SimilarDeal(one.outcome, one.similarity) for one in found]
        analysed: dict[str, Any] = {}
        if wanted.include_analysis:
            advise = partial(recommend, read_rules(), band=band, similar=deals, reliable=assessed.reliability == "ok")
            analysed = step("analysis", lambda: _analysis(sources, model, conversation, advise))
    prediction = prediction_of(probability)
    return PredictionResponse(
        prediction=prediction,
        probability_interval=assessed.interval,
        reliability=assessed.reliability,
        reliability_reasons=[reason.sentence for reason in assessed.reasons],
        band=band,
        sides_inferred=bool(conversation.sides_inferred),
        model_used=name,
        model_version=model.version,
        confidence_score=prediction.confidence,
        **analysed,
        similar_conversations=_shown(found, wanted) if wanted.include_similar and not similar_problem else None,
        similar_problem=similar_problem,
        trajectory=trajectory,
        processing_time=round(time.perf_counter() - started, 6),
    )


def answer_batch(name: str, model: ConversionModel, conversations: Sequence[Conversation]) -> BatchResponse:
    """The conversations ranked from the likeliest to convert down. name: of the model."""
    started = time.perf_counter()
    with span("prediction", conversations=len(conversations)):
        probabilities = model.predict_proba(conversations).tolist()
    ranked = [
        RankedPrediction(
            rank=rank,
            index=n,
            conversation_id=conversations[n].conversation_id or None,
            prediction=prediction_of(probabilities[n]),
        )
        for rank, n in enumerate(ranking(probabilities), start=1)
    ]
    return BatchResponse(
        predictions=ranked,
        model_used=name,
        model_version=model.version,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _trajectory(model: ConversionModel, conversation: Conversation, points: int | None) -> list[TurnProbability]:
    turns = len(turns_of(conversation))
    most = MOST_TRAJECTORY_TURNS
    if points is None and turns > most:
        raise InputError(
            f"The conversation has {turns:,} turns; with include_trajectory at most {most:,} are accepted."
        )
    return model.trajectory(conversation, points)


def similar_to(
    search: SimilarConversations | SimilarSearch, wanted: SimilarOptions, conversation: Conversation
) -> tuple[list[SimilarConversation], str | None]:
    """What is similar, and why it can't be said where the index can't be reached: the prediction is worth having alone.

    Raises UnavailableError where there is no index.
    """
    where = wanted.similar_filter.where() if wanted.similar_filter else None
    try:
        return search.nearest(conversation, wanted.similar_count, where), None
    except IndexAwayError as error:
        return [], str(error)


def _outcome_was_asked_for(wanted: AnswerOptions) -> bool:
    """Then it says nothing that all of them ended so."""
    return wanted.similar_filter is not None and wanted.similar_filter.outcome is not None


def _shown(found: list[SimilarConversation], wanted: AnswerOptions) -> list[SimilarConversation] | list[str]:
    return [one.excerpt for one in found] if wanted.similar_format == "text" else found


def _analysis(
    sources: Sources,
    model: ConversionModel,
    conversation: Conversation,
    advise: Callable[[ConversationAnalysis], list[Recommendation]],
) -> dict[str, Any]:
    note = language_note(spoken_text(conversation), sources.signals.finder().encoder.identity.name)
    found = analyse(conversation, sources.signals.mentions(conversation), note)
    actions = advise(found)
    return {
        "analysis": Analysis(
            sentiment=found.sentiment,
            key_indicators=found.key_indicators,
            risk_factors=found.risk_factors,
            signals=list(found.signals),
            evidence=evidence(model, conversation),
            talk=talk_figures(conversation),
            language_note=note,
        ),
        "recommendations": [action.line for action in actions],
        "recommended_actions": actions,
    }
