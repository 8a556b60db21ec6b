"""`--mode retrain`: a challenger from what ended since, promoted through the gate or refused; `learning.retraining` does it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from conversations.conversation import Conversation
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.settings import load_settings
from foundations.terminal import progress_bar, say
from learning.retraining import Wanted, retrain
from learning.triggers import Triggers
from modelling.names import AUTO
from prediction_log.outcomes.retrainings import Retraining
from stages.job import Job, encode_once, require_splits
from stages.learning.prediction_store import opened_store
from stages.training import training_encoder

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder


class _OnTheCommandLine:
    """What `learning.retraining.Surroundings` asks for."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def say(self, sentence: str) -> None:
        say(sentence, style="yellow" if sentence.startswith("Warning") else "")

    def encoder(self, source: str) -> SalesEncoder:
        return training_encoder(replace(self._job, encoder=source))

    def encode(self, encoder: Any, conversations: Sequence[Conversation]) -> None:
        encode_once(encoder, conversations)

    def progress(self, title: str) -> contextlib.AbstractContextManager[Progress]:
        return progress_bar(title)


def retrain_served(job: Job) -> None:
    """Retrains the served model, or `--model`, and says what was decided."""
    if job.model == "all":
        raise InputError(
            "--mode retrain trains one model: leave --model 'all' out for the one that auto means, or name it."
        )
    options = job.retrain
    triggers = Triggers(options.after, options.older_than, options.on_drift)
    wanted = Wanted(job.model or AUTO, triggers, options.encoder, options.dry_run)
    settings = load_settings(artifacts=job.folder.root)
    require_splits(job)
    with opened_store(settings) as store:
        found = retrain(settings, store, wanted, _OnTheCommandLine(job))
    if found is not None:
        _tell(found, options.dry_run)


def _tell(found: Retraining, dry_run: bool) -> None:
    if found.champion_loss is not None:
        say(
            f"On the {found.held_out} most recent outcomes ({found.held_out_successful} successful), unseen by both: log loss "
            f"{found.champion_loss:.3f} of the champion, {found.challenger_loss:.3f} of the challenger, difference "
            f"{found.difference:+.3f}, 95 % interval {found.interval_low:+.3f} to {found.interval_high:+.3f}"
        )
    verb = "would be " if dry_run else ""
    if found.decision == "promoted":
        served = f" and serves as {found.promoted_version}" if found.promoted_version else ""
        say(f"{found.model} {verb}promoted in place of {found.champion_version}{served}. {found.reason}", style="bold")
    else:
        say(f"{found.model} {verb}refused; {found.champion_version} serves on. {found.reason}", style="bold")
    if dry_run:
        say("Nothing was changed (--dry-run)")
