"""The model card and its verdict, from reports written by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from evaluation.model_card import model_card, verdict_of


def entry(title: str, **figures: float) -> dict[str, Any]:
    return {"title": title, **figures, "confidence_interval": {name: [v - 0.1, v + 0.1] for name, v in figures.items()}}


def difference(value: float, low: float, high: float) -> dict[str, Any]:
    return {"difference": value, "confidence_interval": [low, high]}


@pytest.fixture
def report() -> dict[str, Any]:
    """A model that is better than both baselines, as `evaluation.measuring.evaluate` reports it."""
    part = {"conversations": 300, "successful": 140, "failed": 160, "dialogues": 200, "notes": 100, "groups": 90}
    return {
        "recommended_model": "few_shot",
        "why": "few_shot has the lowest log loss on the validation data.",
        "models": {
            "few_shot": {
                **entry("Few-shot similarity", accuracy=0.7, roc_auc=0.75, brier=0.2, log_loss=0.6, ece=0.15),
                "reliability": {
                    "share_low": 0.04,
                    "confidence_interval": [0.02, 0.09],
                    "reasons": {"short": 3, "far": 1},
                    "ok": {"conversations": 96, "accuracy": 0.71, "roc_auc": 0.76},
                    "low": {"conversations": 4, "accuracy": 0.5},
                },
            }
        },
        "baselines": {
            "majority": entry("Majority", accuracy=0.53, roc_auc=0.5, brier=0.25, log_loss=0.69, ece=0.1),
            "tfidf_logreg": entry("TF-IDF | words", accuracy=0.6, roc_auc=0.65, brier=0.24, log_loss=0.68, ece=0.1),
        },
        "roc_auc_above_baselines": {
            "few_shot": {"majority": difference(0.25, 0.15, 0.34), "tfidf_logreg": difference(0.1, 0.02, 0.18)}
        },
        "accuracy_above_baselines": {
            "few_shot": {"majority": difference(0.17, 0.05, 0.28), "tfidf_logreg": difference(0.1, -0.02, 0.2)}
        },
        "without_words": {"roc_auc": {"the number of words": 0.52}, "give_away": []},
        "bayes_limit": None,
        "intervals": "95 % percentile bootstrap, 1000 draws with replacement of whole groups",
        "encoder": {"name": "bundled", "revision": None, "sha256": "53aa", "dim": 384},
        "dataset": {
            "training": {**part, "dates": ["2023-01-02", "2023-11-30"], "sha256": "7b4a"},
            "validation": {**part, "dates": None, "sha256": "1"},
            "evaluated": {**part, "conversations": 100, "groups": 31, "dates": None, "sha256": "2"},
            "source": "deals|2023.csv",
            "split": "time",
            "evaluated_part": "the test split",
            "open_deals_left_out": 5,
            "also_in_training": 0,
            "groups_also_in_training": 0,
            "warnings": ["A warning of the data."],
        },
    }


def with_verdict(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "verdict": verdict_of(report)._asdict()}


def test_ready_where_every_interval_is_above_zero(report: dict[str, Any]) -> None:
    # Needed: ROC AUC above TF-IDF (0.02) and majority (0.15), accuracy above majority (0.05). Accuracy above TF-IDF is
    # not needed: its −0.02 changes nothing.
    ready, sentence = verdict_of(report)
    assert ready
    assert sentence.startswith("Ready to use: on 100 evaluated conversations Few-shot similarity beats TF-IDF")
    assert "ROC AUC +0.100, 95 % interval +0.020 to +0.180" in sentence


@pytest.mark.parametrize(
    ("key", "baseline", "named"),
    [
        ("roc_auc_above_baselines", "tfidf_logreg", "TF-IDF | words (ROC AUC +0.100, 95 % interval +0.000 to +0.200)"),
        ("roc_auc_above_baselines", "majority", "Majority (ROC AUC +0.100"),
        ("accuracy_above_baselines", "majority", "Majority (accuracy +0.100"),
    ],
)
def test_not_ready_where_one_interval_reaches_zero(report: dict[str, Any], key: str, baseline: str, named: str) -> None:
    report[key]["few_shot"][baseline] = difference(0.1, 0.0, 0.2)
    ready, sentence = verdict_of(report)
    assert not ready
    assert sentence.startswith(
        "Not ready to use: on 100 evaluated conversations Few-shot similarity does not surely beat"
    )
    assert named in sentence
    assert sentence.count("95 % interval") == 1, "only what failed is named"


def test_not_ready_where_nothing_can_be_told(report: dict[str, Any]) -> None:
    trained_on = copy.deepcopy(report)
    trained_on["dataset"]["also_in_training"] = 7
    assert verdict_of(trained_on) == (False, "Not ready to use: 7 of the 100 evaluated conversations were trained on.")
    leaked = copy.deepcopy(report)
    leaked["without_words"]["give_away"] = ["the number of words", "the number of turns or sentences"]
    assert verdict_of(leaked) == (
        False,
        "Not ready to use: how the 100 evaluated conversations ended is given away by the number of words and by the "
        "number of turns or sentences.",
    )
    report["roc_auc_above_baselines"]["few_shot"] = {}
    ready, sentence = verdict_of(report)
    assert not ready
    assert "ended one way only" in sentence


def test_generated_conversations_are_said_to_be_generated(report: dict[str, Any]) -> None:
    report["bayes_limit"] = {**entry("Bayes limit", accuracy=0.98, roc_auc=0.99), "expected_accuracy": 0.976}
    verdict = verdict_of(report)
    assert verdict.ready
    assert "train on your own" in verdict.sentence
    assert "| Bayes limit | 0.980 (0.880 to 1.080) | 0.990 (0.890 to 1.090) | – | – | – |" in model_card(
        with_verdict(report)
    )


def test_the_card_holds_the_figures_of_the_report(report: dict[str, Any]) -> None:
    card = model_card(with_verdict(report))
    assert card.startswith("# Model card: Few-shot similarity\n\n**Ready to use.** on 100".replace("on 100", "On 100"))
    for line in (
        "| learned from | 300 | 140 | 160 | 200 | 100 | 90 | 2023-01-02 to 2023-11-30 |",
        "| evaluation | 100 | 140 | 160 | 200 | 100 | 31 | not given |",
        "Source: `deals|2023.csv`, split by date, the most recent to test. Evaluated on `the test split`. "
        "5 open deals were left out. A warning of the data.",
        "| Few-shot similarity | 0.700 (0.600 to 0.800) | 0.750 (0.650 to 0.850) | 0.200 (0.100 to 0.300) | "
        "0.600 (0.500 to 0.700) | 0.150 (0.050 to 0.250) |",
        "| TF-IDF \\| words | +0.100 (+0.020 to +0.180) | +0.100 (-0.020 to +0.200) |",
        "Expected calibration error 0.150 (0.050 to 0.250)",
        "Share flagged as `low`: 0.040 (0.020 to 0.090, Wilson). "
        "Reasons: very short 3, far from every training conversation 1.",
        "| ok | 96 | 0.710 | 0.760 |",
        "| low | 4 | 0.500 | – |",
        "SHA-256 of its weights: `53aa`.",
        "## What it must not be used for",
        "100 conversations of 31 groups",
    ):
        assert line in card


def test_every_table_renders(report: dict[str, Any]) -> None:
    lines = model_card(with_verdict(report)).splitlines()
    tables = [n for n, line in enumerate(lines) if set(line) <= set("|- ") and "---" in line]
    assert len(tables) == 4
    for ruler in tables:
        assert lines[ruler - 2] == "", "a table needs an empty line before it"
        columns = lines[ruler].count("|")
        n = ruler - 1
        while lines[n].startswith("|"):
            assert lines[n].replace("\\|", "").count("|") == columns
            n += 1
        assert lines[n] == ""
        assert n > ruler + 1, "a table has rows"


def test_a_card_of_a_file_without_origin_or_flags(report: dict[str, Any]) -> None:
    for key in ("source", "split", "evaluated_part", "validation"):
        del report["dataset"][key]
    report["dataset"]["open_deals_left_out"] = 0
    report["models"]["few_shot"]["reliability"] = {
        "share_low": 0.0,
        "confidence_interval": [0.0, 0.04],
        "reasons": {},
        "ok": {"conversations": 100, "accuracy": 0.7, "roc_auc": 0.75},
        "low": {"conversations": 0},
    }
    card = model_card(with_verdict(report))
    assert "Reasons: none." in card
    assert "| low | 0 | – | – |" in card
    assert "Source" not in card
