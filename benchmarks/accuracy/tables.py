"""The tables of `python -m benchmarks.accuracy`: a row for each baseline and model, means over folds with standard errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich.table import Table

from benchmarks.accuracy.cross_validation import FoldResult, differences, mean_and_error, pooled_figures
from evaluation.baselines import BASELINE_TITLES, REFERENCE_BASELINE
from model_registry import MODEL_CLASSES
from modelling.names import AUTO
from probability.metrics import bayes_accuracy

_FROZEN = "frozen_embeddings_logreg"


def titles() -> dict[str, str]:
    """What each row is called, by name, in order."""
    return {**BASELINE_TITLES, **{name: model.title for name, model in MODEL_CLASSES.items()}, AUTO: "auto"}


def cross_validation_table(results: Sequence[FoldResult], title: str) -> Table:
    """ROC AUC, its paired differences, log loss and calibration of every baseline and model."""
    seeds = len({result.seed for result in results})
    table = Table(
        *("", "ROC AUC", "− TF-IDF", "− frozen", "accuracy", "log loss", "ECE", "training"),
        title=f"{title}: mean ± standard error of {len(results)} folds ({seeds} seeds)",
        caption=_caption(results),
    )
    for name, shown in titles().items():
        pooled = pooled_figures(results, name)
        seconds = [result.training_seconds[name] for result in results if name in result.training_seconds]
        table.add_row(
            shown,
            _mean(results, name, "roc_auc"),
            _difference(results, name, REFERENCE_BASELINE),
            _difference(results, name, _FROZEN),
            _mean(results, name, "accuracy"),
            _mean(results, name, "log_loss"),
            f"{pooled['ece']:.3f}",
            f"{np.mean(seconds):.1f} s" if seconds else "",
        )
    return table


def synthetic_table(results: Sequence[FoldResult], title: str) -> Table:
    """Accuracy and ROC AUC on generated data, beside the best accuracy anyone can expect there."""
    table = Table(
        *("", "accuracy", "ROC AUC", "− TF-IDF", "log loss", "ECE"),
        title=f"{title}: mean ± standard error of {len(results)} seeds",
        caption=_caption(results),
    )
    for name, shown in titles().items():
        table.add_row(
            shown,
            _mean(results, name, "accuracy"),
            _mean(results, name, "roc_auc"),
            _difference(results, name, REFERENCE_BASELINE),
            _mean(results, name, "log_loss"),
            f"{pooled_over_all(results, name):.3f}",
        )
    limits = [bayes_accuracy(result.true_probabilities) for result in results]
    mean, error = mean_and_error(limits)
    table.add_row("Bayes limit", f"{mean:.3f} ± {error:.3f}", "", "", "", "")
    return table


def pooled_over_all(results: Sequence[FoldResult], name: str) -> float:
    """Calibration error over the predictions of all seeds together: 40 conversations of one are too few for it."""
    return pooled_figures([result._replace(seed=0) for result in results], name)["ece"]


def markdown(table: Table) -> str:
    """The same table for a document."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    head = [str(column.header) for column in table.columns]
    rows = [head, ["---"] * len(head), *(list(row) for row in zip(*columns, strict=True))]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"{table.title}", "", *lines, "", *([f"{table.caption}"] if table.caption else [])])


def _caption(results: Sequence[FoldResult]) -> str:
    chosen = Counter(result.chosen for result in results)
    return "auto was " + ", ".join(f"{name} {count} times" for name, count in chosen.most_common())


def _mean(results: Sequence[FoldResult], name: str, metric: str) -> str:
    mean, error = mean_and_error([result.figures(name)[metric] for result in results])
    return f"{mean:.3f} ± {error:.3f}"


def _difference(results: Sequence[FoldResult], name: str, other: str) -> str:
    if name == other:
        return ""
    mean, error = differences(results, name, other)
    return f"{mean:+.3f} ± {error:.3f}"
