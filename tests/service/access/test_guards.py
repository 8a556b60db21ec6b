"""Who may do what, how often, how large, how many at once, how long; what browsers are told."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from modelling.conversion_model import ConversionModel
from service.limits.in_flight import InFlight
from tests.service_clients import client_for, error_of

ADMIN, PREDICT = "admin-key-0123456789", "predict-key-0123456789"
HI = {"transcript": "They will sign."}
MANAGEMENT = [
    ("GET", "/logs"),
    ("DELETE", "/logs?conversation_id=x"),
    ("GET", "/logs/export"),
    ("GET", f"/logs/{'0' * 32}"),
    ("DELETE", f"/logs/{'0' * 32}"),
    ("POST", "/feedback"),
    ("POST", "/models/few_shot/load"),
    ("GET", "/metrics"),
    ("GET", "/audit"),
]
OPEN = ["/", "/health", "/health/live", "/health/ready", "/docs", "/openapi.json"]


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(trained_artifacts: ArtifactFolder) -> Iterator[TestClient]:
    """A service with keys; the predict key is given by its hash."""
    keys = f"admin:{ADMIN}, predict:sha256={hashlib.sha256(PREDICT.encode()).hexdigest()}"
    with client_for(trained_artifacts.root, "203.0.113.9", api_keys=keys) as client:
        yield client


# Keys and roles


def test_with_keys_figures_need_the_role_predict(keyed: TestClient) -> None:
    for path in ("/models", "/signals"):
        error_of(keyed.get(path), 401, "unauthorized")
        assert keyed.get(path, headers=with_key(PREDICT)).status_code == 200


def test_with_keys_nobody_predicts_without_one(keyed: TestClient) -> None:
    missing = keyed.post("/predict", json=HI)
    assert "needs an API key" in error_of(missing, 401, "unauthorized")
    assert missing.headers["www-authenticate"] == "Bearer"
    wrong = keyed.post("/predict", json=HI, headers=with_key("wrong-key-0123456789"))
    message = error_of(wrong, 401, "unauthorized")
    assert "not known" in message
    assert "wrong-key" not in message
    for headers in (with_key(PREDICT), with_key(ADMIN), {"X-API-Key": PREDICT}):
        assert keyed.post("/predict", json=HI, headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path"), MANAGEMENT)
def test_management_needs_the_role_admin(keyed: TestClient, method: str, path: str) -> None:
    error_of(keyed.request(method, path), 401, "unauthorized")
    error_of(keyed.request(method, path, headers=with_key(PREDICT)), 403, "forbidden")
    assert keyed.request(method, path, headers=with_key(ADMIN)).status_code not in (401, 403)


@pytest.mark.parametrize("path", OPEN)
def test_health_and_documentation_need_no_key(keyed: TestClient, path: str) -> None:
    assert keyed.get(path).status_code == 200


def test_a_record_names_the_key_and_not_its_value(keyed: TestClient) -> None:
    identifier = keyed.post("/predict", json=HI, headers=with_key(PREDICT)).json()["prediction_id"]
    deadline = time.monotonic() + 10
    while (found := keyed.get(f"/logs/{identifier}", headers=with_key(ADMIN))).status_code == 404:
        assert time.monotonic() < deadline
    assert found.json()["caller"] == f"key-{hashlib.sha256(PREDICT.encode()).hexdigest()[:8]}"


# Limits


def test_too_many_requests_are_429_and_health_is_not_limited(trained_artifacts: ArtifactFolder) -> None:
    with client_for(trained_artifacts.root, rate_limit=30) as client:  # five at once
        answers = [client.post("/predict", json=HI) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        error_of(answers[-1], 429, "rate_limited")
        assert int(answers[-1].headers["retry-after"]) in (1, 2)
        assert client.get("/health/live").status_code == 200


def test_a_transcript_that_is_too_long_is_422(trained_artifacts: ArtifactFolder) -> None:
    with client_for(trained_artifacts.root, max_transcript_characters=20) as client:
        said = error_of(client.post("/predict", json={"transcript": "x" * 21}), 422, "invalid_request")
        assert "21 characters; this service accepts at most 20" in said
        batch = {"conversations": [HI, {"turns": [{"text": "x" * 21}]}]}
        error_of(client.post("/predict/batch", json=batch), 422, "invalid_request")
        assert client.post("/predict", json={"transcript": "x" * 20}).status_code == 200


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Predictions wait until the event is set; it is patched in by calling the fixture's `start`."""
    release = threading.Event()
    yield release
    release.set()


def block(monkeypatch: pytest.MonkeyPatch, release: threading.Event) -> None:
    assess = ConversionModel.assess

    def waiting(self: ConversionModel, conversations: Any) -> Any:
        release.wait(20)
        return assess(self, conversations)

    monkeypatch.setattr(ConversionModel, "assess", waiting)


def test_too_many_predictions_in_flight_are_503_at_once(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch, blocked: threading.Event
) -> None:
    with client_for(trained_artifacts.root, max_in_flight=2) as client, ThreadPoolExecutor(4) as pool:
        in_flight = client.app.state.service.access.admission.in_flight  # type: ignore[attr-defined]
        block(monkeypatch, blocked)
        running = [pool.submit(client.post, "/predict", json=HI) for _ in range(2)]
        deadline = time.monotonic() + 10
        while sum(count for _, count in _slots(in_flight)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = client.post("/predict", json=HI)
        assert "taken at once (2) are in flight" in error_of(refused, 503, "too_many_in_flight")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/health/live").status_code == 200
        error_of(client.post("/predict", content=b"not read"), 503, "too_many_in_flight")
        long = client.post("/predict", json={"transcript": "word " * 4000})  # read first, so that its sender gets here
        error_of(long, 503, "too_many_in_flight")
        assert client.get("/models").status_code == 200, "which predicts nothing"
        assert "sales_in_flight 2.0" in client.get("/metrics").text
        blocked.set()
        assert [answer.result().status_code for answer in running] == [200, 200]
        assert client.post("/predict", json=HI).status_code == 200
        assert sum(count for _, count in _slots(in_flight)) == 0
        assert "sales_in_flight 0.0" in client.get("/metrics").text


def test_a_request_that_takes_too_long_is_504(
    trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch, blocked: threading.Event
) -> None:
    with client_for(trained_artifacts.root, request_timeout=0.2, max_in_flight=1) as client:
        block(monkeypatch, blocked)
        assert "not be answered within 0.2 s" in error_of(client.post("/predict", json=HI), 504, "timeout")
        error_of(client.post("/predict", json=HI), 503, "too_many_in_flight")  # its thread still runs
        blocked.set()
        deadline = time.monotonic() + 10
        while client.post("/predict", json=HI).status_code != 200:
            assert time.monotonic() < deadline


def _slots(in_flight: InFlight) -> list[tuple[int, int]]:
    with in_flight._shared.locked() as memory:
        import struct

        return [slot for slot in struct.iter_unpack("<qq", memory) if slot[0]]


# Browsers


def test_pages_trust_nothing_from_outside_and_answers_are_not_cached(keyed: TestClient) -> None:
    page = keyed.get("/docs").headers
    assert "default-src 'self'" in page["content-security-policy"]
    assert page["cross-origin-opener-policy"] == "same-origin"
    answer = keyed.post("/predict", json=HI, headers=with_key(PREDICT)).headers
    assert answer["cache-control"] == "no-store"
    for headers in (page, answer):
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_no_cors_unless_configured(trained_artifacts: ArtifactFolder, keyed: TestClient) -> None:
    origin = {"Origin": "https://crm.example.com"}
    assert "access-control-allow-origin" not in keyed.get("/health", headers=origin).headers
    with client_for(trained_artifacts.root, cors_origins="https://crm.example.com") as client:
        assert client.get("/health", headers=origin).headers["access-control-allow-origin"] == origin["Origin"]
        other = client.get("/health", headers={"Origin": "https://evil.example"}).headers
        assert "access-control-allow-origin" not in other


# Settings


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"cors_origins": "*"}, "SALES_CORS_ORIGINS is '\\*': give origins"),
        ({"database_url": "mysql://root:secret@db/x"}, "SALES_DATABASE_URL is not shown here: give postgresql://"),
        ({"store_transcripts": "some"}, "SALES_STORE_TRANSCRIPTS is 'some'"),
        ({"log_mode": "loud"}, "SALES_LOG_MODE is 'loud'"),
        ({"max_in_flight": 0}, "SALES_MAX_IN_FLIGHT is 0"),
        ({"retention_days": -1}, "SALES_RETENTION_DAYS is -1"),
        ({"workers": 0}, "SALES_WORKERS is 0"),
    ],
)
def test_bad_settings_are_sentences(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_settings(**setting)
    assert "secret" not in str(caught.value)
