"""SetFit beside the models where data are few: the same folds, the same 140 dialogues.

    python -m benchmarks.accuracy.setfit_accuracy --data FILE [--folds N] [--iterations N]

Needs requirements/bench.txt. SetFit tunes the bundled encoder; the models stand on the sales encoder, as shipped. SetFit
reads the last 1,100 characters of a dialogue, where deals are decided and as much as its window takes, and trains for one
epoch: with its defaults on all pairs it can make, or with --iterations on so many alike and unlike ones for each dialogue
(its `num_iterations`, 20 in Tunstall et al. 2022, "Efficient Few-Shot Learning Without Prompts"). Its training takes
long, so folds are taken from all seeds in turn, each is kept in --results, and a run that was stopped goes on. Training is
compared in seconds of processor time, which other work on the machine does not stretch.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.__main__ import DATA_SEEDS
from benchmarks.accuracy.cross_validation import FOLDS, condition_folds, mean_and_error
from benchmarks.accuracy.tables import markdown
from benchmarks.peers import BUNDLED_FOLDER
from conversations.conversation import Conversation, labels_of
from conversations.folds import set_aside
from conversations.model_text import rendered_text
from data_pipeline import read_conversations
from encoder.torch_encoder import SalesEncoder
from evaluation.baselines import TfidfLogisticRegression
from foundations.atomic_files import file_sha256, write_json
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from model_registry import MODEL_CLASSES
from probability.metrics import classification_metrics
from stages.records import code_sha256

LAST_CHARACTERS = 1100
_CODE = ("model_registry", "evaluation.baselines")
_COMPARED = ("few_shot", "classification_head", "contrastive")


def main() -> int:
    """Runs what is missing and prints the table; 0, or 2 after one sentence for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy.setfit_accuracy", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="labelled conversations")
    parser.add_argument("--folds", type=int, default=FOLDS, help=f"of {DATA_SEEDS * FOLDS}; default: {FOLDS}")
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="pairs of each kind for a dialogue; default: all pairs"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("artifacts/accuracy"), metavar="DIR", help="where they are kept"
    )
    options = parser.parse_args()
    try:
        rows = _run(options.data, options.folds, options.results, options.iterations)
    except InputError as error:
        say(f"Error: {error}")
        return 2
    table = _table(rows)
    console.print(table)
    say(markdown(table))
    return 0


def _run(data: Path, folds: int, results: Path, iterations: int | None) -> list[dict[str, dict[str, float]]]:
    labelled = [c for c in read_conversations(data) if c.outcome is not None]
    of_seed = [list(condition_folds(labelled, seed, "small")) for seed in range(DATA_SEEDS)]
    tasks = [(seed, fold) for fold, seed in itertools.product(range(FOLDS), range(DATA_SEEDS))][:folds]
    inputs = {"data": file_sha256(data), "code": code_sha256(_CODE), "iterations": iterations}
    encoder = SalesEncoder.load(keep_states=True)
    rows = []
    with progress_bar(f"Training SetFit and the models on {len(tasks)} folds") as report:
        for done, (seed, fold) in enumerate(tasks, start=1):
            path = results / f"{data.stem}-setfit-{seed}-{fold}.json"
            rows.append(_kept(path, inputs) or _measured(encoder, *of_seed[seed][fold], seed, iterations))
            write_json(path, {"inputs": inputs, "figures": rows[-1]})
            report(done / len(tasks))
    return rows


def _measured(
    encoder: SalesEncoder,
    training: Sequence[Conversation],
    held: Sequence[Conversation],
    seed: int,
    iterations: int | None,
) -> dict[str, dict[str, float]]:
    labels = labels_of(held)
    encoder.embed_texts([rendered_text(training[0])])  # the first call of a process is slower
    words = TfidfLogisticRegression()
    words.fit(training)
    found = {"TF-IDF + logistic regression": _figures(labels, words.predict_proba(held), 0.0)}
    for name in _COMPARED:
        model = MODEL_CLASSES[name](encoder, seed=seed)
        started = time.process_time()
        model.fit(*set_aside(training, seed))
        seconds = time.process_time() - started
        found[model.title] = _figures(labels, model.predict_proba(held), seconds)
    started = time.process_time()
    classifier = _trained_setfit(training, seed, iterations)
    seconds = time.process_time() - started
    found["SetFit"] = _figures(labels, _setfit_probabilities(classifier, held), seconds)
    return found


def _trained_setfit(training: Sequence[Conversation], seed: int, iterations: int | None) -> Any:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel, Trainer, TrainingArguments

    body = SentenceTransformer(BUNDLED_FOLDER, device="cpu", local_files_only=True)
    model = SetFitModel(model_body=body, model_head=_logistic_regression(), labels=[0, 1])
    data = Dataset.from_dict({"text": _endings(training), "label": labels_of(training).tolist()})
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            seed=seed,
            num_epochs=1,
            num_iterations=iterations,
            report_to="none",
            save_strategy="no",
            show_progress_bar=False,
        )
        Trainer(model=model, args=arguments, train_dataset=data).train()
    return model


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _setfit_probabilities(model: Any, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
    found = model.predict_proba(_endings(conversations), as_numpy=True, show_progress_bar=False)
    return np.asarray(found, dtype=np.float64)[:, 1]


def _endings(conversations: Sequence[Conversation]) -> list[str]:
    return [rendered_text(conversation)[-LAST_CHARACTERS:] for conversation in conversations]


def _figures(labels: NDArray[np.int64], probabilities: NDArray[np.float64], seconds: float) -> dict[str, float]:
    return {**classification_metrics(labels, probabilities), "seconds": seconds}


def _kept(path: Path, inputs: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    figures: dict[str, dict[str, float]] = record["figures"]
    return figures if record.get("inputs") == inputs else None


def _table(rows: Sequence[dict[str, dict[str, float]]]) -> Table:
    table = Table(
        *("", "ROC AUC", "− SetFit", "training, CPU s", "SetFit's training ÷ this"),
        title=f"140 dialogues to train on: mean ± standard error of {len(rows)} folds",
    )
    setfit_seconds = float(np.median([row["SetFit"]["seconds"] for row in rows]))
    for name in rows[0]:
        ranking = mean_and_error([row[name]["roc_auc"] for row in rows])
        apart = mean_and_error([row[name]["roc_auc"] - row["SetFit"]["roc_auc"] for row in rows])
        seconds = float(np.median([row[name]["seconds"] for row in rows]))
        table.add_row(
            name,
            f"{ranking[0]:.3f} ± {ranking[1]:.3f}",
            "" if name == "SetFit" else f"{apart[0]:+.3f} ± {apart[1]:.3f}",
            f"{seconds:.0f}" if seconds else "",
            f"{setfit_seconds / seconds:.0f} ×" if seconds else "",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
