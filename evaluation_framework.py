"""The stage that evaluates: trained models beside baselines, written as report, model card and pictures.

Run by `python main.py --mode evaluate`, on the test split or on a file of its own. What is measured is
`evaluation.measuring`; the models are those that serving loads, so what is measured is what is served. What is unchanged is
not measured again, and its table is printed once more.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversations.conversation import Conversation
from conversations.reading.files import read_splits
from conversations.split import DataSplits
from evaluation.last_conversation import without_last_sentence
from evaluation.results import Evaluation
from evaluation.tables import comparison_table
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import file_sha256, write_json, write_text
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from modelling.names import AUTO
from stages.deals import check_split_by, data_to_learn_from
from stages.job import (
    Job,
    cache_folder,
    data_inputs,
    encode_once,
    require_splits,
    sha256_or_none,
    split_files,
    unless_unchanged,
    wanted_models,
)
from stages.records import code_sha256
from stages.signals import draw_signals

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder
    from evaluation.dataset import Origin
    from evaluation.results import Evaluation
    from modelling.conversion_model import ConversionModel

# The modules that do the work; what they import counts with them.
_CODE = (
    "evaluation.measuring",
    "evaluation.model_card",
    Path("evaluation/model_card.md.jinja"),
    "evaluation.pictures.predictions",
    "stages.signals",
)


def write_report(evaluation: Evaluation, folder: ArtifactFolder) -> None:
    """Writes final_project_report.json atomically."""
    write_json(folder.report, evaluation.report)


def evaluate(job: Job) -> None:
    """Evaluates on the test split, or on every labelled record of `--data`, and prints the table of the report."""
    require_splits(job)
    if job.data is None:
        check_split_by(job)
    if not unless_unchanged(job, "evaluate", _inputs(job), lambda: _evaluate(job)):
        _show(json.loads(job.folder.report.read_text(encoding="utf-8")))


def _evaluate(job: Job) -> list[Path]:
    splits = read_splits(job.folder.data)
    evaluated = data_to_learn_from(job, job.data) if job.data else splits.test
    evaluation = _measured(job, splits, evaluated)
    written = _write(job, evaluation, evaluated)
    pictures = sum(path.suffix == ".png" for path in written)
    _show(evaluation.report, f"Report, model card and {pictures} pictures in {job.folder.reports}")
    return written


def _inputs(job: Job) -> dict[str, Any]:
    return {
        "models": {path.name: file_sha256(path) for path in sorted(job.folder.models.glob("*.manifest.json"))},
        "signals": sha256_or_none(job.folder.signals / "manifest.json"),
        "splits": {path.name: file_sha256(path) for path in split_files(job)},
        "model": wanted_models(job),
        "data": [str(job.data), job.by, data_inputs(job.data, job.reading, job.outcomes)] if job.data else None,
        "code": code_sha256(_CODE),
    }


def _show(report: dict[str, Any], note: str = "") -> None:
    console.print(comparison_table(report, console.width))
    if before_last := without_last_sentence(report):
        say(before_last)
    if note:
        say(note)
    say(report["verdict"]["sentence"], style="bold")


def _measured(job: Job, splits: DataSplits, evaluated: Sequence[Conversation]) -> Evaluation:
    from evaluation.dataset import check_same_training
    from evaluation.measuring import evaluate as evaluate_models

    models = _load_models(job)
    check_same_training(models, splits.learned_from)
    encoder = _frozen_encoder(models, job)
    encode_once(encoder, [*splits.learned_from, *evaluated])
    with progress_bar("Evaluating, in a fresh process for each model's speed and memory") as report:
        return evaluate_models(
            models, splits.learned_from, evaluated, encoder, job.folder, report, origin=_origin(job, splits.validation)
        )


def _write(job: Job, evaluation: Evaluation, evaluated: Sequence[Conversation]) -> list[Path]:
    """The report, the model card and the pictures. Gives the files."""
    from evaluation.model_card import model_card
    from evaluation.pictures.predictions import write_pictures

    write_report(evaluation, job.folder)
    write_text(job.folder.model_card, model_card(evaluation.report))
    with progress_bar("Drawing pictures"):
        drawn = [*write_pictures(evaluation, job.folder), *draw_signals(job, evaluated)]
    return [job.folder.report, job.folder.model_card, *drawn]


def _origin(job: Job, validation: Sequence[Conversation]) -> Origin:
    from evaluation.dataset import Origin

    split = job.records.inputs_of("split")  # as it was, whatever this command's own options are
    evaluated = job.data.name if job.data else "the test split"
    return Origin(split.get("source", "unknown"), split.get("split", "group"), evaluated, validation)


def _load_models(job: Job) -> dict[str, ConversionModel]:
    from model_registry import load_model, trained_models

    names = [name for name in trained_models(job.folder) if job.model in (None, "all", AUTO, name)]
    if not names and job.model not in (None, "all", AUTO):
        names = [str(job.model)]  # not trained: loading it raises the error that says how to train it
    return {name: load_model(job.folder, name) for name in names}


def _frozen_encoder(models: dict[str, ConversionModel], job: Job) -> SalesEncoder:
    """The pre-trained encoder of the models, for the baseline and the picture of untouched embeddings."""
    from encoder.torch_encoder import SalesEncoder
    from modelling.saved.serving_folder import encoder_name

    if not models:
        raise InputError("There is no trained model to evaluate; train one with: python main.py --mode train")
    first = next(iter(models.values()))
    name = encoder_name({"encoder": first.encoder.identity.as_dict()})
    return SalesEncoder.load(name, keep_states=True, cache_folder=cache_folder(job.folder))
