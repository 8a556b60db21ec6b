"""The contract of every conversion model, and what all of them share: calibration, validation metrics, saving.

Evaluation, serving and scoring know this class and `model_registry`, and nothing of what is inside a model. A model
brings `_fit`, `embed`, `_log_odds`, `_state` and `_restore`; the rest is here.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from calibration import PlattScaling
from classification_metrics import THRESHOLD, classification_metrics
from conversation import Conversation, Outcome, labels_of
from conversation_passages import Passages, spoken_passages
from conversation_prefixes import prefixes, turns_of
from conversation_vectors import spoken_vectors
from conversion_bands import ConversionBands
from data_pipeline import rendered_text
from input_error import InputError
from kept_versions import keep_version
from model_artifact import State, load_artifact, save_artifact
from onnx_encoder import OnnxTextEncoder
from prediction_reliability import Assessment, HeldOut, PredictionReliability
from score_drift import drift_reference
from serving_artifact import files_fingerprint, read_serving_artifact
from text_encoder import EncoderIdentity, TextEncoder, remembered_texts

_TURNS_AT_ONCE = 4096  # of all beginnings that are scored together: a bound on memory

ENCODER = "encoder"  # a model's own encoder among `encoders`
Progress = Callable[[float], None]  # called with the share of the fit that is done, 0 to 1


@dataclass
class TrainingHistory:
    """What was recorded while fitting: one row of figures a step, and what the step is."""

    step: str  # "epoch" or "candidate"
    rows: list[dict[str, Any]] = field(default_factory=list)
    best: int = 0  # index of the row whose weights or parameters were kept
    notes: dict[str, float] = field(default_factory=dict)  # measured once, for example collapse figures


class Prediction(NamedTuple):
    """What a probability says."""

    outcome: Outcome
    probability: float  # P(successful)
    confidence: float  # the probability of the predicted outcome, 0.5 to 1


class Reading(NamedTuple):
    """What one pass over conversations finds."""

    log_odds: NDArray[np.float64]  # (n,), not calibrated
    embedding: NDArray[np.float32]  # (n, d), as `ConversionModel.embed` gives it
    spoken: NDArray[np.float32]  # (n, dim), as `conversation_vectors.spoken_vectors` gives it


class TurnProbability(NamedTuple):
    """What a conversation promised once a turn was spoken."""

    turn: int  # 1 for the first turn; of a note, for its first sentence
    speaker: str  # "" where nobody is named
    probability: float  # P(successful), of the conversation up to and with this turn


def prediction_of(probability: float) -> Prediction:
    """Successful from THRESHOLD up."""
    if probability >= THRESHOLD:
        return Prediction("successful", probability, probability)
    return Prediction("failed", probability, 1 - probability)


class ConversionModel(ABC):
    """Learns P(successful) from conversations and serves it with the embedding it rests on."""

    name: ClassVar[str]
    artifact_file: ClassVar[str]
    title: ClassVar[str]  # what people read in tables and pictures
    learns_embedding: ClassVar[bool] = False  # whether training moves conversations of one outcome together

    reliability: PredictionReliability  # from fit or loading on

    def __init__(self, encoder: TextEncoder, settings: Any = None, seed: int = 42) -> None:
        self.encoder = encoder
        self.settings = settings if settings is not None else self.default_settings()
        self.seed = seed
        self.calibration = PlattScaling()
        self.bands = ConversionBands()
        self.history: TrainingHistory | None = None
        self.validation_metrics: dict[str, float] = {}
        self.cross_validation_metrics: dict[
            str, float
        ] = {}  # on validation and, held out, training: what `auto` goes by
        self.training_data_sha256 = ""
        self.fingerprint = ""  # of a served model's files: the same one gives the same vectors
        self.version = ""  # which of the served versions this is; set by who serves it
        self.reference: dict[str, Any] = {}  # scores and context of training, to tell drift from
        self._validation_sha256 = ""
        self._training: list[Conversation] = []  # from fit until save, which exports the model and checks that
        self._validation: list[Conversation] = []
        # (n,) of the training conversations, each from a fit that had not seen it; not calibrated; empty after loading
        self.out_of_fold_log_odds: NDArray[np.float64] = np.zeros(0)
        self.training_embeddings: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)  # (n, d), in training order

    @staticmethod
    @abstractmethod
    def default_settings() -> Any:
        """The model's settings dataclass with its defaults."""

    def fit(
        self,
        train: Sequence[Conversation],
        validation: Sequence[Conversation],
        progress: Progress = lambda share: None,
    ) -> TrainingHistory:
        """Learns from `train`; `validation` stops early and picks the best epoch.

        Calibrated on predictions of unseen conversations: validation, and each training conversation while held out.

        Same data and seed give the same model. Raises InputError where either lacks a class.
        """
        for part, conversations in (("training", train), ("validation", validation)):
            if len({conversation.label for conversation in conversations}) < 2:
                raise InputError(f"The {part} data hold {len(conversations)} conversations but not both outcomes.")
        self.training_data_sha256 = conversations_sha256(train)
        self._training, self._validation = list(train), list(validation)
        self.history = self._fit(train, validation, progress)
        labels = labels_of(validation)
        log_odds = self._log_odds(validation)
        unseen = np.concatenate([self.out_of_fold_log_odds, log_odds])
        unseen_labels = np.concatenate([labels_of(train)[: len(self.out_of_fold_log_odds)], labels])
        self.calibration = PlattScaling.fit(unseen, unseen_labels)
        probabilities = self.calibration.probabilities(unseen)
        self.cross_validation_metrics = classification_metrics(unseen_labels, probabilities)
        self.bands = ConversionBands.fit(probabilities, unseen_labels)
        self.validation_metrics = classification_metrics(labels, self.calibration.probabilities(log_odds))
        self.reference = drift_reference(probabilities, train)
        reading = self._read(train)
        self.training_embeddings = reading.embedding  # kept, so that looking for similar ones encodes nothing again
        self.reliability = PredictionReliability.fit(train, reading.spoken, HeldOut(unseen, unseen_labels), self.seed)
        self._validation_sha256 = conversations_sha256(validation)
        progress(1.0)
        return self.history

    def reuse(self, fitted: Mapping[str, ConversionModel]) -> None:  # noqa: B027 — most models are not made of others
        """Offers models, by name, that were fitted before in this process; one that is made of others may take them."""

    def was_fitted_on(self, train: Sequence[Conversation], validation: Sequence[Conversation], seed: int) -> bool:
        """Whether `fit` was called in this process with these conversations, default settings and this seed."""
        return (
            self.history is not None
            and self.seed == seed
            and self.settings == self.default_settings()
            and self.training_data_sha256 == conversations_sha256(train)
            and self._validation_sha256 == conversations_sha256(validation)
        )

    @property
    def encoders(self) -> dict[str, TextEncoder]:
        """Every encoder that predicting runs, the model's own as ENCODER; serving gets each as a file of that name."""
        return {ENCODER: self.encoder}

    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """Calibrated P(successful), float64 (n,), each in (0, 1)."""
        if not conversations:
            return np.zeros(0)
        with remembered_texts():  # a model made of others asks its encoder more than once
            return self.calibration.probabilities(self._log_odds(conversations))

    def trajectory(self, conversation: Conversation) -> list[TurnProbability]:
        """P(successful) after each turn of a conversation, of a note after each sentence; the last is that of it all.

        The encoder reads every segment once, so up to 100 turns it costs little more than one prediction; the rest grows
        with the square of the turns: 2 predictions at 300 turns, 4 at 1,000.
        """
        beginnings = prefixes(conversation)
        probabilities: list[float] = []
        with remembered_texts():
            while beginnings:  # the longest first: the encoder then has all its work in one call
                chosen = max(1, _TURNS_AT_ONCE // len(beginnings))
                probabilities += self.predict_proba(beginnings[: -chosen - 1 : -1]).tolist()
                del beginnings[-chosen:]
        turns = enumerate(zip(turns_of(conversation), reversed(probabilities), strict=True), start=1)
        return [TurnProbability(number, turn.speaker, probability) for number, (turn, probability) in turns]

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

    def save(self, path: Path) -> None:
        """Writes the trained artifact with its manifest, and beside it the folder `serving_folder(path)`.

        Needs a model that was fitted here. Raises InputError where it wasn't, or the files can't be written.
        """
        if self.history is None or not self._validation:
            raise InputError(f"The model {self.name!r} was not trained in this process; call fit first.")
        from serving_export import write_serving_folder  # needs PyTorch

        save_artifact(path, self._full_state(), self._description())
        write_serving_folder(self, self._training, self._validation, serving_folder(path))
        keep_version(serving_folder(path))

    @classmethod
    def load(cls, path: Path, encoder: TextEncoder | None = None) -> Self:
        """Reads a trained artifact into PyTorch. `encoder` saves loading it again when several models share one.

        Raises InputError where the artifact is damaged, of another model, or was trained on other encoder weights.
        """
        state, manifest = load_artifact(path)
        if encoder is None:
            from sales_encoder import SalesEncoder  # needs PyTorch

            encoder = SalesEncoder.load(encoder_name(manifest))
        if encoder.identity.sha256 != manifest["encoder"]["sha256"]:
            raise InputError(
                f"{path} was trained on encoder {manifest['encoder']['name']!r} with SHA-256 "
                f"{manifest['encoder']['sha256']}, but {encoder.identity.name!r} has {encoder.identity.sha256}; "
                "give the same encoder or train again."
            )
        if encoder.identity.pooling != (pooling := manifest["encoder"].get("pooling", "mean")):
            raise InputError(
                f"{path} was trained on {pooling!r} pooling, but {encoder.identity.name!r} now pools by "
                f"{encoder.identity.pooling!r}; give the same encoder or train again."
            )
        return cls._from_state(state, manifest, {ENCODER: encoder}, path)

    @classmethod
    def load_served(cls, path: Path, threads: int = 1, folder: Path | None = None) -> Self:
        """Reads what `save` wrote for serving, to be run by ONNX Runtime on `threads` cores; needs no PyTorch.

        path: that of the trained artifact, as for `load`; folder: an older version's, instead of the newest. Raises
        InputError as `load` does.
        """
        artifact = read_serving_artifact(folder or serving_folder(path))
        serving = artifact.manifest["serving"]
        encoders: dict[str, TextEncoder] = {
            name: OnnxTextEncoder(
                onnx_file,
                artifact.tokenizer,
                EncoderIdentity(**artifact.manifest["encoder"]),
                max_tokens=serving["max_tokens"],
                threads=threads,
            )
            for name, onnx_file in artifact.encoders.items()
        }
        model = cls._from_state(artifact.state, artifact.manifest, encoders, path)
        model.fingerprint = files_fingerprint(artifact.manifest)
        return model

    def with_encoders(self, encoders: Mapping[str, TextEncoder]) -> Self:
        """This model's copy that reads texts through other encoders, as serving will."""
        manifest = {**self._description(), "model": self.name}
        return self._from_state(self.serving_state(), manifest, encoders, Path(self.artifact_file))

    def serving_state(self) -> State:
        """Everything learned but what the encoders' own files hold."""
        return {**self._shared_state(), "model": self._serving_state()}

    def _full_state(self) -> State:
        return {**self._shared_state(), "model": self._state()}

    def _shared_state(self) -> State:
        return {"training_embeddings": self.training_embeddings, "reliability": self.reliability.state()}

    def _description(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "encoder": self.encoder.identity.as_dict(),
            "training_data_sha256": self.training_data_sha256,
            "seed": self.seed,
            "hyper_parameters": asdict(self.settings),
            "calibration": asdict(self.calibration),
            "bands": asdict(self.bands),
            "validation_metrics": self.validation_metrics,
            "cross_validation_metrics": self.cross_validation_metrics,
            "history": asdict(self.history or TrainingHistory("epoch")),
            "reference": self.reference,
        }

    @classmethod
    def _from_state(
        cls, state: State, manifest: dict[str, Any], encoders: Mapping[str, TextEncoder], path: Path
    ) -> Self:
        if manifest["model"] != cls.name:
            raise InputError(f"{path} holds a {manifest['model']!r} model, not {cls.name!r}.")
        try:
            model = cls(
                encoders[ENCODER], type(cls.default_settings())(**manifest["hyper_parameters"]), manifest["seed"]
            )
            model.calibration = PlattScaling(**manifest["calibration"])
            model.bands = ConversionBands(**manifest["bands"])
            model.validation_metrics = manifest["validation_metrics"]
            model.cross_validation_metrics = manifest["cross_validation_metrics"]
            model.training_data_sha256 = manifest["training_data_sha256"]
            model.reference = manifest.get("reference", {})
            model.history = TrainingHistory(**manifest["history"])
            model.training_embeddings = state["training_embeddings"]
            model.reliability = PredictionReliability.from_state(state["reliability"])
            model._restore(state["model"], encoders)
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{path} was written by another version of this program; train it again.") from error
        return model

    @abstractmethod
    def _fit(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        """Learns, and sets `out_of_fold_log_odds`."""

    @abstractmethod
    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """Uncalibrated log-odds of success, (n,)."""

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        """Log-odds, embedding and the vectors that reliability is judged by."""
        with remembered_texts():
            spoken = spoken_vectors(self.encoder, conversations)
            return Reading(self._log_odds(conversations), self.embed(conversations), spoken)

    @abstractmethod
    def _state(self) -> State:
        """Everything learned, as nested dictionaries of arrays and plain values."""

    def _serving_state(self) -> State:
        """The same without what an encoder's file holds."""
        return self._state()

    @abstractmethod
    def _restore(self, state: State, encoders: Mapping[str, TextEncoder]) -> None:
        """Takes what `_state` or `_serving_state` gave; `encoders` as the property of that name, or ENCODER alone."""


def serving_folder(artifact: Path) -> Path:
    """models/contrastive_sales_model.pth → models/contrastive: where serving finds its files."""
    return artifact.parent / artifact.stem.removesuffix("_model").removesuffix("_sales")


def encoder_name(manifest: dict[str, Any]) -> str:
    """The source name that loads exactly the encoder an artifact was trained on: NAME or NAME@REVISION."""
    encoder = manifest["encoder"]
    return f"{encoder['name']}@{encoder['revision']}" if encoder["revision"] else str(encoder["name"])


def conversations_sha256(conversations: Sequence[Conversation]) -> str:
    """A hash of what a model learns from: rendered texts, outcomes and groups, in order."""
    digest = hashlib.sha256()
    for conversation in conversations:
        for part in (rendered_text(conversation), conversation.outcome or "", conversation.group_key):
            digest.update(part.encode("utf-8"))
            digest.update(b"\x00")
    return digest.hexdigest()
