"""What a browser says of a request, on every route: the name the service is asked by, and whose page asks.

A page of any site can send requests to this machine, and one whose name is made to point here (DNS rebinding) can read
the answers. So the Host has to be an address, localhost, or a name that is allowed: an address can't be made to point
elsewhere. And a request that another site's page makes is refused, whatever its method (Sec-Fetch-Site; of browsers that
send none, Origin), unless SALES_CORS_ORIGINS names that site, or a person followed a link to a page. Programs send
neither header. Costs about 10 microseconds a request.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from foundations.errors import quoted
from foundations.settings import Settings
from service.api_errors import ApiError, error_response

_NAME_AND_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?")
_PORTS = {"http": 80, "https": 443}


class HostAndOrigin:
    """ASGI middleware: 421 for a name that is not the service's, 403 for another site's page."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._names = {"localhost", settings.host.lower(), *settings.host_names}
        self._suffixes = tuple(name[1:] for name in (*self._names, "*.localhost") if name.startswith("*."))
        self._sites = set(settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and (refused := self._problem(Headers(scope=scope), scope["method"])):
            answer = error_response(refused.status_code, refused.code, refused.detail)
            await answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _problem(self, headers: Headers, method: str) -> ApiError | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0].lower()):
            named = quoted(hosts[0]) if hosts else "no name"
            return ApiError(
                421, "wrong_host", f"The service is not asked by {named}; SALES_ALLOWED_HOSTS lists the names it has."
            )
        if self._is_foreign(headers, method, hosts[0].lower()):
            page = quoted(headers.get("origin", "another site"))
            said = f"A page of {page} may not ask this service; SALES_CORS_ORIGINS lists the sites whose pages may."
            return ApiError(403, "foreign_page", said)
        return None

    def _is_ours(self, host: str) -> bool:
        found = _NAME_AND_PORT.fullmatch(host)
        if found is None:
            return False
        name = found[1].rstrip(".")
        return name in self._names or name.endswith(self._suffixes) or _is_address(name)

    def _is_foreign(self, headers: Headers, method: str, host: str) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._sites:
            return False
        if site is not None:
            return site not in ("same-origin", "none") and not _follows_a_link(headers, method)
        return origin is not None and not _is_origin_of(origin, host)


def _follows_a_link(headers: Headers, method: str) -> bool:
    """A person goes to a page, in a tab of its own: what is shown there stays there."""
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return navigates and method in ("GET", "HEAD")


def _is_origin_of(origin: str, host: str) -> bool:
    """Whether a page of that origin is the service's own; its scheme may be that of a proxy with TLS in between."""
    try:
        found = urlsplit(origin.lower())
        port = found.port or _PORTS[found.scheme]
    except (ValueError, KeyError):  # "null", or what no browser sends
        return False
    asked = _NAME_AND_PORT.fullmatch(host)
    name = asked[1].strip("[]") if asked else ""
    return found.hostname == name and port == int((asked and asked[2]) or _PORTS[found.scheme])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
