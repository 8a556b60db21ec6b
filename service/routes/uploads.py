"""POST /conversations/read and POST /predict/file: a file in, its conversations or their ranking out.

The body is the file itself; what it is follows from its content, as on the command line. Both read in a prediction's
thread and count as one in flight, since reading eight megabytes takes as long as a prediction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from answers.deals.files import deals_of_file
from answers.requests import ModelType
from conversations.conversation import Conversation, Outcome
from conversations.formats.options import ReadingOptions
from conversations.model_text import transcript_of
from conversations.reading.record import is_row_id
from conversations.reading.uploads import Reader, Upload, received, uploaded_records, uploaded_transcript
from foundations.texts import shortened
from modelling.names import AUTO
from prediction_log.deal_readings import ReadDeal
from probability.bands import Prediction, prediction_of
from scoring.scores import closed_deals_sentence, ranked_csv, ranked_order, score_conversations
from service.access.guards import GUARDED
from service.access.repeating import IdempotencyKey
from service.api_errors import documented_errors
from service.limits.work import READ, Work
from service.read_conversations import ReadConversations, read_conversations
from service.routes.many import Answered, stored_of_many
from service.routes.predictions import Predicting

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file's bytes; the Content-Type is not looked at.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_Many = tuple[str, ...]
DealOfFile = Annotated[
    str | None,
    Query(
        min_length=1, max_length=200, pattern=r"\S", description="The deal of conversations that name none themselves"
    ),
]
FileName = Annotated[str, Query(max_length=255, description="For messages and, where the file has none, as its id.")]

Columns = Annotated[
    _Many, Query(max_length=50, description="Which column is what: FIELD=COLUMN, such as transcript=Notes; repeatable")
]
Won = Annotated[_Many, Query(max_length=100, description="A word of the file for a won deal; repeatable")]
Lost = Annotated[_Many, Query(max_length=100, description="A word of the file for a lost deal; repeatable")]


def upload_router(predicting: Predicting) -> APIRouter:
    """The routes that take a file; they need the role predict."""
    router = APIRouter(route_class=predicting.access.route_class("predict"), tags=["predictions"])
    errors, stored = documented_errors(422, *GUARDED), documented_errors(409, 422, *GUARDED)

    @router.post("/conversations/read", response_model=ReadConversations, responses=errors, openapi_extra=BODY)
    async def read(
        request: Request, name: FileName = "upload", column: Columns = (), won: Won = (), lost: Lost = ()
    ) -> Response:
        """The conversations of a WebVTT, JSON or CSV file, or a plain text as one, ready for POST /predict."""
        meant, body = ReadingOptions.given(column, won, lost), await request.body()
        written = await predicting.run(request, _reading("read", body), _read, predicting, body, name, meant)
        return Response(written, media_type="application/json")

    @router.post("/predict/file", response_model=FileRanking, responses=stored, openapi_extra=BODY)
    async def predict_file(
        request: Request,
        name: FileName = "upload",
        column: Columns = (),
        won: Won = (),
        lost: Lost = (),
        model_type: ModelType = AUTO,
        deal_id: DealOfFile = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Up to 1,000 conversations of a file, the likeliest to convert first, also as CSV with the file's columns.

        Those of open deals appear on `GET /deals`, all conversations of a deal as one.
        """
        started, meant = time.perf_counter(), ReadingOptions.given(column, won, lost)
        ids, body = await predicting.ids(request, idempotency_key), await request.body()
        reading = _reading("read records", body)
        found = await predicting.run(request, reading, _received, predicting, uploaded_records, body, name, meant)
        found = _put_to(deal_id, found)
        with_deals = " deals" * any(one.deal_id is not None for one in found.conversations)
        ranking_them = Work(model_type + with_deals, sum(one.characters for one in found.conversations))
        ranked, answered, deals = await predicting.run(
            request, ranking_them, _ranked, predicting, found, model_type, ids
        )
        ranked.request_id = request.state.request_id
        await predicting.record(request, ranked, answered, deals)
        ranked.processing_time = round(time.perf_counter() - started, 6)
        return Response(ranked.model_dump_json(), media_type="application/json")

    return router


def _reading(kind: str, body: bytes) -> Work:
    return Work(kind, len(body), READ)


def _received(predicting: Predicting, reader: Reader, data: bytes, name: str, meant: ReadingOptions) -> Upload:
    found = received(reader, data, name, meant)
    predicting.check_length(found.conversations)
    return found


def _read(predicting: Predicting, data: bytes, name: str, meant: ReadingOptions) -> str:
    found = _received(predicting, uploaded_transcript, data, name, meant)
    return read_conversations(found).model_dump_json()


def _put_to(deal_id: str | None, found: Upload) -> Upload:
    """The file's own ids win."""
    if deal_id is None:
        return found
    conversations = [one if one.deal_id else one.model_copy(update={"deal_id": deal_id}) for one in found.conversations]
    return Upload(conversations, found.notices)


def _ranked(
    predicting: Predicting, found: Upload, model_type: str, ids: Iterator[str]
) -> tuple[FileRanking, list[Answered], dict[str, ReadDeal]]:
    """The ranking, what is stored of it, and what was found in deals by the ids of their predictions."""
    conversations, models = found.conversations, predicting.sources.models
    outcomes = [conversation.outcome for conversation in conversations]
    model_name = models.resolve(model_type)
    model = models.model(model_name)
    rows = score_conversations(model, conversations)
    order = ranked_order([row["probability"] for row in rows], outcomes)
    kept = [_as_stored(one) for one in conversations]
    file_deals = deals_of_file(predicting.sources, model, kept, predicting.longest)
    many = stored_of_many(kept, [ReadDeal(*one) for one in file_deals.read], ids)
    records = [
        RankedRecord(
            rank=rank,
            conversation_id=conversations[n].conversation_id,
            prediction=prediction_of(rows[n]["probability"]),
            recorded_outcome=outcomes[n],
            excerpt=shortened(transcript_of(conversations[n], str.capitalize)),
            prediction_id=many.ids[n],
        )
        for rank, n in enumerate(order, start=1)
    ]
    ranked = FileRanking(
        predictions=records,
        model_used=model_name,
        model_version=model.version,
        csv=ranked_csv(conversations, rows),
        notices=[*found.notices, *filter(None, [closed_deals_sentence(outcomes)]), *file_deals.notices],
        processing_time=0.0,
        request_id="",
    )
    answered = [(record.prediction_id, kept[n], record.prediction) for record, n in zip(records, order, strict=True)]
    return ranked, [*answered, *many.wholes], many.deals


def _as_stored(conversation: Conversation) -> Conversation:
    """Without an id that was made up for its row: every file has such a row."""
    made_up = is_row_id(conversation.conversation_id)
    return conversation.model_copy(update={"conversation_id": ""}) if made_up else conversation


class RankedRecord(BaseModel):
    """One conversation's place among those of a file."""

    rank: int = Field(ge=1, description="1 for the likeliest open deal; those that are closed come last")
    conversation_id: str = Field(description="The file's, or row-N")
    prediction: Prediction
    recorded_outcome: Outcome | None = Field(description="As the file says; null for an open deal")
    excerpt: str = Field(description="How it begins")
    prediction_id: str = Field(description="For POST /feedback")


class FileRanking(BaseModel):
    """The answer to POST /predict/file."""

    predictions: list[RankedRecord]
    model_used: str = Field(description="The model's name, never auto")
    model_version: str
    csv: str = Field(description="The same as a table: rank, score, and what each record came with")
    notices: list[str] = Field(description="As for POST /conversations/read, and how many deals are closed already")
    processing_time: float = Field(ge=0.0, description="Seconds from the received file to the answer")
    request_id: str
