"""A process that trains the contrastive model, for tests that start it, kill it, or start two of it with torchrun.

    python tests/modelling/contrastive_process.py ARTIFACTS ENCODER [KILLED_IN_STEP]

What every run has besides, the signal detector and the index, is left out: it takes longer than the training.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import foundations.thread_policy  # noqa: F401 — before torch
from contrastive_learning_model import ContrastiveModel
from encoder.torch_encoder import run_upper_blocks
from foundations.artifact_folder import ArtifactFolder
from foundations.terminal import console
from modelling.contrastive.settings import ContrastiveSettings
from modelling.contrastive.training import ContrastiveTrainer
from modelling.processes import joined_processes
from stages import training as training_stage
from stages.job import Job

torch.set_num_threads(1)
SETTINGS = ContrastiveSettings(batch_size=16)  # so that few conversations are several steps


def train(artifacts: Path, encoder: Path, resume: bool = False) -> None:
    """Trains on the splits of an artifact folder."""
    with (
        patch.object(training_stage, "signals_up_to_date", return_value=True),
        patch.object(training_stage, "index_conversations", return_value=None),
        patch.object(ContrastiveModel, "default_settings", return_value=SETTINGS),
    ):
        folder = ArtifactFolder(artifacts)
        training_stage.train(Job(folder, encoder=str(encoder), model="contrastive", resume=resume))


def _killed_in(step: int, train_a_step: Callable[..., Any]) -> Callable[..., Any]:
    """The process dies as its machine might, at the beginning of that step."""
    done = iter(range(1, step))

    def run(*arguments: Any) -> Any:
        if next(done, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return train_a_step(*arguments)

    return run


if __name__ == "__main__":
    if len(sys.argv) > 3:
        patch.object(ContrastiveTrainer, "_step", _killed_in(int(sys.argv[3]), ContrastiveTrainer._step)).start()
    upper = patch("modelling.contrastive.network.run_upper_blocks", wraps=run_upper_blocks).start()
    with joined_processes() as processes:
        console.quiet = processes.rank > 0
        train(Path(sys.argv[1]), Path(sys.argv[2]))
        if processes.size > 1:
            print(f"process {processes.rank} ran {upper.call_count} groups of texts")  # noqa: T201
