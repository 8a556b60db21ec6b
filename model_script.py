"""What `python few_shot_model.py` and the other model files do: train if needed, evaluate, show a few test predictions."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from conversations.conversation import labels_of
from conversations.model_text import render_input
from conversations.reading.files import read_splits
from data_pipeline import Conversation, prepare_data
from evaluation.dataset import check_same_training
from foundations.artifact_folder import DEFAULT_ARTIFACTS, ArtifactFolder
from foundations.errors import InputError
from foundations.texts import shortened
from generate_sales_data import generate
from model_registry import artifact_path, load_model
from modelling.conversion_model import ConversionModel
from probability.bands import prediction_of
from probability.metrics import classification_metrics
from stages.job import Job
from stages.training import train

_SHOWN = 5
_EXCERPT = 70  # characters
_METRICS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "brier", "log_loss", "ece")


def main(name: str) -> int:
    """Runs the script of one model; 0, or 2 after one sentence for bad input."""
    parser = argparse.ArgumentParser(description=f"Train (if there is no artifact), evaluate and try the {name} model.")
    parser.add_argument("--artifacts", type=Path, default=DEFAULT_ARTIFACTS, metavar="DIR", help="default: artifacts")
    folder = ArtifactFolder(parser.parse_args().artifacts)
    console = Console()
    try:
        if not artifact_path(folder, name).exists():
            _train(folder, name)
        model, splits = load_model(folder, name), read_splits(folder.data)
        check_same_training({name: model}, splits.learned_from)
        show(model, splits.test, console)
    except InputError as error:
        Console(stderr=True, soft_wrap=True, markup=False).print(f"Error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130  # as main.py
    return 0


def _train(folder: ArtifactFolder, name: str) -> None:
    job = Job(folder=folder, model=name)
    if not (folder.data / "train_data.json").exists():
        generate(job)
        prepare_data(job)
    train(job)


def _words(conversation: Conversation) -> str:
    return " ".join(passage.text for passage in render_input(conversation) if passage.speaker != "context")


def show(model: ConversionModel, test: list[Conversation], console: Console) -> None:
    """Prints the model's test metrics and its first few test predictions."""
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
            escape(shortened(_words(conversation), _EXCERPT)), conversation.outcome, predicted, f"{probability:.3f}"
        )
    console.print(metrics, examples)
