"""GET /suggest, POST /signals/label and GET /signals/labels: who may, what is answered, and each error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from tests.service_clients import client_for, error_of

KEYS = {"read": "a-read-key-of-tests", "feedback": "a-feedback-key-of-tests", "predict": "a-predict-key-of-tests"}
BUDGET = {"name": "budget", "polarity": "positive"}


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_for(trained_artifacts.root, state=tmp_path_factory.mktemp("state")) as client:
        yield client


def predicted(
    client: TestClient, transcript: str = "The budget is approved. Call +44 20 7946 0958.", **more: Any
) -> str:
    answer = client.post("/predict", json={"transcript": transcript, "model_type": "few_shot", **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["prediction_id"])


def label(identifier: str, **changed: Any) -> dict[str, Any]:
    return {
        "prediction_id": identifier,
        "sentence": "The budget is approved.",
        "said": None,
        "should_be": BUDGET,
    } | changed


def test_a_label_is_stored_at_once_after_the_answer_and_listed_masked(client: TestClient) -> None:
    identifier = predicted(client, conversation_id="c-1")
    asked = label(identifier, sentence="Call +44 20 7946 0958.", said=BUDGET, should_be=None)
    answer = client.post("/signals/label", json=asked)
    assert answer.status_code == 200, answer.text
    stored = answer.json()
    assert (stored["sentence"], stored["right"], stored["said"], stored["should_be"]) == (
        "Call [phone].",
        False,
        BUDGET,
        None,
    )
    assert client.get("/signals/labels").json()["labels"][0] == stored
    assert stored["conversation_id"] == "c-1"


def test_deleting_a_conversation_deletes_its_labels(client: TestClient) -> None:
    identifier = predicted(client, conversation_id="c-2")
    stored = client.post("/signals/label", json=label(identifier)).json()
    assert stored in client.get("/signals/labels").json()["labels"]
    assert client.delete("/logs?conversation_id=c-2").status_code == 200
    assert stored not in client.get("/signals/labels").json()["labels"]


def test_the_day_before_any_prediction_is_old_todays_are_suggested_with_reasons(client: TestClient) -> None:
    identifier = predicted(client, conversation_id="c-3")
    client.post("/signals/label", json=label(identifier))  # which waits until the prediction is stored
    found = client.get("/suggest?count=100").json()
    assert found["notices"] == [
        "Nothing was predicted before today, so this list changes with each prediction of today."
    ]
    (mine,) = [one for one in found["suggestions"] if one["prediction_id"] == identifier]
    assert mine["conversation_id"] == "c-3" and mine["excerpt"] == "The budget is approved. Call [phone]."
    assert all(one["reason"].endswith(".") for one in found["suggestions"])
    assert len(client.get("/suggest?count=1").json()["suggestions"]) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sentence": " "}, "The sentence (a text of 1 characters) is blank; send the words that give the signal."),
        ({"sentence": "x" * 2001}, "at most 2000 characters"),
        ({"should_be": {"name": "bugdet", "polarity": "positive"}}, "There is no signal 'bugdet'"),
    ],
)
def test_a_label_that_says_nothing_is_a_422(client: TestClient, changed: dict[str, Any], message: str) -> None:
    assert message in error_of(client.post("/signals/label", json=label("0" * 32, **changed)), 422, "invalid_request")


def test_a_label_needs_a_stored_prediction(client: TestClient) -> None:
    for identifier in ("0" * 32, "none"):
        message = error_of(client.post("/signals/label", json=label(identifier)), 404, "unknown_prediction")
        assert repr(identifier) in message


@pytest.mark.parametrize("count", [0, 101])
def test_a_list_has_1_to_100_deals(client: TestClient, count: int) -> None:
    assert f"count '{count}' is wrong" in error_of(client.get(f"/suggest?count={count}"), 422, "invalid_request")


def test_where_no_words_are_stored_no_sentence_is_either(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    with client_for(trained_artifacts.root, state=tmp_path, store_transcripts="none", log_mode="durable") as client:
        identifier = predicted(client)
        message = error_of(client.post("/signals/label", json=label(identifier)), 422, "no_words_are_stored")
        assert "SALES_STORE_TRANSCRIPTS=none" in message
        found = client.get("/suggest").json()
        assert found["suggestions"][0]["excerpt"] is None
        assert "No words of these deals are stored" in found["notices"][-1]
        assert "signal-choices" not in client.get("/app").text, "the page offers nothing that would be refused"


def test_each_route_asks_for_its_role(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    keys = ",".join(f"{role}:{key}" for role, key in KEYS.items())
    with client_for(trained_artifacts.root, state=tmp_path, api_keys=keys) as client:

        def status(role: str, method: str, path: str) -> int:
            body = label("0" * 32) if method == "POST" else None
            return client.request(method, path, json=body, headers={"X-API-Key": KEYS[role]}).status_code

        roles = ("read", "feedback", "predict")
        assert [status(role, "GET", "/suggest") for role in roles] == [200, 403, 403]
        assert [status(role, "GET", "/signals/labels") for role in roles] == [200, 403, 403]
        assert [status(role, "POST", "/signals/label") for role in roles] == [403, 404, 403]
