"""Where vectors with a text and metadata lie and are searched: the interface, whatever stores them.

`similarity.faiss_index` keeps them in memory and `similarity.index_files` on disk, `similarity.pgvector_index` in
PostgreSQL. Knows nothing of conversations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foundations.errors import UnavailableError

Filter = Mapping[str, Any]  # metadata key: the value it must have, or a list of values of which it must have one


@dataclass(frozen=True)
class Record:
    """One indexed text."""

    id: str
    vector: NDArray[np.float32]  # (dim,), of length 1
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)  # plain values
    parts: NDArray[np.int8] | None = None  # (lines of text, d): a quantised vector for each line, where there are any


class Hit(NamedTuple):
    """A record that was found."""

    record: Record
    similarity: float  # cosine, −1 to 1


class IndexAwayError(UnavailableError):
    """What keeps the index can't be used now. `reason` is for the log: it may name the host."""

    code = "index_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("The vector index can't be used now; its operator finds the reason in the service's log.")
        self.reason = reason


class IndexReplacedError(IndexAwayError):
    """The index that was opened is there no more: one of another training has taken its place."""


class VectorIndex(ABC):
    """Records by id, and the nearest to a vector by cosine."""

    @abstractmethod
    def add(self, records: Sequence[Record]) -> None:
        """Adds records; one whose id is there already takes its place. Raises InputError for a vector of another width."""

    @abstractmethod
    def delete(self, ids: Sequence[str]) -> None:
        """Removes records; an id that isn't there is no error."""

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Record]:
        """The records with these ids, in this order; those that aren't there are left out."""

    @abstractmethod
    def search(self, vector: NDArray[np.float32], count: int, where: Filter | None = None) -> list[Hit]:
        """At most `count` records that match `where`, nearest to `vector` (dim,) first."""

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Every record, oldest first."""

    @abstractmethod
    def __len__(self) -> int: ...


class IndexPlace(ABC):
    """Where an index lies with a description, for all who search in it."""

    @abstractmethod
    def stamp(self) -> Hashable:
        """Another value where another version of the index lies here. Cheap: asked before each search."""

    @abstractmethod
    def manifest(self) -> dict[str, Any]:
        """The description, and the `count` of records. Raises InputError where there is no index."""

    @abstractmethod
    def open(self) -> tuple[VectorIndex, dict[str, Any]]:
        """The index, to be searched, and its manifest. Raises InputError where there is none."""

    def close(self) -> None:  # noqa: B027 — files hold nothing
        """Lets go of what it holds."""


class SharedPlace(IndexPlace):
    """An index that machines share, filled from an index that lies in files."""

    @abstractmethod
    def replace(self, records: Sequence[Record], description: Mapping[str, Any]) -> int:
        """Puts an index in the place of the one there, at once for all; how many records of the old one it lacks."""

    @abstractmethod
    def add(self, records: Sequence[Record], description: Mapping[str, Any]) -> int:
        """Adds records, all or none; how many of them take the place of another. Raises InputError for another description."""

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> None:
        """Removes records; an id that isn't there is no error."""


def matches(metadata: Mapping[str, Any], where: Filter) -> bool:
    """Whether metadata have every value that the filter names."""
    return all(
        key in metadata
        and (metadata[key] in wanted if isinstance(wanted, (list, tuple, set)) else metadata[key] == wanted)
        for key, wanted in where.items()
    )


def quantised(vectors: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
    """Rows of length 1 as int8, 127 standing for 1: a quarter of the space, and cosines within about 0.01."""
    return np.asarray(np.round(np.asarray(vectors) * 127), dtype=np.int8)
