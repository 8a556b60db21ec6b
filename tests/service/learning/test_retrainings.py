"""POST /feedback by deal and conversation, and GET /retrainings, as a CRM and an operator see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from prediction_log.outcomes.retrainings import Retraining, note_retraining
from prediction_log.store import PredictionStore
from tests.service_clients import client_for, error_of

CALLS = [
    {"conversation_id": "call-1", "transcript": "They asked for a price.", "date": "2026-03-10"},
    {"conversation_id": "call-2", "transcript": "They will sign.", "date": "2026-03-20"},
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, state: Path) -> Iterator[TestClient]:
    with client_for(trained_artifacts.root, state=state, log_mode="durable") as client:
        for number in (1, 2):
            deal = {"deal_id": "d-17", "group": "Acme", "conversations": CALLS[:number], "model_type": "few_shot"}
            assert client.post("/predict/deal", json=deal).status_code == 200
        for words in ("They sign.", "They sign on Friday."):
            asked = {"conversation_id": 4711, "transcript": words, "model_type": "few_shot"}
            assert client.post("/predict", json=asked).status_code == 200
        yield client


def test_an_outcome_by_deal_is_of_all_of_its_predictions_and_closes_it(client: TestClient) -> None:
    assert [deal["deal_id"] for deal in client.get("/deals").json()["deals"]] == ["d-17"]
    answer = client.post("/feedback", json={"deal_id": "d-17", "outcome": "Successful ", "closed_at": "2026-03-28"})
    assert answer.status_code == 200, answer.text
    history = client.get("/deals/d-17").json()
    newest = history["predictions"][-1]
    assert (answer.json()["prediction_id"], answer.json()["predictions"]) == (newest["prediction_id"], 2)
    assert answer.json()["correct"] == (newest["outcome"] == "successful")
    assert [one["actual_outcome"] for one in history["predictions"]] == ["successful"] * 2 and not history["is_open"]
    said = client.get("/audit", params={"subject": newest["prediction_id"]}).json()["entries"]
    assert said[0]["detail"] == {"before": None, "after": "successful", "closed_at": "2026-03-28"}


def test_an_outcome_by_conversation_is_of_all_of_its_predictions(client: TestClient) -> None:
    answer = client.post("/feedback", json={"conversation_id": 4711, "actual_outcome": "failed"}).json()
    assert answer["predictions"] == 2
    logged = client.get("/logs", params={"conversation_id": "4711"}).json()["predictions"]
    assert [one["actual_outcome"] for one in logged] == ["failed"] * 2


@pytest.mark.parametrize(
    ("body", "status", "code", "sentence"),
    [
        (
            {},
            422,
            "invalid_request",
            "An outcome needs exactly one of prediction_id, conversation_id, deal_id; none is given.",
        ),
        ({"deal_id": "d", "conversation_id": "c"}, 422, "invalid_request", "conversation_id and deal_id are given."),
        ({"deal_id": "d-99"}, 404, "unknown_deal", "No prediction of a deal 'd-99' is stored."),
        ({"deal_id": "\x00"}, 404, "unknown_deal", "No prediction of a deal"),
        ({"conversation_id": "c-99"}, 404, "unknown_conversation", "No prediction of a conversation 'c-99' is stored."),
        ({"prediction_id": "0" * 32}, 404, "unknown_prediction", f"No prediction '{'0' * 32}' is stored."),
        (
            {"deal_id": "d-17", "closed_at": "2026-03-09"},
            422,
            "invalid_request",
            "before its first conversation of 2026-03-10;",
        ),
        (
            {"deal_id": "d-17", "closed_at": "2999-01-01"},
            422,
            "invalid_request",
            "is dated 2999-01-01, which is to come",
        ),
        (
            {"deal_id": "d-17", "closed_at": "soon"},
            422,
            "invalid_request",
            "closed_at 'soon' is no date; give one such as",
        ),
        ({"deal_id": "d-17", "closed_at": 5}, 422, "invalid_request", "closed_at 5 is no date"),
    ],
)
def test_a_bad_outcome_is_one_sentence(
    client: TestClient, body: dict[str, Any], status: int, code: str, sentence: str
) -> None:
    message = error_of(client.post("/feedback", json={"actual_outcome": "failed", **body}), status, code)
    assert sentence in message


def test_retrainings_are_listed_the_newest_first_for_who_may_read(
    trained_artifacts: ArtifactFolder, state: Path, client: TestClient
) -> None:
    store = PredictionStore(load_settings(artifacts=trained_artifacts.root, state=state).database)
    common: dict[str, Any] = {
        "model": "few_shot", "reason": "Why.", "started_by": "asked for", "champion_version": "abc", "learned": 100,
        "new_outcomes": 40, "held_out": 20, "held_out_successful": 10, "threshold": 0.02, "outcomes_until": None,
    }  # fmt: skip
    figures = ("champion_loss", "challenger_loss", "difference", "interval_low", "interval_high")
    for number, decision in enumerate(("refused", "promoted")):
        found = {**common, **dict.fromkeys(figures, 0.01 * number if number else None)}
        version = "def" if number else None
        identity = {"retraining_id": f"{number:032x}", "decided_at": datetime.now(UTC), "promoted_version": version}
        note_retraining(store, Retraining(**found, **identity, decision=decision))  # type: ignore[arg-type]
    store.close()
    listed = client.get("/retrainings").json()["retrainings"]
    assert [(one["decision"], one["promoted_version"]) for one in listed] == [("promoted", "def"), ("refused", None)]
    assert client.get("/retrainings", params={"decision": "refused"}).json()["retrainings"] == listed[1:]
    assert client.get("/retrainings", params={"limit": 1}).json()["retrainings"] == listed[:1]
    error_of(client.get("/retrainings", params={"limit": 0}), 422, "invalid_request")
    keys = {"read": "a-key-that-reads-0123", "predict": "a-key-that-predicts-0"}
    written = ",".join(f"{role}:{key}" for role, key in keys.items())
    with client_for(trained_artifacts.root, state=state, api_keys=written) as guarded:
        assert guarded.get("/retrainings", headers={"X-API-Key": keys["read"]}).status_code == 200
        error_of(guarded.get("/retrainings", headers={"X-API-Key": keys["predict"]}), 403, "forbidden")
        error_of(guarded.get("/retrainings"), 401, "unauthorized")
