"""HubSpot's webhooks: the signature, its age, events that come twice or in any order, and a queue that loses none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hubspot.utils.signature import Signature

from crm.accounts.hubspot import HubSpot
from crm.accounts.hubspot_records import FIELDS
from crm.accounts.webhooks import named_deals, signature_of
from crm.deals import Standing
from crm.state import Page, SyncState, Written, enqueue
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from prediction_log.store import PredictionStore
from tests.crm.conftest import Runs
from tests.crm.hubspot_stub import PORTAL, HubSpotStub
from tests.service_clients import client_for, error_of

SECRET = "the-client-secret-of-an-app"
PATH = "/crm/hubspot"
ACCOUNT = f"hubspot:{PORTAL}"


def event(deal: int = 901, **more: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "subscriptionId": 12,
        "portalId": PORTAL,
        "appId": 1,
        "occurredAt": 1_760_000_000_000,
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": deal,
        "propertyName": "dealstage",
        "propertyValue": "x",
        **more,
    }


@pytest.fixture
def client(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Iterator[TestClient]:
    more = {"hubspot_webhook_secret": SECRET, "rate_limit": 0}
    with client_for(trained_artifacts.root, address="192.0.2.7", anonymous=True, state=tmp_path, **more) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PredictionStore]:
    store = PredictionStore(load_settings(state=tmp_path).database)
    yield store
    store.close()


def send(
    client: TestClient, events: Any, age: float = 0.0, secret: str = SECRET, changed: dict[str, str] | None = None
) -> Any:
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    timestamp = str(round(1000 * (time.time() - age)))
    signature = signature_of(secret, "POST", f"https://127.0.0.1{PATH}", body, timestamp)
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp}
    return client.post(PATH, content=body, headers={"Content-Type": "application/json", **headers, **(changed or {})})


def test_events_are_answered_at_once_and_queued_once_each_deal(client: TestClient, store: PredictionStore) -> None:
    state = SyncState(store, ACCOUNT)
    answer = send(client, [event(901), event(902, occurredAt=5), event(901, eventId=2)])
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(state.queued()) == ["901", "902"]
    for old_first in (1, 10**15):  # the same again, and one that comes late
        assert send(client, [event(902, occurredAt=old_first, attemptNumber=3)]).status_code == 204
    assert state.queued() == {"901": 1, "902": 3}


def test_only_hubspot_gets_in(client: TestClient, store: PredictionStore) -> None:
    for answer in (
        send(client, [event()], secret="another-secret"),
        send(client, [event()], changed={"X-HubSpot-Signature-v3": ""}),
        send(client, [event()], changed={"X-HubSpot-Signature-v3": "no-base64"}),
        client.post(PATH, json=[event()]),
    ):
        error_of(answer, 401, "wrong_signature")
    assert "milliseconds since 1970" in error_of(client.post(PATH, json=[event()]), 401, "wrong_signature")
    body = json.dumps([event()]).encode()
    signed = send(client, body)
    assert signed.status_code == 204
    more = {name: signed.request.headers[name] for name in ("x-hubspot-signature-v3", "x-hubspot-request-timestamp")}
    changed = client.post(PATH, content=body.replace(b"901", b"902"), headers=more)
    error_of(changed, 401, "wrong_signature")
    assert list(SyncState(store, ACCOUNT).queued()) == ["901"]


@pytest.mark.parametrize(("age", "status"), [(0, 204), (290, 204), (310, 401), (-310, 401)])
def test_a_request_is_taken_for_five_minutes(client: TestClient, age: float, status: int) -> None:
    assert send(client, [event()], age=age).status_code == status


def test_what_is_signed_and_makes_no_sense_is_told(client: TestClient) -> None:
    assert "no JSON" in error_of(send(client, b"{"), 422, "invalid_request")
    assert "an object of" in error_of(send(client, {"a": 1}), 422, "invalid_request")
    assert "portalId" in error_of(send(client, [event(portalId="x")]), 422, "invalid_request")


def test_without_its_secret_it_says_what_switches_it_on(
    trained_artifacts: ArtifactFolder, tmp_path: Path, store: PredictionStore
) -> None:
    with client_for(trained_artifacts.root, anonymous=True, state=tmp_path) as client:
        for secret in (SECRET, ""):  # which anybody can sign with
            assert "SALES_HUBSPOT_WEBHOOK_SECRET" in error_of(
                send(client, [event()], secret=secret), 404, "switched_off"
            )
    assert SyncState(store, ACCOUNT).queued() == {}


def test_the_schema_says_how_it_is_called_and_by_whom(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"][PATH]["post"]
    headers = {one["name"]: one["required"] for one in operation["parameters"] if one["in"] == "header"}
    assert headers == {"X-HubSpot-Signature-v3": False, "X-HubSpot-Request-Timestamp": False}
    assert operation["security"] == [], "no key of ours"
    assert {"204", "401", "404", "422"} <= set(operation["responses"])
    content = operation["requestBody"]["content"]["application/json"]["schema"]
    assert content["type"] == "array"
    assert named_deals(json.dumps(content["example"]).encode()) == {"hubspot:62515": {"901"}}
    assert "SALES_HUBSPOT_WEBHOOK_SECRET" in operation["description"]


def test_the_address_behind_a_proxy_can_be_said(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    public = "https://sales.example.com/hooks/hubspot"
    more = {"hubspot_webhook_secret": SECRET, "hubspot_webhook_url": public}
    with client_for(trained_artifacts.root, anonymous=True, state=tmp_path, **more) as client:
        assert send(client, [event()]).status_code == 401
        timestamp = str(round(1000 * time.time()))
        signed = {"X-HubSpot-Signature-v3": signature_of(SECRET, "POST", public, b"[]", timestamp)}
        headers = {**signed, "X-HubSpot-Request-Timestamp": timestamp}
        assert client.post(PATH, content=b"[]", headers=headers).status_code == 204


def test_the_official_client_signs_alike() -> None:
    body, timestamp = '[{"objectId": 901}]', "1760000000000"
    for uri, decoded in (
        ("https://sales.example.com/crm/hubspot", "https://sales.example.com/crm/hubspot"),
        (
            "https://a.example.com/b?at=a%3Ab%2Fc%40d%20e",
            "https://a.example.com/b?at=a:b/c@d%20e",
        ),  # as HubSpot signs it
    ):
        official = Signature.get_signature(SECRET, body, "v3", decoded, "POST", timestamp)
        assert signature_of(SECRET, "POST", uri, body.encode(), timestamp) == official


@pytest.mark.parametrize(
    ("changed", "deals"),
    [
        ({}, {"901"}),
        ({"subscriptionType": "deal.creation"}, {"901"}),
        ({"subscriptionType": "object.propertyChange", "objectTypeId": "0-3"}, {"901"}),
        ({"subscriptionType": "object.propertyChange", "objectTypeId": "0-1"}, set()),
        ({"subscriptionType": "contact.creation"}, set()),
        ({"propertyName": FIELDS["probability"]}, set()),  # our own writing
        ({"objectId": "901"}, set()),
        (
            {
                "subscriptionType": "deal.associationChange",
                "associationType": "CONTACT_TO_DEAL",
                "fromObjectId": 7,
                "toObjectId": 8,
            },
            {"8"},
        ),
        (
            {
                "subscriptionType": "object.associationChange",
                "fromObjectTypeId": "0-3",
                "toObjectTypeId": "0-1",
                "fromObjectId": 7,
                "toObjectId": 8,
            },
            {"7"},
        ),
    ],
)
def test_which_deals_an_event_is_about(changed: dict[str, Any], deals: set[str]) -> None:
    assert named_deals(json.dumps([event(**changed)]).encode()) == ({ACCOUNT: deals} if deals else {})


def test_a_body_that_nests_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="no JSON"):
        named_deals(b"[" * 200_000)


def test_an_event_that_comes_while_its_deal_is_worked_is_not_lost(store: PredictionStore) -> None:
    state = SyncState(store, ACCOUNT)
    enqueue(store, ACCOUNT, ["901", "902"])
    seen = state.queued()
    enqueue(store, ACCOUNT, ["901"])
    state.keep(Page({}, done=seen))
    assert state.queued() == {"901": 2}


def test_a_real_postgresql_keeps_the_queue_and_what_was_done(request: pytest.FixtureRequest) -> None:
    url = load_settings(database_url=request.getfixturevalue("postgresql").new_database()).database
    store = PredictionStore(url)
    for _ in range(2):
        enqueue(store, ACCOUNT, ["902", "901"])
    state = SyncState(store, ACCOUNT)
    assert state.queued() == {"901": 2, "902": 2}
    moment = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    for note_id in ("7", "8"):  # over what is there
        written = Written("a" * 64, Standing(0.62, "A", None), note_id, "b" * 64)
        state.keep(Page({"901": written}, again=["903"], cursor=("deals", moment), done={"901": 2}))
    assert (state.written(["901", "902"]), state.cursor("deals")) == ({"901": written}, moment)
    assert state.queued() == {"902": 2, "903": 2}
    assert SyncState(store, "hubspot:1").queued() == {}, "another account's"
    store.close()


def test_queued_deals_are_worked_by_the_next_run(hubspot: HubSpotStub, hubspot_client: HubSpot, sync: Runs) -> None:
    named, other = (hubspot.add("deals", dealname=name) for name in ("Named", "Other"))
    for deal in (named, other):
        hubspot.add("calls", deal, hs_call_body="They want it.")
    enqueue(sync.store, ACCOUNT, [named, "999999"])
    report = sync(hubspot_client, queued_only=True)
    assert (report.looked_at, report.gone) == ({named}, ["999999"])
    assert (len(hubspot.notes_of(named)), hubspot.notes_of(other)) == (1, [])
    assert SyncState(sync.store, ACCOUNT).queued() == {}
    assert sync(hubspot_client).looked_at == {named, other}
