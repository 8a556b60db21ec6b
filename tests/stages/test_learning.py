"""`--mode suggest` and `--mode labels` as they are typed, and what `--mode forget` deletes of labelled sentences."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversations.split import DataSplits
from foundations.artifact_folder import ArtifactFolder
from foundations.settings import load_settings
from learning.labels.labelled import LabelRequest, all_labels, store_label
from learning.review.contradictions import MEANING
from main import main
from prediction_log.store import PredictionStore
from tests.learning.logged import ended, prediction


@pytest.fixture
def folder(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    ignored = shutil.ignore_patterns("service")
    return ArtifactFolder(Path(shutil.copytree(trained_artifacts.root, tmp_path / "artifacts", ignore=ignored)))


@pytest.fixture
def store(folder: ArtifactFolder) -> Iterator[PredictionStore]:
    store = PredictionStore(load_settings(artifacts=folder.root).database)
    yield store
    store.close()


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).split())


def test_both_lists_are_printed_with_what_speaks_against_and_what_they_mean(
    folder: ArtifactFolder,
    store: PredictionStore,
    splits: DataSplits,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("foundations.terminal.console.width", 200)
    wrong = prediction(0.9999, conversation_id="lost-after-all", transcript="They sign. No money is left. They hope.")
    store.write([wrong, prediction(0.5, conversation_id="open-1"), prediction(0.7, conversation_id="open-2")])
    ended(store, wrong, "failed")
    assert run("--mode", "suggest", "--artifacts", folder.root, "--top", 3, "--model", "few_shot") == 0
    shown = said(capsys)
    assert "Outcomes to look up next" in shown and "3 of 3 without one" in shown
    assert "open-1" in shown and "The model gives 50 %" in shown and "Drawn at random" in shown
    closed = len(splits.learned_from) + 1  # of the log
    assert f"of {closed} closed ones; the first {round(0.05 * closed)} are the most contradicted 5 %" in shown
    row = shown[shown.index("lost-after-all", shown.index("closed ones")) :]
    assert row.startswith("lost-after-all failed – 1.00 ")
    assert any(
        row.startswith(f"lost-after-all failed – 1.00 {s}") for s in ("They sign.", "No money", "They hope.", "–")
    )
    assert MEANING in shown


def test_without_a_model_that_kept_what_it_said_the_log_alone_is_looked_at(
    folder: ArtifactFolder, store: PredictionStore, capsys: pytest.CaptureFixture[str]
) -> None:
    row = prediction(0.9, conversation_id="lost-after-all")
    store.write([row])
    ended(store, row, "failed")
    (folder.data / "train_data.json").unlink()
    assert run("--mode", "suggest", "--artifacts", folder.root) == 0
    shown = said(capsys)
    assert "Notice: only the log is looked at for outcomes that contradict. There is no" in shown
    assert "1 of 1 closed ones" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("suggest", "--top", 0), "--top is 0; give a whole number from 1 to 100."),
        (("suggest", "--artifacts", "nowhere"), "There is no prediction database"),
        (("labels",), "--mode labels needs --output FILE, and --format label-studio or argilla."),
        (
            ("labels", "--output", "x.json", "--format", "excel"),
            "--format is 'excel'; there are label-studio, argilla.",
        ),
        (("labels", "--output", "x.json", "--format", "argilla"), "No sentence is labelled yet"),
    ],
)
def test_wrong_options_are_one_sentence(
    options: tuple[object, ...], message: str, folder: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--artifacts", folder.root, "--mode", *options) == 2
    assert message in said(capsys)


@pytest.mark.parametrize("kind", ["label-studio", "argilla"])
def test_labels_are_written_for_either_tool(
    folder: ArtifactFolder, store: PredictionStore, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = prediction(0.5)
    store.write([row])
    signal = {"name": "budget", "polarity": "positive"}
    for sentence, true in (("It is approved.", signal), ("Maybe.", None)):
        asked = {"prediction_id": row["prediction_id"], "sentence": sentence, "said": signal, "should_be": true}
        store_label(store, LabelRequest.model_validate(asked), "key-1", "masked")
    path = tmp_path / "labels.json"
    options = ("--mode", "labels", "--format", kind, "--output", path, "--artifacts", folder.root)
    assert run(*options) == 0
    assert "2 labelled sentences, 1 of them corrections" in said(capsys)
    found = json.loads(path.read_text(encoding="utf-8"))
    texts = [one["data"]["text"] if kind == "label-studio" else one["fields"]["text"] for one in found]
    assert texts == ["Maybe.", "It is approved."]


def test_forgetting_a_conversation_forgets_its_labelled_sentences(
    folder: ArtifactFolder, store: PredictionStore
) -> None:
    rows = [prediction(0.5, conversation_id=name) for name in ("forgotten", "kept")]
    store.write(rows)
    for row in rows:
        signal = {"name": "budget", "polarity": "positive"}
        asked = {"prediction_id": row["prediction_id"], "sentence": "Ottokar pays.", "said": None, "should_be": signal}
        store_label(store, LabelRequest.model_validate(asked), "key-1", "masked")
    assert run("--mode", "forget", "--conversation-id", "forgotten", "--artifacts", folder.root) == 0
    assert [one.conversation_id for one in all_labels(store)] == ["kept"]
