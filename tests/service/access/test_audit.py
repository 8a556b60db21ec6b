"""Who did what, from where: in the database with what was done, and a guesser of keys does not fill it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from foundations.database import StoreAwayError
from prediction_log.actors import Actor
from service.access.audit_trail import REFUSALS_A_MINUTE, AuditTrail
from tests.service_clients import client_for, error_of

ADMIN, CRM = "the-admin-key-0123456789", "the-crm-key-0123456789"
ADMIN_NAME, CRM_NAME = (f"key-{hashlib.sha256(key.encode()).hexdigest()[:8]}" for key in (ADMIN, CRM))
HI = {"transcript": "They will sign.", "conversation_id": "deal-4711"}


@pytest.fixture
def client(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Iterator[TestClient]:
    settings: dict[str, Any] = {
        "api_keys": f"admin:{ADMIN},predict+feedback:{CRM}",
        "trusted_proxies": "10.0.0.2",
        "rate_limit": 0,
    }
    with client_for(trained_artifacts.root, "10.0.0.2", state=tmp_path / "state", **settings) as found:
        found.headers["X-Forwarded-For"] = "198.51.100.7"
        yield found


def entries(client: TestClient, enough: Callable[[list[Any]], bool] = bool, **wanted: Any) -> list[Any]:
    """What is noted, without the deadline's patience where it is not `enough`: refusals are stored in the background."""
    deadline = time.monotonic() + 10
    while True:
        answer = client.get("/audit", params=wanted, headers={"X-API-Key": ADMIN})
        assert answer.status_code == 200, answer.text
        found = answer.json()["entries"]
        if enough(found) or time.monotonic() > deadline:
            return list(found)
        time.sleep(0.05)


def test_feedback_keeps_its_history(client: TestClient) -> None:
    identifier = client.post("/predict", json=HI, headers={"X-API-Key": CRM}).json()["prediction_id"]
    for key, outcome in ((CRM, "failed"), (CRM, "successful"), (ADMIN, "failed")):
        body = {"prediction_id": identifier, "actual_outcome": outcome}
        answer = client.post("/feedback", json=body, headers={"X-API-Key": key, "X-Request-ID": f"said-{outcome}"})
        assert answer.status_code == 200
    found = entries(client, subject=identifier)
    assert [(one["caller"], one["detail"]["before"], one["detail"]["after"]) for one in found] == [
        (ADMIN_NAME, "successful", "failed"),
        (CRM_NAME, "failed", "successful"),
        (CRM_NAME, None, "failed"),
    ]
    assert {one["action"] for one in found} == {"feedback given"}
    assert {one["address"] for one in found} == {"198.51.100.7"}
    assert found[0]["request_id"] == "said-failed"


def test_deletions_are_noted_without_what_was_deleted(client: TestClient) -> None:
    first, second = (
        client.post("/predict", json=HI, headers={"X-API-Key": CRM}).json()["prediction_id"] for _ in range(2)
    )
    assert client.delete(f"/logs/{first}", headers={"X-API-Key": ADMIN}).status_code == 200
    assert client.delete("/logs?conversation_id=deal-4711", headers={"X-API-Key": ADMIN}).json()["removed"] == 1
    error_of(client.delete(f"/logs/{second}", headers={"X-API-Key": ADMIN}), 404, "unknown_prediction")
    conversation, prediction = entries(client)
    assert (prediction["action"], prediction["subject"]) == ("prediction deleted", first)
    sha256 = hashlib.sha256(b"deal-4711").hexdigest()
    assert (conversation["action"], conversation["subject"]) == ("conversation deleted", f"sha256:{sha256}")
    assert conversation["detail"] == {"predictions": 1}
    assert "4711" not in json.dumps([{**one, "entry_id": "", "subject": ""} for one in (conversation, prediction)])


def test_a_loaded_version_is_noted(client: TestClient) -> None:
    answer = client.post("/models/few_shot/load", headers={"X-API-Key": ADMIN}).json()
    (found,) = entries(client, action="version loaded")
    assert (found["caller"], found["subject"], found["detail"]["after"]) == (ADMIN_NAME, "few_shot", answer["version"])


def test_refused_keys_are_noted_with_why_and_never_with_the_key(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/logs", headers={"X-API-Key": "guessed-0123456789"})
    client.get("/logs", headers={"X-API-Key": CRM})
    client.get("/logs")  # no key at all is no attempt
    found = entries(client, lambda one: len(one) == 2, action="key refused")
    assert [(one["caller"], one["subject"], one["detail"]["why"]) for one in found] == [
        (CRM_NAME, "GET /logs", "no role that may log"),
        ("198.51.100.7", "GET /logs", "unknown"),
    ]
    log = capsys.readouterr().err
    assert "guessed" not in log + json.dumps(found)
    lines = [json.loads(line) for line in log.splitlines() if '"event": "audit"' in line]
    assert [line["detail"]["why"] for line in lines] == ["unknown", "no role that may log"]


def test_pages_of_the_audit_log(client: TestClient) -> None:
    for _ in range(5):
        client.get("/logs", headers={"X-API-Key": CRM})
    everything = entries(client, lambda one: len(one) == 5)
    seen, cursor = [], None
    while True:
        wanted = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/audit", params=wanted, headers={"X-API-Key": ADMIN}).json()
        seen += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == everything and len(seen) == 5
    error_of(client.get("/audit?acton=x", headers={"X-API-Key": ADMIN}), 422, "invalid_request")


def test_who_guesses_keys_fills_no_database() -> None:
    now, store = [0.0], Mock()
    trail = AuditTrail(store, clock=lambda: now[0])
    guesser = Actor("203.0.113.9", "203.0.113.9", "r")
    for _ in range(10_000):
        trail.refused(guesser, "GET /logs", "unknown")
    now[0] += 60 / REFUSALS_A_MINUTE
    trail.refused(guesser, "GET /logs", "unknown")
    trail._writer.shutdown(wait=True)
    noted = [call.args[0] for call in store.note.call_args_list]
    assert len(noted) == REFUSALS_A_MINUTE + 1
    assert noted[-1]["detail"]["left_out_before"] == 10_000 - REFUSALS_A_MINUTE
    assert sum(1 + one["detail"]["left_out_before"] for one in noted) == 10_001, "none is lost"


def test_a_database_that_is_away_leaves_the_entry_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    store, said = Mock(), Mock()
    monkeypatch.setattr("service.access.audit_trail.log.warning", said)
    store.note.side_effect = StoreAwayError("it is away")
    trail = AuditTrail(store)
    trail.refused(Actor("key-1", "127.0.0.1", "r"), "POST /predict", "unknown")
    trail._writer.shutdown(wait=True)
    assert store.note.call_args.args[0]["detail"] == {"why": "unknown", "left_out_before": 0}
    warnings: list[Any] = [call.kwargs for call in said.call_args_list]
    assert warnings == [{"request_id": "r", "problem": "it is away"}]
