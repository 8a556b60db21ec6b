"""What is printed: the table of models and baselines that a run ends with, and the two tables of a single model.

The first is read from the report alone, in two widths: every metric where there is room, and otherwise those that decide.
Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from conversations.conversation import Conversation, labels_of
from conversations.model_text import transcript_of
from foundations.artifact_folder import ArtifactFolder
from foundations.texts import shortened
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of
from probability.metrics import classification_metrics

FULL_WIDTH = 120  # characters that every column needs
_NAME_WIDTH = 18
_ABSENT = "–"
_SHOWN = 5
_EXCERPT = 70  # characters
_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "brier", "log_loss", "ece")

Entry = dict[str, Any]  # one of the report's models or baselines


def comparison_table(report: dict[str, Any], width: int = FULL_WIDTH) -> Table:
    """The report's models, baselines and Bayes limit as rows; below `width` 120 with fewer columns.

    Accuracy and ROC AUC have their 95 % interval beneath. A metric that can't be computed shows as a dash.
    """
    columns = _COLUMNS if width >= FULL_WIDTH else [column for column in _COLUMNS if column[2]]
    table = Table(
        title=_title(report),
        caption=_caption(report, columns),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", max_width=_NAME_WIDTH)
    for heading, _, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for part in ("models", "baselines"):
        for name, entry in report[part].items():
            style = "bold" if name == report["recommended_model"] else ""
            table.add_row(escape(entry["title"]), *[cell(entry) for _, cell, _ in columns], style=style)
        table.add_section()
    if report["bayes_limit"]:
        limit = report["bayes_limit"]
        table.add_row(limit["title"], *[cell(limit) for _, cell, _ in columns])
    return table


def _title(report: dict[str, Any]) -> str:
    data = report["dataset"]["evaluated"]
    return (
        f"{data['conversations']} conversations the models did not learn from: {data['successful']} successful, "
        f"{data['failed']} failed"
        if not report["dataset"]["also_in_training"]
        else f"{data['conversations']} conversations, {report['dataset']['also_in_training']} of them trained on"
    )


def _caption(report: dict[str, Any], columns: list[Any]) -> str:
    lines = []
    if report["bayes_limit"]:
        expected = report["bayes_limit"]["expected_accuracy"]
        lines.append(f"Bayes limit: who knows each deal's true probability can expect an accuracy of {expected:.3f}.")
    lines += [f"Recommended: {report['why']}", *report["dataset"]["warnings"]]
    lines.append(_similar_sentence(report["similar_conversations"]))
    if len(columns) < len(_COLUMNS):
        lines.append(f"Every metric with its interval is in {ArtifactFolder().report.name}.")
    return escape("\n".join(lines))


def _similar_sentence(report: dict[str, Any]) -> str:
    name = report["searched_with"]
    found, generic, above = report["embeddings"][name], report["embeddings"]["generic"], report["above_generic"][name]
    (low, high), (least, most) = found["confidence_interval"], above["confidence_interval"]
    return (
        f"Similar conversations ({name}): {found['mean']:.0%} of the 5 nearest ended as the conversation did, 95 % "
        f"interval {low:.0%} to {high:.0%}; with untouched embeddings {generic['mean']:.0%}, by chance "
        f"{report['chance']:.0%}. Above untouched by {100 * above['mean']:+.0f} points, {100 * least:+.0f} to "
        f"{100 * most:+.0f}."
    )


def _metric(name: str) -> Callable[[Entry], str]:
    return lambda entry: f"{entry[name]:.3f}" if name in entry else _ABSENT


def _metric_with_interval(name: str) -> Callable[[Entry], str]:
    def cell(entry: Entry) -> str:
        if name not in entry:
            return _ABSENT
        low, high = entry["confidence_interval"][name]
        return f"{entry[name]:.3f}\n[dim]{low:.2f}–{high:.2f}[/dim]"

    return cell


def _latency(percentile: str) -> Callable[[Entry], str]:
    return lambda entry: f"{entry['latency_ms'][percentile]:.1f}" if "latency_ms" in entry else _ABSENT


def _memory(entry: Entry) -> str:
    return _ABSENT if entry.get("memory_mb") is None else f"{entry['memory_mb']:.0f}"


# (heading, cell, also in the narrow table)
_COLUMNS: list[tuple[str, Callable[[Entry], str], bool]] = [
    ("accuracy", _metric_with_interval("accuracy"), True),
    ("bal.\nacc.", _metric("balanced_accuracy"), False),
    ("pre-\ncision", _metric("precision"), False),
    ("recall", _metric("recall"), False),
    ("F1", _metric("f1"), True),
    ("ROC AUC", _metric_with_interval("roc_auc"), True),
    ("avg.\nprec.", _metric("average_precision"), False),
    ("Brier", _metric("brier"), True),
    ("log\nloss", _metric("log_loss"), True),
    ("ECE", _metric("ece"), True),
    ("ms\np50", _latency("p50"), True),
    ("ms\np95", _latency("p95"), False),
    ("MB", _memory, True),
]


def model_tables(model: ConversionModel, test: Sequence[Conversation]) -> tuple[Table, Table]:
    """One model's test metrics and its first few test predictions."""
    probabilities = model.predict_proba(test)
    figures = classification_metrics(labels_of(test), probabilities)
    metrics = Table("metric", "test", title=f"{model.title} on {len(test)} test conversations")
    for metric in _METRICS:
        if metric in figures:
            metrics.add_row(metric, f"{figures[metric]:.3f}")
    examples = Table("conversation", "ended", "predicted", "P(successful)", title="A few test predictions")
    for conversation, probability in list(zip(test, probabilities.tolist(), strict=True))[:_SHOWN]:
        predicted = prediction_of(probability).outcome
        examples.add_row(
            escape(shortened(transcript_of(conversation), _EXCERPT)),
            conversation.outcome,
            predicted,
            f"{probability:.3f}",
        )
    return metrics, examples
