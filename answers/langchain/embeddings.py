"""The embedding of a trained model as LangChain embeddings, and what all our LangChain components are made with.

Needs langchain-core; import it through `langchain_integration`, which says how to install that.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from langchain_core.embeddings import Embeddings

from answers.model_server import ModelServer
from answers.sources import Sources
from conversations.reading.record import conversation_from_record
from foundations.artifact_folder import DEFAULT_ARTIFACTS, ArtifactFolder
from foundations.machine import available_cores
from foundations.settings import load_settings
from model_registry import model_class
from modelling.conversion_model import ConversionModel
from modelling.names import AUTO
from similarity.places import searched_place


@lru_cache(maxsize=4)
def _sources_of(artifacts: Path) -> Sources:
    """One for each artifact folder, so that components share their models."""
    folder = ArtifactFolder(artifacts)
    place = searched_place(folder, load_settings(artifacts=artifacts))
    return Sources.of(folder, available_cores(), place=place)


class ModelComponent:
    """A component that uses one model of an artifact folder."""

    def __init__(self, model_type: str = "contrastive", artifacts: Path | str = DEFAULT_ARTIFACTS) -> None:
        if model_type != AUTO:
            model_class(model_type)  # refused here already
        self.model_type = model_type
        self.sources = _sources_of(Path(artifacts).resolve())

    @property
    def models(self) -> ModelServer:
        """All models of the folder."""
        return self.sources.models

    @property
    def model(self) -> ConversionModel:
        """The model, loaded on first use. Raises InputError where it isn't trained or is damaged."""
        return self.models.model(self.models.resolve(self.model_type))


class SalesEmbeddings(ModelComponent, Embeddings):
    """A model's embedding of whole conversations: lists of floats of length 1."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each transcript, in one pass. Raises InputError for a text without words."""
        conversations = [conversation_from_record({"transcript": text}, "The text") for text in texts]
        return self.model.embed(conversations).tolist() if texts else []

    def embed_query(self, text: str) -> list[float]:
        """The vector of one transcript."""
        return self.embed_documents([text])[0]
