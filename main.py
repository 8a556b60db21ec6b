"""The command line: generate → split → train → evaluate → serve, or one of these stages.

    python main.py                                   the whole job; unchanged stages are skipped
    python main.py --mode train --data deals.csv     train on your own labelled conversations
    python main.py --mode read --data calls          how a file or a folder is understood, before anything is trained
    python main.py --mode train --resume             go on after the last epoch of a training that was stopped
    python main.py --mode transcribe --data "calls/*.wav" --output calls.jsonl          recordings to transcripts
    python main.py --mode score --data open.csv --output scores.csv --rank
    python main.py --mode score --engine local --data "calls/*.jsonl" --output scored     millions, in shards
    python main.py --mode add --data closed.jsonl    more closed deals to find similar ones in, without training
    python main.py --mode feedback --data outcomes.csv       how predicted deals ended
    python main.py --mode retrain --after 50         learns from that, and serves what is not worse
    python main.py --mode learning-curve             how much data it takes; needs trained or split data
    python main.py --mode cache                      what is kept of the encoder's work; --clear empties it
    python main.py --mode forget --conversation-id c-17      deletes a conversation everywhere
    python main.py --mode sync --crm hubspot --dry-run       what scores a CRM's deals would get

Exit code 0: done; 2: bad usage or input, said in one sentence. The stages themselves are `data_pipeline`,
`evaluation_framework`, `deployment_system` and the modules of `stages`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from conversations.formats.options import ReadingOptions
from conversations.reading.files import read_splits
from data_pipeline import prepare_data
from foundations.artifact_folder import DEFAULT_ARTIFACTS, ArtifactFolder
from foundations.atomic_files import keep_private
from foundations.errors import InputError
from foundations.terminal import console
from modelling.names import AUTO, MODEL_NAMES, STARTER
from modelling.processes import TrainingProcesses, joined_processes, training_processes
from stages.forgetting import forget
from stages.job import (
    BulkOptions,
    GenerateOptions,
    Job,
    RetrainOptions,
    ScoreOptions,
    ServeOptions,
    SyncOptions,
    split_files,
)
from stages.learning_curve import learning_curve
from stages.options import options_parser
from stages.reading import read
from stages.scoring import score
from stages.similarity import add
from stages.sync import sync
from stages.training import train
from stages.transcribing import shown_hearing, transcribe
from stages.upkeep import cache, purge


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    given = vars(options_parser(MODES).parse_args(arguments))
    with joined_processes() as processes:
        try:
            _run(given, processes)
        except ModuleNotFoundError as error:  # requirements/serving.txt leaves out what only training needs
            message = f"needs the package {error.name!r}: pip install -r requirements.txt"
            return _say_error(f"--mode {given['mode']} {message}", processes)
        except InputError as error:
            return _say_error(str(error), processes)
        except KeyboardInterrupt:
            return 130  # as a shell reports a program that was stopped by hand
    return 0


def _run(given: dict[str, Any], processes: TrainingProcesses) -> None:
    console.quiet = processes.rank > 0
    options = dict(given)
    mode, artifacts = options.pop("mode"), options.pop("artifacts")
    meant = ReadingOptions.given(options.pop("column"), options.pop("won"), options.pop("lost"))
    reading = replace(meant, speech_model=options.pop("speech_model"))
    if processes.size > 1 and mode != "train":
        raise InputError(f"Several processes train together: start torchrun with --mode train, not --mode {mode}.")
    folder = ArtifactFolder(artifacts or _default_artifacts(mode))
    if folder.stage_records.exists():  # else these may be folders of somebody else's
        keep_private(*folder.parts)
    job = _job(folder, reading, options)
    with shown_hearing():
        MODES[mode](job)


def _job(folder: ArtifactFolder, reading: ReadingOptions, given: Mapping[str, Any]) -> Job:
    """Options that several modes share, and those of single modes put together."""
    of_modes = {
        "generate": GenerateOptions,
        "score": ScoreOptions,
        "bulk": BulkOptions,
        "serve": ServeOptions,
        "retrain": RetrainOptions,
        "sync": SyncOptions,
    }
    parts = {name: kind(**_those_of(kind, given)) for name, kind in of_modes.items()}
    shared = {name: value for name, value in _those_of(Job, given).items() if name not in parts and value is not None}
    if "outcomes" in shared and "data" not in shared:
        raise InputError(
            f"--outcomes {str(shared['outcomes'])!r} needs --data: the recordings whose outcomes it holds."
        )
    return Job(**shared, **parts, folder=folder, reading=reading)


def _those_of(kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: given[field.name] for field in fields(kind) if field.name in given}


def _default_artifacts(mode: str) -> Path:
    """Where no --artifacts is given: the service has a setting of its own for it."""
    if mode not in ("deploy", "purge", "forget", "feedback", "retrain", "suggest", "labels", "sync"):
        return DEFAULT_ARTIFACTS
    from foundations.settings import load_settings

    return load_settings().artifacts


def _say_error(sentence: str, processes: TrainingProcesses) -> int:
    Console(stderr=True, soft_wrap=True, emoji=False, quiet=processes.rank > 0).print(
        f"[bold red]Error:[/] {escape(sentence)}"
    )
    return 2


def generate(job: Job) -> None:
    """`--mode generate`; imported only now, as the next two: `--help` needs nothing of them, and serving has no Faker."""
    import generate_sales_data

    generate_sales_data.generate(job)


def evaluate(job: Job) -> None:
    """`--mode evaluate`."""
    import evaluation_framework

    evaluation_framework.evaluate(job)


def deploy(job: Job) -> None:
    """`--mode deploy`."""
    import deployment_system

    deployment_system.deploy(job)


def agents(job: Job) -> None:
    """`--mode agents`."""
    import deployment_system

    deployment_system.agents(job)


def feedback(job: Job) -> None:
    """`--mode feedback`; imported only now, as the next one: nothing else here needs the database's libraries."""
    from stages.learning.feedback import take_in

    take_in(job)


def retrain(job: Job) -> None:
    """`--mode retrain`."""
    from stages.learning.retraining import retrain_served

    retrain_served(job)


def run_whole_job(job: Job) -> None:
    """generate → split → train → evaluate → serve, skipping what is up to date."""
    if job.data is None:
        generate(job)
    prepare_data(job)
    train(job)
    evaluate(replace(job, data=None))  # on the test split; `--mode evaluate --data` is for a file of its own
    serve_afresh(job)


def serve_afresh(job: Job) -> NoReturn:
    """Turns this process into one of `--mode deploy`, so that serving does not keep the memory that training took."""
    options = {"artifacts": job.folder.root, **asdict(job.serve)}
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    sys.stdout.flush()  # what is not written yet would be lost
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, __file__, "--mode=deploy", *given])


def train_from_data(job: Job) -> None:
    """`--mode train`: generates the default data set where no `--data` is given, splits, trains."""

    def prepare() -> None:
        if job.data is None:
            generate(job)
        prepare_data(job)

    training_processes().first_alone(prepare)
    train(job)


def try_out(job: Job) -> None:
    """`--mode try`, and what `python few_shot_model.py` and the other models' files do.

    Trains one model where it is not trained, and shows its test figures and a few test predictions.
    """
    from evaluation.dataset import check_same_training
    from evaluation.tables import model_tables
    from model_registry import artifact_path, load_model

    if job.model in (None, "all", AUTO):
        raise InputError(f"--mode try needs --model and one of {', '.join(MODEL_NAMES)}.")
    name = str(job.model)
    if not artifact_path(job.folder, name).exists():
        if not os.path.isfile(split_files(job)[0]):
            generate(job)
            prepare_data(job)
        train(job)
    model, splits = load_model(job.folder, name), read_splits(job.folder.data)
    check_same_training({name: model}, splits.learned_from)
    console.print(*model_tables(model, splits.test))


def score_deals(job: Job) -> None:
    """`--mode score`; the starter needs no deals of yours, so where it is not there yet it is made at once."""
    from model_registry import artifact_path

    if job.model == STARTER and not artifact_path(job.folder, STARTER).exists():
        train_from_data(replace(job, data=None, outcomes=None, output=None, reading=ReadingOptions()))
    score(job)


def learn_from_less(job: Job) -> None:
    """`--mode learning-curve`: on the splits there are, or on those of `--data`."""
    if job.data is not None:
        prepare_data(job)
    learning_curve(job)


def suggest(job: Job) -> None:
    """`--mode suggest`; imported only now, as the next two: `--help` needs no database."""
    from stages.learning.suggesting import suggest

    suggest(job)


def labels(job: Job) -> None:
    """`--mode labels`."""
    from stages.learning.labels import labels

    labels(job)


def search_settings(job: Job) -> None:
    """`--mode tune`: on the splits there are, or on those of `--data`."""
    from stages.learning.tuning import tune

    if job.data is not None:
        prepare_data(job)
    tune(job)


MODES: dict[str, Callable[[Job], None]] = {
    "all": run_whole_job,
    "generate": generate,
    "read": read,
    "train": train_from_data,
    "evaluate": evaluate,
    "deploy": deploy,
    "agents": agents,
    "score": score_deals,
    "add": add,
    "purge": purge,
    "forget": forget,
    "feedback": feedback,
    "retrain": retrain,
    "learning-curve": learn_from_less,
    "try": try_out,
    "cache": cache,
    "suggest": suggest,
    "labels": labels,
    "tune": search_settings,
    "sync": sync,
    "transcribe": transcribe,
}


if __name__ == "__main__":
    sys.exit(main())
