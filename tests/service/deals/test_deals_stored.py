"""What the log keeps of a deal and shows again: everything POST /predict/deal found, masked, and gone when it is deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from foundations.artifact_folder import ArtifactFolder
from prediction_log.deals.timeline import NO_WORDS, NOTHING_READ
from tests.service_clients import client_for

CARD, MASKED = "4111 1111 1111 1111", "[card]"
TODAY = datetime.now(UTC).date()


def call(name: str, days_ago: int, *said: str) -> dict[str, Any]:
    turns = [{"speaker": "customer", "text": text} for text in said]
    return {"conversation_id": name, "date": (TODAY - timedelta(days=days_ago)).isoformat(), "turns": turns}


CALLS = [
    call("c-1", 40, f"Our budget of $50,000 is approved, take card {CARD}.", "The old system keeps crashing."),
    call("c-2", 20, f"My boss decides, not me, I gave you {CARD}.", "We went with Globex before."),
]


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    state = tmp_path_factory.mktemp("state")
    with client_for(trained_artifacts.root, state=state, log_mode="durable", rate_limit=100_000) as client:
        yield client


def predict(client: TestClient, deal: str, calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    response = client.post("/predict/deal", json={"deal_id": deal, "group": "Acme", "conversations": calls or CALLS})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def deal_of(client: TestClient, deal: str) -> dict[str, Any]:
    response = client.get(f"/deals/{deal}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_deal_is_shown_as_it_was_answered_with_its_words_masked(client: TestClient) -> None:
    predict(client, "shown", CALLS[:1])
    answered = predict(client, "shown")
    shown = deal_of(client, "shown")
    for name in ("moved_most", "signals", "qualification", "warnings", "recommended_actions"):
        assert shown[name] == json.loads(json.dumps(answered[name]).replace(CARD, MASKED)), name
    assert shown["qualification"]["budget"]["quotes"], "the clear word on the budget is quoted"
    assert CARD not in json.dumps(shown)
    assert shown["gaps"] == [n for n, one in answered["qualification"].items() if one["status"] == "unknown"]
    assert [one["conversation_id"] for one in shown["curve"]] == ["c-1", "c-2"]
    probabilities = [one["probability"] for one in answered["after"]]
    assert [one["probability"] for one in shown["curve"]] == pytest.approx(probabilities)
    assert shown["change"] == pytest.approx(probabilities[1] - probabilities[0]), "the change since last time"
    assert (shown["band"], shown["is_open"], shown["notices"]) == (answered["band"]["name"], True, [])
    (ranked,) = client.get("/deals?id_contains=shown").json()["deals"]
    assert [one["probability"] for one in ranked["curve"]] == pytest.approx(probabilities)
    assert [one["sentence"] for one in ranked["warnings"]] == [one["sentence"] for one in answered["warnings"]]
    assert ranked["next_step"] == (answered["recommended_actions"] or [{"action": None}])[0]["action"]
    assert ranked["last_day"] == CALLS[1]["date"]


def test_a_batch_stores_its_deals_as_a_deal_is_stored(client: TestClient) -> None:
    """Those of several conversations as one that is the newest, those of one with what was found in it."""
    predict(client, "alone")
    several = [{**one, "deal_id": "in-batch", "group": "Acme"} for one in CALLS[::-1]]
    one = {**CALLS[0], "deal_id": "one-in-batch"}
    body = {"conversations": [*several, one, {"transcript": "They sign."}]}
    answered = client.post("/predict/batch", json=body).json()
    assert len(answered["predictions"]) == 4
    assert all("learned from single conversations" in notice for notice in answered["notices"])
    expected, shown = deal_of(client, "alone"), deal_of(client, "in-batch")
    for name in ("signals", "qualification", "warnings", "recommended_actions", "gaps", "band", "group"):
        assert shown[name] == expected[name], name
    assert shown["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    assert [point["conversation_id"] for point in shown["curve"]] == ["c-1", "c-2"]
    assert deal_of(client, "one-in-batch")["qualification"]["budget"]["quotes"]
    ranked = {deal["deal_id"]: deal for deal in client.get("/deals?id_contains=in-batch").json()["deals"]}
    assert all(ranked[deal]["band"] for deal in ("in-batch", "one-in-batch")), "something was read in their words"


def test_a_deal_of_a_batch_that_contradicts_itself_is_told_of_and_the_batch_is_ranked(client: TestClient) -> None:
    torn = [{**one, "deal_id": "torn-in-batch", "group": group} for one, group in zip(CALLS, "AB", strict=True)]
    answered = client.post("/predict/batch", json={"conversations": torn}).json()
    assert len(answered["predictions"]) == 2
    assert any("torn-in-batch" in notice and "stand for themselves" in notice for notice in answered["notices"])


def test_a_conversation_that_is_put_to_a_deal_has_a_card_and_joins_those_before_it(client: TestClient) -> None:
    for one in CALLS:
        assert client.post("/predict", json={**one, "deal_id": "single"}).status_code == 200
    shown = deal_of(client, "single")
    assert [(one["conversation_id"], one["date"]) for one in shown["curve"]] == [
        (one["conversation_id"], one["date"]) for one in CALLS
    ]
    budget, authority = shown["qualification"]["budget"], shown["qualification"]["authority"]
    assert budget["status"] == "met", "said in the first conversation, and nothing on it in the second"
    assert authority["quotes"][0]["conversation_id"] == "c-2"
    assert {one["kind"] for one in shown["warnings"]} >= {"no_activity"}


def test_a_file_is_put_to_a_deal_and_its_own_deal_ids_win(client: TestClient) -> None:
    records = [CALLS[1], {**CALLS[0], "deal_id": "of-the-file"}, {**CALLS[0], "conversation_id": "c-0"}]
    content = "\n".join(map(json.dumps, records)).encode()
    answer = client.post("/predict/file?name=calls.jsonl&deal_id=of%20the%20page", content=content)
    assert answer.status_code == 200, answer.text
    assert [one["conversation_id"] for one in deal_of(client, "of-the-file")["curve"]] == ["c-1"]
    page = deal_of(client, "of%20the%20page")
    assert [one["conversation_id"] for one in page["curve"]] == ["c-0", "c-2"], "in order of time, not of the file"
    whole = predict(client, "the same", [records[2], CALLS[1]])
    assert page["probability"] == pytest.approx(whole["prediction"]["probability"], abs=1e-6), "read as one"
    assert page["qualification"]["budget"]["status"] == "met"
    single = {one["conversation_id"]: one["prediction_id"] for one in answer.json()["predictions"]}
    stored = [one["prediction_id"] for one in page["predictions"]]
    assert stored[:2] == [single["c-0"], single["c-2"]]
    assert any("learned from single conversations" in one for one in answer.json()["notices"])
    refused = client.post("/predict/file?name=calls.jsonl&deal_id=%20", content=content)
    assert refused.status_code == 422


def test_a_deal_of_a_file_that_contradicts_itself_is_told_of_and_the_file_is_ranked(client: TestClient) -> None:
    records = [{**CALLS[0], "deal_id": "torn", "group": "A"}, {**CALLS[1], "deal_id": "torn", "group": "B"}]
    answer = client.post("/predict/file?name=calls.jsonl", content="\n".join(map(json.dumps, records)).encode())
    assert answer.status_code == 200
    assert any("contradict each other about its group" in one for one in answer.json()["notices"])
    shown = deal_of(client, "torn")
    assert (len(shown["predictions"]), shown["notices"]) == (2, [NOTHING_READ])


def test_a_deleted_conversation_is_gone_from_the_deals_that_were_predicted_with_it(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    with client_for(trained_artifacts.root, state=tmp_path, log_mode="durable") as client:
        predict(client, "scrubbed")
        removed = client.delete("/logs?conversation_id=c-1").json()["removed"]
        shown = deal_of(client, "scrubbed")
    assert removed == 1
    assert [one["conversation_id"] for one in shown["curve"]] == ["c-2"]
    assert (shown["qualification"], shown["signals"], shown["notices"]) == (None, [], [NOTHING_READ])
    with sqlite3.connect(tmp_path / "predictions.db") as database:
        rows = [
            str(row)
            for table in ("predictions", "deal_readings", "deal_parts")
            for row in database.execute(f"SELECT * FROM {table}")
        ]
    assert not any("crashing" in row for row in rows)
    assert any("boss decides" in row for row in rows), "the words of the other conversation stay"


def test_without_stored_transcripts_nothing_is_quoted_and_the_answer_says_so(
    trained_artifacts: ArtifactFolder, tmp_path: Path
) -> None:
    with client_for(trained_artifacts.root, state=tmp_path, log_mode="durable", store_transcripts="none") as client:
        answered = predict(client, "silent")
        client.post(
            "/feedback", json={"prediction_id": predict(client, "gone")["prediction_id"], "actual_outcome": "failed"}
        )
        shown, lost = deal_of(client, "silent"), client.get("/deals/lost").json()
    assert shown["notices"] == lost["notices"] == [NO_WORDS]
    assert [len(one["quotes"]) for one in shown["qualification"].values()] == [0] * 4
    statuses = {name: one["status"] for name, one in answered["qualification"].items()}
    assert {name: one["status"] for name, one in shown["qualification"].items()} == statuses
    assert (shown["signals"], shown["moved_most"]["evidence"]) == ([], [])
    assert "no_activity" in {one["kind"] for one in shown["warnings"]}, "silence is no word"
    with sqlite3.connect(tmp_path / "predictions.db") as database:
        rows = " ".join(
            str(row) for table in ("deal_readings", "deal_parts") for row in database.execute(f"SELECT * FROM {table}")
        )
    for word in ("boss", "50,000", "crashing", "Globex"):
        assert word not in rows


HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/deals", "/deals/shown", "/deals/lost"])
def test_a_browser_gets_the_page_and_a_program_json(client: TestClient, path: str) -> None:
    predict(client, "shown")
    page = client.get(path, headers={"Accept": HTML, "X-API-Key": ""})
    assert page.status_code == 200, "the page holds no data and needs no key"
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1" in page.text
    assert page.headers["vary"] == "Accept"
    for accept in ("*/*", "application/json", "application/json, text/html", "text/html;q=0.5, */*", "text/html;q=x"):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/json", accept
        assert "Accept" in answer.headers["vary"]
    assert client.get(path, headers={"X-API-Key": ""}).status_code == 401


def test_why_deals_were_lost(client: TestClient) -> None:
    before = client.get("/deals/lost").json()["deals"]
    lost = predict(client, "lost-1")
    assert client.post(
        "/feedback", json={"prediction_id": lost["prediction_id"], "actual_outcome": "failed"}
    ).is_success
    found = client.get("/deals/lost").json()
    assert found["deals"] == before + 1
    month = found["months"][0]
    assert month["month"] == f"{datetime.now(UTC):%Y-%m}"
    against = {one["name"] for one in lost["signals"] if one["polarity"] == "negative"}
    assert against <= {one["name"] for one in month["reasons"]}
    assert CARD not in json.dumps(found)
