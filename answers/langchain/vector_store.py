"""A LangChain VectorStore over a `VectorIndex`: our FAISS index, or whatever else implements that interface.

Documents are compared by cosine. A `filter` is a dictionary of metadata: the value a key must have, or a list of values
of which it must have one. Needs langchain-core; import it through `langchain_integration`, which says how to install
that. What is added here lies in memory until `save_local`; it never changes the index that the service reads, which
`main.py --mode add` does.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from numpy.typing import NDArray

from foundations.errors import InputError
from modelling.whitening import normalised
from similarity.faiss_index import FaissIndex
from similarity.index_files import load_index, save_index
from similarity.vector_index import Filter, Hit, Record, VectorIndex


class SalesVectorStore(VectorStore):
    """Documents by id, found by the cosine of their embeddings."""

    def __init__(self, embedding: Embeddings, index: VectorIndex | None = None) -> None:
        self._embedding = embedding
        self.index = index if index is not None else FaissIndex()

    @property
    def embeddings(self) -> Embeddings:
        """What turns texts into vectors."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store in memory with these texts; `index=` puts them into another VectorIndex."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def load_local(cls, folder: Path, embedding: Embeddings) -> Self:
        """What `save_local` wrote, checked by SHA-256. Raises InputError where it is missing or was changed."""
        return cls(embedding, load_index(Path(folder), "write it with save_local")[0])

    def save_local(self, folder: Path) -> None:
        """Writes a store over FAISS to a folder, in the place of what is there. Raises InputError for another index."""
        if not isinstance(self.index, FaissIndex):
            raise InputError(f"A store over a {type(self.index).__name__} keeps itself; save_local is for FaissIndex.")
        save_index(Path(folder), self.index, {})

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Adds texts and gives their ids; one whose id is there already takes its place, one without id gets a new one.

        Raises InputError where there are not as many metadata or ids as texts.
        """
        contents = list(texts)
        given = list(metadatas) if metadatas is not None else [{} for _ in contents]
        names = [name or str(uuid.uuid4()) for name in (ids if ids is not None else [None] * len(contents))]
        if not len(contents) == len(given) == len(names):
            raise InputError(f"There are {len(contents)} texts, {len(given)} metadata and {len(names)} ids.")
        if contents:
            vectors = normalised(np.asarray(self._embedding.embed_documents(contents), dtype=np.float32))
            rows = zip(names, vectors, contents, given, strict=True)
            self.index.add([Record(name, vector, text, dict(metadata)) for name, vector, text, metadata in rows])
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Removes documents by id; with None, all of them."""
        self.index.delete([record.id for record in self.index] if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these ids; those that aren't there are left out."""
        return [_document(record) for record in self.index.get(ids)]

    def similarity_search(self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any) -> list[Document]:
        """At most k documents, nearest first."""
        return [_document(hit.record) for hit in self._hits(self._vector(query), k, filter)]

    def similarity_search_with_score(  # type: ignore[override]  # LangChain's takes anything
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same with their cosine, −1 to 1."""
        return [(_document(hit.record), hit.similarity) for hit in self._hits(self._vector(query), k, filter)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """At most k documents nearest to a vector."""
        return [_document(hit.record) for hit in self._hits(_unit(embedding), k, filter)]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """k of the `fetch_k` nearest that are near and unlike each other; `lambda_mult` 1: near only, 0: unlike only."""
        vector = self._vector(query)
        return self.max_marginal_relevance_search_by_vector(vector.tolist(), k, fetch_k, lambda_mult, filter)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The same for a vector (Carbonell and Goldstein 1998)."""
        vector = _unit(embedding)
        records = [hit.record for hit in self._hits(vector, max(fetch_k, k), filter)]
        if not records:
            return []
        chosen = maximal_marginal_relevance(vector, [record.vector.tolist() for record in records], lambda_mult, k)
        return [_document(records[number]) for number in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: (1 + cosine) / 2

    def _vector(self, query: str) -> NDArray[np.float32]:
        return _unit(self._embedding.embed_query(query))

    def _hits(self, vector: NDArray[np.float32], k: int, where: Filter | None) -> list[Hit]:
        return self.index.search(vector, k, where)


def _document(record: Record) -> Document:
    return Document(id=record.id, page_content=record.text, metadata=dict(record.metadata))


def _unit(vector: Sequence[float]) -> NDArray[np.float32]:
    return normalised(np.asarray(vector, dtype=np.float32))
