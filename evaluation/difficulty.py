"""Measures what can be told of outcomes without understanding a conversation.

Of generated data, how hard they are: a keyword list and TF-IDF are trained and tested on different scenarios; length, friendly
words and the customer's share of the words are single numbers, whose ROC AUC says whether they alone give an outcome away (0.5:
they don't). The known probabilities say how much a perfect reader could get. About 2 s for 200 conversations, growing with the
square of the count (every pair is compared).

Of any data that a model is evaluated on: whether a figure that reads no word separates them nearly as well as the model. Then
they give their outcomes away. Costs milliseconds. No encoder is fitted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from conversations.conversation import Conversation, labels_of
from conversations.model_text import spoken_text
from conversations.near_duplicates import near_duplicates
from conversations.prefixes import turns_of
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits, split_conversations
from evaluation.baselines import KeywordBaseline, TfidfLogisticRegression
from probability.metrics import bayes_accuracy, classification_metrics, roc_auc

KEYWORD_LIMIT = 0.62
TFIDF_LIMIT = 0.65
CUE_LIMIT = 0.58  # of an AUC turned so that it is above one half
LEAK = 0.9  # such an AUC from which on a figure gives outcomes away, whatever the model reaches
FEWEST_LEAKED = 0.75  # from here on where it is as good as the model, but for NEAR
NEAR = 0.03
_BEYOND_CHANCE = 3.0  # standard errors of an AUC where there is nothing to tell
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
        "length_auc": _cue_auc(conversations, _words),
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


class Cue(NamedTuple):
    """A figure that reads no word, and how well it alone separates successful from failed conversations."""

    title: str
    roc_auc: float  # turned so that it is above one half
    by_chance: float  # what it may be where there is nothing to tell: few conversations allow much


def wordless_cues(conversations: Sequence[Conversation]) -> list[Cue]:
    """Those that can be measured on labelled conversations: both outcomes must have the figure."""
    return [cue for title, figure in _WORDLESS.items() if (cue := _measured_cue(title, figure, conversations))]


def leaks(cues: Sequence[Cue], model_roc_auc: float) -> list[Cue]:
    """The cues that separate nearly as well as a model which reads every word, or by themselves too well to be true."""
    from_here = min(LEAK, max(FEWEST_LEAKED, model_roc_auc - NEAR))
    return [cue for cue in cues if cue.roc_auc >= from_here and cue.roc_auc > cue.by_chance]


def leak_warning(found: Sequence[Cue], model: str, model_roc_auc: float) -> str:
    """One sentence on what `leaks` found, and what it probably is."""
    figures = " and ".join(f"{cue.title} ({cue.roc_auc:.3f})" for cue in found)
    return (
        f"Probably the data give the outcome away: no word read, {figures} alone {'tells' if len(found) == 1 else 'tell'} won "
        f"from lost, where {model} reaches {model_roc_auc:.3f} (ROC AUC). Either texts were written or filled in after the "
        "decision, or won and lost deals come from two sources: compare some of both, and don't rely on these figures."
    )


def _measured_cue(
    title: str, figure: Callable[[Conversation], float | None], conversations: Sequence[Conversation]
) -> Cue | None:
    measured = [(one.label, value) for one in conversations if (value := figure(one)) is not None]
    won, all_of_them = sum(label for label, _ in measured), len(measured)
    if not 0 < won < all_of_them:
        return None
    auc = roc_auc([label for label, _ in measured], [value for _, value in measured])
    chance = _BEYOND_CHANCE * math.sqrt((all_of_them + 1) / (12 * won * (all_of_them - won)))
    return Cue(title, max(auc, 1 - auc), 0.5 + chance)


def _test_accuracy(baseline: KeywordBaseline | TfidfLogisticRegression, splits: DataSplits) -> float:
    baseline.fit(splits.train)
    return classification_metrics(labels_of(splits.test), baseline.predict_proba(splits.test))["accuracy"]


def _words(conversation: Conversation) -> float:
    return float(len(spoken_text(conversation).split()))


def _crm_fields(conversation: Conversation) -> float:
    return float(len(conversation.conversation_context.model_dump(exclude_none=True)))


def _share_in_dialogue(conversation: Conversation) -> float | None:
    speakers = {turn.speaker for turn in conversation.turns or []}
    return _customers_share(conversation) if "customer" in speakers else None


# What people call a figure, and the figure; None where a conversation has none.
_WORDLESS: dict[str, Callable[[Conversation], float | None]] = {
    "the number of words": _words,
    "the number of turns or sentences": lambda one: float(len(turns_of(one))),
    "the number of speakers": lambda one: float(len({turn.speaker for turn in one.turns})) if one.turns else None,
    "the customer's share of the words": _share_in_dialogue,
    "being a dialogue or a note": lambda one: float(one.turns is not None),
    "the number of filled CRM fields": _crm_fields,
}


def _cue_auc(conversations: Sequence[Conversation], cue: Callable[[Conversation], float]) -> float:
    return roc_auc(labels_of(conversations), [cue(one) for one in conversations]) if conversations else float("nan")


def _friendliness(conversation: Conversation) -> float:
    text = spoken_text(conversation)
    return len(_FRIENDLY.findall(text)) / max(1, len(text.split()))


def _customers_share(conversation: Conversation) -> float:
    words = [(turn.speaker, len(turn.text.split())) for turn in conversation.turns or []]
    return sum(count for speaker, count in words if speaker == "customer") / max(1, sum(count for _, count in words))
