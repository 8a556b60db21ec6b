"""Runs the cross-validation of models, a process for each seed, and keeps what was found seed by seed.

Not in `__main__.py`: processes that are started afresh can't import from a package's main module.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.cross_validation import Condition, FoldResult
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import file_sha256, write_json
from foundations.errors import InputError
from foundations.terminal import progress_bar
from stages.records import code_sha256

_CODE = ("model_registry", "evaluation.baselines", "generate_sales_data", "conversations.split")


class Task(NamedTuple):
    """One seed of one condition."""

    data: Path | None
    condition: Condition
    seed: int
    threads: int


def run(tasks: Sequence[Task], folder: Path, processes: int) -> dict[Task, list[FoldResult]]:
    """The results of each task, read from `folder` where the same data and code gave them before."""
    code = code_sha256(_CODE)
    wanted = {task: _inputs(task, code) for task in tasks}
    results = {task: found for task in tasks if (found := _kept(_path(folder, task), wanted[task])) is not None}
    missing = [task for task in tasks if task not in results]
    if not missing:
        return results
    context = multiprocessing.get_context("spawn")  # a fork would share half-used thread pools
    with (
        progress_bar(f"Cross-validating, {len(missing)} of {len(tasks)} seeds to go") as report,
        ProcessPoolExecutor(min(processes, len(missing)), context) as pool,
    ):
        running = {pool.submit(run_task, task): task for task in missing}
        for done, future in enumerate(as_completed(running), start=1):
            task = running[future]
            results[task] = future.result()
            rows = [row._asdict() for row in results[task]]
            write_json(_path(folder, task), {"inputs": wanted[task], "results": rows})
            report(done / len(missing))
    return results


def run_task(task: Task) -> list[FoldResult]:
    """All folds of one seed, in a process that keeps its encoder and what it encoded for the next task."""
    import torch

    from benchmarks.accuracy.cross_validation import cross_validate, synthetic
    from data_pipeline import read_conversations
    from encoder.torch_encoder import SalesEncoder
    from stages.job import cache_folder

    torch.set_num_threads(task.threads)
    if "encoder" not in _in_this_process:
        folder = cache_folder(ArtifactFolder())
        _in_this_process["encoder"] = SalesEncoder.load(keep_states=True, cache_folder=folder)
    encoder = _in_this_process["encoder"]
    if task.data is None:
        results = list(synthetic(encoder, task.seed))
    else:
        labelled = [c for c in read_conversations(task.data) if c.outcome is not None]
        results = list(cross_validate(encoder, labelled, task.seed, task.condition))
    encoder.keep_on_disk()
    return results


_in_this_process: dict[str, Any] = {}


def _inputs(task: Task, code: dict[str, str]) -> dict[str, Any]:
    try:
        data = file_sha256(task.data) if task.data else None
    except OSError as error:
        raise InputError(f"Cannot read {str(task.data)!r} ({error.strerror}); give a data file.") from error
    return {"data": data, "condition": task.condition, "seed": task.seed, "code": code}


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.data.stem if task.data else 'generated'}-{task.condition}-{task.seed}.json"


def _kept(path: Path, inputs: dict[str, Any]) -> list[FoldResult] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return [FoldResult(**row) for row in record["results"]] if record.get("inputs") == inputs else None
