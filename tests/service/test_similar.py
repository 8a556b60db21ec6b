"""POST /similar: what is found is what a prediction shows, nothing is stored, and what can't be read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from tests.service_clients import client_for, error_of

WORDS = {"transcript": "They asked for the contract and sign on Friday."}


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    state = tmp_path_factory.mktemp("state")
    with client_for(trained_artifacts.root, state=state, max_transcript_characters=200, log_mode="durable") as client:
        yield client


def test_the_same_as_a_prediction_shows_and_nothing_is_stored(client: TestClient) -> None:
    wanted: dict[str, Any] = {"similar_count": 4, "similar_filter": {"outcome": "failed"}}
    response = client.post("/similar", json={**WORDS, **wanted})
    assert response.status_code == 200
    found = response.json()
    assert found["request_id"] == response.headers["X-Request-ID"]
    assert client.get("/logs").json()["predictions"] == []
    shown = client.post("/predict", json={**WORDS, **wanted, "include_similar": True}).json()
    assert found["similar_conversations"] == shown["similar_conversations"]
    assert [one["outcome"] for one in found["similar_conversations"]] == ["failed"] * 4
    first = found["similar_conversations"][0]["conversation_id"]
    others = client.post("/similar", json={**WORDS, **wanted, "conversation_id": first}).json()
    assert first not in [one["conversation_id"] for one in others["similar_conversations"]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "the transcript is empty"),
        ({"transcript": "x" * 201}, "201 characters; this service accepts at most 200"),
        ({**WORDS, "similar_count": 51}, "similar_count"),
        ({**WORDS, "similar_filter": {"outcome": "maybe"}}, "similar_filter.outcome"),
    ],
)
def test_what_can_not_be_asked_is_a_sentence(client: TestClient, body: dict[str, Any], said: str) -> None:
    assert said in error_of(client.post("/similar", json=body), 422, "invalid_request")


def test_without_an_index_it_is_a_503(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    """The models alone are there."""
    (tmp_path / "models").symlink_to(_without_index(trained_artifacts, tmp_path))
    with client_for(tmp_path, state=tmp_path / "state") as client:
        assert "--mode train" in client.post("/similar", json=WORDS).json()["error"]["message"]
        error_of(client.post("/similar", json=WORDS), 503, "similar_conversations_unavailable")


def _without_index(artifacts: ArtifactFolder, to: Path) -> Path:
    models = to / "only-models"
    models.mkdir()
    for path in artifacts.models.iterdir():
        if path != artifacts.similar_index:
            (models / path.name).symlink_to(path)
    return models
