"""POST /predict and POST /predict/batch: in a thread the conversation, its length limit and the model; then the record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from fastapi import APIRouter, Request, Response

from answers.answer import answer, answer_batch
from answers.requests import BatchRequest, PredictionRequest
from answers.responses import BatchResponse, PredictionResponse
from conversations.conversation import Conversation
from foundations.errors import InputError
from prediction_log.recorder import RequestFacts
from prediction_log.tables import new_prediction_id
from probability.bands import Prediction
from service.access import GUARDED
from service.api_errors import documented_errors
from service.metrics import predictions as prediction_counter
from service.worker import RunningService


class ModelAnswer(Protocol):
    """An answer that says which version of which model gave it."""

    model_used: str
    model_version: str


def prediction_router(service: RunningService) -> APIRouter:
    """The routes that ask a model; they need the role predict."""
    router = APIRouter(route_class=service.access.route_class("predict"), tags=["predictions"])
    errors = documented_errors(400, 422, *GUARDED)

    @router.post("/predict", response_model=PredictionResponse, responses=errors)
    async def predict(body: PredictionRequest, request: Request) -> Response:
        """The probability that a conversation converts, with analysis and similar conversations where asked for."""
        conversation, response = await service.access.run(_answered, service, body)
        response.prediction_id = new_prediction_id()
        response.request_id = request.state.request_id
        await record_answers(service, request, response, [(response.prediction_id, conversation, response.prediction)])
        return _json(response)

    @router.post("/predict/batch", response_model=BatchResponse, responses=errors)
    async def predict_batch(body: BatchRequest, request: Request) -> Response:
        """Up to 64 conversations, the likeliest to convert first. One that can't be read refuses the whole batch."""
        conversations, response = await service.access.run(_answered_batch, service, body)
        response.request_id = request.state.request_id
        answered: list[tuple[str, Conversation, Prediction]] = []
        for ranked in response.predictions:
            ranked.prediction_id = new_prediction_id()
            answered.append((ranked.prediction_id, conversations[ranked.index], ranked.prediction))
        await record_answers(service, request, response, answered)
        return _json(response)

    return router


def _answered(service: RunningService, body: PredictionRequest) -> tuple[Conversation, PredictionResponse]:
    conversation = body.conversation()
    check_length(service, [conversation])
    return conversation, answer(service.models, conversation, body)


def _answered_batch(service: RunningService, body: BatchRequest) -> tuple[list[Conversation], BatchResponse]:
    conversations = [one.conversation(f"conversations.{n}") for n, one in enumerate(body.conversations)]
    check_length(service, conversations)
    return conversations, answer_batch(service.models, conversations, body.model_type)


async def record_answers(
    service: RunningService,
    request: Request,
    response: ModelAnswer,
    answered: Sequence[tuple[str, Conversation, Prediction]],
) -> None:
    """Stores and counts predictions under the ids that their sender gets, in durable mode before the answer."""
    request.state.model = response.model_used  # for the log line
    facts = RequestFacts(
        request_id=request.state.request_id,
        caller=request.state.caller.name[:64],
        model=response.model_used,
        model_version=response.model_version,
        latency_ms=1000 * (time.perf_counter() - request.state.started),
        batch_size=len(answered),
    )
    await service.recorder.record(facts, answered)
    for _, _, prediction in answered:
        prediction_counter.labels(response.model_used, prediction.outcome).inc()


def check_length(service: RunningService, conversations: Sequence[Conversation]) -> None:
    """Raises InputError for a transcript that is longer than the settings allow."""
    limit = service.settings.max_transcript_characters
    for conversation in conversations:
        if (length := conversation.characters) > limit:
            raise InputError(
                f"The transcript has {length:,} characters; this service accepts at most {limit:,}, so split the "
                "recording into its conversations."
            )


def _json(response: PredictionResponse | BatchResponse) -> Response:
    """Written once: FastAPI would validate and copy the model before."""
    return Response(response.model_dump_json(), media_type="application/json")
