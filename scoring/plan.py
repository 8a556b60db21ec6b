"""What a bulk job will score, planned once: its inputs cut into shards; and what a restart must have in common with it.

The folder that the plan is kept in is `scoring.job`, cutting a file is `scoring.cutting`. Costs one reading of the
inputs, for their SHA-256 and to find where rows begin.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from scoring.cutting import examine
from scoring.inputs import InputFile
from scoring.job import ScoringJob, Shard, Terms, read_job


def open_job(folder: Path, paths: Sequence[Path], terms: Terms, shard_rows: int, skip: bool) -> ScoringJob:
    """The job of a folder, begun now or by an earlier run, with its manifest written.

    skip: a file that can't be read is kept with its problem, else it is raised before anything is written. Raises
    InputError for a folder that holds something else, and where an earlier run had other terms or inputs; a job without a
    finished shard is planned anew, so that who corrects a file after its first bad row repeats the command.
    """
    folder = folder.absolute()
    begun = read_job(folder)
    if begun is not None and not _has_result(begun):
        begun.remove_scores()  # those of a shard that was stopped before its receipt: the new plan may have no such shard
        begun = None
    if begun is not None:
        _check_terms(begun, terms)
        _check_inputs(begun, paths)
        found = _planned_again(begun, shard_rows, skip)
    else:
        found = _planned(folder, paths, terms, shard_rows, skip)
    found.save()
    return found


def _has_result(job: ScoringJob) -> bool:
    return any(job.receipt(shard) for shard in job.shards)


def _planned(folder: Path, paths: Iterable[Path], terms: Terms, shard_rows: int, skip: bool) -> ScoringJob:
    job = ScoringJob(folder, terms, [], [])
    for path in paths:
        _add(job, len(job.files), path, shard_rows, skip)
    if not job.shards and not skip:
        raise InputError(f"{job.files[0].path} holds no conversation.")
    return job


def _add(job: ScoringJob, place: int, path: Path, shard_rows: int, skip: bool) -> None:
    try:
        file, cuts = examine(path, job.terms.reading, shard_rows)
    except InputError as error:
        if not skip:
            raise
        file, cuts = InputFile(str(path), problem=str(error)), []
    job.files[place : place + 1] = [file]
    job.shards += [Shard(len(job.shards) + n, place, cut) for n, cut in enumerate(cuts)]


def _planned_again(job: ScoringJob, shard_rows: int, skip: bool) -> ScoringJob:
    """Gives files another chance that couldn't be read before; what was planned stays as it is."""
    for place, file in enumerate(job.files):
        if file.problem:
            _add(job, place, Path(file.path), shard_rows, skip)
    return job


def _check_terms(job: ScoringJob, terms: Terms) -> None:
    begun, now = asdict(job.terms), asdict(terms)
    different = [name for name in begun if begun[name] != now[name]]
    if different:
        name = different[0]
        raise InputError(
            f"{str(job.folder)!r} was begun with {name.replace('_', ' ')} {begun[name]!r}, now it is {now[name]!r}; ask for "
            "the same as then, or give another --output."
        )


def _check_inputs(job: ScoringJob, paths: Sequence[Path]) -> None:
    begun = [file.path for file in job.files]
    odd = sorted(set(begun) ^ {str(path) for path in paths})
    if odd:
        known = "is no longer among the inputs" if odd[0] in begun else "was not among the inputs"
        raise InputError(f"{str(job.folder)!r} was begun with other inputs: {odd[0]!r} {known}; give another --output.")
    job.files = [file if file.problem else _same_as_then(job, file) for file in job.files]


def _same_as_then(job: ScoringJob, file: InputFile) -> InputFile:
    """The file with the time that it has now, by which workers know it. Raises InputError where it is another.

    Its bytes are read only where its time differs, as after a copy.
    """
    try:
        stat = os.stat(file.path)
        same = stat.st_size == file.size
        same = same and (stat.st_mtime_ns == file.modified or file_sha256(Path(file.path)) == file.sha256)
    except OSError as error:
        raise InputError(f"Cannot read {file.path!r} ({error.strerror or error}).") from error
    if not same:
        raise InputError(
            f"{file.path!r} was changed since {str(job.folder)!r} was begun; bring the old file back, or give "
            "another --output."
        )
    return replace(file, modified=stat.st_mtime_ns)
