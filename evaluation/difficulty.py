"""Measures how hard generated data is: what can be told without understanding it.

A keyword list and TF-IDF are trained and tested on different scenarios; length, friendly words and the customer's share
of the words are single numbers, whose ROC AUC says whether they alone give an outcome away (0.5: they don't). The known
probabilities say how much a perfect reader could get. It fits no encoder and judges no real data. About 2 s for 200
conversations, growing with the square of the count (every pair is compared).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from conversations.conversation import Conversation, conversation_from_record, labels_of
from conversations.model_text import spoken_text
from conversations.near_duplicates import near_duplicates
from conversations.split import DataSplits, split_conversations
from evaluation.baselines import KeywordBaseline, TfidfLogisticRegression
from probability.metrics import bayes_accuracy, classification_metrics, roc_auc

KEYWORD_LIMIT = 0.62
TFIDF_LIMIT = 0.65
CUE_LIMIT = 0.58  # of an AUC turned so that it is above one half
_FRIENDLY = re.compile(
    r"\b(?:thank\w*|great|perfect|lovely|love\w*|happy|excellent|brilliant|appreciate\w*|wonderful|excited|glad|nice)\b",
    re.IGNORECASE,
)


def check_generated(records: Sequence[Mapping[str, Any]], seed: int = 42, splits: int = 10) -> dict[str, float]:
    """Mean test accuracies over `splits` scenario-disjoint splits, the AUC of single cues, and what could be reached.

    Keys: `keyword_accuracy`, `tfidf_accuracy`, `bayes_accuracy` (in [0, 1]; every record needs its `true_probability`),
    `length_auc`, `tone_auc`, `customer_share_auc` (of dialogues; nan without any) and `near_duplicates` (pairs of
    different groups, so a count for every split at once). Raises InputError as `split_conversations` does, for instance
    with fewer than 10 conversations of a class.
    """
    conversations = [conversation_from_record(dict(record), f"record {n}") for n, record in enumerate(records, start=1)]
    parts = [split_conversations(conversations, seed + number) for number in range(splits)]
    dialogues = [conversation for conversation in conversations if conversation.turns]
    return {
        "keyword_accuracy": float(np.mean([_test_accuracy(KeywordBaseline(), part) for part in parts])),
        "tfidf_accuracy": float(np.mean([_test_accuracy(TfidfLogisticRegression(), part) for part in parts])),
        "bayes_accuracy": bayes_accuracy([c.true_probability for c in conversations if c.true_probability is not None]),
        "length_auc": _cue_auc(conversations, lambda c: float(len(spoken_text(c).split()))),
        "tone_auc": _cue_auc(conversations, _friendliness),
        "customer_share_auc": _cue_auc(dialogues, _customers_share),
        "near_duplicates": float(len(near_duplicates(conversations))),
    }


def difficulty_table(figures: Mapping[str, float]) -> Table:
    """The figures of `check_generated` as a table with what each should be."""
    table = Table("check", "measured", "should be", title="What can be told without understanding")
    table.add_row("keyword list, test accuracy", f"{figures['keyword_accuracy']:.3f}", f"at most {KEYWORD_LIMIT:.2f}")
    table.add_row("TF-IDF + logistic regression", f"{figures['tfidf_accuracy']:.3f}", f"at most {TFIDF_LIMIT:.2f}")
    for name, title in (("length", "length"), ("tone", "friendly words"), ("customer_share", "customer's share")):
        should = f"{1 - CUE_LIMIT:.2f} to {CUE_LIMIT:.2f}"
        table.add_row(f"{title}, ROC AUC", f"{figures[f'{name}_auc']:.3f}", should)
    table.add_row("best reachable (Bayes)", f"{figures['bayes_accuracy']:.3f}", "1 - noise")
    table.add_row("near duplicates across groups", f"{figures['near_duplicates']:.0f}", "0")
    return table


def _test_accuracy(baseline: KeywordBaseline | TfidfLogisticRegression, splits: DataSplits) -> float:
    baseline.fit(splits.train)
    return classification_metrics(labels_of(splits.test), baseline.predict_proba(splits.test))["accuracy"]


def _cue_auc(conversations: Sequence[Conversation], cue: Callable[[Conversation], float]) -> float:
    return roc_auc(labels_of(conversations), [cue(one) for one in conversations]) if conversations else float("nan")


def _friendliness(conversation: Conversation) -> float:
    text = spoken_text(conversation)
    return len(_FRIENDLY.findall(text)) / max(1, len(text.split()))


def _customers_share(conversation: Conversation) -> float:
    words = [(turn.speaker, len(turn.text.split())) for turn in conversation.turns or []]
    return sum(count for speaker, count in words if speaker == "customer") / max(1, sum(count for _, count in words))
