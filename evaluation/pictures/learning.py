"""The pictures of learning: how each model's figures moved while it was fitted, and what became of the embedding.

t-SNE costs about 2 s for 500 conversations; more are represented by a fixed sample of 500.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from evaluation.pictures.style import (
    NEUTRAL,
    OUTCOME_COLOURS,
    OUTCOMES,
    colours,
    label,
    new_figure,
    notice,
    panels,
    save_figure,
)
from evaluation.results import GENERIC, Evaluation
from modelling.saved.training_record import TrainingHistory

FINE_TUNED = "contrastive"  # the only model whose encoder is trained
MOST_POINTS = 500
FEWEST_POINTS = 4  # t-SNE needs a perplexity above 1 and below n
_MARKERS = {"successful": "o", "failed": "X"}
_STYLES = ("-", "--", "-.", ":")


def plot_training_history(evaluation: Evaluation, path: Path) -> None:
    """One panel a model: losses per epoch, log loss per candidate, or what each member weighs; what was kept is marked."""
    histories = evaluation.histories
    title = "How the models learned: losses on training and validation data, and what was kept"
    figure = new_figure(title, max(8.0, 5.2 * len(histories)), 4.8)
    colour = colours(evaluation.report["models"], ())
    axes = panels(figure, 1, max(1, len(histories)))
    if not histories:
        notice(axes[0], "No model brought a training history.")
    for ax, (name, history) in zip(axes, histories.items(), strict=False):
        draw = {"candidate": _draw_candidates, "member": _draw_members}.get(history.step, _draw_epochs)
        draw(ax, history, colour[name])
        ax.set_title(evaluation.titles[name], fontsize=10)
    save_figure(figure, path)


def plot_embedding_tsne(evaluation: Evaluation, path: Path) -> None:
    """t-SNE of the generic embedding beside the learned one, coloured by outcome (van der Maaten, Hinton 2008)."""
    shown = [GENERIC, _most_fine_tuned(evaluation)]
    title = f"Embeddings of n = {len(evaluation.labels)} evaluated conversations, untouched and learned (t-SNE)"
    figure = new_figure(title, 12, 6)
    for ax, name in zip(panels(figure, 1, 2), shown, strict=True):
        _draw_embedding(ax, evaluation.embeddings[name], evaluation.labels)
        ax.set_title(_embedding_title(evaluation, name), fontsize=10)
    _outcome_legend(figure)
    save_figure(figure, path)


def _draw_epochs(ax: Axes, history: TrainingHistory, colour: str) -> None:
    epochs = [row.get("epoch", n) for n, row in enumerate(history.rows, start=1)]
    curves = {key: np.array([row.get(key, np.nan) for row in history.rows], float) for key in _loss_keys(history.rows)}
    kept = curves.get("validation_loss", next(iter(curves.values()), np.zeros(0)))
    handles = []
    for n, (key, values) in enumerate(curves.items()):
        # A contrastive loss is another quantity than a log loss; on one axis it would flatten the curve that decides.
        apart = np.nanmin(values) > 1.5 * np.nanmax(kept)
        axis = _right_axis(ax, key) if apart else ax
        shade = NEUTRAL if key.startswith("train") else colour
        name = key.replace("_", " ") + (" (right axis)" if apart else "")
        handles += axis.plot(epochs, values, _STYLES[n % len(_STYLES)], color=shade, marker=".", label=name)
    if epochs:
        best = epochs[history.best]
        handles.append(ax.axvline(best, color=colour, linewidth=1.2, linestyle=":", label=f"kept: epoch {best}"))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss (nats)")
    ax.legend(handles=handles, fontsize=9, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _right_axis(ax: Axes, key: str) -> Axes:
    right = ax.twinx()
    right.spines[["top", "left"]].set_visible(False)
    right.set_ylabel(key.replace("_", " "), color=NEUTRAL)
    right.tick_params(labelsize=9, colors=NEUTRAL)
    return right


def _draw_candidates(ax: Axes, history: TrainingHistory, colour: str) -> None:
    """Candidates in order of their loss, so that the kept one and its rivals stand together."""
    keys = _loss_keys(history.rows)
    if not keys:
        notice(ax, "The candidates brought no figures.")
        return
    order = sorted(range(len(history.rows)), key=lambda n: -history.rows[n][keys[0]])
    values = [history.rows[n][keys[0]] for n in order]
    kept = order.index(history.best)
    ax.plot(values, range(len(order)), "o", color=NEUTRAL, markersize=5)
    ax.plot(values[kept], kept, "o", color=colour, markersize=9, label="kept")
    ax.set_yticks(range(len(order)), [label(str(history.rows[n].get("name", n + 1))) for n in order])
    ax.tick_params(axis="y", labelsize=8 if len(order) <= 24 else 5)
    ax.xaxis.set_major_locator(MaxNLocator(5))  # near losses have long numbers, which must not touch
    ax.set_xlabel(f"{keys[0].replace('_', ' ')} of each candidate (nats)")
    ax.legend(fontsize=9, frameon=False)


def _draw_members(ax: Axes, history: TrainingHistory, colour: str) -> None:
    weights = [row["weight"] for row in history.rows]
    bars = ax.barh(range(len(weights)), weights, color=colour, height=0.6)
    ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=9)
    ax.set_yticks(range(len(weights)), [label(str(row["name"])) for row in history.rows])
    ax.tick_params(axis="y", labelsize=8)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel("weight of each member")


def _loss_keys(rows: list[dict[str, Any]]) -> list[str]:
    """The loss columns in their order; where a history has none, every numeric column but the step."""
    numeric = dict.fromkeys(key for row in rows for key, value in row.items() if isinstance(value, (int, float)))
    numeric.pop("epoch", None)
    losses = [key for key in numeric if key.endswith("loss")]
    return losses or list(numeric)


def _most_fine_tuned(evaluation: Evaluation) -> str:
    """Without a contrastive model the recommended one, whose view of the frozen vectors is at least learned."""
    return FINE_TUNED if FINE_TUNED in evaluation.embeddings else str(evaluation.report["recommended_model"])


def _embedding_title(evaluation: Evaluation, name: str) -> str:
    if name == GENERIC:
        title = "Untouched: mean of frozen vectors"
    else:
        tuned = name == FINE_TUNED and name in evaluation.histories and evaluation.histories[name].best > 0
        title = f"Learned: {evaluation.titles[name]}" + ("" if tuned else " (encoder not changed)")
    figures = evaluation.report["embeddings"][name]
    if "silhouette" not in figures:
        return title
    silhouette, within, between = (
        round(figures[key], 3) + 0.0  # + 0.0 turns −0.0 into 0.0
        for key in ("silhouette", "intra_class_cosine", "inter_class_cosine")
    )
    return (
        f"{title}\nsilhouette {silhouette:.3f}, cosine within an outcome {within:.3f}, between outcomes {between:.3f}"
    )


def _draw_embedding(ax: Axes, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    if len(vectors) < FEWEST_POINTS:
        notice(ax, f"t-SNE needs at least {FEWEST_POINTS} conversations; there are {len(vectors)}.")
        return
    if len(vectors) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(len(vectors), MOST_POINTS, replace=False)
        vectors, labels = vectors[chosen], labels[chosen]
    points = tsne_points(vectors)
    ended = [OUTCOMES[number] for number in labels]
    looks = {"palette": OUTCOME_COLOURS, "markers": _MARKERS, "s": 34, "alpha": 0.75, "linewidth": 0, "legend": False}
    seaborn.scatterplot(x=points[:, 0], y=points[:, 1], hue=ended, style=ended, ax=ax, **looks)
    ax.set_xticks([])  # t-SNE's axes and distances between far points mean nothing
    ax.set_yticks([])


def tsne_points(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 2) t-SNE of cosine distances, n at least 4; the same vectors give the same points.

    The perplexity is a third of n, at most 30: each point then has neighbours and non-neighbours, even with n = 8.
    """
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=0)
    # A thousand short parallel regions: with two threads on busy cores, waiting at their ends took hundreds of times the work.
    with threadpool_limits(limits=1, user_api="openmp"):
        return np.asarray(tsne.fit_transform(vectors.astype(np.float64)))


def _outcome_legend(figure: Figure) -> None:
    marks = [
        figure.axes[0].scatter([], [], marker=_MARKERS[outcome], c=OUTCOME_COLOURS[outcome], label=outcome)
        for outcome in OUTCOMES
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, frameon=False)
