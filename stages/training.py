"""The stage of a run that trains the models, each skipped where it is unchanged, and indexes their conversations.

Torch is imported only where something is trained, so that a run with nothing to do starts serving within seconds. With
`torchrun` every process trains, and the first alone writes files (`modelling.processes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversations.reading.files import read_splits
from conversations.split import DataSplits
from encoder.layout import FOLDER_FILES
from foundations.atomic_files import file_sha256, json_text
from foundations.machine import give_large_blocks_back_at_once, put_aside_what_stays, release_unused_memory
from foundations.settings import load_settings
from foundations.terminal import progress_bar, say
from modelling.checkpoints import Checkpoints
from modelling.names import ENSEMBLE
from modelling.processes import training_processes
from signals.sentences import read_training_sentences
from stages.job import (
    Job,
    cache_folder,
    check_vectors_differ,
    encode_once,
    is_up_to_date,
    require_splits,
    sha256_or_none,
    split_files,
    wanted_models,
)
from stages.records import code_sha256
from stages.signals import make_signals, signals_up_to_date
from stages.similarity import index_conversations

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder
    from modelling.conversion_model import ConversionModel


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
    splits = read_splits(job.folder.data)
    processes.first_alone(lambda: _say_whose_settings_are_none(job, names))
    encoder = training_encoder(job)
    if signals_wanted:
        processes.first_alone(lambda: make_signals(job, encoder, splits.learned_from))
        encoder.keep_on_disk(refresh=True)
    if names:
        encode_once(encoder, splits.learned_from)
        check_vectors_differ(encoder, splits.learned_from)
    checkpoints = _checkpoints(job, names)
    fitted: dict[str, ConversionModel] = {}
    for name in names:
        fitted[name] = _fitted(name, encoder, splits, job, checkpoints, fitted)
        release_unused_memory()  # what training needed is not needed to export
        processes.first_alone(partial(_save, job, fitted[name], inputs[name]))
        release_unused_memory()
    processes.first_alone(checkpoints.clear)


def training_encoder(job: Job) -> SalesEncoder:
    """The run's encoder, with its cache. Raises InputError where there is none of that name."""
    from encoder.torch_encoder import SalesEncoder

    give_large_blocks_back_at_once()
    encoder = SalesEncoder.load(job.encoder, keep_states=True, cache_folder=cache_folder(job.folder))
    put_aside_what_stays()
    for notice in encoder.notices:
        say(f"Notice: {notice}", style="yellow")
    return encoder


def _fitted(
    name: str,
    encoder: SalesEncoder,
    splits: DataSplits,
    job: Job,
    checkpoints: Checkpoints,
    others: Mapping[str, ConversionModel],
) -> ConversionModel:
    from model_registry import model_class

    model = model_class(name)(encoder, given_settings(job).get(name), job.seed)
    model.reuse(others)
    model.checkpoints = checkpoints
    with progress_bar(f"Training {name}") as report:
        model.fit(splits.train, splits.validation, report)
    return model


def _say_whose_settings_are_none(job: Job, names: Sequence[str]) -> None:
    """Settings of a model are not those of the ensemble's member of that name, which somebody may expect."""
    others = sorted(given_settings(job).keys() - {ENSEMBLE})
    if ENSEMBLE in names and others:
        named = f"those of {', '.join(others)} in {job.settings}"
        say(f"Notice: the ensemble's members keep their default settings, not {named}", style="yellow")


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
    from model_registry import artifact_path
    from modelling.saved.artifact import manifest_path
    from modelling.saved.serving_folder import serving_folder

    path = artifact_path(job.folder, model.name)
    model.save(path, also_read=read_training_sentences().texts, spared=_versions_in_use(job, model.name))
    log_loss = model.record.cross_validation_metrics["log_loss"]
    say(f"{model.title}: cross-validated log loss {log_loss:.3f}, saved {path}")
    outputs = [path, manifest_path(path), *sorted(serving_folder(path).iterdir())]
    job.records.remember(f"train {model.name}", inputs, outputs)


def _versions_in_use(job: Job, model: str) -> set[str] | None:
    """The versions of a model that no training may delete, as a service needs them; None: of all it isn't known."""
    from learning.served_versions import versions_in_use

    in_use = versions_in_use(load_settings(artifacts=job.folder.root))
    if in_use is None:
        say(
            f"The database that says which versions are served can't be reached, so no old version of {model} was deleted",
            style="yellow",
        )
        return None
    return in_use.get(model, set())


def _training_inputs(job: Job, name: str) -> dict[str, Any]:
    from model_registry import model_class

    return {
        "splits": {path.name: file_sha256(path) for path in split_files(job)},
        "encoder": [job.encoder, {name: sha256_or_none(Path(job.encoder) / name) for name in FOLDER_FILES}],
        "seed": job.seed,
        "code": code_sha256([model_class(name).__module__]),
        **({"settings": json_text(asdict(chosen))} if (chosen := given_settings(job).get(name)) else {}),
    }


def given_settings(job: Job) -> dict[str, Any]:
    """Settings of models by name, as `--settings` has them. Raises InputError where they are wrong."""
    if job.settings is None:
        return {}
    from learning.tuning.settings_file import read_settings

    return read_settings(job.settings)
