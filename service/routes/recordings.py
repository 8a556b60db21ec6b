"""POST /recordings takes a recording of a call and answers at once; GET says how far it is heard, and then what was said.

Hearing takes a tenth of the recording's length and more, so it is no prediction: it has a process of its own, which all
workers share (`service.recordings`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from conversations.hearing.weights import check_can_hear
from conversations.reading.uploads import check_is_recording
from foundations.atomic_files import open_private
from foundations.errors import UnavailableError, quoted
from service.access.guards import GUARDED, Access
from service.api_errors import ApiError, documented_errors
from service.limits.refused import RefusedError
from service.read_conversations import ReadConversation, ReadConversations
from service.recordings.line import MOST_OF_A_CALLER, MOST_WAITING, Entry, Hearing, State
from service.routes.uploads import BODY, FileName

RETRY_SECONDS = 60
_BEGINNING = 12  # bytes that tell what a file is


class Recording(BaseModel):
    """A recording that was sent, and what came of it so far."""

    id: str = Field(description="For GET and DELETE /recordings/{id}")
    name: str
    state: State = Field(description="waiting, hearing, done or failed")
    before: int = Field(ge=0, description="How many recordings are to be heard before this one")
    progress: float = Field(ge=0.0, le=1.0, description="The share that is heard")
    seconds_left: float | None = Field(description="About how long hearing the rest takes; null where it can't be told")
    problem: str | None = Field(description="Why it failed: one sentence for people")
    conversations: list[ReadConversation] | None = Field(description="The one conversation, once the state is done")
    notices: list[str] = Field(description="As for POST /conversations/read")


class DeletedRecording(BaseModel):
    """The answer to DELETE /recordings/{id}."""

    id: str


def recordings_router(access: Access, hearing: Hearing) -> APIRouter:
    """They need the role predict; a recording is known to who sent it alone."""
    router = APIRouter(tags=["recordings"])
    taking = APIRouter(route_class=access.route_class("predict", takes_recordings=True))
    asking = APIRouter(route_class=access.route_class("predict"))
    line = hearing.line

    @taking.post("/recordings", status_code=202, responses=documented_errors(422, *GUARDED), openapi_extra=BODY)
    async def send(request: Request, response: Response, name: FileName = "recording") -> Recording:
        """A recording of a call, WAV, MP3, M4A, Ogg, FLAC or WebM; its words are there for an hour after it is heard."""
        caller = request.state.caller.name
        _check_can_hear(hearing.speech_model)
        await asyncio.to_thread(_check_room, hearing, caller)
        entry = line.new(caller, name)
        try:
            await _kept(request, line.sound(entry.id), name)
            await asyncio.to_thread(line.join, entry)
        except BaseException:  # also where its sender went away in the middle of it
            line.delete(entry.id)
            raise
        await asyncio.to_thread(hearing.look)
        response.headers["Location"] = f"/recordings/{entry.id}"
        return await asyncio.to_thread(_answer, hearing, entry)

    @asking.get("/recordings/{identifier}", responses=documented_errors(404, 422, *GUARDED))
    def state(identifier: str, request: Request) -> Recording:
        """How far a recording is heard, and once it is, what was said."""
        hearing.look()
        return _answer(hearing, _entry(hearing, identifier, request))

    @asking.delete("/recordings/{identifier}", responses=documented_errors(404, 422, *GUARDED))
    def delete(identifier: str, request: Request) -> DeletedRecording:
        """Gives a recording up, or deletes what was heard of it."""
        entry = _entry(hearing, identifier, request)
        line.delete(entry.id)
        return DeletedRecording(id=entry.id)

    router.include_router(taking)
    router.include_router(asking)
    return router


def _check_can_hear(speech_model: Path | None) -> None:
    try:
        check_can_hear(speech_model)
    except UnavailableError as error:
        raise UnavailableError(f"This service can't hear: {error}") from error


def _check_room(hearing: Hearing, caller: str) -> None:
    waiting = hearing.line.unheard()
    own = sum(entry.caller == caller for entry in waiting)
    if len(waiting) >= MOST_WAITING or own >= MOST_OF_A_CALLER:
        said = f"{len(waiting)} recordings wait to be heard, {own} of them yours; send this one once some are heard."
        raise RefusedError(503, "too_many_recordings", said, RETRY_SECONDS)


async def _kept(request: Request, path: Path, name: str) -> None:
    """Writes the body to a file as it comes. Raises InputError for no recording, UnavailableError where the disk refuses."""
    beginning, checked = b"", False
    try:
        with open_private(path) as file:
            async for piece in request.stream():
                if not checked:
                    beginning += piece[:_BEGINNING]
                    if checked := len(beginning) >= _BEGINNING:
                        check_is_recording(beginning, name)
                await asyncio.to_thread(file.write, piece)
    except OSError as error:
        raise UnavailableError(f"The recording can't be kept until it is heard ({error.strerror}).") from error
    check_is_recording(beginning, name)


def _entry(hearing: Hearing, identifier: str, request: Request) -> Entry:
    entry = hearing.line.find(identifier, request.state.caller.name)
    if entry is None:
        raise _unknown(identifier)
    return entry


def _unknown(identifier: str) -> ApiError:
    said = f"There is no recording {quoted(identifier)}; words are kept for an hour at most."
    return ApiError(404, "unknown_recording", said)


def _answer(hearing: Hearing, entry: Entry) -> Recording:
    found = ReadConversations(conversations=[], notices=[])
    if entry.state == "done":
        try:
            found = ReadConversations.model_validate_json(hearing.line.words(entry.id).read_bytes())
        except FileNotFoundError as error:  # deleted a moment ago
            raise _unknown(entry.id) from error
    unheard = hearing.line.unheard() if entry.state == "waiting" else []
    facts: dict[str, Any] = entry.model_dump(include={"id", "name", "state", "progress", "seconds_left", "problem"})
    return Recording(
        **facts,
        before=sum(other.came < entry.came for other in unheard),
        conversations=found.conversations or None,
        notices=found.notices,
    )
