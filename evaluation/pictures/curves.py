"""The pictures of "how early?" and "how much data?": ROC AUC by the share of turns read, figures by conversations
trained on.

Everything they show comes from the report and from the learning curve; nothing is computed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from evaluation.baselines import BASELINE_TITLES
from evaluation.learning_curve import METRICS
from evaluation.pictures.style import NEUTRAL, line_styles, new_figure, notice, panels, save_figure
from evaluation.results import Evaluation

# From one model to the next along the axis of sizes, so that bars at the same size do not hide each other.
_APART = 1.008
_MARKS: dict[str, Any] = {"marker": "o", "markersize": 5}
_TICKS_APART = 1.15  # sizes nearer to each other share a tick


def plot_early_prediction(evaluation: Evaluation, path: Path) -> None:
    """ROC AUC after each share of the turns, of every model and TF-IDF; the recommended model's with its interval."""
    early, best = evaluation.report["early_prediction"], evaluation.report["recommended_model"]
    title = f"How early? ROC AUC on n = {len(evaluation.labels)} conversations of which only the beginning was read"
    figure = new_figure(title, 11, 5.8)
    ax = panels(figure, 1, 1)[0]
    if not early["roc_auc"][best]:
        notice(ax, f"ROC AUC needs both outcomes;\nthe {len(evaluation.labels)} evaluated conversations have one.")
        save_figure(figure, path)
        return
    shares, styles = early["share_of_turns"], line_styles(evaluation.report["models"], evaluation.report["baselines"])
    for name, figures in early["roc_auc"].items():
        title = f"{evaluation.titles[name]}\n  half {figures[shares.index(0.5)]:.3f}, all {figures[-1]:.3f}"
        ax.plot(shares, figures, **styles[name], **_MARKS, label=title)
    low, high = zip(*early["confidence_interval"][best], strict=True)
    band = f"95 % bootstrap interval of\n  {evaluation.titles[best]}"
    ax.fill_between(shares, low, high, color=styles[best]["color"], alpha=0.13, linewidth=0, label=band)
    ax.axhline(0.5, color=NEUTRAL, linewidth=1, linestyle=":", label="chance")
    ax.xaxis.set_major_locator(FixedLocator(shares))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel(f"share that was read of {_units(early)};\nthe context is known from the start")
    ax.set_ylabel("ROC AUC")
    _legend(ax)
    save_figure(figure, path)


def plot_learning_curve(curve: dict[str, Any], path: Path) -> None:
    """ROC AUC and accuracy on the test split by training conversations: mean and standard error of several draws."""
    title = f"How much data? n = {curve['test_conversations']} test conversations, the same for every point"
    figure = new_figure(title, 13, 5.4)
    styles = line_styles(curve["models"], BASELINE_TITLES)
    axes = panels(figure, 1, len(METRICS))
    for ax, (metric, metric_title) in zip(axes, METRICS.items(), strict=True):
        entries = {**curve["models"], **curve["baselines"]}
        for place, (name, entry) in enumerate(entries.items()):
            beside = _APART ** (place - (len(entries) - 1) / 2)
            sizes = [point["training"] * beside for point in entry["points"]]
            means = [point[metric]["mean"] for point in entry["points"]]
            errors = [point[metric]["standard_error"] for point in entry["points"]]
            drawn = {**styles[name], **_MARKS, "capsize": 3, "elinewidth": 1.2}
            ax.errorbar(sizes, means, errors, **drawn, label=entry["title"])
        if metric == "roc_auc":
            ax.axhline(0.5, color=NEUTRAL, linewidth=1, linestyle=":", label="chance")
        _size_axis(ax, curve)
        ax.set_ylabel(f"{metric_title}: mean ± standard error of {curve['repeats']} draws")
        ax.set_title(f"{metric_title} (higher is better)", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)), frameon=False, fontsize=9)
    save_figure(figure, path)


def _size_axis(ax: Axes, curve: dict[str, Any]) -> None:
    """Logarithmic, as each step doubles the data; a size too near to the last has no tick, or the two would overlap."""
    *earlier, last = curve["sizes"]
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([*(size for size in earlier if last > _TICKS_APART * size), last]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set_xlabel("training conversations, the last point all there are")


def _units(early: dict[str, Any]) -> str:
    """Whose turns and whose sentences: "the turns of 20 dialogues and the sentences of 20 notes (median 10)"."""
    counted = {
        f"the turns of {early['dialogues_by_turns']} dialogues": early["dialogues_by_turns"],
        f"the sentences of {early['notes_by_sentences']} notes": early["notes_by_sentences"],
    }
    return f"{' and '.join(text for text, count in counted.items() if count)} (median {early['median_turns']:g})"


def _legend(ax: Axes) -> None:
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False)
