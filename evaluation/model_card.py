"""The model card: what a person reads before using the models, as Markdown, and whether they are ready to use.

Everything in it comes from the report of an evaluation; nothing is measured here. Costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Report = dict[str, Any]  # what final_project_report.json holds

MAJORITY, WORDS = "majority", "tfidf_logreg"
# (report's differences, what people call the metric, baseline): all must be above zero for "ready".
_REQUIRED = (
    ("roc_auc_above_baselines", "ROC AUC", WORDS),
    ("roc_auc_above_baselines", "ROC AUC", MAJORITY),
    ("accuracy_above_baselines", "accuracy", MAJORITY),
)
_SHOWN = (
    ("accuracy", "Accuracy"),
    ("roc_auc", "ROC AUC"),
    ("brier", "Brier"),
    ("log_loss", "Log loss"),
    ("ece", "ECE"),
)
_GENERATED = (
    "The conversations are generated: this tells that the programs work, nothing of your deals; train on your own."
)
_REASONS = {
    "short": "very short",
    "far": "far from every training conversation",
    "language": "another language",
    "wide": "a wide probability interval",
}
_MUST_NOT = (
    "Deciding alone: it ranks conversations for people to act on.",
    "Judging, paying or ranking sellers or customers as persons.",
    "Refusing or favouring somebody where a law asks for reasons: credit, insurance, employment, housing.",
    "Scoring conversations of another kind, language, product or team than those above without evaluating on them first.",
    "Being shown as a certainty: give the probability with its interval and its reliability.",
)


class Verdict(NamedTuple):
    """Whether the recommended model is ready to use, and why, as one sentence or two."""

    ready: bool
    sentence: str


def verdict_of(report: Report) -> Verdict:
    """Ready: the recommended model beats TF-IDF and majority, with the interval of every difference above zero.

    ROC AUC is compared with both and accuracy with majority. Not ready as well where the evaluated conversations ended
    one way only, or some were trained on.
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
    failed = [text for low, text in known if low <= 0]
    if failed:
        return Verdict(
            False, f"Not ready to use: on {evaluated} {best} does not surely beat {'; '.join(failed)}.{caveat}"
        )
    passed = "; ".join(text for _, text in known)
    return Verdict(True, f"Ready to use: on {evaluated} {best} beats {passed}.{caveat}")


def model_card(report: Report) -> str:
    """The card as Markdown."""
    best = report["models"][report["recommended_model"]]
    verdict, _, grounds = report["verdict"]["sentence"].partition(": ")
    sections = [
        f"# Model card: {best['title']}",
        f"**{verdict}.** {grounds[0].upper()}{grounds[1:]}",
        "It predicts from the words of a sales conversation, and from what the CRM knows, how likely the deal is to close.",
        _section("Data", _data(report)),
        _section("Figures", _figures(report)),
        _section("Calibration", _calibration(best)),
        _section("Reliability", _reliability(best)),
        _section("Encoder", _encoder(report)),
        _section("What it must not be used for", _list(_MUST_NOT)),
        _section("Limits", _list(_limits(report))),
    ]
    return "\n\n".join(sections) + "\n"


def _data(report: Report) -> str:
    dataset = report["dataset"]
    names = (("training", "learned from"), ("validation", "of these, validation"), ("evaluated", "evaluation"))
    parts = [(title, dataset[name]) for name, title in names if name in dataset]
    head = ("", "conversations", "successful", "failed", "dialogues", "notes", "groups", "dates")
    rows = [
        (title, *(part[name] for name in head[1:-1]), " to ".join(part["dates"]) if part["dates"] else "not given")
        for title, part in parts
    ]
    by = {"group": "by group, balanced by outcome", "time": "by date, the most recent to test"}
    told = [f"Source: {_inline(dataset['source'])}, split {by[dataset['split']]}."] if "source" in dataset else []
    if "evaluated_part" in dataset:
        told.append(f"Evaluated on {_inline(dataset['evaluated_part'])}.")
    if dataset["open_deals_left_out"]:
        told.append(f"{dataset['open_deals_left_out']} open deals were left out.")
    hashes = f"SHA-256 of what was learned from: `{dataset['training']['sha256']}`."
    return "\n\n".join([" ".join([*told, *dataset["warnings"]]), _table(head, rows), hashes]).strip()


def _figures(report: Report) -> str:
    entries = [*report["models"].values(), *report["baselines"].values()]
    if report["bayes_limit"]:
        entries.append(report["bayes_limit"])
    rows = [(entry["title"], *(_with_interval(entry, metric) for metric, _ in _SHOWN)) for entry in entries]
    table = _table(("", *(title for _, title in _SHOWN)), rows)
    name = report["recommended_model"]
    differences = [
        (report["baselines"][baseline]["title"], *(_signed(report[key][name].get(baseline)) for key in _DIFFERENCES))
        for baseline in report["baselines"]
    ]
    against = _table(("", *_DIFFERENCES.values()), differences)
    above = f"{report['models'][name]['title']} above each baseline, on the same conversations:"
    return "\n\n".join([f"Intervals: {report['intervals']}.", table, above, against, f"Chosen: {report['why']}"])


_DIFFERENCES = {"roc_auc_above_baselines": "ROC AUC", "accuracy_above_baselines": "accuracy"}


def _calibration(best: Report) -> str:
    return (
        f"Expected calibration error {_with_interval(best, 'ece')}: the mean gap between a probability and the share of "
        "conversations that then succeeded. With few conversations it is above zero even for perfect probabilities. The "
        "curve is in [calibration.png](calibration.png)."
    )


def _reliability(best: Report) -> str:
    found = best["reliability"]
    low, high = found["confidence_interval"]
    reasons = ", ".join(f"{_REASONS[kind]} {count}" for kind, count in found["reasons"].items()) or "none"
    rows = [
        (name, part["conversations"], *(_number(part.get(metric)) for metric in ("accuracy", "roc_auc")))
        for name, part in (("ok", found["ok"]), ("low", found["low"]))
    ]
    return "\n\n".join(
        [
            f"Share flagged as `low`: {found['share_low']:.3f} ({low:.3f} to {high:.3f}, Wilson). Reasons: {reasons}.",
            _table(("reliability", "conversations", "accuracy", "ROC AUC"), rows),
        ]
    )


def _encoder(report: Report) -> str:
    encoder = report["encoder"]
    revision = f", revision `{encoder['revision']}`" if encoder["revision"] else ""
    return f"{_inline(encoder['name'])}{revision}, {encoder['dim']} dimensions. SHA-256 of its weights: `{encoder['sha256']}`."


def _limits(report: Report) -> list[str]:
    dataset = report["dataset"]
    limits = [
        f"The figures rest on {dataset['evaluated']['conversations']} conversations of {dataset['evaluated']['groups']} "
        "groups. Differences within the intervals are chance.",
        "Closed deals often contain the decision itself. For early calls of open deals expect less.",
        "A probability holds for conversations like the training data. A prediction that is not says so: `reliability` is "
        "`low`. That one is `ok` does not make it right.",
        "It finds what goes with an outcome, not what causes it.",
    ]
    if dataset["groups_also_in_training"]:
        limits.append(f"{dataset['groups_also_in_training']} groups were also in training, which flatters the figures.")
    return limits


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
        return "–"
    low, high = entry["confidence_interval"][metric]
    return f"{entry[metric]:.3f} ({low:.3f} to {high:.3f})"


def _signed(found: Report | None) -> str:
    if found is None:
        return "–"
    low, high = found["confidence_interval"]
    return f"{found['difference']:+.3f} ({low:+.3f} to {high:+.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a cell's own bars and line ends are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _inline(text: str) -> str:
    """A file's or a model's name, so that nothing in it is read as Markdown."""
    return f"`{' '.join(text.split()).replace('`', '')}`"
