"""How much data do I need? Every model and TF-IDF trained on ever more of the training conversations.

Each size is drawn several times, whole groups first and both outcomes alike, and every draw is measured on the same
test split; a model sets an eighth of a draw aside to decide by when to stop. The models are measured as trained, in
PyTorch; what is served as int8 differs a little. Costs REPEATS trainings of every model at every size: the contrastive
model takes most of it. Draws nothing (`evaluation.pictures.curves`) and writes nothing (`stages.learning_curve`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from conversations.conversation import Conversation, labels_of
from conversations.split import DataSplits
from encoder.text_encoder import TextEncoder
from evaluation.baselines import BASELINE_TITLES, TfidfLogisticRegression
from foundations.long_work import Progress
from foundations.machine import release_unused_memory
from model_registry import model_class
from modelling.conversion_model import ConversionModel
from probability.metrics import classification_metrics

SIZES = (50, 100, 200, 400)
REPEATS = 3
METRICS = {"roc_auc": "ROC AUC", "accuracy": "Accuracy"}

Figures = dict[str, float]


def measure_learning_curve(
    encoder: TextEncoder,
    splits: DataSplits,
    models: Sequence[str],
    seed: int,
    progress: Progress = lambda share: None,
) -> dict[str, Any]:
    """ROC AUC and accuracy on the test split after training on 50, 100, 200, 400 and all conversations.

    encoder: a SalesEncoder that keeps states, so that nothing is encoded twice. Sizes that training and validation
    together don't reach are left out. Gives {"models": {name: {"title", "points": [{"training", metric: {"mean",
    "standard_error"}}]}}, "baselines": the same, …}.
    """
    sizes = curve_sizes(len(splits.learned_from))
    found: dict[str, dict[int, list[Figures]]] = {}
    total = REPEATS * sum(sizes) * len(models)
    done = 0
    for size in sizes:
        for repeat in range(REPEATS):
            drawn = balanced_subset(splits.learned_from, size, seed + repeat)
            for name, figures in _measured_on(drawn, encoder, splits, models, seed + repeat):
                found.setdefault(name, {}).setdefault(size, []).append(figures)
                done += size * (name in models)
                progress(done / total)
            release_unused_memory()
    titles = {name: model_class(name).title for name in models}
    return {
        "sizes": sizes,
        "repeats": REPEATS,
        "test_conversations": len(splits.test),
        "spread": f"standard error of the mean over {REPEATS} draws and seeds, on one test split; all there are can be "
        "drawn in one way only, so there the seeds alone differ",
        "models": {name: _entry(title, found[name]) for name, title in titles.items()},
        "baselines": {name: _entry(BASELINE_TITLES[name], found[name]) for name in found if name not in models},
    }


def curve_sizes(available: int) -> list[int]:
    """The sizes below all there is, and all there is."""
    return [size for size in SIZES if size < available] + [available]


def balanced_subset(conversations: Sequence[Conversation], size: int, seed: int) -> list[Conversation]:
    """`size` conversations, half of each outcome, from as few groups as give them; all of them where size is all.

    Groups come in a seeded order, each whole until its outcomes are full. Where one outcome has too few, the other fills
    up.
    """
    if size >= len(conversations):
        return list(conversations)
    groups: dict[str, list[Conversation]] = {}
    for conversation in conversations:
        groups.setdefault(conversation.group_key, []).append(conversation)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    in_order = [conversation for group in order for conversation in groups[group]]
    successful = sum(conversation.label for conversation in in_order)
    wanted_successful = max(size - (len(in_order) - successful), min(size // 2, successful))
    room = {1: wanted_successful, 0: size - wanted_successful}
    chosen = []
    for conversation in in_order:
        if room[conversation.label]:
            room[conversation.label] -= 1
            chosen.append(conversation)
    return chosen


def learning_curve_table(curve: dict[str, Any]) -> Table:
    """A row for each model and baseline and metric, a column for each size: mean ± standard error."""
    table = Table(
        title=f"On {curve['test_conversations']} test conversations, by the number trained on",
        caption=f"mean ± {curve['spread']}",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("")
    for size in curve["sizes"]:
        table.add_column(str(size), justify="right", no_wrap=True)
    for metric, title in METRICS.items():
        for entry in [*curve["models"].values(), *curve["baselines"].values()]:
            cells = [f"{p[metric]['mean']:.3f} ± {p[metric]['standard_error']:.3f}" for p in entry["points"]]
            table.add_row(f"{title}, {entry['title']}", *cells)
        table.add_section()
    return table


def _measured_on(
    training: Sequence[Conversation], encoder: TextEncoder, splits: DataSplits, models: Sequence[str], seed: int
) -> Iterator[tuple[str, Figures]]:
    """Name and test figures of TF-IDF and of each model, trained on `training`."""
    labels = labels_of(splits.test)
    words = TfidfLogisticRegression()
    words.fit(training)
    yield words.name, classification_metrics(labels, words.predict_proba(splits.test))
    from conversations.folds import set_aside  # scikit-learn takes seconds to import

    fitted: dict[str, ConversionModel] = {}
    train, validation = set_aside(training, seed)
    for name in models:
        model = model_class(name)(encoder, seed=seed)
        model.reuse(fitted)
        model.fit(train, validation)
        fitted[name] = model
        yield name, classification_metrics(labels, model.predict_proba(splits.test))


def _entry(title: str, by_size: dict[int, list[Figures]]) -> dict[str, Any]:
    points = [
        {"training": size, **{metric: _mean([figures[metric] for figures in repeats]) for metric in METRICS}}
        for size, repeats in by_size.items()
    ]
    return {"title": title, "points": points}


def _mean(values: Sequence[float]) -> Figures:
    """Mean and its standard error, s / √n with n − 1 in s."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return {"mean": float(np.mean(values)), "standard_error": float(error)}
