"""Requests that are too long to be meant, those of many megabytes, HEAD, and parameters that do not exist."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from answers.requests import MOST_CONTEXT_VALUES
from benchmarks.running_server import RunningServer, running_server
from conversations.conversation import MAX_TURNS
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import quoted
from service.access.guards import LARGE_BODY, MOST_FIELDS
from tests.service_clients import JSON, client_for, error_of

HI = {"transcript": "They will sign."}


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder) -> Iterator[TestClient]:
    with client_for(trained_artifacts.root, rate_limit=0) as found:
        yield found


@pytest.fixture(scope="module")
def server(trained_artifacts: ArtifactFolder) -> Iterator[RunningServer]:
    with running_server(trained_artifacts.root, 1) as found:
        yield found


# Too long to be meant


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/predict", {"turns": [1] * 50_001}, "turns has 50,001 items; at most 50,000 are accepted."),
        ("/predict/batch", {"conversations": [1] * 65}, "conversations has 65 items; at most 64 are accepted."),
        (
            "/predict/batch",
            {"conversations": [{"turns": [1] * 25_001}] * 2},
            "conversations have 50,002 turns; at most 50,000 are accepted at once.",
        ),
        ("/predict", {**HI, "context": {f"k{n}": n for n in range(1001)}}, "context has more than 1,000 values"),
        ("/predict", {**HI, "conversation_context": {"a": {"b": [1] * 999}}}, "context has more than 1,000 values"),
        (
            "/predict",
            {**HI, "similar_filter": {f"k{n}": n for n in range(51)}},
            "similar_filter has more than 50 values",
        ),
    ],
)
def test_what_is_too_long_to_be_meant_is_refused_before_its_items_are_looked_at(
    client: TestClient, path: str, body: Any, said: str
) -> None:
    # Each item is wrong as well: had one been looked at, the message would be about it.
    assert error_of(client.post(path, json=body), 422, "invalid_request").startswith(said)


def test_a_context_of_as_many_values_as_are_accepted_is(client: TestClient) -> None:
    context = {f"k{n}": n for n in range(MOST_CONTEXT_VALUES - 3)} | {"a": {"b": [1]}}  # "a", "b" and 1 are three
    assert client.post("/predict", json={**HI, "context": context}).status_code == 200


def test_the_first_wrong_turn_is_enough(client: TestClient) -> None:
    said = error_of(client.post("/predict", json={"turns": [{"text": "Yes."}, 1, 2]}), 422, "invalid_request")
    assert said == "turns.1 1 is wrong: input should be a JSON object."


def test_a_file_of_too_many_turns_is_refused_as_well(client: TestClient) -> None:
    content = json.dumps({"turns": [1] * (MAX_TURNS + 1)})
    for path in ("/conversations/read?name=a.json", "/predict/file?name=a.json"):
        assert "has 50,001 turns; at most 50,000" in error_of(
            client.post(path, content=content), 422, "invalid_request"
        )


def test_the_schema_says_how_long_lists_may_be(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    turns, context = (schemas["PredictionRequest"]["properties"][name] for name in ("turns", "context"))
    assert turns["anyOf"][0]["maxItems"] == MAX_TURNS
    assert context["maxProperties"] == MOST_CONTEXT_VALUES
    assert schemas["BatchRequest"]["properties"]["conversations"]["maxItems"] == 64


# Large bodies


def test_a_large_body_is_answered_like_a_small_one(client: TestClient) -> None:
    padding = {"unknown": "x" * LARGE_BODY}  # unknown fields are ignored
    small, large = (client.post("/predict", json={**HI, **more}).json() for more in ({}, padding))
    assert large["prediction"] == small["prediction"]
    wrong = {**HI, "similar_count": 0}
    small_error, large_error = (client.post("/predict", json={**wrong, **more}) for more in ({}, padding))
    assert error_of(large_error, 422, "invalid_request") == error_of(small_error, 422, "invalid_request")


def test_a_body_of_too_many_fields_is_refused_before_it_is_parsed(client: TestClient) -> None:
    fields = ",".join(f'"k{n}" : 1' for n in range(MOST_FIELDS + 1))
    answer = client.post("/predict", content="{" + fields, headers=JSON)  # parsed, it would be broken JSON
    assert "more than 250,000 fields" in error_of(answer, 422, "invalid_request")


def test_a_large_broken_body_is_400_with_the_place(client: TestClient) -> None:
    content = json.dumps({**HI, "unknown": "x" * LARGE_BODY})[:-1] + ",}"
    said = error_of(client.post("/predict", content=content, headers=JSON), 400, "invalid_json")
    assert f"line 1, column {len(content)}" in said


@pytest.mark.parametrize(
    "value",
    [1, "short", "it's", "x" * 200, [], {}, [1, "a", None], {"a": [1, {"b": 2.5}]}, [[True]] * 90, {"k" * 200: 1}],
)
def test_a_value_is_quoted_as_python_writes_it_cut_to_80_characters(value: Any) -> None:
    whole = repr(value)
    assert quoted(value) == (whole if len(whole) <= 80 else whole[:78] + "…" + whole[-1])


def test_megabytes_are_quoted_without_being_written() -> None:
    started = time.process_time()  # a busy machine takes none of it
    assert quoted([["x" * 1000] * 1000] * 1_000_000).startswith("[['xxx")
    assert time.process_time() - started < 1


def test_others_are_answered_while_bodies_of_megabytes_are_read(server: RunningServer) -> None:
    bodies = [
        '{"turns": [' + ",".join(["1"] * 3_900_000) + "]}",
        '{"transcript": "Hi.", "similar_filter": {' + ",".join(f'"k{n}": 1' for n in range(400_000)) + "}}",
    ]
    for body in bodies:
        assert server.ask("POST", "/predict", json.dumps(HI))[0] == 200
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.ask, "POST", "/predict", body)
            slowest = 0.0
            while not asked.done():
                started = time.perf_counter()
                assert server.ask("GET", "/health/live")[0] == 200
                slowest = max(slowest, time.perf_counter() - started)
        assert asked.result()[0] == 422
        assert slowest < 2, "with these bodies on the event loop it was 4 and 50 s"


# HEAD


@pytest.mark.parametrize("path", ["/", "/health", "/health/live", "/health/ready", "/app", "/models", "/nowhere"])
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.content == b""
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert set(head.headers) == set(get.headers)


def test_head_leaves_the_connection_usable_and_is_logged_as_what_it_was(server: RunningServer) -> None:
    with contextlib.closing(server.connection()) as connection:
        lengths = []
        for method in ("HEAD", "GET"):
            connection.request(method, "/health/live")
            response = connection.getresponse()
            assert response.status == http.client.OK
            lengths.append((int(response.headers["content-length"]), len(response.read())))
    (head, head_read), (get, get_read) = lengths
    assert (head, head_read) == (get, 0)
    assert get_read == get > 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if '"HEAD"' in line]
    assert [line["route"] for line in lines] == ["/health/live"]


def test_head_is_offered_where_get_is_and_only_there(client: TestClient) -> None:
    assert client.head("/predict").status_code == 405
    assert client.put("/models").headers["allow"] == "GET, HEAD"
    assert all("head" not in methods for methods in client.get("/openapi.json").json()["paths"].values())


# Parameters


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/logs?modle=ensemble", "There is no parameter 'modle'; this takes model, model_version, outcome"),
        ("/logs/export?limit=5&sinec=2026-01-01", "There is no parameter 'sinec'; this takes model"),
        ("/performance?hour=1", "There is no parameter 'hour'; this takes hours."),
    ],
)
def test_a_parameter_that_does_not_exist_is_refused(client: TestClient, path: str, said: str) -> None:
    assert error_of(client.get(path), 422, "invalid_request").startswith(said)


def test_a_file_is_not_ranked_by_another_model_than_was_meant(client: TestClient) -> None:
    said = error_of(client.post("/predict/file?model=ensemble", content="transcript\nHi."), 422, "invalid_request")
    assert said == "There is no parameter 'model'; this takes name, column, won, lost, model_type, deal_id."
