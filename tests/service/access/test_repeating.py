"""Idempotency-Key: the same request again stores nothing twice, on every route that stores something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from prediction_log.store import PredictionStore
from tests.service_clients import client_for, error_of

HI = {"transcript": "They will sign."}
TABLE = b"deal,transcript\nA-1,They will sign.\nA-2,No budget this year.\n"


@pytest.fixture
def client(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Iterator[TestClient]:
    settings: dict[str, Any] = {"rate_limit": 0, "log_mode": "durable", "state": tmp_path}
    with client_for(trained_artifacts.root, **settings) as found:
        yield found


def stored(client: TestClient) -> int:
    return PredictionStore(client.app.state.service.settings.database).count()  # type: ignore[attr-defined]


def _ids(answer: Any) -> list[str]:
    found = answer.json()
    return [one["prediction_id"] for one in found.get("predictions", [found])]


SENDERS: list[tuple[Callable[[TestClient, str], Any], int]] = [
    (lambda client, key: client.post("/predict", json=HI, headers={"Idempotency-Key": key}), 1),
    (
        lambda client, key: client.post(
            "/predict/batch", json={"conversations": [HI, HI, HI]}, headers={"Idempotency-Key": key}
        ),
        3,
    ),
    (
        lambda client, key: client.post("/predict/file?name=a.csv", content=TABLE, headers={"Idempotency-Key": key}),
        2,
    ),
]


@pytest.mark.parametrize(("send", "count"), SENDERS, ids=["predict", "batch", "file"])
def test_a_repeated_request_stores_nothing_twice(
    client: TestClient, send: Callable[[TestClient, str], Any], count: int
) -> None:
    first = send(client, "retry-1")
    assert first.status_code == 200, first.text
    assert len(set(_ids(first))) == count
    assert _ids(send(client, "retry-1")) == _ids(first)
    assert stored(client) == count
    assert not set(_ids(send(client, "retry-2"))) & set(_ids(first))
    assert stored(client) == 2 * count


def test_without_a_key_every_request_counts(client: TestClient) -> None:
    assert _ids(client.post("/predict", json=HI)) != _ids(client.post("/predict", json=HI))
    assert stored(client) == 2


def test_requests_with_one_key_that_come_together_are_one(client: TestClient) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: SENDERS[0][0](client, "together"), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({_ids(answer)[0] for answer in answers}) == 1
    assert stored(client) == 1


def test_a_key_with_another_request_is_409_and_stores_nothing(client: TestClient) -> None:
    key = {"Idempotency-Key": "one"}
    client.post("/predict", json=HI, headers=key)
    answer = client.post("/predict", json={"transcript": "No budget."}, headers=key)
    assert "came with another request" in error_of(answer, 409, "idempotency_key_reused")
    assert stored(client) == 1
    assert client.post("/predict/batch", json={"conversations": [HI]}, headers=key).status_code == 200, "another route"


def test_keys_of_different_callers_are_different(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    one, other = "the-first-key-0123456789", "the-other-key-0123456789"
    settings: dict[str, Any] = {"api_keys": f"predict:{one},predict:{other}", "log_mode": "durable", "state": tmp_path}
    with client_for(trained_artifacts.root, **settings) as client:
        found = [
            client.post("/predict", json=HI, headers={"Idempotency-Key": "1", "X-API-Key": key}) for key in (one, other)
        ]
        assert _ids(found[0]) != _ids(found[1])


def test_a_late_repetition_of_feedback_changes_nothing_back(client: TestClient) -> None:
    (identifier,) = _ids(client.post("/predict", json=HI))

    def say(outcome: str, key: str) -> Any:
        body = {"prediction_id": identifier, "actual_outcome": outcome}
        return client.post("/feedback", json=body, headers={"Idempotency-Key": key})

    assert [say("failed", "f-1").status_code, say("successful", "f-2").status_code] == [200, 200]
    assert say("failed", "f-1").json()["actual_outcome"] == "failed", "answered as it was the first time"
    assert client.get(f"/logs/{identifier}").json()["actual_outcome"] == "successful"
    history = client.get("/audit", params={"subject": identifier}).json()["entries"]
    assert [one["detail"]["after"] for one in history] == ["successful", "failed"]
    error_of(say("failed", "f-2"), 409, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_422(client: TestClient, key: str) -> None:
    error_of(client.post("/predict", json=HI, headers={"Idempotency-Key": key}), 422, "invalid_request")


def test_a_key_is_forgotten_after_a_day(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _ids(SENDERS[0][0](client, "old"))
    later = 1 + 24 * 3_600_000 + int(first[0][:12], 16)
    monkeypatch.setattr("prediction_log.repeats.milliseconds_now", lambda: later)
    assert _ids(SENDERS[0][0](client, "old")) != first
    assert stored(client) == 2
