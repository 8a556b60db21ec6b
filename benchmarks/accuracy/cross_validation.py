"""Repeated grouped cross-validation of every model and baseline on labelled conversations.

A fold's test conversations are seen by nobody before they are predicted. Its training conversations are what a baseline
and a model learn from; a model decides by an eighth of them, whole groups, when to stop. Texts are encoded once
a process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from conversations.folds import group_folds, set_aside
from conversations.reading.record import conversation_from_record
from conversations.split import split_conversations
from encoder.torch_encoder import SalesEncoder
from evaluation.baselines import all_baselines
from foundations.machine import release_unused_memory
from generate_sales_data import generate_conversations
from model_registry import MODEL_CLASSES, best_of
from modelling.conversion_model import ConversionModel
from modelling.names import AUTO
from probability.metrics import classification_metrics

Condition = Literal["full", "half", "small", "synthetic"]
CONDITIONS: dict[Condition, str] = {
    "full": "Whole conversations",
    "half": "First half of the turns",
    "small": "Whole conversations, 140 to train on (70 + 70)",
}
SMALL_PER_CLASS = 70
FOLDS = 5


class FoldResult(NamedTuple):
    """What was predicted for the held-out conversations of one fold."""

    seed: int
    fold: int
    labels: list[int]
    probabilities: dict[str, list[float]]  # by model or baseline; AUTO is the one that cross-validation favours
    chosen: str  # the model that AUTO was
    training_seconds: dict[str, float]  # by model, encoding not counted: it is done before
    true_probabilities: list[float]  # that the outcomes were drawn with; empty where nobody knows them

    def figures(self, name: str) -> dict[str, float]:
        """Every metric of one model on this fold."""
        return classification_metrics(self.labels, self.probabilities[name])


def cross_validate(
    encoder: SalesEncoder, conversations: Sequence[Conversation], seed: int, condition: Condition
) -> Iterator[FoldResult]:
    """One result a fold, all folds of one seed. `encoder` must keep states, or every fold encodes everything again."""
    for fold, (training, held) in enumerate(condition_folds(conversations, seed, condition)):
        yield predict(encoder, *set_aside(training, seed), held, seed, fold)


def condition_folds(
    conversations: Sequence[Conversation], seed: int, condition: Condition
) -> Iterator[tuple[list[Conversation], list[Conversation]]]:
    """(to learn from, held out) of each fold, as the condition shows them."""
    seen = [first_half(c) for c in conversations] if condition == "half" else list(conversations)
    for fold, (kept, held) in enumerate(group_folds(conversations, seed, FOLDS)):
        training = [seen[index] for index in kept]
        if condition == "small":
            training = balanced_sample(training, SMALL_PER_CLASS, 1000 * seed + fold)
        yield training, [seen[index] for index in held]


def synthetic(encoder: SalesEncoder, seed: int) -> Iterator[FoldResult]:
    """The default generated data of one seed, split as `--mode train` splits it."""
    records = generate_conversations(seed=seed)
    splits = split_conversations([conversation_from_record(record, "generated") for record in records], seed)
    yield predict(encoder, splits.train, splits.validation, splits.test, seed, 0)


def predict(
    encoder: SalesEncoder,
    train: Sequence[Conversation],
    validation: Sequence[Conversation],
    test: Sequence[Conversation],
    seed: int,
    fold: int,
) -> FoldResult:
    """Fits every baseline (on train and validation together) and every model, and asks each about `test`."""
    found: dict[str, NDArray[np.float64]] = {}
    for baseline in all_baselines(encoder):
        baseline.fit([*train, *validation])
        found[baseline.name] = baseline.predict_proba(test)
    fitted: dict[str, ConversionModel] = {}
    seconds = {}
    for name, model_class in MODEL_CLASSES.items():
        started = time.perf_counter()
        fitted[name] = model_class(encoder, seed=seed)
        fitted[name].reuse(fitted)
        fitted[name].fit(train, validation)
        seconds[name] = time.perf_counter() - started
        found[name] = fitted[name].predict_proba(test)
    release_unused_memory()  # of this fold's training, before the next one
    chosen = best_of({name: model.record.cross_validation_metrics for name, model in fitted.items()})
    known = [c.true_probability for c in test if c.true_probability is not None]
    probabilities = {name: values.tolist() for name, values in {**found, AUTO: found[chosen]}.items()}
    return FoldResult(
        seed, fold, labels_of(test).tolist(), probabilities, chosen, seconds, known if len(known) == len(test) else []
    )


def first_half(conversation: Conversation) -> Conversation:
    """The first half of the turns, at least one; a note is left whole."""
    if conversation.turns is None:
        return conversation
    return conversation.model_copy(update={"turns": conversation.turns[: max(1, len(conversation.turns) // 2)]})


def balanced_sample(conversations: Sequence[Conversation], per_class: int, seed: int) -> list[Conversation]:
    """`per_class` conversations of each outcome, or as many as there are, drawn without replacement."""
    random = np.random.default_rng(seed)
    labels = labels_of(conversations)
    members = [np.flatnonzero(labels == label) for label in (0, 1)]
    chosen = [random.choice(of_one, min(per_class, len(of_one)), replace=False) for of_one in members]
    return [conversations[index] for index in np.sort(np.concatenate(chosen))]


def pooled_figures(results: Sequence[FoldResult], name: str) -> dict[str, float]:
    """Metrics over the held-out predictions of all folds of a seed together, averaged over seeds.

    For calibration: the 100 conversations of one fold, in ten bins, are too few to measure it.
    """
    by_seed: dict[int, list[FoldResult]] = {}
    for result in results:
        by_seed.setdefault(result.seed, []).append(result)
    figures = [
        classification_metrics(
            [label for result in of_seed for label in result.labels],
            [p for result in of_seed for p in result.probabilities[name]],
        )
        for of_seed in by_seed.values()
    ]
    return {metric: float(np.mean([row[metric] for row in figures])) for metric in figures[0]}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """(mean, standard error of the mean); folds share training data, so the error is a little too small."""
    numbers = np.asarray(values, dtype=float)
    return float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else 0.0


def differences(results: Sequence[FoldResult], name: str, other: str, metric: str = "roc_auc") -> tuple[float, float]:
    """Mean and standard error of `name` − `other`, fold by fold."""
    return mean_and_error([result.figures(name)[metric] - result.figures(other)[metric] for result in results])
