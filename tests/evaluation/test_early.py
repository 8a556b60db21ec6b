"""Scores turn by turn from the command line, and the report's figures of how early a prediction is worth something."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversations.conversation import Conversation, Turn, labels_of
from conversations.prefixes import prefixes
from conversations.split import DataSplits
from data_pipeline import read_conversations
from encoder.torch_encoder import SalesEncoder
from evaluation.early import SHARES, early_prediction, probabilities_by_share
from evaluation.measuring import evaluate
from foundations.artifact_folder import ArtifactFolder
from main import main
from model_registry import load_model
from modelling.names import MODEL_NAMES
from probability.metrics import classification_metrics
from scoring.scores import TURN_COLUMNS

RECORDS = [
    {
        "conversation_id": "=1+1",
        "turns": [
            {"speaker": "Agent", "text": "Shall we meet?"},
            {"speaker": "@Kim", "text": "No."},
            {"speaker": "Client", "text": "We have no budget."},
        ],
    },
    {"conversation_id": "note", "transcript": "They asked for the price. They want to sign on Friday."},
    {"conversation_id": "word", "transcript": "Interested"},
]


@pytest.fixture
def open_deals(tmp_path: Path) -> Path:
    path = tmp_path / "open.jsonl"
    path.write_text("\n".join(map(json.dumps, RECORDS)), encoding="utf-8")
    return path


def rows_of(output: Path) -> list[dict[str, Any]]:
    text = output.read_text(encoding="utf-8")
    return (
        list(csv.DictReader(text.splitlines())) if output.suffix == ".csv" else list(map(json.loads, text.splitlines()))
    )


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_a_row_for_each_turn(trained_artifacts: ArtifactFolder, open_deals: Path, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"turns{ending}"
    scoring = ["--mode", "score", "--per-turn", "--model", "few_shot", "--artifacts", str(trained_artifacts.root)]
    assert main([*scoring, "--data", str(open_deals), "--output", str(output)]) == 0
    rows = rows_of(output)
    assert all(tuple(row) == TURN_COLUMNS for row in rows)
    quote = "'" if ending == ".csv" else ""  # or a spreadsheet would run them as formulas
    expected = [
        (f"{quote}=1+1", 1, "seller"),
        (f"{quote}=1+1", 2, f"{quote}@kim"),
        (f"{quote}=1+1", 3, "customer"),
        ("note", 1, ""),
        ("note", 2, ""),
        ("word", 1, ""),
    ]
    assert [(row["conversation_id"], int(row["turn"]), row["speaker"]) for row in rows] == expected
    beginnings = [prefix for conversation in read_conversations(open_deals) for prefix in prefixes(conversation)]
    probabilities = load_model(trained_artifacts, "few_shot").predict_proba(beginnings)
    assert [float(row["probability"]) for row in rows] == pytest.approx(probabilities.tolist(), abs=1e-6)
    assert {row["model"] for row in rows} == {"few_shot"}


def test_ranked_conversations_keep_their_turns_together(
    trained_artifacts: ArtifactFolder, open_deals: Path, tmp_path: Path
) -> None:
    output = tmp_path / "turns.jsonl"
    scoring = ["--mode", "score", "--per-turn", "--rank", "--artifacts", str(trained_artifacts.root)]
    assert main([*scoring, "--data", str(open_deals), "--output", str(output)]) == 0
    rows = rows_of(output)
    last = {row["conversation_id"]: row["probability"] for row in rows}
    assert list(last) == sorted(last, key=lambda name: -last[name])
    for name, turns in (("=1+1", [1, 2, 3]), ("note", [1, 2]), ("word", [1])):
        places = [place for place, row in enumerate(rows) if row["conversation_id"] == name]
        assert [rows[place]["turn"] for place in places] == turns
        assert places == list(range(places[0], places[0] + len(turns)))


# ------------------------------------------------------------------------------------------------------------ the report


def test_figures_by_hand() -> None:
    """A conversation is scored by the share of its turns that say yes."""

    def share_of_yes(conversations: list[Conversation]) -> np.ndarray:
        return np.array([np.mean([t.text == "Yes" for t in c.turns or []]) for c in conversations])

    def said(answers: str) -> Conversation:
        return Conversation(turns=[Turn(text="Yes" if answer == "y" else "No") for answer in answers])

    conversations = [said("nnyy"), said("nyyy"), said("ynnn"), said("nnny")]
    labels = np.array([1, 1, 0, 0])
    by_share = probabilities_by_share(share_of_yes, conversations)  # type: ignore[arg-type]
    # After 1, 1, 2, 3 and 4 of the 4 turns.
    assert by_share.tolist() == [
        [0, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 1 / 2, 1 / 2, 0],
        [1 / 3, 2 / 3, 1 / 3, 0],
        [1 / 2, 3 / 4, 1 / 4, 1 / 4],
    ]
    part = early_prediction([*conversations[:3], Conversation(transcript="No. No. No.")], labels, {"m": by_share}, "m")
    # Pairs ranked right of 4: at first 2 ties with the last and 2 lost: 1; in the middle (0, ½) against (½, 0): ½ + 0 + 1
    # + ½ = 2; then (⅓, ⅔) against (⅓, 0): ½ + 1 + 1 + 1 = 3.5; at the end all 4.
    assert part["roc_auc"] == {"m": [0.25, 0.25, 0.5, 0.875, 1.0]}
    assert part["share_of_turns"] == [0.1, 0.25, 0.5, 0.75, 1.0]
    assert (part["dialogues_by_turns"], part["notes_by_sentences"], part["median_turns"]) == (3, 1, 4)
    assert [len(interval) for interval in part["confidence_interval"]["m"]] == [2] * 5


def test_the_report_measures_every_model_and_tfidf_early(
    trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    models = {name: load_model(trained_artifacts, name) for name in MODEL_NAMES}
    evaluation = evaluate(
        models, splits.train, splits.test, tiny_encoder, trained_artifacts, cost_of=lambda *arguments: {}
    )
    early = evaluation.report["early_prediction"]
    assert early["roc_auc"].keys() == {*MODEL_NAMES, "tfidf_logreg"}
    for name, figures in early["roc_auc"].items():
        assert len(figures) == len(SHARES)
        part = evaluation.report["models" if name in models else "baselines"]
        assert figures[-1] == pytest.approx(part[name]["roc_auc"], abs=1e-9), "all of the turns is the plain figure"
    assert any(figures[0] != figures[-1] for figures in early["roc_auc"].values()), "a share of the turns is read"
    half = [c.model_copy(update=_first_half(c)) for c in splits.test]
    expected = classification_metrics(labels_of(half), models["few_shot"].predict_proba(half))["roc_auc"]
    assert early["roc_auc"]["few_shot"][SHARES.index(0.5)] == pytest.approx(expected, abs=1e-9)
    best = evaluation.report["recommended_model"]
    plain = evaluation.report["models"][best]["confidence_interval"]["roc_auc"]
    assert early["confidence_interval"][best][-1] == pytest.approx(plain), "all of the turns is the plain interval"


def _first_half(conversation: Conversation) -> dict[str, Any]:
    if conversation.turns is None:
        return {"transcript": prefixes(conversation)[_half(len(prefixes(conversation))) - 1].transcript}
    return {"turns": conversation.turns[: _half(len(conversation.turns))]}


def _half(count: int) -> int:
    return max(1, -(-count // 2))
