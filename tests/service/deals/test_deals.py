"""POST /predict/deal, GET /deals and GET /deals/{deal_id}: order, identity, what is stored, and what is refused."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from tests.service_clients import client_for, error_of

CALLS: list[dict[str, Any]] = [
    {
        "conversation_id": "c-1",
        "date": "2024-03-01",
        "transcript": "There is no budget this year. They liked the demo.",
    },
    {
        "conversation_id": "c-2",
        "date": "2024-03-02T09:00Z",
        "turns": [{"speaker": "customer", "text": "Send the contract."}],
    },
    {"conversation_id": "c-3", "date": "2024-03-08", "transcript": "The budget is approved now. They sign on Friday."},
]


@pytest.fixture
def client(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Iterator[TestClient]:
    with client_for(
        trained_artifacts.root, state=tmp_path, log_mode="durable", max_transcript_characters=2000
    ) as client:
        yield client


def ask(client: TestClient, calls: list[dict[str, Any]], deal: str = "d-1", **more: Any) -> dict[str, Any]:
    response = client.post("/predict/deal", json={"deal_id": deal, "conversations": calls, **more})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def without_request(answer: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in answer.items() if name not in ("prediction_id", "request_id", "processing_time")
    }


def test_the_probability_after_each_conversation_whatever_the_order_of_the_request(client: TestClient) -> None:
    found = ask(client, CALLS)
    assert [(one["conversation_id"], one["date"]) for one in found["after"]] == [
        (c["conversation_id"], c["date"]) for c in CALLS
    ]
    for order in itertools.permutations(CALLS):
        assert without_request(ask(client, list(order))) == without_request(found)
    steps = [one["probability"] for one in found["after"]]
    assert steps[-1] == found["prediction"]["probability"]
    first = client.post("/predict", json={**CALLS[0], "model_type": "auto"}).json()["prediction"]["probability"]
    assert steps[0] == pytest.approx(first, abs=1e-6), "after its first conversation a deal is that conversation"
    two = ask(client, CALLS[:2])
    assert two["prediction"]["probability"] == pytest.approx(steps[1], abs=1e-6)
    changes = [one["change"] for one in found["after"]]
    assert changes == [None, pytest.approx(steps[1] - steps[0]), pytest.approx(steps[2] - steps[1])]
    assert found["change"] == changes[-1]
    most = max(changes[1:], key=abs)
    moved = found["moved_most"]
    assert moved["change"] == most
    assert moved["conversation_id"] == ["c-2", "c-3"][changes[1:].index(most)]
    (call,) = [one for one in CALLS if one["conversation_id"] == moved["conversation_id"]]
    words = call.get("transcript") or call["turns"][0]["text"]
    assert moved["evidence"]
    assert all(one["sentence"] in words for one in moved["evidence"])
    (learned_from_calls,) = found["notices"]
    assert learned_from_calls.startswith(f"The model {found['model_used']} learned from single conversations")


def test_a_deal_of_one_conversation_is_predicted_as_that_conversation(client: TestClient) -> None:
    for call in CALLS:
        alone = client.post("/predict", json={**call, "include_analysis": True}).json()
        found = ask(client, [call])
        for name in ("prediction", "probability_interval", "reliability", "band", "model_used", "model_version"):
            assert found[name] == alone[name], name
        alone_said = alone["analysis"]["signals"]
        assert [{name: one[name] for name in alone_said[0]} for one in found["signals"]] == alone_said
        assert found["moved_most"]["evidence"] == alone["analysis"]["evidence"][:5]
        assert (found["change"], len(found["after"])) == (None, 1)


def test_what_is_not_known_of_the_order_is_told(client: TestClient) -> None:
    undated = {"conversation_id": "c-0", "transcript": "They asked for a demo."}
    found = ask(client, [*CALLS, undated, CALLS[0]])
    assert [one["conversation_id"] for one in found["after"]] == ["c-0", "c-1", "c-2", "c-3"]
    copies, missing, _ = found["notices"]
    assert copies.startswith("1 conversations are left out, as their deal has them twice")
    assert missing.startswith("1 conversations of 1 deals (the first: 'c-0' of deal 'd-1') have no date")


LONG = [{"transcript": "a" * 1500}, {"transcript": "b" * 1500}]
OF_ANOTHER_DEAL, OF_ANOTHER_GROUP = {**CALLS[1], "deal_id": "d-9"}, {**CALLS[1], "group": "B"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"conversations": []}, "conversations"),
        ({"conversations": CALLS * 34}, "102 items; at most 100"),
        ({"conversations": [{**CALLS[0], "date": "3/4/2024"}]}, "'3/4/2024' is no date; give one such as 2024-03-14"),
        ({"conversations": [{**CALLS[0], "date": "0001-01-01T00:00+14:00"}]}, "is no date"),
        ({"conversations": [{"transcript": " "}]}, "conversations.0: the transcript is empty"),
        ({"conversations": [CALLS[0], OF_ANOTHER_DEAL]}, "conversations.1 is of deal 'd-9', and the request of 'd-1'"),
        ({"conversations": [CALLS[0], OF_ANOTHER_GROUP], "group": "A"}, "its group: 'A' says 'c-1', 'B' says 'c-2'"),
        ({"deal_id": "  "}, "deal_id"),
        ({"deal_id": "x" * 201}, "deal_id"),
        ({"conversations": LONG}, "3,000 characters; this service accepts at most 2,000"),
    ],
)
def test_what_can_not_be_read_is_refused_with_a_sentence(
    client: TestClient, changed: dict[str, Any], said: str
) -> None:
    response = client.post("/predict/deal", json={"deal_id": "d-1", "conversations": CALLS, **changed})
    assert said in error_of(response, 422, response.json()["error"]["code"])


def stored(client: TestClient, deal: str, count: int) -> dict[str, Any]:
    deadline = time.monotonic() + 15
    while True:
        response = client.get(f"/deals/{deal}")
        if response.status_code == 200 and len(response.json()["predictions"]) == count:
            found: dict[str, Any] = response.json()
            return found
        assert time.monotonic() < deadline, response.text
        time.sleep(0.05)


def test_a_deal_is_stored_as_one_prediction_and_listed_until_feedback_comes(client: TestClient) -> None:
    first = client.post("/predict", json={**CALLS[0], "deal_id": 17, "group": "Acme"}).json()
    second = ask(client, CALLS, deal="17", group="Acme")
    ask(client, CALLS[:1], deal="a/b 18", group="Globex")
    client.post("/predict", json=CALLS[0])  # of no deal
    history = stored(client, "17", 2)
    assert [one["prediction_id"] for one in history["predictions"]] == [first["prediction_id"], second["prediction_id"]]
    assert [one["conversation_id"] for one in history["predictions"]] == ["c-1", "c-3"]
    before, now = (one["prediction"]["probability"] for one in (first, second))
    assert [one["change"] for one in history["predictions"]] == [None, pytest.approx(now - before)]
    assert (history["group"], history["is_open"]) == ("Acme", True)
    assert len(stored(client, "a%2Fb%2018", 1)["predictions"]) == 1

    page = client.get("/deals").json()
    assert {one["deal_id"] for one in page["deals"]} == {"17", "a/b 18"}
    probabilities = [one["probability"] for one in page["deals"]]
    assert probabilities == sorted(probabilities, reverse=True)
    (one,) = client.get("/deals?group=Acme").json()["deals"]
    assert (one["deal_id"], one["predictions"], one["change"]) == ("17", 2, pytest.approx(now - before))
    entry = client.get(f"/logs/{second['prediction_id']}").json()
    assert (entry["deal_id"], entry["deal_group"], entry["conversation_id"]) == ("17", "Acme", "c-3")
    assert "approved" in entry["transcript"]
    assert "no budget" not in entry["transcript"], "each conversation's words stand under its own id"

    client.post("/feedback", json={"prediction_id": first["prediction_id"], "actual_outcome": "successful"})
    assert [one["deal_id"] for one in client.get("/deals").json()["deals"]] == ["a/b 18"]
    closed = client.get("/deals/17").json()
    assert (closed["is_open"], closed["predictions"][0]["actual_outcome"]) == (False, "successful")


def test_a_deal_that_is_closed_in_an_uploaded_file_is_not_listed(client: TestClient) -> None:
    table = b"conversation_id,deal_id,transcript,outcome\nc-1,open-1,They will sign.,\nc-2,won-1,They signed.,won\n"
    assert client.post("/predict/file?name=deals.csv", content=table).status_code == 200
    stored(client, "open-1", 1)
    assert [one["deal_id"] for one in client.get("/deals").json()["deals"]] == ["open-1"]


def test_deals_need_the_log_and_unknown_ones_are_a_404(trained_artifacts: ArtifactFolder, client: TestClient) -> None:
    for path in ("/deals/none", "/deals/%00", "/deals/"):
        error_of(client.get(path), 404, "unknown_deal")
    error_of(client.get("/deals?sort=x"), 422, "invalid_request")
    error_of(client.get("/deals", headers={"X-API-Key": ""}), 401, "unauthorized")
