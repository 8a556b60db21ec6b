"""The API: every route, every error status in one shape, one answer from many threads, the schema, the log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from answers.recommendations import read_rules
from answers.requests import SAMPLE_REQUEST
from conversations.conversation import Conversation
from deployment_system import create_app
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.settings import load_settings
from model_registry import MODEL_CLASSES, artifact_path, best_model_name, load_model
from modelling.conversion_model import ConversionModel
from modelling.saved.serving_folder import serving_folder
from signals.finder import Signal
from signals.outcomes import signal_outcomes, write_signal_outcomes
from tests.service_clients import JSON, client_for, error_of


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder) -> Iterator[TestClient]:
    with client_for(trained_artifacts.root, rate_limit=0) as client:
        yield client


@pytest.fixture
def copied_artifacts(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")
    return ArtifactFolder(tmp_path / "artifacts")


# Pages and lists


def test_root_says_what_this_is(client: TestClient) -> None:
    answer = client.get("/").json()
    assert answer["status"] == "ok"
    assert answer["models"] == ["auto", *MODEL_CLASSES]
    for link in answer["links"].values():
        assert client.get(link).status_code == 200


def test_health_is_ok_and_auto_is_warm(client: TestClient, trained_artifacts: ArtifactFolder) -> None:
    answer = client.get("/health").json()
    assert answer["status"] == "ok"
    assert answer["problem"] is None
    assert best_model_name(trained_artifacts) in answer["loaded_models"]
    assert answer["uptime_seconds"] > 0


def test_models_lists_every_model(client: TestClient, trained_artifacts: ArtifactFolder) -> None:
    answer = client.get("/models").json()
    assert [model["name"] for model in answer["models"]] == list(MODEL_CLASSES)
    assert [model["name"] for model in answer["models"] if model["auto"]] == [answer["auto"]]
    assert answer["auto"] == best_model_name(trained_artifacts)
    for model in answer["models"]:
        assert model["trained"]
        assert model["problem"] is None
        assert model["validation_metrics"]["log_loss"] > 0
        of_artifact = load_model(trained_artifacts, model["name"])
        assert model["cross_validation_metrics"] == of_artifact.record.cross_validation_metrics
        assert model["versions"][0]["cross_validation_metrics"] == of_artifact.record.cross_validation_metrics
        assert model["created_at"]
        assert len(model["encoder"]["sha256"]) == 64


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_documentation_loads_nothing_from_outside(client: TestClient, page: str) -> None:
    text = client.get(page).text
    assert "https://" not in text
    assert "http://" not in text.replace("http://testserver", "")
    assert client.get("/static-offline-docs/swagger-ui-bundle.js").status_code == 200


# Predictions


def test_talk_figures_are_told_and_are_no_part_of_the_score(client: TestClient) -> None:
    said = [("seller", "How was the pilot?"), ("customer", "Good, the budget is approved.")]
    turns = [{"speaker": speaker, "text": text} for speaker, text in said]
    timed = [turns[0] | {"start": "0:00", "end": "0:03"}, turns[1] | {"start": "0:05", "end": "0:11"}]
    plain, clocked = (
        client.post("/predict", json={"turns": one, "include_analysis": True}).json() for one in (turns, timed)
    )
    assert plain["prediction"] == clocked["prediction"]
    talks = plain["analysis"]["talk"], clocked["analysis"]["talk"]
    assert [talk["measured_by"] for talk in talks] == ["words", "time"]
    assert [talk["talk_ratio"] for talk in talks] == [pytest.approx(4 / 9), pytest.approx(3 / 9)]
    assert talks[1]["seller"]["questions"] == 1 and talks[1]["minutes"] == pytest.approx(11 / 60)
    note = client.post("/predict", json={"transcript": "They liked it.", "include_analysis": True}).json()
    assert note["analysis"]["talk"] is None


def test_the_sample_request_of_the_readme(client: TestClient) -> None:
    response = client.post("/predict", json=SAMPLE_REQUEST)
    assert response.status_code == 200, response.text
    answer = response.json()
    probability = answer["prediction"]["probability"]
    assert 0 < probability < 1
    assert answer["prediction"]["outcome"] == ("successful" if probability >= 0.5 else "failed")
    assert answer["prediction"]["confidence"] == max(probability, 1 - probability) == answer["confidence_score"]
    assert answer["model_used"] in MODEL_CLASSES
    assert answer["processing_time"] > 0
    analysis = answer["analysis"]
    assert analysis["sentiment"] in ("positive", "neutral", "negative")
    for_it, against = ({line.partition(": “")[2] for line in analysis[f]} for f in ("key_indicators", "risk_factors"))
    assert not (for_it & against) - {""}  # "" is what the CRM says
    quotes = {signal["quote"] for signal in answer["analysis"]["signals"]}
    assert all(quote in SAMPLE_REQUEST["transcript"] for quote in quotes)
    assert [f"{a['action']} ({a['urgency']}) — because {a['reason']}" for a in answer["recommended_actions"]] == (
        answer["recommendations"]
    )
    assert answer["recommendations"]
    assert len(answer["similar_conversations"]) == 3
    for found in answer["similar_conversations"]:
        assert list(found) == ["conversation_id", "outcome", "similarity", "excerpt"]
        assert found["outcome"] in ("successful", "failed")


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_a_named_model_is_served_and_gives_its_own_probability(
    client: TestClient, trained_artifacts: ArtifactFolder, name: str
) -> None:
    text = "They asked for a proposal by Friday."
    answer = client.post("/predict", json={"transcript": text, "model_type": name}).json()
    expected = load_model(trained_artifacts, name).predict_proba([Conversation(transcript=text)])[0]
    assert answer["model_used"] == name
    assert answer["prediction"]["probability"] == pytest.approx(expected, abs=1e-9)
    assert answer["analysis"] is answer["recommendations"] is answer["similar_conversations"] is None


def test_a_trajectory_is_given_where_it_is_asked_for(client: TestClient, trained_artifacts: ArtifactFolder) -> None:
    turns = [{"speaker": "Agent", "text": "Hello"}, {"speaker": "Client", "text": "Send me the contract."}]
    body: dict[str, Any] = {"turns": turns, "model_type": "few_shot"}
    assert client.post("/predict", json=body).json()["trajectory"] is None
    answer = client.post("/predict", json={**body, "include_trajectory": True, "include_similar": True}).json()
    first, last = answer["trajectory"]
    assert (first["turn"], first["speaker"]) == (1, "seller")
    assert (last["turn"], last["speaker"]) == (2, "customer")
    assert last["probability"] == answer["prediction"]["probability"]
    model = load_model(trained_artifacts, "few_shot")
    expected = [model.predict_proba([Conversation.model_validate({"turns": turns[:n]})])[0] for n in (1, 2)]
    assert [first["probability"], last["probability"]] == pytest.approx(expected, abs=1e-6)
    assert len(answer["similar_conversations"]) == 3


def test_the_trajectory_of_a_note_goes_by_its_sentences(client: TestClient) -> None:
    body = {"transcript": "They asked for the price. They want to sign.", "include_trajectory": True}
    assert [(step["turn"], step["speaker"]) for step in client.post("/predict", json=body).json()["trajectory"]] == [
        (1, ""),
        (2, ""),
    ]


def test_a_trajectory_of_too_many_turns_is_refused(client: TestClient) -> None:
    body: dict[str, Any] = {"turns": [{"speaker": "Agent", "text": "Well."}] * 1001, "include_trajectory": True}
    message = error_of(client.post("/predict", json=body), 422, "invalid_request")
    assert message == "The conversation has 1,001 turns; with include_trajectory at most 1,000 are accepted."
    sampled = client.post("/predict", json={**body, "trajectory_points": 3}).json()
    assert [point["turn"] for point in sampled["trajectory"]] == [1, 501, 1001]
    assert sampled["trajectory"][-1]["probability"] == sampled["prediction"]["probability"]
    body["include_trajectory"] = "perhaps"
    assert "'perhaps'" in error_of(client.post("/predict", json=body), 422, "invalid_request")


def test_evidence_points_into_the_request_and_adds_up(client: TestClient, trained_artifacts: ArtifactFolder) -> None:
    answer = client.post("/predict", json=SAMPLE_REQUEST).json()
    found = answer["analysis"]["evidence"]
    assert len(found) == 3
    for one in found:
        assert SAMPLE_REQUEST["transcript"][one["start"] : one["end"]] == one["sentence"]
    strongest = found[0]
    rest = {**SAMPLE_REQUEST, "transcript": SAMPLE_REQUEST["transcript"].replace(strongest["sentence"], "")}
    without = client.post("/predict", json=rest).json()["prediction"]["probability"]
    assert strongest["effect"] == pytest.approx(100 * (answer["prediction"]["probability"] - without), abs=1e-3)


def test_the_band_comes_with_every_prediction(client: TestClient, trained_artifacts: ArtifactFolder) -> None:
    answer = client.post("/predict", json={"transcript": "They asked for a proposal."}).json()
    expected = load_model(trained_artifacts, answer["model_used"]).bands.band_of(answer["prediction"]["probability"])
    assert answer["band"] == {
        "name": expected.name,
        "observed_rate": expected.observed_rate,
        "interval": list(expected.interval),
        "conversations": expected.conversations,
        "shared_by": list(expected.shared_by),
    }


def test_wrong_rules_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "recommendation_rules.json"
    rules.write_text('{"most": 3, "rules": [{}]}', encoding="utf-8")
    monkeypatch.setattr("deployment_system.read_rules", lambda: read_rules(rules))
    with pytest.raises(InputError, match=r"recommendation_rules\.json, rule 1: when is missing"):
        create_app(load_settings())


def test_turns_and_a_stored_record_are_accepted(client: TestClient) -> None:
    turns = [{"speaker": "Agent", "text": "Hello"}, {"speaker": "Client", "text": "Send me the contract."}]
    context = {"industry": "retail", "previous_interactions": "2", "favourite_colour": "green"}
    first = client.post("/predict", json={"turns": turns, "context": context})
    record = {
        "conversation_id": "c-1",
        "turns": turns,
        "conversation_context": context,
        "outcome": "failed",
        "group": "g",
    }
    second = client.post("/predict", json=record)
    labelled = client.post(
        "/predict", json={"transcript": "Agent: Hello\nClient: Send me the contract.", "context": context}
    )
    assert first.status_code == second.status_code == labelled.status_code == 200
    assert first.json()["prediction"] == second.json()["prediction"] == labelled.json()["prediction"]


def test_similar_conversations_as_text_filtered_and_counted(client: TestClient) -> None:
    body = {"transcript": "They asked for a proposal by Friday.", "include_similar": True, "similar_count": 5}
    found = client.post("/predict", json=body).json()["similar_conversations"]
    assert len({one["conversation_id"] for one in found}) == 5
    assert [one["similarity"] for one in found] == sorted((one["similarity"] for one in found), reverse=True)
    text = client.post("/predict", json={**body, "similar_format": "text"}).json()["similar_conversations"]
    assert text == [one["excerpt"] for one in found]
    itself = {**body, "conversation_id": found[0]["conversation_id"]}
    others = client.post("/predict", json=itself).json()["similar_conversations"]
    assert [one["conversation_id"] for one in others][:4] == [one["conversation_id"] for one in found][1:]
    failed = client.post("/predict", json={**body, "similar_filter": {"outcome": "failed"}}).json()
    assert {one["outcome"] for one in failed["similar_conversations"]} == {"failed"}
    nowhere = client.post("/predict", json={**body, "similar_filter": {"industry": "piracy"}}).json()
    assert nowhere["similar_conversations"] == []


def test_similar_deals_recommend_nothing_where_their_outcome_was_asked_for(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from answers import answer as prediction_answer

    heard: list[list[Any]] = []

    def recommend(table: Any, analysis: Any, band: Any, similar: list[Any], reliable: bool) -> list[Any]:
        heard.append(similar)
        return []

    monkeypatch.setattr(prediction_answer, "recommend", recommend)
    body = {"transcript": "They asked for a proposal.", "include_similar": True, "include_analysis": True}
    for wanted in ({}, {"industry": None}, {"outcome": "successful"}):
        client.post("/predict", json={**body, "similar_filter": wanted}).raise_for_status()
    assert [len(outcomes) for outcomes in heard] == [3, 3, 0]


def test_an_answer_says_which_part_can_not_be_relied_on_in_german(client: TestClient) -> None:
    german = "Der Chef will das Budget noch nicht freigeben, aber wir haben es mit ihm am Montag besprochen."
    answer = client.post("/predict", json={"transcript": german, "include_analysis": True}).json()
    assert "learned from English; this reads as German" in answer["analysis"]["language_note"]
    assert "It reads as German; the model learned from conversations in English." in answer["reliability_reasons"]
    assert "missing" not in {one["trigger"] for one in answer["recommended_actions"]}
    english = client.post(
        "/predict", json={"transcript": "They asked for it by Friday.", "include_analysis": True}
    ).json()
    assert english["analysis"]["language_note"] is None


def test_an_unreliable_prediction_recommends_nothing_for_its_band(client: TestClient) -> None:
    for said, reliable in (("Hm.", "low"), ("Write to me next week, then we talk about the price of it all.", None)):
        answer = client.post("/predict", json={"transcript": said, "include_analysis": True}).json()
        assert reliable in (None, answer["reliability"])
        triggers = {action["trigger"] for action in answer["recommended_actions"]}
        assert ("band" in triggers) == (answer["reliability"] == "ok")


def test_the_same_conversations_are_similar_whichever_model_predicts(client: TestClient) -> None:
    body = {"transcript": "They asked for a proposal by Friday.", "include_similar": True}
    answers = [client.post("/predict", json={**body, "model_type": name}).json() for name in MODEL_CLASSES]
    assert len({answer["model_used"] for answer in answers}) == len(MODEL_CLASSES)
    assert all(answer["similar_conversations"] == answers[0]["similar_conversations"] for answer in answers)


def test_eight_threads_get_the_answers_of_one(client: TestClient, conversations: list[Conversation]) -> None:
    names = list(MODEL_CLASSES)
    bodies: list[dict[str, Any]] = [
        {
            "transcript": conversation.transcript,
            "turns": [turn.model_dump() for turn in conversation.turns or []],
            "model_type": names[number % len(names)],
        }
        for number, conversation in enumerate(conversations[:24])
    ]

    def probability(body: dict[str, Any]) -> float:
        return float(client.post("/predict", json=body).json()["prediction"]["probability"])

    sequential = [probability(body) for body in bodies]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(probability, bodies)) == pytest.approx(sequential, abs=1e-6)


def test_a_batch_is_ranked_and_agrees_with_single_predictions(client: TestClient) -> None:
    words = ["No budget, never call again.", "They sign on Friday.", "Maybe next year.", "They sign on Friday."]
    body = {"conversations": [{"transcript": text, "conversation_id": f"c-{n}"} for n, text in enumerate(words)]}
    answer = client.post("/predict/batch", json=body).json()
    ranked = answer["predictions"]
    assert [one["rank"] for one in ranked] == [1, 2, 3, 4]
    assert sorted(one["index"] for one in ranked) == [0, 1, 2, 3]
    probabilities = [one["prediction"]["probability"] for one in ranked]
    assert probabilities == sorted(probabilities, reverse=True)
    places = [one["index"] for one in ranked]
    assert places.index(1) < places.index(3), "of equals the earlier one comes first"
    assert len({one["prediction_id"] for one in ranked}) == 4
    for one in ranked:
        assert one["conversation_id"] == f"c-{one['index']}"
        single = client.post("/predict", json={"transcript": words[one["index"]]}).json()
        assert one["prediction"]["probability"] == pytest.approx(single["prediction"]["probability"], abs=1e-6)


def test_prediction_feedback_log_and_deletion(client: TestClient) -> None:
    said = "Write to jo@example.com, they sign."
    answer = client.post("/predict", json={"transcript": said, "context": {"industry": "retail"}}).json()
    identifier = answer["prediction_id"]
    given = client.post("/feedback", json={"prediction_id": identifier, "actual_outcome": "Failed"}).json()
    assert given["correct"] == (answer["prediction"]["outcome"] == "failed")
    logged = client.get(f"/logs/{identifier}").json()
    assert logged["transcript"] == "Write to [email], they sign."
    assert logged["context"] == {"industry": "retail"}
    assert logged["actual_outcome"] == "failed"
    assert (logged["request_id"], logged["model_version"]) == (answer["request_id"], answer["model_version"])
    assert logged["probability"] == pytest.approx(answer["prediction"]["probability"])
    assert identifier in client.get("/logs/export", params={"request_id": answer["request_id"]}).text
    assert client.get("/logs", params={"limit": 1}).json()["predictions"][0]["prediction_id"] == identifier
    assert client.get("/performance").json()["live"]["feedback"] >= 1
    assert client.delete(f"/logs/{identifier}").json() == {"prediction_id": identifier, "removed": True}
    for response in (client.get(f"/logs/{identifier}"), client.delete(f"/logs/{identifier}"), client.get("/logs/x")):
        error_of(response, 404, "unknown_prediction")


def test_all_predictions_of_one_conversation_are_found_and_deleted_together(client: TestClient) -> None:
    for _ in range(2):
        client.post("/predict", json={"conversation_id": 4711, "transcript": "They sign."})
    batch = {"conversations": [{"conversation_id": name, "transcript": "They sign."} for name in ("4711", "4712")]}
    client.post("/predict/batch", json=batch)
    table = b"conversation_id,transcript\n4711,They sign.\n"
    identifier = client.post("/predict/file?name=a.csv", content=table).json()["predictions"][0]["prediction_id"]
    client.post("/predict/file?name=b.csv", content=b"transcript\nThey sign.\n")
    client.post("/feedback", json={"prediction_id": identifier, "actual_outcome": "failed"})
    wanted = {"conversation_id": "4711"}
    logged = client.get("/logs", params=wanted).json()["predictions"]
    assert [one["conversation_id"] for one in logged] == ["4711"] * 4
    assert client.get("/logs/export", params=wanted).text.count("4711") >= 4
    newest = client.get("/logs", params={"limit": 1}).json()["predictions"][0]
    assert newest["conversation_id"] is None, "a row's number names no conversation"
    assert client.delete("/logs", params=wanted).json() == {"conversation_id": "4711", "removed": 4}
    assert client.get("/logs", params=wanted).json()["predictions"] == []
    error_of(client.get(f"/logs/{identifier}"), 404, "unknown_prediction")
    assert len(client.get("/logs", params={"conversation_id": "4712"}).json()["predictions"]) == 1
    error_of(client.delete("/logs", params=wanted), 404, "unknown_conversation")
    for query in ("", "?conversation_id=", "?conversation_id=a%00"):
        error_of(client.delete(f"/logs{query}"), 422, "invalid_request")


@pytest.mark.parametrize(("kept", "transcript"), [("none", None), ("full", "Write to jo@example.com.")])
def test_transcripts_are_stored_as_the_setting_says(
    copied_artifacts: ArtifactFolder, kept: str, transcript: str | None
) -> None:
    with client_for(copied_artifacts.root, store_transcripts=kept, log_mode="durable") as client:
        answer = client.post("/predict", json={"transcript": "Write to jo@example.com."}).json()
        assert client.get(f"/logs/{answer['prediction_id']}").json()["transcript"] == transcript


def test_signals_are_those_of_the_last_evaluation_without_a_new_start(copied_artifacts: ArtifactFolder) -> None:
    with client_for(copied_artifacts.root) as client:
        missing = client.get("/signals")
        assert missing.status_code == 200
        assert missing.json()["signals"] == []
        assert "python main.py --mode evaluate --artifacts ARTIFACTS" in missing.json()["problem"]
        found = [[Signal("need", "positive", 0.9, "We need it.", "", None)], []]
        write_signal_outcomes(signal_outcomes(found, np.array([1, 0])), copied_artifacts)
        answer = client.get("/signals").json()
        assert (answer["problem"], answer["conversations"], answer["successful"]) == (None, 2, 1)
        need = next(one for one in answer["signals"] if (one["name"], one["polarity"]) == ("need", "positive"))
        assert (need["title"], need["rate"], need["other_rate"]) == ("need", 1.0, 0.0)


# Errors


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/predict/batch", {"conversations": []}, "conversations (a list of 0) is wrong"),
        ("POST", "/predict/batch", {"conversations": [{"transcript": "Hi"}] * 65}, "at most 64 are accepted"),
        ("POST", "/predict/batch", {"conversations": [{"transcript": "Hi"}, {}]}, "conversations.1: the transcript is"),
        ("POST", "/feedback", {"prediction_id": "0" * 32, "actual_outcome": "won"}, "actual_outcome 'won' is wrong"),
        ("POST", "/feedback", {"actual_outcome": "failed"}, "exactly one of prediction_id, conversation_id"),
        ("GET", "/logs?limit=0", None, "limit '0' is wrong"),
        ("GET", "/logs?cursor=x", None, "cursor 'x' is wrong"),
        ("GET", "/logs?model=gpt", None, "There is no model 'gpt'"),
        ("GET", "/logs?since=0001-01-01T00:00:00%2B14:00", None, "out of range"),
        ("GET", "/performance?hours=nan", None, "hours 'nan' is wrong"),
        ("GET", "/performance?hours=0", None, "hours '0' is wrong"),
    ],
)
def test_every_bad_value_is_quoted(client: TestClient, method: str, path: str, body: Any, said: str) -> None:
    assert said in error_of(client.request(method, path, json=body), 422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "the transcript is empty; give 'transcript'"),
        ({"transcript": "  \n "}, "the transcript is empty"),
        ({"turns": []}, "the transcript is empty"),
        ({"turns": [{"speaker": "customer", "text": " "}]}, "the transcript is empty"),
        ({"transcript": 5}, "transcript 5 is wrong"),
        ({"turns": "hello"}, "turns (a text of 5 characters) is wrong"),
        ({"turns": [{"speaker": "customer"}]}, "turns.0.text is missing"),
        ({"transcript": "Hi", "context": "retail"}, "context 'retail' is wrong: input should be a JSON object"),
        ({"transcript": "Hi", "model_type": "gpt"}, "There is no model 'gpt'; the models are starter"),
        ({"transcript": "Hi", "model_type": ["auto"]}, "There is no model \"['auto']\""),
        ({"transcript": "Hi", "similar_count": 0}, "similar_count 0 is wrong"),
        ({"transcript": "Hi", "similar_format": "html"}, "similar_format 'html' is wrong"),
        ({"transcript": "Hi", "similar_filter": {"outcome": "won"}}, "similar_filter.outcome 'won' is wrong"),
        ({"transcript": "Hi", "similar_filter": {"colour": "red"}}, "similar_filter.colour 'red' is wrong"),
        ({"transcript": "Hi", "include_analysis": "maybe"}, "include_analysis 'maybe' is wrong"),
        ({"transcript": "word " * 400_000}, "the transcript has 1,999,999 characters; at most 1,000,000"),
        ([1, 2], "The body (a list of 2) is no JSON object"),
        ({"transcript": "\ud83d half"}, "half of a character"),
    ],
)
def test_bad_input_is_422_with_one_sentence(client: TestClient, body: Any, said: str) -> None:
    response = client.post("/predict", content=json.dumps(body), headers=JSON)
    assert said in error_of(response, 422, "invalid_request")


def test_no_body_or_another_content_type_is_422(client: TestClient) -> None:
    assert "no body" in error_of(client.post("/predict"), 422, "invalid_request")
    plain = client.post("/predict", content='{"transcript": "Hi"}', headers={"Content-Type": "text/plain"})
    assert "application/json" in error_of(plain, 422, "invalid_request")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"transcript": "Hi",\n "model', "line 2, column 2"),
        (b'{"transcript": "\xff"}', "UTF-8"),
        (b"[" * 20_000, "nested too deep"),
        (b"[" * 200_000, "nested too deep"),
        (b"[" * 100_000, "can't be read as JSON"),
    ],
)
def test_broken_json_is_400(client: TestClient, content: bytes, said: str) -> None:
    assert said in error_of(client.post("/predict", content=content, headers=JSON), 400, "invalid_json")


def test_unknown_pages_are_404_and_wrong_methods_405(client: TestClient) -> None:
    assert "'/nothing'" in error_of(client.get("/nothing"), 404, "not_found")
    for response in (client.get("/predict"), client.post("/health"), client.delete("/models")):
        error_of(response, 405, "method_not_allowed")
        assert response.headers["allow"]


def test_a_model_that_is_not_there_is_503_and_no_other_takes_its_place(copied_artifacts: ArtifactFolder) -> None:
    best = best_model_name(copied_artifacts)
    missing = next(name for name in MODEL_CLASSES if name != best)
    shutil.rmtree(serving_folder(artifact_path(copied_artifacts, missing)))
    shutil.rmtree(copied_artifacts.models / "versions" / missing)
    with client_for(copied_artifacts.root) as client:
        response = client.post("/predict", json={"transcript": "Hi", "model_type": missing})
        assert f"--mode train --model {missing}" in error_of(response, 503, "model_unavailable")
        listed = {model["name"]: model for model in client.get("/models").json()["models"]}
        assert not listed[missing]["trained"]
        assert listed[missing]["problem"]
        assert client.post("/predict", json={"transcript": "Hi"}).json()["model_used"] == best
        assert client.get("/health").json()["status"] == "ok"


def test_a_tampered_artifact_is_refused(copied_artifacts: ArtifactFolder) -> None:
    path = serving_folder(artifact_path(copied_artifacts, best_model_name(copied_artifacts))) / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with client_for(copied_artifacts.root) as client:
        message = error_of(client.post("/predict", json={"transcript": "Hi"}), 503, "model_unavailable")
        assert "SHA-256" in message
        health = client.get("/health").json()
        assert (health["status"], health["problem"]) == ("degraded", message)
        error_of(client.get("/health/ready"), 503, "not_ready")
        assert client.get("/health/live").status_code == 200


def test_without_any_model_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No model is trained in .*nothing.*python main.py --mode train"):
        create_app(load_settings(artifacts=tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_without_what_finds_signals_only_the_analysis_is_503(copied_artifacts: ArtifactFolder) -> None:
    shutil.rmtree(copied_artifacts.signals)
    with client_for(copied_artifacts.root) as client:
        response = client.post("/predict", json={"transcript": "Hi", "include_analysis": True})
        assert "train" in error_of(response, 503, "signals_unavailable")
        assert client.post("/predict", json={"transcript": "Hi"}).status_code == 200


def test_without_an_index_similar_conversations_are_503(copied_artifacts: ArtifactFolder) -> None:
    shutil.rmtree(copied_artifacts.similar_index)
    with client_for(copied_artifacts.root) as client:
        assert client.post("/predict", json={"transcript": "Hi"}).status_code == 200
        response = client.post("/predict", json={"transcript": "Hi", "include_similar": True})
        assert "--mode train" in error_of(response, 503, "similar_conversations_unavailable")


def test_a_bug_is_500_and_tells_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: ConversionModel, conversations: list[Conversation]) -> None:
        raise RuntimeError(f"cannot read {conversations[0].transcript}")

    monkeypatch.setattr(ConversionModel, "assess", fail)
    response = client.post("/predict", json={"transcript": "secret words"}, headers={"X-Request-ID": "call-7"})
    assert "call-7" in error_of(response, 500, "internal_error")
    log = capsys.readouterr().err
    assert '"error": "RuntimeError"' in log
    assert "secret words" not in log + response.text


# The schema and the log


def test_every_status_is_in_the_schema_with_the_one_error_shape(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    every = {"403", "421"}  # another site's page, another name
    guarded = {"401", "413", "429", "500", "503", "504", *every}
    statuses = {
        f"{method.upper()} {path}": set(operation["responses"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert statuses == {
        "GET /": {"200", "500", *every},
        "GET /health": {"200", "500", *every},
        "GET /health/live": {"200", "500", *every},
        "GET /health/ready": {"200", "500", "503", *every},
        "POST /predict": {"200", "400", "409", "422", *guarded},
        "POST /predict/batch": {"200", "400", "409", "422", *guarded},
        "POST /predict/deal": {"200", "400", "409", "422", *guarded},
        "POST /similar": {"200", "400", "422", *guarded},
        "GET /deals": {"200", "422", *guarded},
        "GET /deals/lost": {"200", *guarded},
        "GET /deals/{deal_id}": {"200", "404", "422", *guarded},
        "POST /conversations/read": {"200", "422", *guarded},
        "POST /crm/hubspot": {"204", "404", "422", *guarded},
        "POST /recordings": {"202", "422", *guarded},
        "GET /recordings/{identifier}": {"200", "404", "422", *guarded},
        "DELETE /recordings/{identifier}": {"200", "404", "422", *guarded},
        "POST /predict/file": {"200", "409", "422", *guarded},
        "GET /models": {"200", *guarded},
        "GET /performance": {"200", "422", *guarded},
        "GET /signals": {"200", *guarded},
        "POST /models/{model_type}/load": {"200", "400", "404", "409", "422", *guarded},
        "POST /models/{model_type}/trial": {"200", "400", "404", "409", "422", *guarded},
        "DELETE /models/{model_type}/trial": {"200", "404", "409", "422", *guarded},
        "POST /models/{model_type}/promote": {"200", "404", "409", "422", *guarded},
        "POST /models/{model_type}/rollback": {"200", "404", "409", "422", *guarded},
        "GET /experiments": {"200", *guarded},
        "GET /retrainings": {"200", "422", *guarded},
        "GET /suggest": {"200", "422", *guarded},
        "POST /signals/label": {"200", "400", "404", "422", *guarded},
        "GET /signals/labels": {"200", "422", *guarded},
        "GET /logs": {"200", "422", *guarded},
        "DELETE /logs": {"200", "404", "422", *guarded},
        "GET /logs/export": {"200", "422", *guarded},
        "GET /logs/{prediction_id}": {"200", "404", "422", *guarded},
        "DELETE /logs/{prediction_id}": {"200", "404", "422", *guarded},
        "POST /feedback": {"200", "400", "404", "409", "422", *guarded},
        "GET /metrics": {"200", *guarded},
        "GET /audit": {"200", "422", *guarded},
    }
    for methods in paths.values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status not in ("200", "202", "204"):
                    schema = response["content"]["application/json"]["schema"]["$ref"]
                    assert schema.endswith("/ErrorResponse")


def test_the_schema_says_how_a_key_is_sent_and_where_it_counts(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "key"}
    assert {"bearer": []} in schema["paths"]["/logs"]["get"]["security"]
    assert "security" not in schema["paths"]["/health"]["get"]


def test_the_schema_takes_its_model_names_from_the_registry(client: TestClient) -> None:
    request = client.get("/openapi.json").json()["components"]["schemas"]["PredictionRequest"]
    assert request["properties"]["model_type"]["enum"] == ["auto", *MODEL_CLASSES]
    assert request["examples"] == [SAMPLE_REQUEST]


def test_a_request_is_one_log_line_without_what_was_said(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"transcript": "Zanzibar budget", "context": {"industry": "Xylophones"}, "include_analysis": True}
    response = client.post("/predict", json=body, headers={"X-Request-ID": "call-8"})
    client.post("/predict", json={"transcript": ["Zanzibar"]})
    client.get("/Zanzibar")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [json.loads(line) for line in captured.err.splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/predict", 200),
        ("/predict", 422),
        ("unmatched", 404),
    ]
    assert lines[0]["request_id"] == response.headers["x-request-id"] == "call-8"
    assert lines[0]["model"] == response.json()["model_used"]
    assert lines[0]["duration_ms"] > 0
    assert not any(word in captured.err for word in ("Zanzibar", "Xylophones"))


def test_a_request_id_that_could_forge_a_log_line_is_replaced(client: TestClient) -> None:
    response = client.get("/health", headers={"X-Request-ID": 'a" b'})
    assert len(response.headers["x-request-id"]) == 32
