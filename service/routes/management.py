"""What the operator and the CRM use: models, performance, the log, feedback, metrics, the audit log, health."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from answers.model_list import LoadRequest, LoadResponse, ModelList, listed_models
from answers.model_server import ModelServer
from foundations.errors import InputError
from learning.roles import RoleConflictError
from modelling.names import MODEL_NAMES
from prediction_log.audit import AuditFilter, AuditPage, audit_page
from prediction_log.entries import LONGEST_PAGE, LogFilter, log_csv, log_page, logged_prediction
from prediction_log.outcomes.recording import UnknownSubjectError, record_outcomes
from prediction_log.outcomes.requests import FeedbackRequest, FeedbackResponse
from prediction_log.performance import performance
from prediction_log.schemas import (
    LoggedPrediction,
    LogPage,
    Performance,
    Removed,
    RemovedConversation,
)
from prediction_log.store import PredictionStore
from probability.bands import prediction_of
from service import metrics as service_metrics
from service.access.audit_trail import actor_of
from service.access.guards import GUARDED, Access
from service.access.keys import Need
from service.access.repeating import IdempotencyKey, repeatable
from service.api_errors import ApiError, documented_errors, public_message
from service.following import VersionFollower
from service.graceful_stop import GracefulStop
from service.limits.refused import RETRY_SECONDS
from service.schemas import Alive, Health
from service.stored_predictions import LATE_SECONDS, checked, found, in_time
from service.worker_reports import WorkerReports
from signals.outcomes import SignalOutcomes, read_signal_outcomes

LONGEST_WINDOW = 24 * 366 * 5  # hours
_CACHED_SECONDS = 2.0  # that a report of performance is given again
_CSV: dict[int | str, dict[str, Any]] = {200: {"description": "The stored predictions", "content": {"text/csv": {}}}}
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus's text format", "content": {"text/plain": {}}}
}

ConversationId = Annotated[
    str, Query(pattern=r"^[^\x00]+$", description="As it was given with the predictions of the conversation")
]
ModelName = Annotated[str, Path(json_schema_extra={"enum": list(MODEL_NAMES)})]


def health_router(health_now: Callable[[], Health], models: ModelServer, stopping: GracefulStop) -> APIRouter:
    """For load balancers and orchestrators: no key, no limit."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("", responses=documented_errors(500))
    async def health() -> Health:
        """How the service is; always 200 while the process answers, and never waits for a prediction."""
        return health_now()

    @router.get("/live", responses=documented_errors(500))
    async def live() -> Alive:
        """The process answers; where it doesn't, restart it."""
        return Alive()

    @router.get("/ready", responses=documented_errors(500, 503))
    async def ready() -> Alive:
        """Predictions can be sent: the model that auto means is in memory. The database may be away."""
        problem = None
        if stopping.draining:
            problem = "The service is about to end."
        elif not models.ready():
            problem = models.problem() or "The model is still being loaded."
        if problem:
            raise ApiError(503, "not_ready", problem, {"Retry-After": str(RETRY_SECONDS)})
        return Alive()

    return router


def figures_router(access: Access, server: ModelServer, workers: WorkerReports, store: PredictionStore) -> APIRouter:
    """Figures that say nothing of a customer."""
    router = APIRouter(route_class=access.route_class("figures"), tags=["management"])
    recent = _RecentPerformance(server, workers, store)

    @router.get("/models", responses=documented_errors(*GUARDED))
    def models(request: Request) -> ModelList:
        """Every model: its versions, held-out metrics, age and encoder, which is loaded and which is auto."""
        listed = listed_models(server, workers.loaded_by())
        for model in listed:
            model.problem = model.problem and public_message(request, model.problem)
        return ModelList(auto=server.auto, workers=len(access.admission.in_flight.workers()), models=listed)

    @router.get("/performance", responses=documented_errors(422, *GUARDED))
    async def performance_of(hours: Annotated[float, Query(gt=0, le=LONGEST_WINDOW)] = 24.0) -> Performance:
        """Requests, errors, latency, outcomes, live accuracy and drift over all workers, of the last `hours`."""
        return await recent.get(hours)

    @router.get("/signals", responses=documented_errors(*GUARDED))
    def signals(request: Request) -> SignalOutcomes:
        """Which signals went with success in the last evaluation: rates with and without each, with intervals."""
        try:
            return read_signal_outcomes(server.folder)
        except InputError as error:
            return SignalOutcomes(problem=public_message(request, str(error)))

    return router


def management_routers(
    access: Access, versions: VersionFollower, store: PredictionStore, measure: Callable[[], None]
) -> Iterator[APIRouter]:
    """What shows or changes stored predictions and served models, for each need of a caller a router."""
    parts: dict[Need, Callable[[APIRouter], None]] = {
        "manage": lambda router: _add_management(router, versions, store),
        "log": lambda router: _add_log(router, store),
        "feedback": lambda router: _add_feedback(router, store),
        "metrics": lambda router: _add_metrics(router, measure),
    }
    for need, add in parts.items():
        router = APIRouter(route_class=access.route_class(need), tags=["management"])
        add(router)
        yield router


def _add_management(router: APIRouter, versions: VersionFollower, store: PredictionStore) -> None:
    _add_model_loading(router, versions)
    _add_deletion(router, store)

    @router.get("/audit", responses=documented_errors(422, *GUARDED))
    def audit(wanted: Annotated[AuditFilter, Query()]) -> AuditPage:
        """Who did what, from where: refused keys, loads, feedback with what was said before, deletions; the newest first."""
        return audit_page(store, wanted)


def check_model_name(model_type: str) -> None:
    """Raises ApiError 404 for a model that there is not."""
    if model_type not in MODEL_NAMES:
        raise ApiError(
            404, "unknown_model", f"There is no model {model_type[:80]!r}; there are {', '.join(MODEL_NAMES)}."
        )


def _add_model_loading(router: APIRouter, versions: VersionFollower) -> None:
    @router.post("/models/{model_type}/load", responses=documented_errors(400, 404, 409, 422, *GUARDED))
    async def load(request: Request, model_type: ModelName, body: LoadRequest | None = None) -> LoadResponse:
        """Serves a version of a model, in every worker; a damaged one is refused and the old one stays."""
        check_model_name(model_type)
        try:
            return await versions.load(model_type, body.version if body else None, actor_of(request))
        except RoleConflictError as error:
            raise ApiError(409, error.code, str(error)) from error
        except LookupError as error:
            raise ApiError(404, "unknown_version", str(error.args[0])) from error


def _add_log(router: APIRouter, store: PredictionStore) -> None:
    @router.get("/logs", responses=documented_errors(422, *GUARDED))
    def logs(
        wanted: Annotated[LogFilter, Query()],
    ) -> LogPage:
        """Stored predictions, the newest first, a page at a time."""
        return log_page(store, wanted, wanted.limit, wanted.cursor)

    @router.get(
        "/logs/export", responses={**documented_errors(422, *GUARDED), **_CSV}, response_class=StreamingResponse
    )
    def export(wanted: Annotated[LogFilter, Query()]) -> StreamingResponse:
        """All stored predictions that the filters leave, as CSV; `limit` does not count."""
        first = log_page(store, wanted, LONGEST_PAGE, wanted.cursor)  # an error comes before the first byte
        name = {"Content-Disposition": 'attachment; filename="predictions.csv"'}
        return StreamingResponse(log_csv(store, wanted, first), media_type="text/csv; charset=utf-8", headers=name)

    @router.get("/logs/{prediction_id}", responses=documented_errors(404, 422, *GUARDED))
    def log_entry(prediction_id: str) -> LoggedPrediction:
        """One stored prediction."""
        return found(logged_prediction(store, checked(prediction_id)), prediction_id)


def _add_deletion(router: APIRouter, store: PredictionStore) -> None:
    @router.delete("/logs", responses=documented_errors(404, 422, *GUARDED))
    async def remove_conversation(request: Request, conversation_id: ConversationId) -> RemovedConversation:
        """Deletes all predictions of one conversation and their feedback, also those that are about to be stored."""
        actor = actor_of(request)
        removed = await asyncio.to_thread(store.remove_conversation, conversation_id, actor)
        await asyncio.sleep(LATE_SECONDS)
        removed += await asyncio.to_thread(store.remove_conversation, conversation_id, actor)
        if not removed:
            named = repr(conversation_id[:80])
            raise ApiError(404, "unknown_conversation", f"No prediction of a conversation {named} is stored.")
        return RemovedConversation(conversation_id=conversation_id, removed=removed)

    @router.delete("/logs/{prediction_id}", responses=documented_errors(404, 422, *GUARDED))
    async def remove(request: Request, prediction_id: str) -> Removed:
        """Deletes a prediction and its feedback."""
        identifier = checked(prediction_id)
        removed = await in_time(lambda: asyncio.to_thread(store.remove, identifier, actor_of(request)))
        found(removed or None, identifier)
        return Removed(prediction_id=identifier)


def _add_feedback(router: APIRouter, store: PredictionStore) -> None:
    @router.post("/feedback", responses=documented_errors(400, 404, 409, 422, *GUARDED))
    async def give_feedback(
        request: Request, body: FeedbackRequest, idempotency_key: IdempotencyKey = None
    ) -> FeedbackResponse:
        """How a predicted deal ended: live accuracy, Brier score and calibration come from it, and what is retrained."""
        given = body.given()
        if given.kind == "prediction":
            checked(given.identifier)
        asked = (store, [given], actor_of(request), await repeatable(request, idempotency_key), True)

        async def recorded() -> list[Any]:
            ((_, rows),) = await asyncio.to_thread(record_outcomes, *asked)
            return rows

        rows = await in_time(recorded)
        if not rows:
            unknown = UnknownSubjectError(given)
            raise ApiError(404, unknown.code, str(unknown))
        newest = rows[0]
        return FeedbackResponse(
            prediction_id=newest.prediction_id,
            model=newest.model,
            predicted_outcome=newest.outcome,
            probability=newest.probability,
            actual_outcome=given.outcome,
            correct=prediction_of(newest.probability).outcome == given.outcome,
            predictions=len(rows),
        )


def _add_metrics(router: APIRouter, measure: Callable[[], None]) -> None:
    @router.get("/metrics", responses={**documented_errors(*GUARDED), **_TEXT}, response_class=Response)
    def metrics() -> Response:
        """Counts and times over all workers, for Prometheus."""
        measure()
        return Response(service_metrics.latest(), media_type=service_metrics.CONTENT_TYPE)


class _RecentPerformance:
    """Reports of performance, each kept for two seconds, so that many dashboards cost as much as one."""

    def __init__(self, models: ModelServer, workers: WorkerReports, store: PredictionStore) -> None:
        self._models, self._workers, self._store = models, workers, store
        self._reports: dict[float, tuple[float, Performance]] = {}
        self._making = asyncio.Lock()

    async def get(self, hours: float) -> Performance:
        async with self._making:
            now = time.monotonic()
            self._reports = {key: value for key, value in self._reports.items() if now - value[0] < _CACHED_SECONDS}
            if hours not in self._reports:
                report = await asyncio.to_thread(self._make, hours)
                self._reports[hours] = (time.monotonic(), report)
            return self._reports[hours][1]

    def _make(self, hours: float) -> Performance:
        return performance(self._store, hours, self._models.references(), self._workers.resources())
