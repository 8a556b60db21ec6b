"""The contract of every conversion model, and what all of them share: calibration, validation metrics, answers.

Evaluation, serving and scoring know this class and `model_registry`, and nothing of what is inside a model. A model
brings `_fit`, `embed`, `_log_odds`, `_state` and `_restore`; the rest is here, and saving in `modelling.saved.saved_model`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from conversations.conversation import DEAL_PARTS, Conversation, labels_of
from conversations.model_text import conversations_sha256
from conversations.prefixes import prefixes, turns_of
from encoder.text_encoder import remembered_texts
from foundations.errors import InputError
from foundations.long_work import Progress, check_deadline
from modelling.checkpoints import Checkpoints
from modelling.conversation_vectors import ConversationSpace, Passages, spoken_passages, spoken_vectors
from modelling.saved.artifact import save_artifact
from modelling.saved.saved_model import SavedModel
from modelling.saved.serving_folder import serving_folder
from modelling.saved.training_record import TrainingHistory, TrainingRecord
from modelling.saved.versions import keep_version
from modelling.segments import segment_conversations
from probability.bands import ConversionBands
from probability.calibration import PlattScaling
from probability.drift import drift_reference
from probability.metrics import classification_metrics
from probability.reliability import Assessment, HeldOut, PredictionReliability

_TURNS_AT_ONCE = 4096  # of all beginnings that are scored together: a bound on memory


class Fitted(NamedTuple):
    """What fitting a model gives beside what the model has learned."""

    history: TrainingHistory
    unseen: NDArray[np.float64]  # (n,) log-odds of training and validation, each from a fit that had not seen it


class LastFit(NamedTuple):
    """Which conversations a model was fitted on in this process, and what it said of each while it was held out."""

    train: list[Conversation]
    validation: list[Conversation]
    log_odds: NDArray[np.float64]  # (n,), not calibrated, train first


class Reading(NamedTuple):
    """What one pass over conversations finds."""

    log_odds: NDArray[np.float64]  # (n,), not calibrated
    embedding: NDArray[np.float32]  # (n, d), as `ConversionModel.embed` gives it
    spoken: NDArray[np.float32]  # (n, dim), as `modelling.conversation_vectors.spoken_vectors` gives it


@dataclass(frozen=True)
class TurnProbability:
    """What the conversation promised once a turn was spoken."""

    turn: Annotated[
        int, Field(ge=1, description="1 for the first turn that has words; of a plain transcript, a sentence")
    ]
    speaker: Annotated[str, Field(description="seller, customer or another name; empty where nobody is named")]
    probability: Annotated[float, Field(ge=0.0, le=1.0, description="P(successful) of all up to and with this turn")]


def _evenly_spread(turns: int, points: int | None) -> list[int]:
    """Numbers of turns, from 1: all of them, or `points` where there are more."""
    if points is None or turns <= points:
        return list(range(1, turns + 1))
    return [1 + round(n * (turns - 1) / (points - 1)) for n in range(points)]


class ConversionModel(SavedModel):
    """Learns P(successful) from conversations and serves it with the embedding it rests on."""

    title: ClassVar[str]  # what people read in tables and pictures
    learns_embedding: ClassVar[bool] = False  # whether training moves conversations of one outcome together
    checkpoints: Checkpoints | None = None  # set before `fit`: where a long one keeps what it has learned so far
    knows_sales: bool = True  # whether its vectors hold what the starter says, where the encoder is the starter's
    offered: Mapping[str, ConversionModel] = MappingProxyType({})  # see `reuse`
    last_fit: LastFit | None = None  # not kept in files: `save` and a model made of this one need it

    def fit(
        self,
        train: Sequence[Conversation],
        validation: Sequence[Conversation],
        progress: Progress = lambda share: None,
    ) -> TrainingHistory:
        """Learns from both: `validation` decides when to stop, and is then learned from as well.

        Calibration, and every figure that is kept, rests on predictions of each conversation while it was held out.

        Same data and seed give the same model. Raises InputError where either lacks a class.
        """
        for part, conversations in (("training", train), ("validation", validation)):
            if len({conversation.label for conversation in conversations}) < 2:
                raise InputError(f"The {part} data hold {len(conversations)} conversations but not both outcomes.")
        learned_from = [*train, *validation]
        history, unseen = self._fit(train, validation, progress)
        self.last_fit = LastFit(list(train), list(validation), unseen)
        self.held_out_log_odds = unseen
        labels = labels_of(learned_from)
        self.calibration = PlattScaling.fit(unseen, labels)
        probabilities = self.calibration.probabilities(unseen)
        self.bands = ConversionBands.fit(probabilities, labels)
        self.record = TrainingRecord(
            conversations_sha256(learned_from),
            classification_metrics(labels[len(train) :], probabilities[len(train) :]),
            classification_metrics(labels, probabilities),
            history,
            drift_reference(probabilities, learned_from),
            sum(bool((one.model_extra or {}).get(DEAL_PARTS)) for one in learned_from),
        )
        reading = self._read(learned_from)
        self.training_embeddings = reading.embedding  # kept, so that looking for similar ones encodes nothing again
        self.reliability = PredictionReliability.fit(learned_from, reading.spoken, HeldOut(unseen, labels), self.seed)
        progress(1.0)
        return history

    def reuse(self, fitted: Mapping[str, ConversionModel]) -> None:
        """Offers models, by name, that were fitted before in this process: `fit` does not make again what they share."""
        self.offered = fitted

    def _known_spaces(self) -> list[ConversationSpace]:
        spaces = (getattr(model, "space", None) for model in self.offered.values())
        return [space for space in spaces if isinstance(space, ConversationSpace)]

    def was_fitted_on(self, train: Sequence[Conversation], validation: Sequence[Conversation], seed: int) -> bool:
        """Whether `fit` was called in this process with these conversations, default settings and this seed."""
        return (
            self.last_fit is not None
            and self.seed == seed
            and self.settings == self.default_settings()
            and (self.last_fit.train, self.last_fit.validation) == (list(train), list(validation))
        )

    def save(self, path: Path, also_read: Sequence[str] = (), spared: Collection[str] | None = ()) -> None:
        """Writes the trained artifact with its manifest, and beside it the folder `serving_folder(path)`.

        also_read: texts of others that share the encoder, as `encoder.onnx_export.export_encoder` takes them; spared: versions
        that `keep_version` does not forget. Needs a model that was fitted here. Raises InputError where it wasn't, or the files
        can't be written.
        """
        if self.last_fit is None:
            raise InputError(f"The model {self.name!r} was not trained in this process; call fit first.")
        from modelling.saved.export import write_serving_folder  # needs PyTorch

        save_artifact(path, self._full_state(), self._description())
        train, validation, _ = self.last_fit
        texts = segment_conversations(self.encoder, [*train, *validation]).texts
        write_serving_folder(self, (texts, also_read), train, validation, serving_folder(path))
        keep_version(serving_folder(path), spared)

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """Calibrated P(successful), float64 (n,), each in (0, 1)."""
        check_deadline()
        if not conversations:
            return np.zeros(0)
        with remembered_texts():  # a model made of others asks its encoder more than once
            return self.calibration.probabilities(self._log_odds(conversations))

    def trajectory(self, conversation: Conversation, points: int | None = None) -> list[TurnProbability]:
        """P(successful) after each turn of a conversation, of a note after each sentence; the last is that of it all.

        Of more turns than `points`, 2 or more, only so many are given: evenly spread, the first and the last among them.
        The encoder reads every segment once, so a short one costs little more than one prediction; the rest grows with
        the square of the turns, or with turns times points, and is most of it from about 200 turns on.
        """
        turns = turns_of(conversation)
        numbers = _evenly_spread(len(turns), points)
        probabilities: list[float] = []
        with remembered_texts():
            while left := numbers[: len(numbers) - len(probabilities)]:
                longest = left[
                    : -max(1, _TURNS_AT_ONCE // left[-1]) - 1 : -1
                ]  # first: the encoder has all its work then
                probabilities += self.predict_proba(prefixes(conversation, longest)).tolist()
        found = zip(numbers, reversed(probabilities), strict=True)
        return [TurnProbability(number, turns[number - 1].speaker, probability) for number, probability in found]

    def assess(self, conversations: Sequence[Conversation]) -> list[Assessment]:
        """What `predict_proba` gives, with an interval and whether to trust it, at the price of one pass."""
        if not conversations:
            return []
        with remembered_texts():
            reading = self._read(conversations)
        probabilities = self.calibration.probabilities(reading.log_odds)
        return self.reliability.assess(conversations, probabilities, reading.log_odds, reading.spoken)

    @abstractmethod
    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """The model's own view of each conversation: float32 (n, d), L2-normalised."""

    def embed_passages(self, conversations: Sequence[Conversation]) -> Passages:
        """What was said, segment by segment, with vectors that tell which segments are alike; here the encoder's own."""
        return spoken_passages(self.encoder, conversations)

    @abstractmethod
    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        """Learns from both."""

    @abstractmethod
    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """Uncalibrated log-odds of success, (n,)."""

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        """Log-odds, embedding and the vectors that reliability is judged by."""
        with remembered_texts():
            spoken = spoken_vectors(self.encoder, conversations)
            return Reading(self._log_odds(conversations), self.embed(conversations), spoken)
