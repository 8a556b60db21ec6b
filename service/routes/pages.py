"""The pages /app, /dashboard and those of deals, and the files they load: scripts, styles, and Plotly's script for the charts.

The pages hold no data and need no key: what they show they ask the API for, as any other program. They are the same in
every worker. Scripts and styles are files of `templates/`, none stands inside a page, and nothing comes from another
host: Plotly's script, of bars, lines and points alone, lies in `templates/plotly` as npm's package
plotly.js-basic-dist-min has it, with its licence and version. A file is read and compressed when it is first asked for:
1.5 MB of memory for Plotly's, a tenth of a second once. It is sent in pieces, the next when the one before has been taken,
so that who reads slowly holds a piece of it only, and no file descriptor.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from conversations.conversation import ConversationContext
from conversations.formats.options import FIELDS
from conversations.reading.uploads import MOST_CONVERSATIONS
from foundations.errors import quoted
from foundations.settings import Settings
from model_registry import MODEL_CLASSES
from modelling.names import AUTO
from service.access.guards import Access
from service.api_errors import ApiError
from service.negotiation import VARY, page_routes
from signals.sentences import SIGNAL_NAMES

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
ASSETS = TEMPLATES / "assets"
PLOTLY = TEMPLATES / "plotly" / "plotly-basic.min.js"
PIECE = 65_536  # bytes
_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
# What a field usually holds, offered while typing; any other text is accepted as well.
_USUAL_VALUES = {
    "company_size": ("startup", "small business", "mid-market", "enterprise"),
    "urgency": ("high", "medium", "low"),
    "budget_authority": ("decision_maker", "influencer", "end_user"),
    "lead_source": ("website", "referral", "trade show", "cold call", "webinar", "partner"),
}
# How people call what a column can be, where its name doesn't say it.
_COLUMN_LABELS = {
    "transcript": "Words",
    "outcome": "How it ended",
    "conversation_id": "Id",
    "group": "Customer or account",
    "deal_id": "Deal",
}
_OF_DEALS = ("deals.html", "deal.html", "lost.html")  # at addresses that give JSON to programs
_SORTS = (
    ("probability", "likeliest first"),
    ("falling", "fallen most"),
    ("rising", "risen most"),
    ("quietest", "quiet for longest"),
    ("newest", "predicted last"),
)


@dataclass(frozen=True)
class Asset:
    """A file that a page loads."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str


def pages_router(access: Access, settings: Settings) -> APIRouter:
    """The pages; open to everybody, as the key is entered there, at the rate of all requests."""
    router = APIRouter(route_class=access.route_class(None), include_in_schema=False)
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def page(name: str, **values: Any) -> HTMLResponse:
        shown = templates.get_template(name).render(page=name.removesuffix(".html"), **values)
        return HTMLResponse(shown, headers=VARY if name in _OF_DEALS else None)

    @router.get("/app")
    def app_page() -> HTMLResponse:
        return page(
            "app.html",
            models=[(AUTO, "Automatic"), *((n, kind.title) for n, kind in MODEL_CLASSES.items())],
            fields=[
                (name, name.replace("_", " "), _USUAL_VALUES.get(name, ())) for name in ConversationContext.model_fields
            ],
            columns=[
                (name, _COLUMN_LABELS.get(name, name.replace("_", " ").capitalize()))
                for name in FIELDS
                if name != "split"
            ],
            longest=settings.max_transcript_characters,
            largest=settings.max_body_bytes,
            largest_recording=settings.max_recording_bytes,
            most=MOST_CONVERSATIONS,
            labels=SIGNAL_NAMES if settings.store_transcripts != "none" else (),
        )

    @router.get("/dashboard")
    def dashboard_page() -> HTMLResponse:
        return page("dashboard.html")

    for_browsers = APIRouter(route_class=page_routes(access.route_class(None)), include_in_schema=False)

    @for_browsers.get("/deals")
    def deals_page() -> HTMLResponse:
        return page("deals.html", sorts=_SORTS)

    @for_browsers.get("/deals/lost")
    def lost_page() -> HTMLResponse:
        return page("lost.html")

    @for_browsers.get("/deals/{deal_id:path}")
    def deal_page(deal_id: str) -> HTMLResponse:
        return page("deal.html")

    router.include_router(for_browsers)

    @router.get("/assets/{name}")
    def asset_file(name: str, request: Request) -> Response:
        if name not in _asset_paths():
            raise ApiError(404, "not_found", f"There is no file {quoted(name)} for pages.")
        return _answer(asset(name), request)

    return router


@functools.cache
def asset(name: str) -> Asset:
    """One of the files that pages load, by its name."""
    path = _asset_paths()[name]
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, gzip.compress(content, 6, mtime=0), _MEDIA_TYPES[path.suffix], etag)


@functools.cache
def _asset_paths() -> dict[str, Path]:
    return {path.name: path for path in (PLOTLY, *ASSETS.iterdir()) if path.suffix in _MEDIA_TYPES}


def _answer(found: Asset, request: Request) -> Response:
    """The file, or 304 where the browser has it: it asks every time, so that a new release is seen at once."""
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = found.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content, headers["Content-Encoding"] = found.compressed, "gzip"
    headers["Content-Length"] = str(len(content))
    return StreamingResponse(_pieces(content), media_type=found.media_type, headers=headers)


async def _pieces(content: bytes) -> AsyncIterator[memoryview]:
    for begin in range(0, len(content), PIECE):
        yield memoryview(content)[begin : begin + PIECE]
