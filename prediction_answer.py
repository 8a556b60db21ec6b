"""One request's answer, whoever asks: the API, and code that has the models in its own process.

Knows nothing of HTTP. What each part costs stands with its module; without analysis and similar conversations an answer
is one pass of the model.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from api_schemas import Analysis, Prediction, PredictionRequest, PredictionResponse
from conversation import Conversation
from conversation_analysis import analyse, recommendations
from conversion_model import prediction_of
from model_server import ModelServer
from similar_conversations import SimilarConversation, SimilarConversations
from text_encoder import encoding_each_text_once


def answer(
    server: ModelServer, request: PredictionRequest, similar: SimilarConversations | None = None
) -> PredictionResponse:
    """The probability that a conversation converts, with what else was asked for.

    Similar conversations come from `similar`, or else from the server's own index.

    Raises InputError for a conversation without words or with too many, UnavailableError where a model or the past
    conversations can't be used.
    """
    with encoding_each_text_once():
        return _answer(server, request, similar)


def _answer(
    server: ModelServer, request: PredictionRequest, similar: SimilarConversations | None
) -> PredictionResponse:
    started = time.perf_counter()
    conversation = request.conversation()
    name = server.resolve(request.model_type)
    probability = float(server.model(name).predict_proba([conversation])[0])
    prediction = Prediction(**prediction_of(probability)._asdict())
    return PredictionResponse(
        prediction=prediction,
        model_used=name,
        confidence_score=prediction.confidence,
        **(_analysis(conversation, probability) if request.include_analysis else {}),
        similar_conversations=_similar(similar or server.similar(), request, conversation)
        if request.include_similar
        else None,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _analysis(conversation: Conversation, probability: float) -> dict[str, Any]:
    found = analyse(conversation)
    shown = {name: value for name, value in asdict(found).items() if name in Analysis.model_fields}
    return {"analysis": Analysis(**shown), "recommendations": recommendations(probability, found)}


def _similar(
    search: SimilarConversations, request: PredictionRequest, conversation: Conversation
) -> list[SimilarConversation] | list[str]:
    where = request.similar_filter.where() if request.similar_filter else None
    found = search.nearest(conversation, request.similar_count, where)
    return [one.excerpt for one in found] if request.similar_format == "text" else found
