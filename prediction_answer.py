"""One request's answer, whoever asks: the API, and code that has the models in its own process.

Knows nothing of HTTP. What each part costs stands with its module; without analysis and similar conversations an answer
is one pass of the model.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from api_schemas import (
    Analysis,
    BatchRequest,
    BatchResponse,
    Prediction,
    PredictionRequest,
    PredictionResponse,
    RankedPrediction,
)
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
    model = server.model(name)
    probability = float(model.predict_proba([conversation])[0])
    prediction = Prediction(**prediction_of(probability)._asdict())
    return PredictionResponse(
        prediction=prediction,
        model_used=name,
        model_version=model.version,
        confidence_score=prediction.confidence,
        **(_analysis(conversation, probability) if request.include_analysis else {}),
        similar_conversations=server.similar(name, conversation) if request.include_similar else None,
        processing_time=round(time.perf_counter() - started, 6),
    )


def answer_batch(server: ModelServer, request: BatchRequest) -> BatchResponse:
    """The conversations ranked from the likeliest to convert down, all by one version of one model.

    Raises as `answer` does; the message names the conversation by its place in the request.
    """
    started = time.perf_counter()
    conversations = [one.conversation(f"conversations.{n}") for n, one in enumerate(request.conversations)]
    name = server.resolve(request.model_type)
    model = server.model(name)
    probabilities = model.predict_proba(conversations).tolist()
    order = sorted(range(len(conversations)), key=lambda n: -probabilities[n])
    ranked = [
        RankedPrediction(
            rank=rank,
            index=n,
            conversation_id=request.conversations[n].conversation_id,
            prediction=Prediction(**prediction_of(probabilities[n])._asdict()),
        )
        for rank, n in enumerate(order, start=1)
    ]
    return BatchResponse(
        predictions=ranked,
        model_used=name,
        model_version=model.version,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _analysis(conversation: Conversation, probability: float) -> dict[str, Any]:
    found = analyse(conversation)
    shown = {name: value for name, value in asdict(found).items() if name in Analysis.model_fields}
    return {"analysis": Analysis(**shown), "recommendations": recommendations(probability, found)}
