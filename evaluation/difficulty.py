"""Measures how hard generated data is, so that nobody has to believe that it is not a word puzzle.

A keyword list and TF-IDF must stay near chance on phrasings that they did not train on, while the known label
probabilities say how much a perfect reader could get. It fits no encoder and judges no real data. About 2 s for 200
conversations, growing with the square of the count (every pair is compared).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from conversations.conversation import conversation_from_record, labels_of
from conversations.near_duplicates import near_duplicates
from conversations.split import DataSplits, split_conversations
from evaluation.baselines import KeywordBaseline, TfidfLogisticRegression
from probability.metrics import bayes_accuracy, classification_metrics

KEYWORD_LIMIT = 0.70
TFIDF_LIMIT = 0.85


def check_generated(records: Sequence[Mapping[str, Any]], seed: int = 42, splits: int = 10) -> dict[str, float]:
    """Mean test accuracies over `splits` phrasing-disjoint splits, the Bayes accuracy and the number of near copies.

    Keys: `keyword_accuracy`, `tfidf_accuracy`, `bayes_accuracy` (in [0, 1]; every record needs its `true_probability`)
    and `near_duplicates` (pairs of different groups, so a count for every split at once). Raises InputError as
    `split_conversations` does, for instance with fewer than 10 conversations of a class.
    """
    conversations = [conversation_from_record(dict(record), f"record {n}") for n, record in enumerate(records, start=1)]
    parts = [split_conversations(conversations, seed + number) for number in range(splits)]
    return {
        "keyword_accuracy": float(np.mean([_test_accuracy(KeywordBaseline(), part) for part in parts])),
        "tfidf_accuracy": float(np.mean([_test_accuracy(TfidfLogisticRegression(), part) for part in parts])),
        "bayes_accuracy": bayes_accuracy([c.true_probability for c in conversations if c.true_probability is not None]),
        "near_duplicates": float(len(near_duplicates(conversations))),
    }


def difficulty_table(figures: Mapping[str, float]) -> Table:
    """The figures of `check_generated` as a table with the limit of each."""
    table = Table("check", "measured", "should be", title="Difficulty on phrasings that training never saw")
    table.add_row("keyword list, test accuracy", f"{figures['keyword_accuracy']:.3f}", f"at most {KEYWORD_LIMIT:.2f}")
    table.add_row("TF-IDF + logistic regression", f"{figures['tfidf_accuracy']:.3f}", f"at most {TFIDF_LIMIT:.2f}")
    table.add_row("best reachable (Bayes)", f"{figures['bayes_accuracy']:.3f}", "about 1 - noise")
    table.add_row("near duplicates across groups", f"{figures['near_duplicates']:.0f}", "0")
    return table


def _test_accuracy(baseline: KeywordBaseline | TfidfLogisticRegression, splits: DataSplits) -> float:
    baseline.fit(splits.train)
    return classification_metrics(labels_of(splits.test), baseline.predict_proba(splits.test))["accuracy"]
