"""Trained models in the memory of one process: each loaded once, safe from many threads.

Knows the contract and the registry, nothing of HTTP. `auto` is looked up in the manifests at every request (three small
files), so all workers agree on it; a model that was trained again under its name is served after a restart. Loading
costs under a second and each model has its encoder, 20 to 90 MB.
"""

from __future__ import annotations

import threading
import time

from api_schemas import EncoderInfo, ModelInfo
from artifact_folder import ArtifactFolder
from conversation import Conversation
from conversation_signals import Signal, SignalFinder, find_signals
from conversion_model import ConversionModel
from input_error import InputError
from model_artifact import read_manifest
from model_names import AUTO
from model_registry import MODEL_CLASSES, artifact_path, best_model_name, load_model
from signal_artifact import load_signal_finder
from similar_conversations import SimilarConversations, SimilarSearch


class UnavailableError(InputError):
    """The service can't do this now and its operator can put it right; the message says how."""

    code = "unavailable"


class ModelUnavailableError(UnavailableError):
    """A model isn't trained, or its artifact is damaged."""

    code = "model_unavailable"


class SimilarUnavailableError(UnavailableError):
    """The index of closed conversations is missing, damaged, or made with another training of its model."""

    code = "similar_conversations_unavailable"


class SignalsUnavailableError(UnavailableError):
    """What finds signals isn't trained, or is damaged."""

    code = "signals_unavailable"


class ModelServer:
    """The models of one artifact folder."""

    def __init__(self, folder: ArtifactFolder, threads: int) -> None:
        self.folder = folder
        self._threads = threads
        self.started = time.monotonic()
        self._models: dict[str, ConversionModel] = {}
        self._similar = SimilarSearch(folder, self.model)
        self._signals: SignalFinder | None = None
        self._load_problems: dict[str, str] = {}
        self._loading = threading.Lock()

    def resolve(self, name: str) -> str:
        """The model that `name` means, `auto` being the best one trained. Raises ModelUnavailableError."""
        try:
            return best_model_name(self.folder) if name == AUTO else name
        except InputError as error:
            raise ModelUnavailableError(str(error)) from error

    def model(self, name: str) -> ConversionModel:
        """A registered model by name, loaded on first use. Raises ModelUnavailableError, and never gives another model."""
        model = self._models.get(name)
        if model is not None:
            return model
        with self._loading:
            if name not in self._models:
                self._models[name] = self._load(name)
            return self._models[name]

    def similar(self) -> SimilarConversations:
        """The search among closed conversations, always in the newest index. Raises SimilarUnavailableError."""
        try:
            return self._similar.current()
        except InputError as error:
            raise SimilarUnavailableError(str(error)) from error

    def signals(self, conversation: Conversation) -> list[Signal]:
        """What `conversation_signals` finds in a conversation. Raises SignalsUnavailableError."""
        if self._signals is None:
            with self._loading:
                try:
                    self._signals = self._signals or load_signal_finder(self.folder.signals, self._threads)
                except InputError as error:
                    raise SignalsUnavailableError(str(error)) from error
        return find_signals(conversation, self._signals)

    def warm_up(self) -> str:
        """Loads the model that `auto` means and runs it once, so that the first request is fast; gives its name."""
        name = self.resolve(AUTO)
        self.model(name).predict_proba([Conversation(transcript="They asked for a proposal and a date.")])
        return name

    @property
    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        return sorted(self._models)

    def problem(self) -> str | None:
        """Why `auto` can't be served now, as a sentence; None where it can."""
        try:
            return self._load_problems.get(self.resolve(AUTO))
        except ModelUnavailableError as error:
            return str(error)

    def auto(self) -> str | None:
        """The model that `auto` means, None where there is none."""
        try:
            return self.resolve(AUTO)
        except ModelUnavailableError:
            return None

    def describe(self) -> list[ModelInfo]:
        """Every registered model, trained or not."""
        auto = self.auto()
        return [self._describe(name, name == auto) for name in MODEL_CLASSES]

    def _describe(self, name: str, auto: bool) -> ModelInfo:
        path = artifact_path(self.folder, name)
        info = ModelInfo(
            name=name, title=MODEL_CLASSES[name].title, trained=False, auto=auto, loaded=name in self._models
        )
        try:
            manifest = read_manifest(path)
        except InputError as error:
            return info.model_copy(update={"problem": str(error)})
        found = {
            "trained": True,
            "created_at": manifest.get("created_at"),
            "validation_metrics": manifest["validation_metrics"],
            "encoder": EncoderInfo(**manifest["encoder"]),
            "problem": self._load_problems.get(name),
        }
        return info.model_copy(update=found)

    def _load(self, name: str) -> ConversionModel:
        try:
            model = load_model(self.folder, name, self._threads)
        except InputError as error:
            self._load_problems[name] = str(error)
            raise ModelUnavailableError(str(error)) from error
        self._load_problems.pop(name, None)
        return model
