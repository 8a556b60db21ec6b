"""Retraining: a challenger learns from what ended since, and takes the champion's place only through the gate.

Challenger and champion are asked of the most recent outcomes, which neither has learned from (`learning.division`,
`learning.gate`). If it passes, a model fitted on everything, those outcomes too, is written as a version and served. The old
training data's test split stays unlearned, so that `--mode evaluate` still measures something.

Killed at any moment the champion serves on: the version is put in its place by one rename, noted as `promoting`, then served.
The next run finds such a note and says what became of it. One retraining at a time: a lock on the models' folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from answers.model_server import ModelServer
from conversations.conversation import Conversation
from conversations.model_text import conversations_sha256
from conversations.reading.files import read_splits
from conversations.split import DataSplits
from encoder.text_encoder import TextEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.settings import Settings
from learning.challenger import check_encoder, fitted, kept_as_version
from learning.division import Division, divided
from learning.gate import THRESHOLD, Verdict, judged, too_few
from learning.lock import alone
from learning.outcomes import Outcome, Outcomes, outcomes_to_learn_from
from learning.promotion import promote, served_models
from learning.roles import in_use
from learning.triggers import Situation, Triggers, first_met
from modelling.names import AUTO
from modelling.saved.serving_folder import encoder_name
from modelling.saved.training_record import outcomes_until
from prediction_log.outcomes.retrainings import (
    Decision,
    Retraining,
    last_retraining,
    note_retraining,
    promotions_under_way,
    settle,
)
from prediction_log.store import PredictionStore
from prediction_log.tables.rows import new_prediction_id


class Surroundings(Protocol):
    """What a retraining is told by, and what it trains with; the command line's in the stages."""

    def say(self, sentence: str) -> None:
        """Tells a person."""

    def encoder(self, source: str) -> TextEncoder:
        """An encoder for training. Raises InputError."""

    def encode(self, encoder: TextEncoder, conversations: Sequence[Conversation]) -> None:
        """Has the encoder read them once, for all that follows."""

    def progress(self, title: str) -> contextlib.AbstractContextManager[Progress]:
        """A bar."""


@dataclass(frozen=True)
class Wanted:
    """What a retraining is asked for."""

    model: str = AUTO  # the one that auto means
    triggers: Triggers = field(default_factory=Triggers)
    encoder: str | None = None  # None: the champion's
    dry_run: bool = False  # decides, and changes and notes nothing


@dataclass(frozen=True)
class Champion:
    """The version that is served."""

    model: str
    version: str
    manifest: dict[str, Any]


def retrain(settings: Settings, store: PredictionStore, wanted: Wanted, around: Surroundings) -> Retraining | None:
    """What was decided; None where no trigger was met, which is told.

    Raises InputError where another retraining runs, where nothing may be learned from, for another encoder than the champion's,
    and where the old training data are not there; StoreAwayError.
    """
    with alone(ArtifactFolder(settings.artifacts).models):
        _say_what_became_of_killed_ones(settings, store, around.say)
        server = served_models(settings, store)
        champion = _champion(server, wanted.model)
        outcomes = _outcomes(settings, store)
        situation = Situation(
            champion.model, champion.version, champion.manifest, _since_last_try(store, champion, outcomes)
        )
        started_by, not_met = first_met(wanted.triggers, situation, store)
        if started_by is None:
            around.say(not_met)
            return None
        for notice in outcomes.notices:
            around.say(f"Warning: {notice}")
        return _Try(settings, store, wanted, around, server, champion, started_by).run(outcomes.known)


class _Try:
    """One try, once it has been started."""

    def __init__(
        self,
        settings: Settings,
        store: PredictionStore,
        wanted: Wanted,
        around: Surroundings,
        server: ModelServer,
        champion: Champion,
        started_by: str,
    ) -> None:
        self.settings, self.store, self.wanted, self.around = settings, store, wanted, around
        self.server, self.champion, self.started_by = server, champion, started_by
        self.artifacts = ArtifactFolder(settings.artifacts)

    def run(self, outcomes: Sequence[Outcome]) -> Retraining:
        old = read_splits(self.artifacts.data)
        self._tell_of_other_data(old)
        learned_until = outcomes_until(self.champion.manifest)
        parts = divided(old.learned_from, outcomes, learned_until)
        until = max((one.received_at for one in outcomes), default=learned_until)
        train = [*old.train, *parts.learned, *parts.new]
        verdict = too_few(parts.held_out, parts.fresh)
        if verdict is not None:
            return self._refused(verdict, parts, len(train) + len(old.validation), until)
        encoder = self._encoder()
        self.around.encode(encoder, [*train, *old.validation, *parts.apart, *parts.held_out])
        verdict = self._verdict(encoder, train, old.validation, parts.held_out)
        if not verdict.passed:
            return self._refused(verdict, parts, len(train) + len(old.validation), until)
        assert until is not None  # something was held out
        found = self._retraining("promoting", verdict, parts, len(train) + len(old.validation), until)
        return self._promoted(found, encoder, [*old.train, *parts.everything], old.validation, until)

    def _tell_of_other_data(self, old: DataSplits) -> None:
        """The champion of --mode train should have learned from what lies there, or outcomes may be held out that it knows."""
        manifest = self.champion.manifest
        own = outcomes_until(manifest) is None
        if own and manifest["training_data_sha256"] != conversations_sha256(old.learned_from):
            self.around.say(
                f"Warning: {self.champion.model} {self.champion.version} learned from other conversations than those in "
                f"{self.artifacts.data}; if it has seen some of the outcomes, the comparison flatters it."
            )

    def _encoder(self) -> TextEncoder:
        encoder = self.around.encoder(self.wanted.encoder or encoder_name(self.champion.manifest))
        check_encoder(encoder, self.champion.model, self.champion.version, self.champion.manifest)
        return encoder

    def _verdict(
        self,
        encoder: TextEncoder,
        train: Sequence[Conversation],
        validation: Sequence[Conversation],
        held_out: Sequence[Conversation],
    ) -> Verdict:
        model, manifest = self.champion.model, self.champion.manifest
        with self.around.progress(f"Training a challenger of {model}") as progress:
            challenger = fitted(model, encoder, manifest, train, validation, progress)
        champion = self.server.model(model)
        return judged(held_out, champion.predict_proba(held_out), challenger.predict_proba(held_out))

    def _promoted(
        self,
        found: Retraining,
        encoder: TextEncoder,
        train: Sequence[Conversation],
        validation: Sequence[Conversation],
        until: datetime,
    ) -> Retraining:
        """Fits a model on everything and has it served, in an order of which each step alone leaves a champion that serves."""
        if self.wanted.dry_run:
            return found.model_copy(update={"decision": "promoted"})
        model, manifest = self.champion.model, self.champion.manifest
        with self.around.progress(f"Training {model} on everything") as progress:
            refitted = fitted(model, encoder, manifest, train, validation, progress)
        with self.store.connection() as connection:
            spared = {self.champion.version, *in_use(connection).get(model, ())}
        made = kept_as_version(refitted, self.artifacts, manifest, spared, until)
        promoting = found.model_copy(update={"promoted_version": made})
        note_retraining(self.store, promoting)
        promote(self.settings, self.store, model, made)
        settle(self.store, promoting, is_served=True)
        return promoting.model_copy(update={"decision": "promoted"})

    def _refused(self, verdict: Verdict, parts: Division, learned: int, until: datetime | None) -> Retraining:
        found = self._retraining("refused", verdict, parts, learned, until)
        if not self.wanted.dry_run:
            note_retraining(self.store, found)
        return found

    def _retraining(
        self, decision: Decision, verdict: Verdict, parts: Division, learned: int, until: datetime | None
    ) -> Retraining:
        low, high = verdict.interval or (None, None)
        return Retraining(
            retraining_id=new_prediction_id(),
            decided_at=datetime.now(UTC),
            model=self.champion.model,
            decision=decision,
            reason=verdict.reason,
            started_by=self.started_by,
            champion_version=self.champion.version,
            promoted_version=None,
            learned=learned,
            new_outcomes=parts.fresh,
            held_out=len(parts.held_out),
            held_out_successful=sum(one.label for one in parts.held_out),
            champion_loss=verdict.champion_loss,
            challenger_loss=verdict.challenger_loss,
            difference=verdict.difference,
            interval_low=low,
            interval_high=high,
            threshold=THRESHOLD,
            outcomes_until=until,
        )


def _champion(server: ModelServer, wanted: str) -> Champion:
    """Raises ModelUnavailableError where it is not trained or not there."""
    name = server.resolve(wanted)
    served = server.served(name)
    if served.found is None:
        raise InputError(
            f"The served version {served.version!r} of {name!r} is not there or was changed; load another one."
        )
    return Champion(name, served.version, served.found.manifest)


def _outcomes(settings: Settings, store: PredictionStore) -> Outcomes:
    if settings.store_transcripts == "none":
        raise InputError(
            "There is nothing to learn from, as SALES_STORE_TRANSCRIPTS is 'none' and no words are stored; with 'masked', what "
            "is predicted from then on can be learned from once its outcome is known."
        )
    return outcomes_to_learn_from(store)


def _since_last_try(store: PredictionStore, champion: Champion, outcomes: Outcomes) -> int:
    last = last_retraining(store, champion.model)
    until = [moment for moment in (last and last.outcomes_until, outcomes_until(champion.manifest)) if moment]
    return sum(not until or one.received_at > max(until) for one in outcomes.known)


def _say_what_became_of_killed_ones(settings: Settings, store: PredictionStore, say: Callable[[str], None]) -> None:
    for found in promotions_under_way(store):
        is_served = served_models(settings, store).served(found.model).version == found.promoted_version
        settle(store, found, is_served)
        became = "its version is served" if is_served else f"{found.champion_version} serves on"
        say(f"A retraining of {found.model} was stopped while it promoted {found.promoted_version}: {became}")
