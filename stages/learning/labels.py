"""`--mode labels`: the sentences that people labelled, as a file for Label Studio or Argilla."""

from __future__ import annotations

from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.settings import load_settings
from foundations.terminal import say
from learning.labels.exports import FORMATS
from learning.labels.labelled import all_labels
from stages.job import Job
from stages.learning.prediction_store import opened_store


def labels(job: Job) -> None:
    """Writes them to `--output`, newest first. Raises InputError where an option is missing or nothing was labelled."""
    if job.output is None or job.format is None:
        raise InputError("--mode labels needs --output FILE, and --format label-studio or argilla.")
    if job.format not in FORMATS:
        raise InputError(f"--format is {job.format!r}; there are {', '.join(FORMATS)}.")
    with opened_store(load_settings(artifacts=job.folder.root), may_be_new=True) as store:
        found = list(all_labels(store))
    if not found:
        raise InputError("No sentence is labelled yet; the page /app has a button at each signal.")
    write_json(job.output, [FORMATS[job.format](label) for label in found])
    wrong = sum(not label.right for label in found)
    say(f"{len(found)} labelled sentences, {wrong} of them corrections, written to {job.output} for {job.format}")
