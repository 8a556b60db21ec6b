"""One address, two answers: a page for a browser, JSON for a program, by the header Accept (RFC 9110, 12.5.1).

JSON is the rule: a page is sent only to who names text/html and wants it more than JSON. As answers differ, both say
`Vary: Accept`.
"""

from __future__ import annotations

from fastapi import Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

VARY = {"Vary": "Accept"}
_LONGEST_ACCEPT = 2000  # characters that are looked at


def prefers_html(accept: str) -> bool:
    """Whether an Accept header asks for a page rather than for JSON."""
    weights = dict(_weights(accept[:_LONGEST_ACCEPT]))
    page = weights.get("text/html", 0.0)
    return page > weights.get("application/json", weights.get("application/*", weights.get("*/*", 0.0)))


def page_routes(route_class: type[APIRoute]) -> type[APIRoute]:
    """The class of routes that are there for who prefers a page; to others the next route of that path answers."""

    class PageRoute(route_class):  # type: ignore[misc, valid-type]
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            wanted = scope["type"] == "http" and prefers_html(Headers(scope=scope).get("accept", ""))
            return super().matches(scope) if wanted else (Match.NONE, {})

    return PageRoute


def varies(response: Response) -> None:
    """A dependency of routes that have a page at the same address."""
    response.headers["Vary"] = "Accept"


def _weights(accept: str) -> list[tuple[str, float]]:
    """Each media range with its weight, 0 to 1; what is no number counts as 0."""
    found = []
    for part in accept.split(","):
        media, *parameters = (one.strip().lower() for one in part.split(";"))
        given = [one[2:] for one in parameters if one.startswith("q=")]
        try:
            weight = float(given[0]) if given else 1.0
        except ValueError:
            weight = 0.0
        found.append((media, weight))
    return found
