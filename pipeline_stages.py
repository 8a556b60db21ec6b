"""The stages of a run, each with its inputs, its outputs, and what a person sees of it.

Every stage is skipped where its inputs have not changed since its outputs were written (`stage_records`), unless
`--force` is given. Torch is imported only by the stages that need it, so that a run with nothing to do starts serving
within seconds. What all stages share is `pipeline_job`; `--mode add` is in `similar_stage`,
`--mode score` in `scoring_stage`, `--mode learning-curve` in `learning_curve_stage`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomic_files import file_sha256, write_json, write_text
from cache_stage import cache_folder
from comparison_table import comparison_table
from conversation_split import check_words_differ
from data_pipeline import Conversation, read_conversations, read_splits, split_conversations, write_splits
from encoder_layout import FOLDER_FILES
from input_error import InputError
from model_names import AUTO
from pipeline_job import (
    Job,
    check_vectors_differ,
    data_inputs,
    encode_once,
    is_up_to_date,
    require_splits,
    sha256_or_none,
    split_files,
    wanted_models,
)
from process_memory import put_aside_what_stays, release_unused_memory
from signal_stage import draw_signals, make_signals, signals_up_to_date
from similar_stage import index_conversations
from stage_records import code_sha256
from terminal import console, progress_bar, say
from training_checkpoint import Checkpoints
from training_processes import training_processes

if TYPE_CHECKING:
    from conversion_model import ConversionModel
    from evaluation_data import Origin
    from sales_encoder import SalesEncoder

# The modules that do each stage's work; what they import counts with them.
_GENERATE_CODE = ("generate_sales_data", "sales_phrasings.json")
_DATA_CODE = ("data_pipeline", "dataset_plots")
_EVALUATE_CODE = ("evaluation_framework", "evaluation_plots", "signal_plots", "signal_artifact")


def generate(job: Job) -> None:
    """Writes the synthetic conversations and prints how hard they are."""
    output = job.output or job.folder.generated_data
    inputs = {"count": job.count, "seed": job.seed, "noise": job.noise, "code": code_sha256(_GENERATE_CODE)}
    if is_up_to_date(job, f"generate {output}", inputs):
        return
    from generate_sales_data import generate_conversations
    from generated_data_checks import check_generated, difficulty_table

    with progress_bar("Generating conversations") as report:
        records = generate_conversations(job.count, job.seed, job.noise)
        write_json(output, records)
        report(0.1)
        figures = check_generated(records, job.seed)
    say(f"{len(records)} conversations in {output}")
    console.print(difficulty_table(figures))
    job.records.remember(f"generate {output}", inputs, [output])


def prepare_data(job: Job) -> None:
    """Reads, validates and splits the conversations, and draws their distribution."""
    source = job.data or job.output or job.folder.generated_data  # where it was generated, if it was
    inputs = {
        "data": data_inputs(source, job.columns),
        "source": source.name,
        "split": job.split,
        "seed": job.seed,
        "code": code_sha256(_DATA_CODE),
    }
    if is_up_to_date(job, "split", inputs):
        return
    from dataset_plots import plot_dataset_distribution

    splits = split_conversations(read_conversations(source, job.columns), job.seed, job.split)
    check_words_differ(splits.learned_from)
    for warning in splits.warnings:
        say(f"Warning: {warning}", style="yellow")
    write_splits(splits, job.folder.data)
    picture = job.folder.reports / "dataset_distribution.png"
    plot_dataset_distribution(splits, picture)
    console.print(f"Split: {len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test")
    job.records.remember("split", inputs, [*split_files(job), picture])


def train(job: Job) -> None:
    """Trains the wanted models on the training split, each a stage of its own, and indexes its conversations."""
    training_processes().first_alone(lambda: require_splits(job))
    _train_models(job)
    training_processes().first_alone(lambda: index_conversations(job))


def _train_models(job: Job) -> None:
    processes = training_processes()
    inputs = {name: _training_inputs(job, name) for name in wanted_models(job)}
    names, signals_wanted = processes.first_alone(lambda: (_changed(job, inputs), not signals_up_to_date(job)))
    if not names and not signals_wanted:
        return
    from model_registry import model_class
    from sales_encoder import SalesEncoder

    splits = read_splits(job.folder.data)
    encoder = SalesEncoder.load(job.encoder, keep_states=True, cache_folder=cache_folder(job.folder))
    put_aside_what_stays()
    for notice in encoder.notices:
        say(f"Notice: {notice}", style="yellow")
    if signals_wanted:
        processes.first_alone(lambda: make_signals(job, encoder, splits.learned_from))
        encoder.keep_on_disk(refresh=True)
    if names:
        encode_once(encoder, splits.learned_from)
        check_vectors_differ(encoder, splits.learned_from)
    checkpoints = _checkpoints(job, names)
    fitted: dict[str, ConversionModel] = {}
    for name in names:
        model = model_class(name)(encoder, seed=job.seed)
        model.reuse(fitted)
        model.checkpoints = checkpoints
        with progress_bar(f"Training {name}") as report:
            model.fit(splits.train, splits.validation, report)
        fitted[name] = model
        release_unused_memory()  # what training needed is not needed to export
        processes.first_alone(partial(_save, job, model, inputs[name]))
        release_unused_memory()
    processes.first_alone(checkpoints.clear)


def _changed(job: Job, inputs: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in inputs if not is_up_to_date(job, f"train {name}", inputs[name])]


def _checkpoints(job: Job, names: Sequence[str]) -> Checkpoints:
    checkpoints = Checkpoints(job.folder.checkpoints, job.resume, lambda sentence: say(sentence, style="yellow"))
    if names and not job.resume and checkpoints.found():
        say(f"A training was stopped and left {job.folder.checkpoints}; --resume would go on with it", style="yellow")
    if names and job.resume and not checkpoints.found():
        say(f"There is no checkpoint in {job.folder.checkpoints}: nothing to resume", style="yellow")
    return checkpoints


def _save(job: Job, model: ConversionModel, inputs: dict[str, Any]) -> None:
    from model_artifact import manifest_path
    from model_registry import artifact_path
    from saved_model import serving_folder

    path = artifact_path(job.folder, model.name)
    model.save(path)
    log_loss = model.cross_validation_metrics["log_loss"]
    say(f"{model.title}: cross-validated log loss {log_loss:.3f}, saved {path}")
    outputs = [path, manifest_path(path), *sorted(serving_folder(path).iterdir())]
    job.records.remember(f"train {model.name}", inputs, outputs)


def evaluate(job: Job) -> None:
    """Evaluates on the test split, or on every labelled record of `--data`, and prints the table of the report."""
    require_splits(job)
    inputs = {
        "models": _trained_files(job),
        "signals": sha256_or_none(job.folder.signals / "manifest.json"),
        "splits": {path.name: file_sha256(path) for path in split_files(job)},
        "model": wanted_models(job),
        "data": [str(job.data), data_inputs(job.data, job.columns)] if job.data else None,
        "code": code_sha256(_EVALUATE_CODE),
    }
    if is_up_to_date(job, "evaluate", inputs):
        last = json.loads(job.folder.report.read_text(encoding="utf-8"))
        console.print(comparison_table(last, console.width))
        say(last["verdict"]["sentence"], style="bold")
        return
    from evaluation_data import check_same_training
    from evaluation_framework import evaluate as evaluate_models
    from evaluation_framework import write_report
    from evaluation_plots import write_pictures
    from model_card import model_card

    splits = read_splits(job.folder.data)
    evaluated = read_conversations(job.data, job.columns) if job.data else splits.test
    models = _load_models(job)
    check_same_training(models, splits.learned_from)
    encoder = _frozen_encoder(models, job)
    encode_once(encoder, [*splits.learned_from, *evaluated])
    with progress_bar("Evaluating, in a fresh process for each model's speed and memory") as report:
        evaluation = evaluate_models(
            models, splits.learned_from, evaluated, encoder, job.folder, report, origin=_origin(job, splits.validation)
        )
    write_report(evaluation, job.folder)
    write_text(job.folder.model_card, model_card(evaluation.report))
    with progress_bar("Drawing pictures"):
        drawn = [*write_pictures(evaluation, job.folder), *draw_signals(job, evaluated)]
    console.print(comparison_table(evaluation.report, console.width))
    pictures = sum(path.suffix == ".png" for path in drawn)
    say(f"Report, model card and {pictures} pictures in {job.folder.reports}")
    say(evaluation.report["verdict"]["sentence"], style="bold")
    job.records.remember("evaluate", inputs, [job.folder.report, job.folder.model_card, *drawn])


def deploy(job: Job) -> None:
    """Serves until stopped."""
    from service_process import run_server
    from settings import load_settings

    settings = load_settings(artifacts=job.folder.root, host=job.host, port=job.port, workers=job.workers)
    page = f"http://{settings.host}:{settings.port}/app"
    said = f"Serving the models of {job.folder.models}: open {page} (Ctrl-C stops)"
    run_server(settings, announce=lambda: say(said, style="bold"))


def purge(job: Job) -> None:
    """Deletes stored predictions that are older than SALES_RETENTION_DAYS."""
    from database_engine import StoreAwayError
    from prediction_store import PredictionStore
    from settings import load_settings

    settings = load_settings(artifacts=job.folder.root)
    before = datetime.now(UTC) - timedelta(days=settings.retention_days)
    store = PredictionStore(settings.database)
    try:
        with progress_bar("purge") as progress:
            removed = store.purge(before, progress)
    except StoreAwayError as error:
        raise InputError(f"The prediction database can't be used ({error.reason}); see SALES_DATABASE_URL.") from error
    finally:
        store.close()
    say(f"{removed} predictions from before {before:%Y-%m-%d %H:%M} UTC deleted (SALES_RETENTION_DAYS)")


def _training_inputs(job: Job, name: str) -> dict[str, Any]:
    code = "contrastive_learning_model" if name == "contrastive" else f"{name}_model"
    return {
        "splits": {path.name: file_sha256(path) for path in split_files(job)},
        "encoder": [job.encoder, {name: sha256_or_none(Path(job.encoder) / name) for name in FOLDER_FILES}],
        "seed": job.seed,
        "code": code_sha256([code]),
    }


def _origin(job: Job, validation: Sequence[Conversation]) -> Origin:
    from evaluation_data import Origin

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
    from sales_encoder import SalesEncoder
    from saved_model import encoder_name

    if not models:
        raise InputError("There is no trained model to evaluate; train one with: python main.py --mode train")
    first = next(iter(models.values()))
    name = encoder_name({"encoder": first.encoder.identity.as_dict()})
    return SalesEncoder.load(name, keep_states=True, cache_folder=cache_folder(job.folder))


def _trained_files(job: Job) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(job.folder.models.glob("*.manifest.json"))}
