"""GET /deals and GET /deals/{deal_id}: what the stored predictions say of deals; they need the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from prediction_log.deals.listing import DealFilter, DealHistory, DealPage, deal_history, deal_page
from prediction_log.store import PredictionStore
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors


def deals_router(access: Access, store: PredictionStore) -> APIRouter:
    """They need the role read."""
    router = APIRouter(route_class=access.route_class("log"), tags=["deals"])

    @router.get("/deals", responses=documented_errors(422, *GUARDED))
    def deals(wanted: Annotated[DealFilter, Query()]) -> DealPage:
        """The open deals, ranked by their newest prediction, a page at a time."""
        return deal_page(store, wanted)

    @router.get("/deals/{deal_id:path}", responses=documented_errors(404, 422, *GUARDED))
    def deal(deal_id: str) -> DealHistory:
        """The predictions of one deal in order of time."""
        found = deal_history(store, deal_id)
        if found is None:
            raise ApiError(404, "unknown_deal", f"No prediction of a deal {deal_id[:80]!r} is stored.")
        return found

    return router
