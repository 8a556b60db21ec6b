"""`--mode learning-curve`: measures how the models do with less data, and writes table and picture.

Not part of a run without `--mode`, as it trains every model over and over: minutes for 200 short notes, longer for real
dialogues. Skipped like any stage where nothing changed. What is measured and how is `evaluation.learning_curve`.
"""

from __future__ import annotations

import json
from pathlib import Path

from conversations.reading.files import read_splits
from foundations.atomic_files import file_sha256, write_json
from foundations.terminal import console, progress_bar, say
from stages.job import (
    Job,
    cache_folder,
    encode_once,
    require_splits,
    sha256_or_none,
    split_files,
    unless_unchanged,
    wanted_models,
)
from stages.records import code_sha256

_CODE = ("evaluation.learning_curve", "evaluation.pictures.curves")


def learning_curve(job: Job) -> None:
    """Trains on ever more of the training split, prints the table and draws learning_curve.png."""
    require_splits(job)
    from evaluation.learning_curve import learning_curve_table

    inputs = {
        "splits": {path.name: file_sha256(path) for path in split_files(job)},
        "encoder": [job.encoder, sha256_or_none(Path(job.encoder) / "model.safetensors")],
        "models": wanted_models(job),
        "seed": job.seed,
        "code": code_sha256(_CODE),
    }
    measured = unless_unchanged(job, "learning curve", inputs, lambda: _measure(job))
    console.print(learning_curve_table(json.loads(job.folder.learning_curve.read_text(encoding="utf-8"))))
    if measured:
        say(f"Table {job.folder.learning_curve} and picture {_picture(job)}")


def _measure(job: Job) -> list[Path]:
    from encoder.torch_encoder import SalesEncoder
    from evaluation.learning_curve import measure_learning_curve
    from evaluation.pictures.curves import plot_learning_curve

    splits, names = read_splits(job.folder.data), wanted_models(job)
    encoder = SalesEncoder.load(job.encoder, keep_states=True, cache_folder=cache_folder(job.folder))
    encode_once(encoder, [*splits.learned_from, *splits.test])
    with progress_bar(f"Training {len(names)} models on ever more data") as report:
        curve = measure_learning_curve(encoder, splits, names, job.seed, report)
    write_json(job.folder.learning_curve, curve)
    plot_learning_curve(curve, _picture(job))
    return [job.folder.learning_curve, _picture(job)]


def _picture(job: Job) -> Path:
    return job.folder.reports / "learning_curve.png"
