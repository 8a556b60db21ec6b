"""One request's answer, whoever asks: the API, and code that has the models in its own process.

Knows nothing of HTTP. Whatever is asked for, the encoder reads each text of the conversation once; what else each part
costs stands with its module.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from api_schemas import Analysis, Prediction, PredictionRequest, PredictionResponse, TrajectoryPoint
from conversation import Conversation
from conversation_analysis import analyse, recommendations
from conversation_prefixes import turns_of
from conversion_model import ConversionModel, prediction_of
from input_error import InputError
from model_server import ModelServer
from text_encoder import remembered_texts

MOST_TURNS = 1000  # of a trajectory: its work grows with their square, and others wait meanwhile


def answer(server: ModelServer, request: PredictionRequest) -> PredictionResponse:
    """The probability that a conversation converts, with what else was asked for.

    Raises InputError for a conversation without words or with too many, or with too many turns for a trajectory,
    UnavailableError where a model or the past conversations can't be used.
    """
    started = time.perf_counter()
    conversation = request.conversation()
    name = server.resolve(request.model_type)
    model = server.model(name)
    with remembered_texts():
        trajectory = _trajectory(model, conversation) if request.include_trajectory else None
        probability = trajectory[-1].probability if trajectory else float(model.predict_proba([conversation])[0])
        similar = server.similar(name, conversation) if request.include_similar else None
    prediction = Prediction(**prediction_of(probability)._asdict())
    return PredictionResponse(
        prediction=prediction,
        model_used=name,
        confidence_score=prediction.confidence,
        **(_analysis(conversation, probability) if request.include_analysis else {}),
        similar_conversations=similar,
        trajectory=trajectory,
        processing_time=round(time.perf_counter() - started, 6),
    )


def _trajectory(model: ConversionModel, conversation: Conversation) -> list[TrajectoryPoint]:
    turns = len(turns_of(conversation))
    if turns > MOST_TURNS:
        raise InputError(
            f"The conversation has {turns:,} turns; with include_trajectory at most {MOST_TURNS:,} are accepted."
        )
    return [TrajectoryPoint(**step._asdict()) for step in model.trajectory(conversation)]


def _analysis(conversation: Conversation, probability: float) -> dict[str, Any]:
    found = analyse(conversation)
    shown = {name: value for name, value in asdict(found).items() if name in Analysis.model_fields}
    return {"analysis": Analysis(**shown), "recommendations": recommendations(probability, found)}
