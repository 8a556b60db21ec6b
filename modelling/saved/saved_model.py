"""How a trained model becomes files and comes back: for PyTorch as one artifact, for serving as a folder.

What is the same for all models is here; what a model has learned comes from its `_state`. The formats themselves are
`modelling.saved.artifact` and `modelling.saved.serving_folder`, the choice of precision is `modelling.saved.export`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from conversations.conversation import Conversation
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.text_encoder import EncoderIdentity, TextEncoder
from foundations.errors import InputError
from modelling.saved.artifact import State, load_artifact
from modelling.saved.serving_folder import encoder_name, files_fingerprint, read_serving_artifact, serving_folder
from modelling.saved.training_record import TrainingRecord
from probability.bands import ConversionBands
from probability.calibration import PlattScaling
from probability.reliability import PredictionReliability

ENCODER = "encoder"  # a model's own encoder among `encoders`


class SavedModel(ABC):
    """Everything a model is made of, and how that is written and read."""

    name: ClassVar[str]
    artifact_file: ClassVar[str]

    encoder: TextEncoder
    # From fit or loading on:
    reliability: PredictionReliability
    record: TrainingRecord
    training_embeddings: NDArray[np.float32]  # (n, d), in the order of training
    held_out_log_odds: NDArray[np.float64] | None = None  # (n,), not calibrated, alike; None in older artifacts

    def __init__(self, encoder: TextEncoder, settings: Any = None, seed: int = 42) -> None:
        self.encoder = encoder
        self.settings = settings if settings is not None else self.default_settings()
        self.seed = seed
        self.calibration = PlattScaling()
        self.bands = ConversionBands()
        self.fingerprint = ""  # of a served model's files: the same one gives the same vectors
        self.version = ""  # which of the served versions this is; set by who serves it

    @staticmethod
    @abstractmethod
    def default_settings() -> Any:
        """The model's settings dataclass with its defaults."""

    @abstractmethod
    def predict_proba(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        """Calibrated P(successful), float64 (n,): what a copy for serving is compared by."""

    @property
    def encoders(self) -> dict[str, TextEncoder]:
        """Every encoder that predicting runs, the model's own as ENCODER; serving gets each as a file of that name."""
        return {ENCODER: self.encoder}

    @classmethod
    def load(cls, path: Path, encoder: TextEncoder | None = None) -> Self:
        """Reads a trained artifact into PyTorch. `encoder` saves loading it again when several models share one.

        Raises InputError where the artifact is damaged, of another model, or was trained on other encoder weights.
        """
        state, manifest = load_artifact(path)
        if encoder is None:
            from encoder.torch_encoder import SalesEncoder  # needs PyTorch

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
                files,
                artifact.tokenizer,
                EncoderIdentity(**artifact.manifest["encoder"]),
                max_tokens=serving["max_tokens"],
                threads=threads,
            )
            for name, files in artifact.encoders.items()
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
        held_out = {} if self.held_out_log_odds is None else {"held_out_log_odds": self.held_out_log_odds}
        return {"training_embeddings": self.training_embeddings, "reliability": self.reliability.state(), **held_out}

    def _description(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "encoder": self.encoder.identity.as_dict(),
            "seed": self.seed,
            "hyper_parameters": asdict(self.settings),
            "calibration": asdict(self.calibration),
            "bands": asdict(self.bands),
            **asdict(self.record),
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
            model.record = TrainingRecord.of_manifest(manifest)
            model.training_embeddings = state["training_embeddings"]
            model.held_out_log_odds = state.get("held_out_log_odds")
            model.reliability = PredictionReliability.from_state(state["reliability"])
            model._restore(state["model"], encoders)
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"{path} was written by another version of this program; train it again.") from error
        return model

    @abstractmethod
    def _state(self) -> State:
        """Everything learned, as nested dictionaries of arrays and plain values."""

    def _serving_state(self) -> State:
        """The same without what an encoder's file holds."""
        return self._state()

    @abstractmethod
    def _restore(self, state: State, encoders: Mapping[str, TextEncoder]) -> None:
        """Takes what `_state` or `_serving_state` gave; `encoders` as the property of that name, or ENCODER alone."""
