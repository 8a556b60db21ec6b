"""The learning curve: fair subsets of the training data, every model and TF-IDF, its table, picture and stage."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from conversations.conversation import Conversation, Outcome, labels_of
from conversations.reading.files import write_splits
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from evaluation import learning_curve
from evaluation.baselines import TfidfLogisticRegression
from evaluation.learning_curve import balanced_subset, curve_sizes, learning_curve_table, measure_learning_curve
from evaluation.pictures.curves import plot_learning_curve
from foundations.artifact_folder import ArtifactFolder
from main import main
from modelling.names import MODEL_NAMES
from probability.metrics import classification_metrics
from stages.job import Job, wanted_models

pytestmark = pytest.mark.seconds(20)

WON: Outcome = "successful"
LOST: Outcome = "failed"
QUICK_MODELS = ("few_shot", "classification_head")


def deals(successful: int, failed: int, groups: int) -> list[Conversation]:
    outcomes = [WON] * successful + [LOST] * failed
    return [
        Conversation(conversation_id=f"c-{n}", transcript=f"Text {n}.", outcome=outcome, group=f"g-{n % groups}")
        for n, outcome in enumerate(outcomes)
    ]


# --------------------------------------------------------------------------------------------------------------- subsets


def test_the_sizes_that_exist() -> None:
    assert curve_sizes(427) == [50, 100, 200, 400, 427]
    assert curve_sizes(140) == [50, 100, 140]
    assert curve_sizes(50) == [50]
    assert curve_sizes(30) == [30]


def test_a_subset_is_balanced_and_takes_whole_groups() -> None:
    conversations = deals(60, 60, groups=12)  # 5 of each outcome in a group
    chosen = balanced_subset(conversations, 40, seed=1)
    assert Counter(c.outcome for c in chosen) == {"successful": 20, "failed": 20}
    assert len({c.conversation_id for c in chosen}) == 40
    assert set(Counter(c.group for c in chosen).values()) == {10}
    assert chosen == balanced_subset(conversations, 40, seed=1)
    assert {c.group for c in chosen} != {c.group for c in balanced_subset(conversations, 40, seed=2)}


def test_a_rare_outcome_is_filled_up_with_the_other() -> None:
    conversations = deals(12, 100, groups=7)
    assert Counter(c.outcome for c in balanced_subset(conversations, 50, seed=0)) == {"successful": 12, "failed": 38}
    rare_failures = [
        c.model_copy(update={"outcome": {"failed": "successful"}.get(c.outcome or "", "failed")}) for c in conversations
    ]
    assert Counter(c.outcome for c in balanced_subset(rare_failures, 50, seed=0)) == {"failed": 12, "successful": 38}
    assert balanced_subset(conversations, 112, seed=0) == conversations
    assert Counter(c.outcome for c in balanced_subset(conversations, 21, seed=0)) == {"successful": 10, "failed": 11}


# --------------------------------------------------------------------------------------------------------------- figures


@pytest.fixture(scope="module")
def curve(tiny_encoder: SalesEncoder, splits: DataSplits) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learning_curve, "SIZES", (20, 1000))
        patched.setattr(learning_curve, "REPEATS", 2)
        shares: list[float] = []
        found = measure_learning_curve(tiny_encoder, splits, QUICK_MODELS, seed=5, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    return found


def test_each_model_and_tfidf_at_every_size(curve: dict[str, Any], splits: DataSplits) -> None:
    assert curve["sizes"] == [20, len(splits.learned_from)]
    assert curve["models"].keys() == set(QUICK_MODELS)
    assert curve["baselines"].keys() == {"tfidf_logreg"}
    for entry in [*curve["models"].values(), *curve["baselines"].values()]:
        assert [point["training"] for point in entry["points"]] == curve["sizes"]
        for point in entry["points"]:
            assert 0 <= point["roc_auc"]["mean"] <= 1
            assert point["accuracy"]["standard_error"] >= 0


def test_means_and_standard_errors_by_hand(curve: dict[str, Any], splits: DataSplits) -> None:
    figures = []
    for seed in (5, 6):
        words = TfidfLogisticRegression()
        words.fit(balanced_subset(splits.learned_from, 20, seed))
        figures.append(classification_metrics(labels_of(splits.test), words.predict_proba(splits.test))["roc_auc"])
    point = curve["baselines"]["tfidf_logreg"]["points"][0]["roc_auc"]
    assert point["mean"] == pytest.approx(sum(figures) / 2)
    # s = |a − b| / √2 for two values, and the standard error s / √2 = |a − b| / 2.
    assert point["standard_error"] == pytest.approx(abs(figures[0] - figures[1]) / 2)
    assert point["standard_error"] > 0
    whole = curve["baselines"]["tfidf_logreg"]["points"][1]
    assert math.isclose(whole["roc_auc"]["standard_error"], 0), "all there is can be drawn in one way only"


def test_table_and_picture(curve: dict[str, Any], tmp_path: Path) -> None:
    console = Console(width=100, file=io.StringIO())
    console.print(learning_curve_table(curve))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    point = curve["models"]["few_shot"]["points"][0]["roc_auc"]
    assert f"{point['mean']:.3f} ± {point['standard_error']:.3f}" in text
    for words in ("ROC AUC, TF-IDF", "Accuracy, Classification head", str(curve["sizes"][-1])):
        assert words in text
    plot_learning_curve(curve, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert min(picture.size) > 400
        assert len(set(picture.convert("L").resize((200, 200)).get_flattened_data())) > 10


# ----------------------------------------------------------------------------------------------------------------- stage


def test_the_stage_writes_skips_and_refuses(
    splits: DataSplits,
    tiny_encoder_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning_curve, "SIZES", ())
    monkeypatch.setattr(learning_curve, "REPEATS", 2)
    folder = ArtifactFolder(tmp_path / "artifacts")
    mode = ["--mode", "learning-curve", "--artifacts", str(folder.root), "--model", "classification_head"]
    assert main(mode) == 2
    assert "make it with: python main.py --mode train" in " ".join(capsys.readouterr().err.split())
    write_splits(replace(splits, train=balanced_subset(splits.train, 24, seed=0)), folder.data)
    mode += ["--encoder", str(tiny_encoder_folder)]
    assert main(mode) == 0
    assert "Classification head" in capsys.readouterr().out
    written = json.loads(folder.learning_curve.read_text(encoding="utf-8"))
    assert written["models"].keys() == {"classification_head"}
    assert (folder.reports / "learning_curve.png").stat().st_size > 10_000
    assert main(mode) == 0
    out = capsys.readouterr().out
    assert "learning curve: unchanged since the last run, skipped" in out
    assert "Classification head" in out, "the table is shown again"
    assert main([*mode, "--seed", "1"]) == 0
    assert "skipped" not in capsys.readouterr().out


def test_without_a_model_named_it_is_about_all_of_the_registry(tmp_path: Path) -> None:
    assert wanted_models(Job(folder=ArtifactFolder(tmp_path))) == list(MODEL_NAMES)
