"""The signal detector in a run: made for serving as a part of training, and drawn as a part of evaluation.

It learns from our own sentences: for some encoders one comes with this program, for another it is trained here. The user's
texts only give the ranges of its int8 file, the same ones as the models', so that all share the lower blocks in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversations.conversation import Conversation, labels_of
from foundations.machine import available_cores
from foundations.terminal import progress_bar, say
from stages.job import Job, is_up_to_date, sha256_or_none, split_files
from stages.records import code_sha256

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder

_STAGE = "make signals"
_CODE = (
    "signals.artifact",
    "signals.training",
    Path("signals/signal_sentences.json"),
    Path("signals/trained_signals.safetensors"),
    Path("signals/sales_signals.safetensors"),
    Path("signals/multilingual_signals.safetensors"),
)


def signals_up_to_date(job: Job) -> bool:
    """Whether there is nothing to make, which it then says."""
    return is_up_to_date(job, _STAGE, _inputs(job))


def make_signals(job: Job, encoder: SalesEncoder, training: Sequence[Conversation]) -> None:
    """Writes the folder of what finds signals in sentences, which is trained first if need be."""
    from modelling.segments import segment_conversations
    from signals.artifact import save_signal_finder
    from signals.trained import read_trained_signals
    from signals.training import train_signal_detector

    detector = read_trained_signals(encoder)
    if detector is None:
        with progress_bar("Training the signal detector") as report:
            detector = train_signal_detector(encoder, progress=report)
    texts = segment_conversations(encoder, training).texts  # as the models' exports take them
    outputs = save_signal_finder(detector.head, detector.encoder, job.folder.signals, texts)
    say(f"Signals: learned from {detector.sentences} sentences, saved {job.folder.signals}")
    job.records.remember(_STAGE, _inputs(job), outputs)


def draw_signals(job: Job, evaluated: Sequence[Conversation]) -> list[Path]:
    """Writes signals_by_outcome.json and draws its picture, and gives the paths of both.

    Does nothing where the detector was not trained: artifacts of an older version have none.
    """
    if not (job.folder.signals / "manifest.json").is_file():
        return []
    from evaluation.pictures.signals import plot_signals_by_outcome
    from signals.artifact import load_signal_finder
    from signals.outcomes import signal_outcomes, write_signal_outcomes

    closed = [conversation for conversation in evaluated if conversation.outcome]
    signals = load_signal_finder(job.folder.signals, available_cores()).find_many(closed)
    table = job.folder.signals_by_outcome
    picture = table.with_suffix(".png")
    write_signal_outcomes(signal_outcomes(signals, labels_of(closed)), job.folder)
    plot_signals_by_outcome(signals, labels_of(closed), picture)
    return [table, picture]


def _inputs(job: Job) -> dict[str, Any]:
    return {
        "splits": {path.name: sha256_or_none(path) for path in split_files(job)},
        "encoder": [job.encoder, sha256_or_none(Path(job.encoder) / "model.safetensors")],
        "code": code_sha256(_CODE),
    }
