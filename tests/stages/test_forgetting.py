"""One command deletes a conversation everywhere, leaves all others, and says what still holds it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conversations.conversation import Conversation
from conversations.reading.files import read_conversations, write_conversations
from deals.deal import deal_of
from encoder.cache import CacheFolder
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from main import main
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import new_prediction_id
from prediction_log.waiting import WaitingRecords
from similarity.index_files import load_index

WORDS = "Her brother Ottokar wants the blue one with the long handle."


@pytest.fixture
def folder(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    """A copy without the state of services that other tests started."""
    ignored = shutil.ignore_patterns("service")
    return ArtifactFolder(Path(shutil.copytree(trained_artifacts.root, tmp_path / "artifacts", ignore=ignored)))


def _prediction(conversation_id: str) -> dict[str, object]:
    return {
        "prediction_id": new_prediction_id(),
        "request_id": "r",
        "created_at": datetime.now(UTC),
        "caller": "c",
        "model": "few_shot",
        "model_version": "v",
        "outcome": "failed",
        "probability": 0.2,
        "latency_ms": 1.0,
        "batch_size": 1,
        "context": {},
        "transcript": "Nothing of hers." if conversation_id == "another" else WORDS,
        "conversation_id": conversation_id,
    }


def _forget(folder: ArtifactFolder, conversation_id: str) -> int:
    return main(["--mode", "forget", "--conversation-id", conversation_id, "--artifacts", str(folder.root)])


def _holding(folder: ArtifactFolder, words: str) -> list[str]:
    return [path.name for path in folder.root.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


def _with_one_more(folder: ArtifactFolder, identifier: str) -> None:
    """Learned from, indexed, added later, predicted, waiting, cached."""
    one = Conversation(conversation_id=identifier, transcript=WORDS, outcome="failed")
    for path in (folder.data / "train_data.json", folder.data / "test_data.json"):
        write_conversations(path, [*read_conversations(path), one])
    added = folder.root.parent / "added.json"
    write_conversations(added, [one])
    assert main(["--mode", "add", "--data", str(added), "--artifacts", str(folder.root)]) == 0
    settings = load_settings(artifacts=folder.root)
    store = PredictionStore(settings.database)
    store.write([_prediction(identifier), _prediction(identifier), _prediction("another")])
    store.close()
    waiting = WaitingRecords(settings.state_folder)
    waiting.append([_prediction(identifier), _prediction("another")])
    waiting.release()
    cached = folder.cache / "an encoder" / "block.segments"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"what the encoder made of it")


def test_it_is_deleted_everywhere_and_nothing_else_is(
    folder: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_one_more(folder, "c-ottokar")
    assert {"train_data.json", "test_data.json", "added_conversations.json", "predictions.db"} <= {
        *_holding(folder, WORDS)
    }
    before = {path.name: len(read_conversations(path)) for path in folder.data.glob("t*_data.json")}
    indexed = len(load_index(folder.similar_index, "")[0])
    capsys.readouterr()
    assert _forget(folder, "c-ottokar") == 0
    said = capsys.readouterr().out
    assert "2 predictions, with their feedback deleted" in said
    assert "1 records that waited for the database deleted" in said
    assert "3 entries of data files deleted" in said
    assert "1 entries of the index of similar conversations deleted" in said
    assert "Still there: what the models learned from it" in said
    assert "names or quotes it" not in said
    store = PredictionStore(load_settings(artifacts=folder.root).database)
    assert store.count() == 1
    store.close()
    waiting = WaitingRecords(load_settings(artifacts=folder.root).state_folder)
    assert [row["conversation_id"] for rows, _ in waiting.batches() for row in rows] == ["another"]
    assert {path.name: len(read_conversations(path)) for path in folder.data.glob("t*_data.json")} == {
        name: count - 1 for name, count in before.items()
    }
    assert len(load_index(folder.similar_index, "")[0]) == indexed - 1
    assert CacheFolder(folder.cache, 1, print).size().bytes == 0
    assert _holding(folder, "c-ottokar") == []
    assert _holding(folder, "Ottokar") == []


def test_a_file_that_still_quotes_it_is_named(folder: ArtifactFolder, capsys: pytest.CaptureFixture[str]) -> None:
    _with_one_more(folder, "c-ottokar")
    folder.reports.mkdir(exist_ok=True)
    for name, content in (("a.json", json.dumps({"id": "c-ottokar"})), ("b.md", f"> {WORDS}"), ("c.md", "c-ottokar-2")):
        (folder.reports / name).write_text(content)
    assert _forget(folder, "c-ottokar") == 0
    said = capsys.readouterr().out.replace("\n", "")
    assert f"{folder.reports / 'a.json'} names or quotes it" in said
    assert f"{folder.reports / 'b.md'} names or quotes it" in said
    assert f"{folder.reports / 'c.md'}" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "--mode forget needs --conversation-id ID"), (["--conversation-id", "c-nobody"], "conversation 'c-nobody'")],
)
def test_what_is_nowhere_is_a_mistake(
    folder: ArtifactFolder, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["--mode", "forget", *arguments, "--artifacts", str(folder.root)]) == 2
    assert said in capsys.readouterr().err


def test_a_conversation_that_was_joined_into_a_deal_is_forgotten_with_the_deal(folder: ArtifactFolder) -> None:
    calls = [
        Conversation(conversation_id="c-1", deal_id="d-1", transcript=WORDS, outcome="failed"),
        Conversation(conversation_id="c-2", deal_id="d-1", transcript="They called again.", outcome="failed"),
    ]
    whole = deal_of("d-1", calls).whole
    train = folder.data / "train_data.json"
    write_conversations(train, [*read_conversations(train), whole])
    added = folder.root.parent / "added.json"
    write_conversations(added, [whole])
    assert main(["--mode", "add", "--data", str(added), "--artifacts", str(folder.root)]) == 0
    indexed = len(load_index(folder.similar_index, "")[0])
    assert _forget(folder, "c-1") == 0
    assert len(load_index(folder.similar_index, "")[0]) == indexed - 1
    assert [name for name in _holding(folder, WORDS) if name.endswith(".json")] == []
    assert _forget(folder, "c-2") == 2, "nothing is known of it any more"
