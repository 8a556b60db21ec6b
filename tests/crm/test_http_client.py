"""How a CRM is asked: its pace, pauses that grow, what is never done twice, and the sentence for a network that is away."""

from __future__ import annotations

import socket
import threading

import pytest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from crm.accounts.hubspot import HubSpot
from crm.accounts.hubspot_records import refused
from crm.http_client import MOST_TRIES, Ask, BearerToken, CrmError, CrmHttp, Pace
from tests.crm.conftest import NO_PACE
from tests.crm.hubspot_stub import HubSpotStub
from tests.crm.stub_server import TOKEN


def test_a_pace_is_kept_over_any_window() -> None:
    # Three within ten seconds: at 0, 1 and 2 s; the fourth may be sent when the first is ten seconds old.
    pace = Pace(3, 10.0)
    assert [pace.pause(now) for now in (0.0, 1.0, 2.0, 3.0)] == [0.0, 0.0, 0.0, 7.0]
    assert pace.pause(10.5) == 0.5  # then the one of 1 s has to be


@pytest.mark.parametrize("does_twice", [True, False])
def test_a_network_that_is_away_is_tried_again_with_growing_pauses_and_then_told(does_twice: bool) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # not listening
        port = nobody.getsockname()[1]
        pauses: list[float] = []
        with CrmHttp(
            "HubSpot", f"http://127.0.0.1:{port}", BearerToken(TOKEN), NO_PACE, refused, sleep=pauses.append
        ) as http:
            ask = Ask("POST", "/crm/v3/objects/notes", "write a note", "scope", {}, twice=does_twice)
            with pytest.raises(
                CrmError, match=rf"HubSpot at 'http://127.0.0.1:{port}' can't be reached to write a note"
            ):
                http.ask(ask)
    assert len(pauses) == MOST_TRIES - 1
    assert all(2**n <= pause <= 1.25 * 2**n for n, pause in enumerate(pauses)), "it was never sent, so it may be"


def test_an_answer_that_is_lost_is_not_asked_for_again_where_twice_is_not_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        pauses: list[float] = []
        with CrmHttp("HubSpot", address, BearerToken(TOKEN), NO_PACE, refused, sleep=pauses.append) as http:

            def hang_up() -> None:
                connection, _ = server.accept()
                connection.recv(65536)
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(CrmError, match="what was written stays, and the next run goes on"):
                http.ask(Ask("POST", "/x", "write a note", "scope", {}, twice=False))
            thread.join(10)
        assert pauses == []


def test_an_answer_that_is_none_of_the_crms_is_told(hubspot: HubSpotStub, hubspot_client: HubSpot) -> None:
    """As from a proxy that asks people to log in, or an address that is another program's."""
    for answer in (
        HTMLResponse("<h1>Welcome</h1>"),
        JSONResponse({"ok": True}),
        RedirectResponse("https://login.example.com"),
        Response(b"no gzip", headers={"Content-Encoding": "gzip"}),
    ):
        hubspot.failures.extend([answer] * MOST_TRIES)
        with pytest.raises(CrmError, match="to read which properties deals have"):
            hubspot_client.missing_fields()
        hubspot.failures.clear()
