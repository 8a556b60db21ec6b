"""The report, its table and its pictures from small, real models of the contract, and the measuring of costs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from conversations.conversation import Conversation, labels_of
from conversations.folds import group_folds
from conversations.split import DataSplits
from encoder.text_encoder import TextEncoder
from evaluation import cost as prediction_cost
from evaluation.baselines import BASELINE_TITLES
from evaluation.dataset import Origin
from evaluation.measuring import evaluate, reliability_figures
from evaluation.model_card import model_card
from evaluation.pictures.curves import plot_early_prediction
from evaluation.pictures.dataset import plot_dataset_distribution
from evaluation.pictures.errors import plot_error_analysis
from evaluation.pictures.predictions import PICTURES, plot_confusion_matrices, write_pictures
from evaluation.pictures.style import histogram, line_styles, new_figure, save_figure
from evaluation.results import Evaluation
from evaluation.tables import comparison_table
from evaluation_framework import write_report
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from modelling.conversation_vectors import mean_segment_vectors
from modelling.conversion_model import ConversionModel, Fitted
from modelling.names import MODEL_NAMES
from modelling.saved.training_record import TrainingHistory
from probability.confidence import bootstrap_intervals
from probability.metrics import classification_metrics
from probability.reliability import Assessment, Reason

pytestmark = pytest.mark.seconds(20)

METRICS = {
    "accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "average_precision", "brier", "log_loss",
    "ece",
}  # fmt: skip
COST = {"latency_ms": {"p50": 12.0, "p95": 15.0}, "memory_mb": 321, "threads": 1}


class WordVectors:
    """A stand-in for SalesEncoder that needs no weights: a text is the mean of fixed random vectors of its words."""

    dim, window, tokenizer = 16, 64, None
    identity = SimpleNamespace(sha256="0" * 64, as_dict=lambda: {"name": "words", "revision": None, "sha256": "0" * 64})

    def token_count(self, text: str) -> int:
        return len(text.split())

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([np.mean([_word(w) for w in t.lower().split()], axis=0) for t in texts], dtype=np.float32)


@cache
def _word(word: str) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(WordVectors.dim)


class MeanVectorModel(ConversionModel):
    """Logistic regression on mean vectors: the cheapest honest subclass of the contract."""

    name = "few_shot"
    title = "Mean vectors"
    artifact_file = "mean.pkl"
    step = "epoch"

    @staticmethod
    def default_settings() -> Any:
        return SimpleNamespace()

    def embed(self, conversations: Sequence[Conversation]) -> np.ndarray:
        vectors = mean_segment_vectors(self.encoder, conversations)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def _fit(self, train: Any, validation: Any, progress: Any) -> Fitted:
        vectors, labels = self.embed([*train, *validation]), labels_of([*train, *validation])
        self.classifier = LogisticRegression(C=10.0).fit(vectors, labels)
        unseen = np.zeros(len(labels))
        for kept, held in group_folds([*train, *validation], self.seed):
            fitted = LogisticRegression(C=10.0).fit(vectors[kept], labels[kept])
            unseen[held] = fitted.decision_function(vectors[held])
        if self.step == "candidate":
            rows = [{"name": f"t={n}, all", "log_loss": 0.7 - 0.1 * n, "roc_auc": 0.6} for n in range(3)]
        else:
            rows = [{"epoch": n, "train_loss": 2.0 / n, "validation_loss": 0.7 / n} for n in (1, 2, 3)]
            rows[0]["only_here"] = 1.0
        return Fitted(TrainingHistory(self.step, rows, best=2), unseen)

    def _log_odds(self, conversations: Sequence[Conversation]) -> np.ndarray:
        return self.classifier.decision_function(self.embed(conversations))

    def _state(self) -> dict[str, Any]:
        return {}

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None: ...


def _encoder(models: dict[str, ConversionModel]) -> TextEncoder:
    return next(iter(models.values())).encoder


class OtherModel(MeanVectorModel):
    name = "contrastive"
    title = "Mean vectors again"
    step = "candidate"


def _cost(folder: ArtifactFolder, name: str, conversations: Sequence[Conversation]) -> dict[str, Any]:
    return COST


@pytest.fixture(scope="module")
def models(splits: DataSplits) -> dict[str, ConversionModel]:
    fitted: dict[str, ConversionModel] = {}
    for model_class in (MeanVectorModel, OtherModel):
        model = model_class(WordVectors())  # type: ignore[arg-type]
        model.fit(splits.train, splits.validation)
        fitted[model.name] = model
    return fitted


@pytest.fixture(scope="module")
def evaluation(models: dict[str, ConversionModel], splits: DataSplits) -> Evaluation:
    first, second, *others = splits.test
    test = [first, second.model_copy(update={"group": first.group}), *others]  # one group of two
    return evaluate(models, splits.learned_from, test, _encoder(models), ArtifactFolder(Path("unused")), cost_of=_cost)


def test_report_holds_every_metric_of_every_model_and_baseline(evaluation: Evaluation) -> None:
    report = evaluation.report
    assert report["models"].keys() == {"few_shot", "contrastive"}
    assert report["baselines"].keys() == BASELINE_TITLES.keys()
    for entry in [*report["models"].values(), *report["baselines"].values()]:
        assert entry.keys() >= METRICS
        assert entry["confidence_interval"].keys() == METRICS
        for metric in METRICS:
            low, high = entry["confidence_interval"][metric]
            assert low <= high
    for entry in report["models"].values():
        assert entry["latency_ms"] == {"p50": 12.0, "p95": 15.0}
        assert entry["memory_mb"] == 321
    assert report["encoder"]["name"] == "words"
    assert report["dataset"]["evaluated"]["conversations"] == len(evaluation.labels)
    assert report["dataset"]["warnings"] == []
    assert report["verdict"]["ready"] == report["verdict"]["sentence"].startswith("Ready to use")


def test_report_figures_are_those_of_the_predictions(
    evaluation: Evaluation, models: dict[str, ConversionModel], splits: DataSplits
) -> None:
    expected = classification_metrics(labels_of(splits.test), models["contrastive"].predict_proba(splits.test))
    assert {metric: evaluation.report["models"]["contrastive"][metric] for metric in expected} == expected
    known = [c.true_probability for c in splits.test]
    best = np.mean([max(p, 1 - p) for p in known if p is not None])
    assert evaluation.report["bayes_limit"]["expected_accuracy"] == pytest.approx(best)
    assert evaluation.report["embeddings"].keys() == {"generic", "few_shot", "contrastive"}


def test_report_says_how_similar_conversations_ended(
    evaluation: Evaluation, models: dict[str, ConversionModel], splits: DataSplits
) -> None:
    found = evaluation.report["similar_conversations"]
    labels, outcomes = labels_of(splits.test), labels_of(splits.learned_from)
    cosines = models["contrastive"].embed(splits.test) @ models["contrastive"].embed(splits.learned_from).T
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    expected = (outcomes[nearest] == labels[:, None]).mean()
    assert found["embeddings"]["contrastive"]["mean"] == pytest.approx(expected)
    share = outcomes.mean()
    assert found["chance"] == pytest.approx(np.where(labels == 1, share, 1 - share).mean())
    above = found["above_generic"]["contrastive"]  # the models of this test embed as the untouched encoder does
    assert above == {"mean": 0.0, "confidence_interval": [0.0, 0.0]}
    assert found["searched_with"] == evaluation.report["recommended_model"], "none of these learns an embedding"
    low, high = found["embeddings"]["generic"]["confidence_interval"]
    assert low <= found["embeddings"]["generic"]["mean"] <= high
    assert f"Similar conversations ({found['searched_with']}): {expected:.0%}" in " ".join(
        _printed(evaluation.report, 140).split()
    )


def test_intervals_are_drawn_by_group_and_the_report_says_so(evaluation: Evaluation) -> None:
    groups = [conversation.group_key for conversation in evaluation.conversations]
    assert (
        f"whole groups, then of conversations within them ({len(set(groups))} groups of {len(groups)} conversations"
        in evaluation.report["intervals"]
    )
    assert "rough" in evaluation.report["intervals"], "a test split of a few groups"
    expected = bootstrap_intervals(evaluation.labels, evaluation.probabilities["few_shot"], groups)
    assert evaluation.report["models"]["few_shot"]["confidence_interval"]["brier"] == list(expected["brier"])


def test_reliability_figures_by_hand() -> None:
    far = [Reason("far", "It is far.")]
    assessments = [
        Assessment(0.9, (0.8, 1.0), []),
        Assessment(0.2, (0.1, 0.3), []),
        Assessment(0.6, (0.0, 1.0), [*far, Reason("wide", "It is wide.")]),
        Assessment(0.7, (0.5, 0.9), far),
    ]
    figures = reliability_figures(np.array([1, 0, 0, 1]), assessments)
    # Two of four flagged; of the others both are right and ranked right; of the flagged, 0.6 failed: one of two right.
    assert figures["share_low"] == 0.5
    assert figures["reasons"] == {"far": 2, "wide": 1}
    assert figures["ok"] == {"conversations": 2, "accuracy": 1.0, "roc_auc": 1.0}
    assert figures["low"] == {"conversations": 2, "accuracy": 0.5, "roc_auc": 1.0}
    assert reliability_figures(np.array([1, 0]), assessments[:2])["low"] == {"conversations": 0}


def test_the_report_tells_where_the_data_come_from(models: dict[str, ConversionModel], splits: DataSplits) -> None:
    dated = [
        c.model_copy(update={"date": f"2024-0{1 + n % 9}-15T10:00", "group": None}) for n, c in enumerate(splits.test)
    ]
    origin = Origin("deals.csv", "time", "later.csv", splits.validation)
    report = evaluate(
        models, splits.learned_from, dated, _encoder(models), ArtifactFolder(), cost_of=_cost, origin=origin
    ).report
    assert report["dataset"]["evaluated"]["dates"] == ["2024-01-15", "2024-09-15"]
    assert report["dataset"]["training"]["dates"] is None
    assert report["dataset"]["validation"]["conversations"] == len(splits.validation)
    assert "single conversations" in report["intervals"]
    assert "Source: `deals.csv`, split by date" in model_card(report)


def test_majority_baseline_learned_from_training_only(evaluation: Evaluation, splits: DataSplits) -> None:
    share = labels_of(splits.learned_from).mean()
    assert evaluation.probabilities["majority"] == pytest.approx(np.full(len(splits.test), share))


def test_cross_validation_chooses_the_recommended_model(models: dict[str, ConversionModel], splits: DataSplits) -> None:
    before = models["contrastive"].record
    log_loss = before.cross_validation_metrics["log_loss"] - 0.1
    models["contrastive"].record = replace(
        before, cross_validation_metrics={**before.cross_validation_metrics, "log_loss": log_loss}
    )
    try:
        report = evaluate(
            models, splits.learned_from, splits.test, _encoder(models), ArtifactFolder(), cost_of=_cost
        ).report
    finally:
        models["contrastive"].record = before
    assert report["recommended_model"] == "contrastive"
    assert "contrastive has the lowest cross-validated log loss" in report["why"]
    assert "TF-IDF" in report["why"]
    assert "95 % interval" in report["why"]
    assert report["roc_auc_above_baselines"]["contrastive"].keys() == BASELINE_TITLES.keys()


def test_report_and_pictures_are_written(evaluation: Evaluation, tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    write_report(evaluation, folder)
    assert json.loads(folder.report.read_text(encoding="utf-8")) == evaluation.report
    assert [path.name for path in write_pictures(evaluation, folder)] == list(PICTURES)
    for name in PICTURES:
        _check_picture(folder.reports / name)
    assert not list(folder.reports.glob(".*"))  # no temporary file is left


def test_no_two_curves_of_a_picture_look_alike() -> None:
    styles = line_styles(MODEL_NAMES, BASELINE_TITLES)
    assert list(styles) == [*MODEL_NAMES, *BASELINE_TITLES]
    assert len({style["color"] for style in styles.values()}) == len(styles)
    assert len({style["linestyle"] for style in styles.values()}) == 1 + len(BASELINE_TITLES)


def test_a_title_fits_into_a_narrow_picture() -> None:
    figure = new_figure("Does P(successful) mean what it says? n = 40 conversations (20 successful, 20 failed)", 7, 5)
    title = figure.texts[0].get_window_extent()
    assert title.width <= figure.bbox.width
    assert title.width > 0.8 * figure.bbox.width
    assert new_figure("Short", 7, 5).texts[0].get_fontsize() == 13


def test_long_ids_stay_in_their_cells(evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("evaluation.pictures.errors.save_figure", lambda figure, path: drawn.append(figure))
    ids = [f"20180808-033451_555_live-{n}" for n in range(len(evaluation.labels))]
    named = [c.model_copy(update={"conversation_id": i}) for c, i in zip(evaluation.conversations, ids, strict=True)]
    wrong = {str(evaluation.report["recommended_model"]): np.asarray(1 - evaluation.labels, np.float64)}
    plot_error_analysis(replace(evaluation, conversations=named, probabilities=wrong), tmp_path / "errors.png")
    drawn[0].draw_without_rendering()
    cells = drawn[0].axes[5].tables[0].get_celld().values()
    assert any(cell.get_text().get_text().startswith("20180808") for cell in cells)
    for cell in cells:
        text, box = cell.get_text().get_window_extent(), cell.get_window_extent()
        assert box.x0 <= text.x0, cell.get_text().get_text()
        assert text.x1 <= box.x1, cell.get_text().get_text()


def test_a_confusion_matrix_shows_true_outcomes_down_and_predicted_ones_across(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("evaluation.pictures.predictions.save_figure", lambda figure, path: drawn.append(figure))
    models = {"few_shot": {"title": "Few-shot similarity", "confusion_matrix": [[3, 1], [2, 8]]}}
    report = {**evaluation.report, "models": models, "baselines": {}}
    plot_confusion_matrices(replace(evaluation, report=report), tmp_path / "matrices.png")
    ax = drawn[0].axes[0]
    drawn[0].draw_without_rendering()
    across, down = ([tick.get_text() for tick in ticks] for ticks in (ax.get_xticklabels(), ax.get_yticklabels()))
    cells = {(down[int(y)], across[int(x)]): text.get_text() for text in ax.texts for x, y in [text.get_position()]}
    assert cells == {
        ("failed", "failed"): "3\n75%",
        ("failed", "successful"): "1\n25%",
        ("successful", "failed"): "2\n20%",
        ("successful", "successful"): "8\n80%",
    }
    assert ax.yaxis_inverted(), "the first row is above"


def test_a_histogram_stacks_its_kinds() -> None:
    ax = new_figure("Lengths", 5, 4).add_subplot()
    histogram(ax, [1, 1, 1, 9], ["won", "won", "lost", "lost"], {"won": "#00ff00", "lost": "#ff0000"}, [0, 5, 10])
    bars = sorted(
        (bar.get_x(), bar.get_y(), bar.get_height(), to_hex(bar.get_facecolor()))
        for bar in ax.patches
        if isinstance(bar, Rectangle) and bar.get_height()
    )
    assert bars == [(0, 0, 2, "#00ff00"), (0, 2, 1, "#ff0000"), (5, 0, 1, "#ff0000")]


def test_the_label_of_many_dialogues_and_notes_fits(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("evaluation.pictures.curves.save_figure", lambda figure, path: drawn.append(figure))
    many = {"dialogues_by_turns": 123456, "notes_by_sentences": 123456, "median_turns": 1234.5}
    early = {**evaluation.report["early_prediction"], **many}
    plot_early_prediction(
        replace(evaluation, report={**evaluation.report, "early_prediction": early}), tmp_path / "e.png"
    )
    drawn[0].draw_without_rendering()
    label = drawn[0].axes[0].xaxis.label
    assert "123456 dialogues" in label.get_text()
    assert label.get_window_extent().x0 >= 0


def test_letters_that_no_font_has_are_no_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    save_figure(new_figure("🏦 \U000f1234 $5", 8, 4), tmp_path / "odd.png")
    _check_picture(tmp_path / "odd.png")
    assert not recwarn.list


def test_table_in_both_widths(evaluation: Evaluation) -> None:
    for width, absent in ((120, "nothing"), (80, "recall")):
        text = _printed(evaluation.report, width)
        for word in ("Mean vectors", "Majority", "Bayes limit", "ROC AUC", "321"):
            assert word in text
        assert absent not in text.split("Recommended")[0]
        assert "…" not in text  # nothing is cut
        assert max(len(line) for line in text.splitlines()) <= width


@pytest.fixture
def one_outcome(splits: DataSplits) -> list[Conversation]:
    failed = [c.model_copy(update={"true_probability": None}) for c in splits.test if c.outcome == "failed"]
    return [*failed, splits.test[0].model_copy(update={"outcome": None})]


def test_a_file_with_one_outcome_and_open_deals(
    models: dict[str, ConversionModel], splits: DataSplits, one_outcome: list[Conversation], tmp_path: Path
) -> None:
    folder = ArtifactFolder(tmp_path)
    evaluation = evaluate(models, splits.learned_from, one_outcome, _encoder(models), folder, cost_of=_cost)
    report = evaluation.report
    assert report["dataset"]["open_deals_left_out"] == 1
    assert report["bayes_limit"] is None
    for entry in report["models"].values():
        assert "roc_auc" not in entry
        assert "roc_auc" not in entry["confidence_interval"]
    assert "ended one way only" in report["why"]
    write_report(evaluation, folder)  # would refuse NaN
    assert "–" in _printed(report, 120)


@pytest.mark.parametrize("n", [1, 8])  # one: a single outcome as well
def test_pictures_of_a_handful_of_conversations_without_context(
    models: dict[str, ConversionModel], splits: DataSplits, tmp_path: Path, n: int
) -> None:
    bare = [
        Conversation(
            conversation_id=f"$_{i}", transcript=f"They pay $5_{i} $.", outcome=("failed", "successful")[i % 2]
        )
        for i in range(n)
    ]
    evaluation = evaluate(models, splits.learned_from, bare, _encoder(models), ArtifactFolder(tmp_path), cost_of=_cost)
    for path in write_pictures(evaluation, ArtifactFolder(tmp_path)):
        _check_picture(path)


def test_evaluating_what_was_trained_on_is_said(models: dict[str, ConversionModel], splits: DataSplits) -> None:
    dataset = evaluate(
        models, splits.learned_from, splits.train[:20], _encoder(models), ArtifactFolder(), cost_of=_cost
    ).report["dataset"]
    assert dataset["also_in_training"] == 20
    assert dataset["groups_also_in_training"] > 0
    assert len(dataset["warnings"]) == 2


def test_a_report_of_data_that_give_the_outcome_away_says_so(
    models: dict[str, ConversionModel], splits: DataSplits, tmp_path: Path
) -> None:
    """Won ones end with the paperwork, so that their length alone tells them."""
    leaky = [
        Conversation(
            conversation_id=str(n),
            transcript="They want it. " * (30 if n % 2 else 3),
            outcome="successful" if n % 2 else "failed",
        )
        for n in range(30)
    ]
    report = evaluate(
        models, splits.learned_from, leaky, _encoder(models), ArtifactFolder(tmp_path), cost_of=_cost
    ).report
    assert report["without_words"]["roc_auc"]["the number of words"] == 1.0
    assert report["without_words"]["give_away"][0] == "the number of words"
    (warning,) = report["dataset"]["warnings"]
    assert warning.startswith("Probably the data give the outcome away")
    assert not report["verdict"]["ready"] and "given away by the number of words" in report["verdict"]["sentence"]
    assert warning in " ".join(_printed(report, 140).split())
    assert warning in model_card(report)


def test_nothing_to_evaluate_is_an_input_error(models: dict[str, ConversionModel], splits: DataSplits) -> None:
    open_deals = [c.model_copy(update={"outcome": None}) for c in splits.test]
    with pytest.raises(InputError, match="None of the"):
        evaluate(models, splits.learned_from, open_deals, _encoder(models), ArtifactFolder(), cost_of=_cost)
    with pytest.raises(InputError, match="no trained model"):
        evaluate({}, splits.learned_from, splits.test, _encoder(models), ArtifactFolder(), cost_of=_cost)


def test_dataset_picture_with_and_without_context(splits: DataSplits, tmp_path: Path) -> None:
    plot_dataset_distribution(splits, tmp_path / "full.png")
    bare = [Conversation(transcript="Yes $x.", outcome=outcome) for outcome in ("failed", "successful")]
    plot_dataset_distribution(DataSplits(bare, bare[:1], []), tmp_path / "bare.png")
    _check_picture(tmp_path / "full.png")
    _check_picture(tmp_path / "bare.png")


def test_cost_is_measured_one_conversation_a_call(
    splits: DataSplits, models: dict[str, ConversionModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def predict(conversations: Sequence[Conversation]) -> None:
        calls.append(len(conversations))

    registry = SimpleNamespace(load_model=lambda folder, name, threads: SimpleNamespace(predict_proba=predict))
    monkeypatch.setitem(sys.modules, "model_registry", registry)
    cost = prediction_cost.cost_in_this_process(ArtifactFolder(), "few_shot", splits.test[:3])
    assert calls == [1] * (prediction_cost.WARM_UP_PREDICTIONS + prediction_cost.TIMED_PREDICTIONS)
    assert 0 <= cost["latency_ms"]["p50"] <= cost["latency_ms"]["p95"]
    assert cost["memory_mb"] > 10


def test_cost_is_measured_in_a_process_of_its_own(trained_artifacts: ArtifactFolder, splits: DataSplits) -> None:
    cost = prediction_cost.measure_cost(trained_artifacts, "few_shot", splits.test[:2])
    assert 0 < cost["latency_ms"]["p50"] <= cost["latency_ms"]["p95"]
    assert 50 < cost["memory_mb"] < 500  # Python and ONNX Runtime, but not PyTorch


def test_child_process_reports_its_own_memory_not_its_parents() -> None:
    ballast = np.ones(50_000_000)  # 400 MB in this process
    code = "from evaluation import cost; print(cost.peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < ballast.nbytes / 1024**2


@pytest.mark.parametrize(("code", "error"), [(2, InputError), (1, RuntimeError)])
def test_a_failing_child_process_is_told_apart(
    splits: DataSplits, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    done = subprocess.CompletedProcess([], code, stdout="", stderr="a warning\nThe model is not trained.\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: done)
    with pytest.raises(error, match="The model is not trained."):
        prediction_cost.measure_cost(ArtifactFolder(), "few_shot", splits.test)


def _printed(report: dict[str, Any], width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(comparison_table(report, width))
    return console.file.getvalue()  # type: ignore[attr-defined]


def _check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
        assert len(set(picture.convert("L").resize((200, 200)).get_flattened_data())) > 10
