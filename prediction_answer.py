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


def answer(server: ModelServer, request: PredictionRequest) -> PredictionResponse:
    """The probability that a conversation converts, with what else was asked for.

    Raises InputError for a conversation without words or with too many, UnavailableError where a model or the past
    conversations can't be used.
    """
    started = time.perf_counter()
    conversation = request.conversation()
    name = server.resolve(request.model_type)
    assessed = server.model(name).assess([conversation])[0]
    prediction = Prediction(**prediction_of(assessed.probability)._asdict())
    return PredictionResponse(
        prediction=prediction,
        probability_interval=assessed.interval,
        reliability=assessed.reliability,
        reliability_reasons=[reason.sentence for reason in assessed.reasons],
        model_used=name,
        confidence_score=prediction.confidence,
        **(_analysis(conversation, assessed.probability) if request.include_analysis else {}),
        similar_conversations=server.similar(name, conversation) if request.include_similar else None,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _analysis(conversation: Conversation, probability: float) -> dict[str, Any]:
    found = analyse(conversation)
    shown = {name: value for name, value in asdict(found).items() if name in Analysis.model_fields}
    return {"analysis": Analysis(**shown), "recommendations": recommendations(probability, found)}
