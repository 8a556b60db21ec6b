"""Versions of a model compared in production: trials, what they say, which version is champion, and back again."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import TypeVar

from fastapi import APIRouter, Request

from answers.model_list import LoadResponse
from learning.roles import RoleConflictError
from learning.trials import Experiments, TrialEnded, TrialRequest, TrialStarted, experiments
from prediction_log.store import PredictionStore
from service.access.audit_trail import actor_of
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors
from service.following import VersionFollower
from service.routes.management import ModelName, check_model_name

T = TypeVar("T")


def experiment_routers(access: Access, versions: VersionFollower, store: PredictionStore) -> Iterator[APIRouter]:
    """What tells of trials, and what changes them."""
    told = APIRouter(route_class=access.route_class("log"), tags=["management"])

    @told.get("/experiments", responses=documented_errors(*GUARDED))
    def trials() -> Experiments:
        """Each trial: the difference between both versions, its interval, who is better, how many more deals it takes."""
        return experiments(store)

    yield told
    changed = APIRouter(prefix="/models/{model_type}", route_class=access.route_class("manage"), tags=["management"])
    _add_trial(changed, versions)
    _add_champion(changed, versions)
    yield changed


def _add_trial(router: APIRouter, versions: VersionFollower) -> None:
    @router.post("/trial", responses=documented_errors(400, 404, 409, 422, *GUARDED))
    async def start(request: Request, model_type: ModelName, body: TrialRequest) -> TrialStarted:
        """Compares a version with the champion, as a shadow or for a share of the deals, until it is promoted or ended."""
        check_model_name(model_type)
        return await _done(versions.start_trial(model_type, body, actor_of(request)))

    @router.delete("/trial", responses=documented_errors(404, 409, 422, *GUARDED))
    async def end(request: Request, model_type: ModelName) -> TrialEnded:
        """Ends a trial; its figures stay."""
        check_model_name(model_type)
        version = await _done(versions.end_trial(model_type, actor_of(request)))
        return TrialEnded(model=model_type, version=version)


def _add_champion(router: APIRouter, versions: VersionFollower) -> None:
    @router.post("/promote", responses=documented_errors(404, 409, 422, *GUARDED))
    async def promote(request: Request, model_type: ModelName) -> LoadResponse:
        """Makes the version on trial the champion, in every worker of every machine."""
        check_model_name(model_type)
        return await _done(versions.promote(model_type, actor_of(request)))

    @router.post("/rollback", responses=documented_errors(404, 409, 422, *GUARDED))
    async def roll_back(request: Request, model_type: ModelName) -> LoadResponse:
        """Makes the champion before this one champion again; called again, the one before that."""
        check_model_name(model_type)
        return await _done(versions.roll_back(model_type, actor_of(request)))


async def _done(change: Awaitable[T]) -> T:
    try:
        return await change
    except RoleConflictError as error:
        raise ApiError(409, error.code, str(error)) from error
    except LookupError as error:
        raise ApiError(404, "unknown_version", str(error.args[0])) from error
