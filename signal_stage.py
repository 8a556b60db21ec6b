"""The signal detector in a run: trained once for an encoder, as a part of training, and drawn as a part of evaluation.

It learns from our own sentences, so no data of the user decide whether it is up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversation import Conversation, labels_of
from pipeline_job import Job, is_up_to_date, sha256_or_none
from processor_cores import available_cores
from stage_records import code_sha256
from terminal import progress_bar, say

if TYPE_CHECKING:
    from sales_encoder import SalesEncoder

_STAGE = "train signals"
_CODE = ("signal_artifact", "signal_training", "signal_sentences.json")


def signals_up_to_date(job: Job) -> bool:
    """Whether there is nothing to train, which it then says."""
    return is_up_to_date(job, _STAGE, _inputs(job))


def train_signals(job: Job, encoder: SalesEncoder) -> None:
    """Trains what finds signals in sentences and writes its folder."""
    from signal_artifact import save_signal_finder
    from signal_training import train_signal_detector

    with progress_bar("Training the signal detector") as report:
        detector = train_signal_detector(encoder, job.seed, progress=report)
        outputs = save_signal_finder(detector.head, detector.encoder, job.folder.signals, job.seed)
    say(f"Signals: learned from {detector.sentences} sentences, saved {job.folder.signals}")
    job.records.remember(_STAGE, _inputs(job), outputs)


def draw_signals(job: Job, evaluated: Sequence[Conversation]) -> list[Path]:
    """Writes signals_by_outcome.json and draws its picture, and gives the paths of both.

    Does nothing where the detector was not trained: artifacts of an older version have none.
    """
    if not (job.folder.signals / "manifest.json").is_file():
        return []
    from signal_artifact import load_signal_finder
    from signal_outcomes import signal_outcomes, write_signal_outcomes
    from signal_plots import plot_signals_by_outcome

    closed = [conversation for conversation in evaluated if conversation.outcome]
    signals = load_signal_finder(job.folder.signals, available_cores()).find_many(closed)
    table = job.folder.signals_by_outcome
    picture = table.with_suffix(".png")
    write_signal_outcomes(signal_outcomes(signals, labels_of(closed)), job.folder)
    plot_signals_by_outcome(signals, labels_of(closed), picture)
    return [table, picture]


def _inputs(job: Job) -> dict[str, Any]:
    return {
        "encoder": [job.encoder, sha256_or_none(Path(job.encoder) / "model.safetensors")],
        "seed": job.seed,
        "code": code_sha256(_CODE),
    }
