"""Uploaded files: what is read, what is refused and in which words, and the ranking with its CSV."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from conversations.conversation import conversation_from_record
from conversations.reading.uploads import MOST_CONVERSATIONS, uploaded_records, uploaded_transcript
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from scoring.scores import ranked_csv
from service.routes.pages import PLOTLY, asset
from tests.service_clients import client_for


@pytest.fixture(scope="module")
def client(trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    state = tmp_path_factory.mktemp("state")
    with client_for(
        trained_artifacts.root, state=state, max_transcript_characters=2000, max_body_bytes=20_000
    ) as found:
        yield found


# Reading


@pytest.mark.parametrize(
    "text",
    [
        "Asked for the price, then for a call.",
        "[00:01] Customer: hello",
        "{sic} a note",
        "transcript\nwith a header's word",
    ],
)
def test_a_plain_text_is_one_conversation_word_for_word(text: str) -> None:
    (conversation,) = uploaded_transcript(text.encode(), "note.txt")
    assert conversation.transcript == text
    assert conversation.conversation_id == "note"


def test_formats_are_told_by_content_and_tables_by_name() -> None:
    (call,) = uploaded_transcript(b"\xef\xbb\xbfWEBVTT\n\n00:00.000 --> 00:01.000\nAnn: Hi\n", "anything")
    assert [(turn.speaker, turn.text) for turn in call.turns or []] == [("ann", "Hi")]
    assert len(uploaded_transcript(b'[{"transcript": "a b"}, {"transcript": "c d"}]', "x.txt")) == 2
    assert len(uploaded_transcript(b'{"transcript": "a b"}\n{"transcript": "c d"}', "x")) == 2
    assert len(uploaded_transcript(b"transcript\na b\nc d\n", "X.CSV")) == 2


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"  \n", "a.vtt", "a.vtt is empty"),
        (b'[{"transcript": ', "../../etc/deals.json", "deals.json, line 1, column 17: broken JSON"),
        (b"{transcript: 'ok'", "deals.json", "deals.json, line 1, column 2: broken JSON"),
        (b"a,b\n1,2\n", "C:\\files\\deals.csv", "deals.csv has no column 'transcript' (found: 'a', 'b')"),
        (b"\xff\xfe\x00", "x\x00y", "x_y is not UTF-8 text"),
        (b'{"transcript": ""}', "", "upload: the transcript is empty"),
    ],
)
def test_a_refusal_names_the_file_and_never_a_folder(data: bytes, name: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        uploaded_transcript(data, name)
    assert str(error.value).startswith(message)
    assert "/dev" not in str(error.value)


def test_nothing_beside_an_upload_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file, this corpus would look for conversations.json in its folder; an upload has none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conversations.json").write_text("not JSON, and would be refused", encoding="utf-8")
    utterance = {"id": "u1", "conversation_id": "c1", "speaker": "Ann", "text": "Hello there", "reply-to": None}
    (found,) = uploaded_records(json.dumps(utterance).encode(), "utterances.jsonl")
    assert found.conversation_id == "c1"


def test_more_conversations_than_are_taken_are_refused() -> None:
    data = b"transcript\n" + b"word and word\n" * (MOST_CONVERSATIONS + 1)
    with pytest.raises(InputError, match=r"deals.csv holds 1,001 conversations; at most 1,000 are taken at once"):
        uploaded_records(data, "deals.csv")
    assert len(uploaded_records(data[:-14], "deals.csv")) == MOST_CONVERSATIONS


# Routes


def test_what_was_read_can_be_sent_to_predict_as_it_is(client: TestClient) -> None:
    record = {"turns": [{"speaker": "Rep", "text": "Sign?"}], "conversation_context": {"industry": "retail"}}
    (found,) = client.post("/conversations/read?name=c.json", content=json.dumps(record)).json()["conversations"]
    assert found["turns"] == [{"speaker": "seller", "text": "Sign?"}]
    assert found["context"]["industry"] == "retail"
    direct = client.post("/predict", json=record).json()["prediction"]
    assert client.post("/predict", json=found).json()["prediction"] == direct


def test_a_file_is_ranked_as_single_predictions_are_and_stored(client: TestClient) -> None:
    texts = ["No budget until next year.", "Legal signs on Friday.", "They compare us with two vendors."]
    table = "conversation_id,transcript,urgency\n" + "".join(f"c{n},{text},high\n" for n, text in enumerate(texts))
    answer = client.post("/predict/file?name=deals.csv&model_type=few_shot", content=table).json()
    singles = [
        client.post("/predict", json={"transcript": text, "context": {"urgency": "high"}, "model_type": "few_shot"})
        for text in texts
    ]
    expected = {f"c{n}": one.json()["prediction"]["probability"] for n, one in enumerate(singles)}
    got = {one["conversation_id"]: one["prediction"]["probability"] for one in answer["predictions"]}
    assert got == pytest.approx(expected, abs=1e-6)
    assert list(got.values()) == sorted(got.values(), reverse=True)
    assert [one["rank"] for one in answer["predictions"]] == [1, 2, 3]
    best = answer["predictions"][0]
    feedback = {"prediction_id": best["prediction_id"], "actual_outcome": "successful"}
    assert client.post("/feedback", json=feedback).json()["probability"] == pytest.approx(
        best["prediction"]["probability"]
    )


@pytest.mark.parametrize("path", ["/conversations/read", "/predict/file"])
def test_limits_hold_for_files_as_for_requests(client: TestClient, path: str) -> None:
    too_long = client.post(f"{path}?name=a.csv", content="transcript\n" + "word " * 500)
    assert too_long.status_code == 422
    assert "2,499 characters; this service accepts at most 2,000" in too_long.json()["error"]["message"]
    assert client.post(path, content="x" * 20_001).status_code == 413
    assert client.post(f"{path}?name={'x' * 256}", content="x").status_code == 422


def test_an_unknown_model_is_refused(client: TestClient) -> None:
    answer = client.post("/predict/file?model_type=oracle", content="transcript\nword\n")
    assert answer.status_code == 422
    assert "oracle" in answer.json()["error"]["message"]


# The CSV that comes back


def test_the_csv_holds_the_files_own_columns_and_no_formula() -> None:
    records: list[dict[str, Any]] = [
        {"conversation_id": "=1+1", "transcript": "@first", "outcome": "failed", "rank": "mine", "tags": ["a"]},
        {"conversation_id": "b", "turns": [{"speaker": "seller", "text": "Hi"}, {"text": "Yes"}], "=cmd": 3},
    ]
    conversations = [conversation_from_record(record, "here") for record in records]
    score = {"outcome": "successful", "confidence": 0.8, "model": "few_shot", "reliability": "ok"}
    score["reliability_reasons"] = ""
    rows = [
        {"conversation_id": "=1+1", "probability": 0.2, **score},
        {"conversation_id": "b", "probability": 0.8, **score},
    ]
    first, second = csv.DictReader(io.StringIO(ranked_csv(conversations, rows), newline=""))
    assert (first["rank"], first["conversation_id"], first["probability"]) == ("1", "b", "0.8")
    assert first["transcript"] == "seller: Hi\nYes"
    assert first["'=cmd"] == "3"
    assert (second["conversation_id"], second["transcript"]) == ("'=1+1", "'@first")
    assert (second["recorded_outcome"], second["own_rank"], second["tags"]) == ("failed", "mine", '["a"]')


# Pages without a browser


def test_pages_and_their_files_come_with_a_strict_policy(client: TestClient) -> None:
    for page in ("/app", "/dashboard"):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert "<script>" not in answer.text and " on" + "click=" not in answer.text
    script = client.get("/assets/plotly-basic.min.js")
    assert script.content == PLOTLY.read_bytes()
    again = client.get("/assets/plotly-basic.min.js", headers={"If-None-Match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get("/assets/app.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == gzip.decompress(asset("app.js").compressed)


def test_plotlys_script_has_its_version_and_its_licence_beside_it() -> None:
    package = json.loads((PLOTLY.parent / "package.json").read_text(encoding="utf-8"))
    assert f"(basic - minified) v{package['version']}\n" in PLOTLY.read_text(encoding="utf-8")[:200]
    assert f"{package['license']} License" in (PLOTLY.parent / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["missing.js", "..%2f..%2fsettings.py", "%2e%2e%2fapp.html"])
def test_only_the_files_of_pages_are_given(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def test_utf_16_is_read_as_utf_8_would_be() -> None:
    plain = b'{"conversation_id": "c1", "transcript": "M\xc3\xbcller signs."}'
    (found,) = uploaded_transcript(f"\ufeff{plain.decode()}".encode("utf-16-le"), "notes.json")
    assert found == uploaded_transcript(plain, "notes.json")[0]
    (found,) = uploaded_transcript("\ufeffMüller signs.".encode("utf-16-be"), "notes.txt")
    assert found.transcript == "Müller signs."
