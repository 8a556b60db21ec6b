"""What people look at again: which outcome to look up next (GET /suggest), and signals that they label."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from foundations.settings import Settings
from learning.labels.labelled import LabelFilter, LabelledSentence, LabelPage, LabelRequest, label_page, store_label
from learning.review.suggestions import MOST_SUGGESTIONS, USUAL_COUNT, SuggestionList, suggestion_list
from prediction_log.store import PredictionStore
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors
from service.stored_predictions import checked, found, in_time


def review_routers(access: Access, store: PredictionStore, settings: Settings) -> Iterator[APIRouter]:
    """Those that need the role read, and the one that needs feedback."""
    reading = APIRouter(route_class=access.route_class("log"), tags=["learning"])

    @reading.get("/suggest", responses=documented_errors(422, *GUARDED))
    def suggest(
        count: Annotated[
            int, Query(ge=1, le=MOST_SUGGESTIONS, description="Deals to look up, and contradicted ones")
        ] = USUAL_COUNT,
    ) -> SuggestionList:
        """Which outcome to look up next, with reasons, and which recorded one to look at again; the same all day."""
        return suggestion_list(store, count, datetime.now(UTC))

    @reading.get("/signals/labels", responses=documented_errors(422, *GUARDED))
    def labels(wanted: Annotated[LabelFilter, Query()]) -> LabelPage:
        """The sentences that people labelled, the newest first, a page at a time."""
        return label_page(store, wanted)

    yield reading
    yield _labelling(access, store, settings)


def _labelling(access: Access, store: PredictionStore, settings: Settings) -> APIRouter:
    router = APIRouter(route_class=access.route_class("feedback"), tags=["learning"])

    @router.post("/signals/label", responses=documented_errors(400, 404, 422, *GUARDED))
    async def label(request: Request, body: LabelRequest) -> LabelledSentence:
        """Says what is right of a sentence's signal; sent again by the same caller, it replaces what was said before."""
        if settings.store_transcripts == "none":
            raise ApiError(
                422,
                "no_words_are_stored",
                "This service stores no words of a conversation (SALES_STORE_TRANSCRIPTS=none), so no sentence of one either.",
            )
        checked(body.prediction_id)
        given = (body, request.state.caller.name, settings.store_transcripts)
        stored = await in_time(lambda: asyncio.to_thread(store_label, store, *given))
        return found(stored, body.prediction_id)

    return router
