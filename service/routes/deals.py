"""GET /deals, /deals/lost and /deals/{deal_id}: what the stored predictions say of deals; they need the log.

A browser gets the pages of these addresses instead (`service.routes.pages`), which ask for the same as JSON.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from prediction_log.deals.listing import DealFilter, DealPage, deal_page
from prediction_log.deals.lost import LostDeals, lost_deals
from prediction_log.deals.timeline import DealTimeline, deal_timeline
from prediction_log.store import PredictionStore
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors
from service.negotiation import varies


def deals_router(access: Access, store: PredictionStore) -> APIRouter:
    """They need the role read."""
    router = APIRouter(route_class=access.route_class("log"), tags=["deals"], dependencies=[Depends(varies)])

    @router.get("/deals", responses=documented_errors(422, *GUARDED))
    def deals(wanted: Annotated[DealFilter, Query()]) -> DealPage:
        """The open deals, each as its newest prediction says, a page at a time."""
        return deal_page(store, wanted)

    @router.get("/deals/lost", responses=documented_errors(*GUARDED))
    def lost() -> LostDeals:
        """What stood against the deals whose feedback says failed, by month and by rival, with quotes."""
        return lost_deals(store)

    @router.get("/deals/{deal_id:path}", responses=documented_errors(404, 422, *GUARDED))
    def deal(deal_id: str) -> DealTimeline:
        """One deal: its probability over time, what moved it, what holds of each signal, what is missing, and warnings."""
        found = deal_timeline(store, deal_id)
        if found is None:
            raise ApiError(404, "unknown_deal", f"No prediction of a deal {deal_id[:80]!r} is stored.")
        return found

    return router
