"""GET /retrainings: what was decided about retrained models, and by which figures; it needs the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from prediction_log.outcomes.retrainings import RetrainingFilter, RetrainingList, retraining_list
from prediction_log.store import PredictionStore
from service.access.guards import GUARDED, Access
from service.api_errors import documented_errors


def learning_router(access: Access, store: PredictionStore) -> APIRouter:
    """It needs the role read."""
    router = APIRouter(route_class=access.route_class("log"), tags=["management"])

    @router.get("/retrainings", responses=documented_errors(422, *GUARDED))
    def retrainings(wanted: Annotated[RetrainingFilter, Query()]) -> RetrainingList:
        """Each try to retrain a model, the newest first: promoted or refused, why, and the figures of both models."""
        return retraining_list(store, wanted)

    return router
