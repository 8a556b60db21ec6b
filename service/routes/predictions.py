"""POST /predict, /predict/batch and /predict/deal: in a thread the words, their limits and the model; then the record."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from answers.answer import answer, answer_batch
from answers.deals.answer import answer_deal, reading_of
from answers.deals.files import deals_of_file
from answers.deals.reading import read_single
from answers.deals.requests import DealRequest, DealResponse
from answers.requests import BatchRequest, ConversationRequest, PredictionRequest
from answers.responses import BatchResponse, PredictionResponse
from answers.sources import Sources
from conversations.conversation import Conversation
from deals.deal import stored_of
from deals.grouping import deals_of
from foundations.errors import InputError, UnavailableError
from prediction_log.deal_readings import ReadDeal
from prediction_log.recorder import PredictionRecorder, RequestFacts
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import new_prediction_id
from probability.bands import Prediction
from service.access.guards import GUARDED, Access
from service.access.repeating import IdempotencyKey, repeatable
from service.api_errors import documented_errors
from service.limits.work import Work
from service.metrics import predictions as prediction_counter
from service.routes.many import Answered, stored_of_many
from service.shadow_scoring import TrialScores

T = TypeVar("T")


class ModelAnswer(Protocol):
    """An answer that says which version of which model gave it."""

    model_used: str
    model_version: str


@dataclass(frozen=True)
class Predicting:
    """What every route that asks a model needs, of one worker."""

    access: Access
    sources: Sources
    recorder: PredictionRecorder
    store: PredictionStore
    longest: int  # characters of a transcript
    trials: TrialScores

    async def run(self, request: Request, work: Work, function: Callable[..., T], *arguments: Any) -> T:
        """Runs `function` in a thread, in the turn of who sent `request`. Raises RefusedError."""
        return await self.access.admission.run(request.state.caller.name, work, function, *arguments)

    def check_length(self, conversations: Sequence[Conversation]) -> None:
        """Raises InputError for a transcript that is longer than the settings allow."""
        for conversation in conversations:
            if (length := conversation.characters) > self.longest:
                raise InputError(
                    f"The transcript has {length:,} characters; this service accepts at most {self.longest:,}, so split "
                    "the recording into its conversations."
                )

    async def ids(self, request: Request, key: str | None) -> Iterator[str]:
        """Ids for what a request predicts; of a repeated one those of the first. Raises ReusedKeyError, StoreAwayError."""
        repeated = await repeatable(request, key)
        if repeated is None:
            return iter(new_prediction_id, None)
        return repeated.ids(await asyncio.to_thread(self.store.first_came, repeated))

    async def record(
        self,
        request: Request,
        response: ModelAnswer,
        answered: Sequence[tuple[str, Conversation, Prediction]],
        deals: Mapping[str, ReadDeal] = MappingProxyType({}),
    ) -> None:
        """Stores and counts predictions under the ids that their sender gets, in durable mode before the answer.

        deals: by prediction id what was found in the words of deals.
        """
        request.state.model = response.model_used  # for the log line
        facts = RequestFacts(
            request_id=request.state.request_id,
            caller=request.state.caller.name[:64],
            model=response.model_used,
            model_version=response.model_version,
            latency_ms=1000 * (time.perf_counter() - request.state.started),
            batch_size=len(answered),
        )
        await self.recorder.record(facts, answered, deals)
        for _, _, prediction in answered:
            prediction_counter.labels(response.model_used, prediction.outcome).inc()

    def after(self, response: PredictionResponse | DealResponse, conversation: Conversation) -> BackgroundTask | None:
        """What is done once the answer was sent, where its model has a version on trial."""
        if not self.trials.on_trial(response.model_used) or response.prediction_id is None:
            return None
        said = (response.prediction_id, response.model_version, response.prediction.probability)
        return BackgroundTask(self.trials.offer, response.model_used, conversation, *said)


def prediction_router(predicting: Predicting) -> APIRouter:
    """The routes that ask a model; they need the role predict."""
    router = APIRouter(route_class=predicting.access.route_class("predict"), tags=["predictions"])
    errors = documented_errors(400, 409, 422, *GUARDED)

    @router.post("/predict", response_model=PredictionResponse, responses=errors)
    async def predict(body: PredictionRequest, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """The probability that a conversation converts, with analysis and similar conversations where asked for."""
        ids = await predicting.ids(request, idempotency_key)
        conversation, response, read = await predicting.run(request, _work(body), _answered, predicting, body)
        response.prediction_id = next(ids)
        response.request_id = request.state.request_id
        answered = [(response.prediction_id, conversation, response.prediction)]
        await predicting.record(request, response, answered, {response.prediction_id: read} if read else {})
        return _json(response, predicting.after(response, conversation))

    @router.post("/predict/batch", response_model=BatchResponse, responses=errors)
    async def predict_batch(body: BatchRequest, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Up to 64 conversations, the likeliest to convert first. One that can't be read refuses the whole batch.

        Those that name a deal appear on `GET /deals`, all conversations of a deal as one.
        """
        ids = await predicting.ids(request, idempotency_key)
        response, answered, deals = await predicting.run(
            request, _batch_work(body), _answered_batch, predicting, body, ids
        )
        response.request_id = request.state.request_id
        await predicting.record(request, response, answered, deals)
        return _json(response)

    @router.post("/predict/deal", response_model=DealResponse, responses=errors)
    async def predict_deal(body: DealRequest, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """The probability after each conversation of a deal, which one moved it most, and what holds of each signal."""
        ids = await predicting.ids(request, idempotency_key)
        (whole, newest), response, read = await predicting.run(
            request, _deal_work(body), _answered_deal, predicting, body
        )
        response.prediction_id = next(ids)
        response.request_id = request.state.request_id
        answered = [(response.prediction_id, newest, response.prediction)]
        await predicting.record(request, response, answered, {response.prediction_id: read})
        return _json(response, predicting.after(response, whole))

    return router


def _work(body: PredictionRequest) -> Work:
    kind = body.model_type + " trajectory" * body.include_trajectory + " analysis" * body.include_analysis
    return Work(kind, characters_of(body))


def _batch_work(body: BatchRequest) -> Work:
    with_deals = " deals" * any(one.deal_id is not None for one in body.conversations)
    return Work(body.model_type + with_deals, sum(map(characters_of, body.conversations)))


def _deal_work(body: DealRequest) -> Work:
    return Work(f"{body.model_type} deal", sum(map(characters_of, body.conversations)))


def characters_of(body: ConversationRequest) -> int:
    """How long the words are that a request brings."""
    return sum(len(turn.text) for turn in body.turns) if body.turns else len(body.transcript or "")


def _answered(
    predicting: Predicting, body: PredictionRequest
) -> tuple[Conversation, PredictionResponse, ReadDeal | None]:
    """Gives what is stored, too; of a conversation that is put to a deal also what was found in its words."""
    conversation = body.conversation()
    predicting.check_length([conversation])
    response = answer(predicting.sources, conversation, body)
    read = None
    if conversation.deal_id:
        with contextlib.suppress(
            UnavailableError
        ):  # a prediction that asks for no signals is answered without them, too
            read = ReadDeal(*read_single(predicting.sources, conversation, response))
    return conversation, response, read


def _answered_batch(
    predicting: Predicting, body: BatchRequest, ids: Iterator[str]
) -> tuple[BatchResponse, list[Answered], Mapping[str, ReadDeal]]:
    """Gives what is stored, too, and what was found in deals by the ids of their predictions."""
    conversations = [one.conversation(f"conversations.{n}") for n, one in enumerate(body.conversations)]
    predicting.check_length(conversations)
    name = predicting.sources.models.resolve(body.model_type)
    model = predicting.sources.models.model(name)
    response = answer_batch(name, model, conversations)
    of_deals = deals_of_file(predicting.sources, model, conversations, predicting.longest)
    response.notices = of_deals.notices
    many = stored_of_many(conversations, [ReadDeal(*one) for one in of_deals.read], ids)
    for ranked in response.predictions:
        ranked.prediction_id = many.ids[ranked.index]
    answered = [(many.ids[one.index], conversations[one.index], one.prediction) for one in response.predictions]
    return response, [*answered, *many.wholes], many.deals


def _answered_deal(
    predicting: Predicting, body: DealRequest
) -> tuple[tuple[Conversation, Conversation], DealResponse, ReadDeal]:
    """Gives the whole deal, and what is stored: its newest conversation, with what is known of the deal, and all of them
    in order with what was found in them; each of these has its own id, by which it is deleted."""
    ((deal,), notices) = deals_of(body.conversations_of())
    predicting.check_length([deal.whole])
    response = answer_deal(predicting.sources, deal, notices, body.model_type)
    return (deal.whole, stored_of(deal)), response, ReadDeal(deal, reading_of(response))


def _json(response: PredictionResponse | BatchResponse | DealResponse, after: BackgroundTask | None = None) -> Response:
    """Written once: FastAPI would validate and copy the model before. after: what is done when it was sent."""
    return Response(response.model_dump_json(), media_type="application/json", background=after)
