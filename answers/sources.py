"""What answers are made from: trained models, what finds signals, and the closed conversations that are searched."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from answers.model_loader import ModelLoader
from answers.model_server import ModelServer
from answers.served_versions import VersionSource
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError, UnavailableError
from signals.artifact import load_signal_finder
from signals.finder import Signal, SignalFinder
from similarity.index_files import IndexFolder
from similarity.search import SimilarSearch, how_to_index
from similarity.vector_index import IndexPlace


class SignalsUnavailableError(UnavailableError):
    """What finds signals isn't trained, or is damaged."""

    code = "signals_unavailable"


class SignalSource:
    """What finds signals, read from its folder on first use. Safe from many threads."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._finder: SignalFinder | None = None
        self._loading = threading.Lock()

    def finder(self) -> SignalFinder:
        """What finds them. Raises SignalsUnavailableError."""
        if self._finder is None:
            with self._loading:
                try:
                    self._finder = self._finder or load_signal_finder(self._folder, self._threads)
                except InputError as error:
                    raise SignalsUnavailableError(str(error)) from error
        return self._finder

    def mentions(self, conversation: Conversation) -> list[Signal]:
        """Every mention that `signals.finder` finds in a conversation, in order. Raises SignalsUnavailableError."""
        return self.finder().mentions(conversation)


@dataclass(frozen=True)
class Sources:
    """Those of one artifact folder."""

    models: ModelServer
    signals: SignalSource
    similar: SimilarSearch

    @classmethod
    def of(
        cls,
        folder: ArtifactFolder,
        threads: int,
        versions: VersionSource | None = None,
        place: IndexPlace | None = None,
    ) -> Self:
        """Each runs on `threads` cores.

        versions: which of each model are served, the newest where None is given; place: where similar conversations are
        looked for, the folder's own index where None is given.
        """
        remedy = how_to_index(folder)
        models = ModelServer(ModelLoader(folder, threads), versions)
        place = place or IndexFolder(folder.similar_index, remedy)
        return cls(models, SignalSource(folder.signals, threads), SimilarSearch(place, models.with_fingerprint, remedy))
