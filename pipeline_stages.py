"""The stages of a run, each with its inputs, its outputs, and what a person sees of it.

Every stage is skipped where its inputs have not changed since its outputs were written (`stage_records`), unless
`--force` is given. Torch is imported only by the stages that need it, so that a run with nothing to do starts serving
within seconds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifact_folder import ArtifactFolder
from atomic_files import file_sha256, write_json
from batch_scoring import check_score_output, score_conversations, write_scores
from comparison_table import comparison_table
from conversation_split import SplitBy
from data_pipeline import (
    SPLIT_FILES,
    Conversation,
    read_conversations,
    read_splits,
    split_conversations,
    write_splits,
)
from input_error import InputError
from model_names import AUTO, MODEL_NAMES
from process_memory import release_unused_memory
from research_corpora import companion_files
from stage_records import StageRecords, code_sha256
from terminal import console, progress_bar, say

if TYPE_CHECKING:
    from conversion_model import ConversionModel
    from sales_encoder import SalesEncoder

_ENCODED_AT_ONCE = 512  # texts between two steps of the progress bar

# The modules that do each stage's work; what they import counts with them.
_GENERATE_CODE = ("generate_sales_data", "sales_phrasings.json")
_DATA_CODE = ("data_pipeline", "dataset_plots")
_INDEX_CODE = ("similar_index",)
_EVALUATE_CODE = ("evaluation_framework", "evaluation_plots")
_LARGEST_SEED = 2**32 - 1  # that numpy and scikit-learn accept


@dataclass(frozen=True)
class Job:
    """The options of the command line."""

    folder: ArtifactFolder
    data: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)  # our field: the data's column
    split: SplitBy = "group"
    output: Path | None = None
    encoder: str = "bundled"
    model: str | None = None
    seed: int = 42
    force: bool = False
    count: int = 200
    noise: float = 0.02
    rank: bool = False
    host: str | None = None
    port: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise InputError(f"The seed {self.seed} is out of range; give a whole number from 0 to {_LARGEST_SEED}.")

    @property
    def records(self) -> StageRecords:
        """What earlier runs in this artifact folder did."""
        return StageRecords(self.folder.stage_records)


def generate(job: Job) -> None:
    """Writes the synthetic conversations and prints how hard they are."""
    output = job.output or job.folder.generated_data
    inputs = {"count": job.count, "seed": job.seed, "noise": job.noise, "code": code_sha256(_GENERATE_CODE)}
    if _skip(job, f"generate {output}", inputs):
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
    source = job.data or job.folder.generated_data
    inputs = {
        "data": _data_inputs(source, job.columns),
        "split": job.split,
        "seed": job.seed,
        "code": code_sha256(_DATA_CODE),
    }
    if _skip(job, "split", inputs):
        return
    from dataset_plots import plot_dataset_distribution

    splits = split_conversations(read_conversations(source, job.columns), job.seed, job.split)
    for warning in splits.warnings:
        say(f"Warning: {warning}", style="yellow")
    write_splits(splits, job.folder.data)
    picture = job.folder.reports / "dataset_distribution.png"
    plot_dataset_distribution(splits, picture)
    console.print(f"Split: {len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test")
    job.records.remember("split", inputs, [*_split_files(job), picture])


def train(job: Job) -> None:
    """Trains the wanted models on the training split, each a stage of its own, and indexes its conversations."""
    _require_splits(job)
    _train_models(job)
    index_conversations(job)


def index_conversations(job: Job) -> None:
    """Writes the index that similar conversations are found in."""
    inputs = _index_inputs(job)
    if _skip(job, "index", inputs):
        return
    from similar_index import build_similar_index

    with progress_bar("Indexing the training conversations") as report:
        files = build_similar_index(job.folder, report)
    release_unused_memory()
    job.records.remember("index", inputs, files)


def add(job: Job) -> None:
    """Adds the closed conversations of `--data` to those that similar ones are looked for in; trains nothing."""
    if job.data is None:
        raise InputError("--mode add needs --data FILE with closed conversations.")
    conversations = read_conversations(job.data, job.columns)
    _require_splits(job)
    index_conversations(replace(job, force=False))
    from similar_index import add_closed_conversations

    with progress_bar(f"Adding {len(conversations)} conversations") as report:
        added, files = add_closed_conversations(job.folder, conversations, report)
    job.records.remember("index", _index_inputs(job), files)
    still_open = sum(conversation.outcome is None for conversation in conversations)
    left_out = f"; {still_open} without an outcome left out" if still_open else ""
    say(f"{added.new} conversations added, {added.replaced} replaced{left_out}; they are found from now on")


def _train_models(job: Job) -> None:
    inputs = {name: _training_inputs(job, name) for name in _wanted_models(job)}
    names = [name for name in inputs if not _skip(job, f"train {name}", inputs[name])]
    if not names:
        return
    from conversion_model import serving_folder
    from model_artifact import manifest_path
    from model_registry import artifact_path, model_class
    from sales_encoder import SalesEncoder

    splits = read_splits(job.folder.data)
    encoder = SalesEncoder.load(job.encoder, keep_states=True)
    _encode(encoder, [*splits.train, *splits.validation])
    fitted: dict[str, ConversionModel] = {}
    for name in names:
        model = model_class(name)(encoder, seed=job.seed)
        model.reuse(fitted)
        with progress_bar(f"Training {name}") as report:
            model.fit(splits.train, splits.validation, report)
        fitted[name] = model
        release_unused_memory()  # what training needed is not needed to export
        path = artifact_path(job.folder, name)
        model.save(path)
        release_unused_memory()
        log_loss = model.cross_validation_metrics["log_loss"]
        say(f"{model.title}: cross-validated log loss {log_loss:.3f}, saved {path}")
        outputs = [path, manifest_path(path), *sorted(serving_folder(path).iterdir())]
        job.records.remember(f"train {name}", inputs[name], outputs)


def evaluate(job: Job) -> None:
    """Evaluates on the test split, or on every labelled record of `--data`, and prints the table of the report."""
    _require_splits(job)
    inputs = {
        "models": _trained_files(job),
        "splits": {path.name: file_sha256(path) for path in _split_files(job)},
        "model": _wanted_models(job),
        "data": [str(job.data), _data_inputs(job.data, job.columns)] if job.data else None,
        "code": code_sha256(_EVALUATE_CODE),
    }
    if _skip(job, "evaluate", inputs):
        console.print(comparison_table(json.loads(job.folder.report.read_text(encoding="utf-8")), console.width))
        return
    from evaluation_framework import evaluate as evaluate_models
    from evaluation_framework import write_report
    from evaluation_plots import write_pictures

    splits = read_splits(job.folder.data)
    evaluated = read_conversations(job.data, job.columns) if job.data else splits.test
    models = _load_models(job)
    encoder = _frozen_encoder(models)
    _encode(encoder, [*splits.train, *evaluated])
    with progress_bar("Evaluating, in a fresh process for each model's speed and memory") as report:
        evaluation = evaluate_models(models, splits.train, evaluated, encoder, job.folder, report)
    write_report(evaluation, job.folder)
    with progress_bar("Drawing pictures"):
        pictures = write_pictures(evaluation, job.folder)
    console.print(comparison_table(evaluation.report, console.width))
    say(f"Report and {len(pictures)} pictures in {job.folder.reports}")
    job.records.remember("evaluate", inputs, [job.folder.report, *pictures])


def score(job: Job) -> None:
    """Writes the probability of every conversation of `--data`, labelled or not, to `--output`."""
    if job.data is None or job.output is None:
        raise InputError("--mode score needs --data FILE and --output FILE.jsonl or FILE.csv.")
    check_score_output(job.output)
    if job.output.resolve() == job.data.resolve():
        raise InputError(f"The output {str(job.output)!r} is the data file itself; give another name.")
    conversations = read_conversations(job.data, job.columns)
    from model_registry import load_model

    if job.model == "all":
        raise InputError("--model 'all' can't score; give one model, or 'auto' for the best.")
    model = load_model(job.folder, job.model or AUTO)
    with progress_bar(f"Scoring {len(conversations)} conversations with {model.name}") as report:
        rows = score_conversations(model, conversations, job.rank, report)
    write_scores(job.output, rows)
    say(f"{len(rows)} scores in {job.output}")


def deploy(job: Job) -> None:
    """Serves until stopped."""
    from deployment_system import run_server
    from settings import load_settings

    settings = load_settings(artifacts=job.folder.root, host=job.host, port=job.port)
    page = f"http://{settings.host}:{settings.port}/docs"
    say(f"Serving the models of {job.folder.models}: open {page} (Ctrl-C stops)", style="bold")
    run_server(settings)


def _skip(job: Job, stage: str, inputs: dict[str, Any]) -> bool:
    if job.force or not job.records.is_current(stage, inputs):
        return False
    say(f"{stage}: unchanged since the last run, skipped (--force redoes it)", style="dim")
    return True


def _training_inputs(job: Job, name: str) -> dict[str, Any]:
    code = "contrastive_learning_model" if name == "contrastive" else f"{name}_model"
    return {
        "splits": {path.name: file_sha256(path) for path in _split_files(job)},
        "encoder": [job.encoder, _sha256_or_none(Path(job.encoder) / "model.safetensors")],
        "seed": job.seed,
        "code": code_sha256([code]),
    }


def _index_inputs(job: Job) -> dict[str, Any]:
    from conversion_model import serving_folder
    from model_registry import artifact_path, embedding_model_name
    from serving_artifact import MANIFEST

    name = embedding_model_name(job.folder)
    return {
        "model": [name, _sha256_or_none(serving_folder(artifact_path(job.folder, name)) / MANIFEST)],
        "training": file_sha256(job.folder.data / SPLIT_FILES["train"]),
        "added": _sha256_or_none(job.folder.added_conversations),
        "code": code_sha256(_INDEX_CODE),
    }


def _load_models(job: Job) -> dict[str, ConversionModel]:
    from model_registry import load_model, trained_models

    names = [name for name in trained_models(job.folder) if job.model in (None, "all", AUTO, name)]
    if not names and job.model not in (None, "all", AUTO):
        names = [str(job.model)]  # not trained: loading it raises the error that says how to train it
    return {name: load_model(job.folder, name) for name in names}


def _frozen_encoder(models: dict[str, ConversionModel]) -> SalesEncoder:
    """The pre-trained encoder of the models, for the baseline and the picture of untouched embeddings."""
    from conversion_model import encoder_name
    from sales_encoder import SalesEncoder

    if not models:
        raise InputError("There is no trained model to evaluate; train one with: python main.py --mode train")
    first = next(iter(models.values()))
    return SalesEncoder.load(encoder_name({"encoder": first.encoder.identity.as_dict()}), keep_states=True)


def _encode(encoder: SalesEncoder, conversations: Sequence[Conversation]) -> None:
    """Runs the encoder once over every text, with a bar; the models then find the vectors in its memory."""
    from conversation_vectors import segment_conversations

    texts = list(dict.fromkeys(segment_conversations(encoder, conversations).texts))
    texts.sort(key=len)
    with progress_bar(f"Encoding {len(conversations)} conversations") as report:
        for start in range(0, len(texts), _ENCODED_AT_ONCE):
            encoder.embed_texts(texts[start : start + _ENCODED_AT_ONCE])
            report(min(1.0, (start + _ENCODED_AT_ONCE) / len(texts)))


def _wanted_models(job: Job) -> list[str]:
    return list(MODEL_NAMES) if job.model in (None, "all", "auto") else [str(job.model)]


def _require_splits(job: Job) -> None:
    missing = [path for path in _split_files(job) if not os.path.isfile(path)]
    if missing:
        raise InputError(f"There is no {str(missing[0])!r}; make it with: python main.py --mode train --data FILE")


def _split_files(job: Job) -> list[Path]:
    return [job.folder.data / name for name in SPLIT_FILES.values()]


def _data_inputs(data: Path, columns: Mapping[str, str]) -> dict[str, Any]:
    """All that decides which conversations a data file holds."""
    beside = {path.name: _sha256_or_none(path) for path in companion_files(data)}
    return {"file": _sha256_or_none(data), "beside": beside, "columns": dict(columns)}


def _sha256_or_none(path: Path) -> str | None:
    """None for what can't be read: whatever reads it next has the error that says why."""
    try:
        return file_sha256(path)
    except OSError:
        return None


def _trained_files(job: Job) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(job.folder.models.glob("*.manifest.json"))}
