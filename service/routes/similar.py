"""POST /similar: the closed conversations most like one. Nothing is predicted, and nothing is stored."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from answers.answer import similar_to
from answers.similar_requests import SimilarRequest, SimilarResponse
from service.access.guards import GUARDED
from service.api_errors import documented_errors
from service.limits.work import Work
from service.routes.predictions import Predicting, characters_of


def similar_router(predicting: Predicting) -> APIRouter:
    """It needs the role predict."""
    router = APIRouter(route_class=predicting.access.route_class("predict"), tags=["predictions"])

    @router.post("/similar", response_model=SimilarResponse, responses=documented_errors(400, 422, *GUARDED))
    async def similar(body: SimilarRequest, request: Request) -> Response:
        """The closed conversations most like the given one, nearest first, of all or of those that a filter leaves."""
        work = Work("similar", characters_of(body))
        response = await predicting.run(request, work, _found, predicting, body)
        response.request_id = request.state.request_id
        return Response(response.model_dump_json(), media_type="application/json")

    return router


def _found(predicting: Predicting, body: SimilarRequest) -> SimilarResponse:
    conversation = body.conversation()
    predicting.check_length([conversation])
    found, problem = similar_to(predicting.sources.similar, body, conversation)
    return SimilarResponse(similar_conversations=None if problem else found, similar_problem=problem)
