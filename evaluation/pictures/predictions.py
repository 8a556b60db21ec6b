"""The pictures of an evaluation that show how good the predictions are; `write_pictures` draws these and the others.

Figures that a picture quotes come from the report; only the curves themselves are computed here. All pictures together
take under 10 s, most of it t-SNE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from evaluation.pictures.curves import plot_early_prediction
from evaluation.pictures.errors import plot_error_analysis
from evaluation.pictures.learning import plot_embedding_tsne, plot_training_history
from evaluation.pictures.style import (
    BAYES_COLOUR,
    NEUTRAL,
    OUTCOMES,
    colours,
    line_styles,
    new_figure,
    notice,
    panels,
    save_figure,
)
from evaluation.results import Evaluation
from foundations.artifact_folder import ArtifactFolder
from probability.confidence import wilson_interval
from probability.metrics import calibration_bins

_COMPARED = (
    ("accuracy", "Accuracy (higher is better)", "share of conversations"),
    ("roc_auc", "ROC AUC (higher is better)", "share of successful-failed pairs ranked right"),
    ("f1", "F1 of successful (higher is better)", "harmonic mean of precision and recall"),
    ("log_loss", "Log loss (lower is better)", "nats a conversation"),
    ("brier", "Brier score (lower is better)", "mean squared error of P(successful)"),
    ("ece", "Expected calibration error (lower is better)", "mean gap between P(successful) and share"),
)


def write_pictures(evaluation: Evaluation, folder: ArtifactFolder) -> list[Path]:
    """Draws every picture of an evaluation into the reports folder, each written atomically; returns their paths.

    dataset_distribution.png belongs to the split stage: `evaluation.pictures.dataset.plot_dataset_distribution`.
    """
    for file_name, plot in PICTURES.items():
        plot(evaluation, folder.reports / file_name)
    return [folder.reports / file_name for file_name in PICTURES]


def plot_model_comparison(evaluation: Evaluation, path: Path) -> None:
    """Six metrics of every model, baseline and the Bayes limit, with 95 % bootstrap intervals."""
    figure = new_figure(f"Models beside baselines: {_tested_on(evaluation)}, with 95 % bootstrap intervals", 14, 7.5)
    for ax, (metric, title, unit) in zip(panels(figure, 2, 3, sharey=True), _COMPARED, strict=True):
        _compare(ax, evaluation, metric)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(unit, fontsize=9)
    save_figure(figure, path)


def _compare(ax: Axes, evaluation: Evaluation, metric: str) -> None:
    report = evaluation.report
    colour = _colours(evaluation) | {"bayes_limit": BAYES_COLOUR}
    rows = {**report["models"], **report["baselines"]}
    if report["bayes_limit"]:
        rows["bayes_limit"] = report["bayes_limit"]
    for place, (name, entry) in enumerate(rows.items()):
        if metric not in entry:
            continue
        value, (low, high) = entry[metric], entry["confidence_interval"][metric]
        ax.plot([low, high], [place, place], color=colour[name], linewidth=2.5, alpha=0.6, solid_capstyle="round")
        ax.plot(value, place, "o" if name != "bayes_limit" else "D", color=colour[name], markersize=7)
        ax.annotate(f"{value:.3f}", (value, place), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    ax.set_yticks(range(len(rows)), [entry["title"] for entry in rows.values()])
    ax.set_ylim(len(rows) - 0.4, -0.7)
    ax.margins(x=0.09)  # the outermost figures do not touch the axis
    ax.axhline(len(report["models"]) - 0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
    if metric == "accuracy" and report["bayes_limit"]:
        expected = report["bayes_limit"]["expected_accuracy"]
        ax.axvline(expected, color=BAYES_COLOUR, linewidth=1, linestyle="--")
        ax.annotate(
            f"best to expect {expected:.3f} ", (expected, len(rows) - 0.42), ha="right", va="bottom", fontsize=8
        )
    if not any(metric in entry for entry in rows.values()):
        ax.text(0.5, 0.5, "needs both outcomes", ha="center", va="center", transform=ax.transAxes, color=NEUTRAL)


def plot_confusion_matrices(evaluation: Evaluation, path: Path) -> None:
    """Counts of true against predicted outcome at the threshold 0.5, for every model and baseline."""
    entries = {**evaluation.report["models"], **evaluation.report["baselines"]}
    columns = min(4, len(entries))
    rows = -(-len(entries) // columns)
    title = f"Confusion matrices at P(successful) ≥ 0.5: {_tested_on(evaluation)}"
    figure = new_figure(title, max(7.0, 3.3 * columns), 3.4 * rows)
    axes = panels(figure, rows, columns)
    for ax, entry in zip(axes, entries.values(), strict=False):
        _draw_confusion(ax, np.array(entry["confusion_matrix"]))
        ax.set_title(entry["title"], fontsize=10)
    for ax in axes[len(entries) :]:
        ax.set_axis_off()
    save_figure(figure, path)


def _draw_confusion(ax: Axes, counts: NDArray[np.int64]) -> None:
    """By hand: seaborn's heatmap draws the whole figure each time, which took as long as all other pictures together."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), part in np.ndenumerate(share):
        colour = "white" if part > 0.5 else "black"
        written = f"{counts[row, column]}\n{part:.0%}"
        ax.text(column, row, written, ha="center", va="center", color=colour)
    places = range(len(OUTCOMES))
    ax.set_xticks(places, OUTCOMES)
    ax.set_yticks(places, OUTCOMES, rotation=90, va="center")
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="predicted", ylabel="true outcome (% of its row)")


def plot_roc_curves(evaluation: Evaluation, path: Path) -> None:
    """True-positive against false-positive rate; the legend quotes the area with its interval."""
    figure = new_figure(f"ROC curves: {_tested_on(evaluation)}", 10, 6.5)
    ax = panels(figure, 1, 1)[0]
    if not _both_outcomes(evaluation):
        notice(ax, _one_outcome(evaluation, "A ROC curve"))
        save_figure(figure, path)
        return
    for name, probabilities in evaluation.probabilities.items():
        false_positive, true_positive, _ = roc_curve(evaluation.labels, probabilities)
        ax.plot(false_positive, true_positive, **_line(evaluation, name, "roc_auc", "AUC"))
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle=":", label="chance, AUC 0.5")
    ax.set_xlabel("false-positive rate: failed conversations called successful")
    ax.set_ylabel("true-positive rate: successful ones found")
    ax.set_aspect("equal", anchor="W")
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    save_figure(figure, path)


def plot_precision_recall(evaluation: Evaluation, path: Path) -> None:
    """Precision against recall; the legend quotes average precision, and chance is the share of successes."""
    figure = new_figure(f"Precision and recall: {_tested_on(evaluation)}", 10, 6.5)
    ax = panels(figure, 1, 1)[0]
    if not _both_outcomes(evaluation):
        notice(ax, _one_outcome(evaluation, "A precision-recall curve"))
        save_figure(figure, path)
        return
    for name, probabilities in evaluation.probabilities.items():
        precision, recall, _ = precision_recall_curve(evaluation.labels, probabilities)
        # As steps: average precision is the area under steps, and a line between points would promise more.
        ax.step(recall, precision, where="post", **_line(evaluation, name, "average_precision", "AP"))
    chance = evaluation.labels.mean()
    ax.axhline(chance, color=NEUTRAL, linewidth=1, linestyle=":", label=f"chance, precision {chance:.2f}")
    ax.set_xlabel("recall: share of the successful conversations found")
    ax.set_ylabel("precision: share of those called successful that were")
    ax.set_ylim(0, 1.03)
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
    save_figure(figure, path)


def plot_calibration(evaluation: Evaluation, path: Path) -> None:
    """Reliability diagrams of the models and TF-IDF, with 95 % Wilson intervals and the conversations in each bin."""
    names = [*evaluation.report["models"], "tfidf_logreg"]
    title = f"Does P(successful) mean what it says? {_tested_on(evaluation)}"
    figure = new_figure(title, max(7.0, 3.6 * len(names)), 5.6)
    axes = panels(figure, 2, len(names), height_ratios=[3, 1], sharex=True, sharey="row")
    entries = {**evaluation.report["models"], **evaluation.report["baselines"]}
    for upper, lower, name in zip(axes, axes[len(names) :], names, strict=False):
        _reliability(upper, lower, evaluation, name)
        upper.set_title(f"{entries[name]['title']}, ECE {entries[name]['ece']:.3f}", fontsize=10)
        lower.set_xlabel("predicted P(successful)")
    axes[0].set_ylabel("share that was successful, 95 % interval")
    axes[len(names)].set_ylabel("conversations")
    save_figure(figure, path)


def _reliability(upper: Axes, lower: Axes, evaluation: Evaluation, name: str) -> None:
    colour = _colours(evaluation)[name]
    upper.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle=":")
    for found in calibration_bins(evaluation.labels, evaluation.probabilities[name]):
        low, high = wilson_interval(round(found.share_successful * found.conversations), found.conversations)
        upper.plot([found.mean_probability] * 2, [low, high], color=colour, alpha=0.45, linewidth=2)
        upper.plot(found.mean_probability, found.share_successful, "o", color=colour, markersize=6)
        middle = (found.low + found.high) / 2
        lower.bar(middle, found.conversations, width=0.9 * (found.high - found.low), color=colour, alpha=0.7)
        lower.annotate(str(found.conversations), (middle, found.conversations), ha="center", va="bottom", fontsize=7)
    upper.set_ylim(-0.03, 1.03)
    lower.margins(y=0.25)


def _line(evaluation: Evaluation, name: str, metric: str, short: str) -> dict[str, Any]:
    """How a curve is drawn, with its figure and interval for the legend."""
    models, baselines = evaluation.report["models"], evaluation.report["baselines"]
    entry = {**models, **baselines}[name]
    low, high = entry["confidence_interval"][metric]
    legend = f"{entry['title']}\n  {short} {entry[metric]:.3f} ({low:.2f} to {high:.2f})"
    return {**line_styles(models, baselines)[name], "label": legend}


def _colours(evaluation: Evaluation) -> dict[str, str]:
    return colours(evaluation.report["models"], evaluation.report["baselines"])


def _both_outcomes(evaluation: Evaluation) -> bool:
    return len(set(evaluation.labels.tolist())) == 2


def _one_outcome(evaluation: Evaluation, what: str) -> str:
    outcome = OUTCOMES[int(evaluation.labels[0])]
    return f"{what} needs both outcomes;\nall {len(evaluation.labels)} evaluated conversations are {outcome}."


def _tested_on(evaluation: Evaluation) -> str:
    successes = int(evaluation.labels.sum())
    n = len(evaluation.labels)
    return f"n = {n} conversations ({successes} successful, {n - successes} failed)"


PICTURES = {
    "model_comparison.png": plot_model_comparison,
    "training_history.png": plot_training_history,
    "confusion_matrices.png": plot_confusion_matrices,
    "roc_curves.png": plot_roc_curves,
    "precision_recall.png": plot_precision_recall,
    "calibration.png": plot_calibration,
    "early_prediction.png": plot_early_prediction,
    "error_analysis.png": plot_error_analysis,
    "embedding_tsne.png": plot_embedding_tsne,
}
