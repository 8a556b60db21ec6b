"""The model card: what a person reads before using the models, as Markdown, and whether they are ready to use.

Everything in it comes from the report of an evaluation, its words from `model_card.md.jinja`; nothing is measured here.
Costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, Undefined

from evaluation.last_conversation import without_last_sentence

Report = dict[str, Any]  # what final_project_report.json holds

TEMPLATE = Path(__file__).with_suffix(".md.jinja")
_UNKNOWN = "–"  # what can't be told from these conversations

MAJORITY, WORDS = "majority", "tfidf_logreg"
# (report's differences, what people call the metric, baseline): all must be above zero for "ready".
_REQUIRED = (
    ("roc_auc_above_baselines", "ROC AUC", WORDS),
    ("roc_auc_above_baselines", "ROC AUC", MAJORITY),
    ("accuracy_above_baselines", "accuracy", MAJORITY),
)
_GENERATED = (
    "The conversations are generated: this tells that the programs work, nothing of your deals; train on your own."
)
_REASONS = {
    "short": "very short",
    "far": "far from every training conversation",
    "language": "another language",
    "topic": "nobody seems to sell in it",
    "wide": "a wide probability interval",
}


class Verdict(NamedTuple):
    """Whether the recommended model is ready to use, and why, as one sentence or two."""

    ready: bool
    sentence: str


def verdict_of(report: Report) -> Verdict:
    """Ready: the recommended model beats TF-IDF and majority, with the interval of every difference above zero.

    ROC AUC is compared with both and accuracy with majority. Not ready as well where the evaluated conversations ended
    one way only, some were trained on, or a figure that reads no word gives their outcomes away.
    """
    best = report["models"][report["recommended_model"]]["title"]
    dataset = report["dataset"]
    evaluated = f"{dataset['evaluated']['conversations']} evaluated conversations"
    found = [_difference(report, *required) for required in _REQUIRED]
    known = [difference for difference in found if difference is not None]
    caveat = f" {_GENERATED}" if report["bayes_limit"] else ""
    if len(known) < len(found):
        return Verdict(False, f"Not ready to use: the {evaluated} ended one way only, so nothing can be compared.")
    if dataset["also_in_training"]:
        return Verdict(False, f"Not ready to use: {dataset['also_in_training']} of the {evaluated} were trained on.")
    if leaked := report["without_words"]["give_away"]:
        return Verdict(
            False, f"Not ready to use: how the {evaluated} ended is given away by {' and by '.join(leaked)}."
        )
    failed = [text for low, text in known if low <= 0]
    if failed:
        return Verdict(
            False, f"Not ready to use: on {evaluated} {best} does not surely beat {'; '.join(failed)}.{caveat}"
        )
    passed = "; ".join(text for _, text in known)
    return Verdict(True, f"Ready to use: on {evaluated} {best} beats {passed}.{caveat}")


def model_card(report: Report) -> str:
    """The card as Markdown."""
    verdict, _, grounds = report["verdict"]["sentence"].partition(": ")
    entries = [*report["models"].values(), *report["baselines"].values()]
    if report["bayes_limit"]:
        entries.append(report["bayes_limit"])
    markdown = Environment(
        loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    markdown.filters |= {
        "cell": _cell,
        "code": _code,
        "difference": _signed,
        "figure": _with_interval,
        "number": _number,
        "one_line": _one_line,
    }
    return markdown.get_template(TEMPLATE.name).render(
        report=report,
        verdict=verdict,
        grounds=grounds[0].upper() + grounds[1:],
        entries=entries,
        reasons=_REASONS,
        before_last=without_last_sentence(report),
    )


def _difference(report: Report, key: str, metric: str, baseline: str) -> tuple[float, str] | None:
    """(low end of the interval, what was found in words); None where it can't be computed."""
    found = report[key][report["recommended_model"]].get(baseline)
    if found is None:
        return None
    low, high = found["confidence_interval"]
    title = report["baselines"][baseline]["title"]
    return low, f"{title} ({metric} {found['difference']:+.3f}, 95 % interval {low:+.3f} to {high:+.3f})"


def _with_interval(entry: Report, metric: str) -> str:
    if metric not in entry:
        return _UNKNOWN
    low, high = entry["confidence_interval"][metric]
    return f"{entry[metric]:.3f} ({low:.3f} to {high:.3f})"


def _signed(found: Report | Undefined) -> str:
    if isinstance(found, Undefined):
        return _UNKNOWN
    low, high = found["confidence_interval"]
    return f"{found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _number(value: float | Undefined) -> str:
    return _UNKNOWN if isinstance(value, Undefined) else f"{value:.3f}"


def _cell(value: str) -> str:
    """Text in a table; its own bars and line ends are made harmless."""
    return _one_line(value).replace("|", "\\|")


def _code(text: str) -> str:
    """A file's or a model's name, so that nothing in it is read as Markdown."""
    return f"`{_one_line(text).replace('`', '')}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())
