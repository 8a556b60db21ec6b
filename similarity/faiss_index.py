"""Records in memory, searched by FAISS: exactly up to 200,000 of them, by inverted lists (IVF) above.

An exact search costs about 1 ms for 10,000 records of 128 dimensions. Above the limit the vectors are clustered once,
and a search looks into the nearest clusters only; where these hold too few records that match, into all. Each record's
vector is held twice. Safe to use from many threads. `similarity.index_files` keeps it on disk.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from foundations.errors import InputError
from similarity.vector_index import Filter, Hit, Record, VectorIndex, matches

FLAT_LIMIT = 200_000  # records that are searched exactly
_PROBED = 48  # clusters that a search looks into
_LOOKED_THROUGH = 20  # with a filter, so many times the wanted records are looked through before all are
_FEWEST_PER_CLUSTER = 39  # below that FAISS warns that clusters mean little


class FaissIndex(VectorIndex):
    """Cosine search; the width of the vectors is that of the first ones added."""

    def __init__(self, flat_limit: int = FLAT_LIMIT) -> None:
        self._flat_limit = flat_limit
        self._faiss: Any = None  # None while empty; its ids are the keys of _records
        self._records: dict[int, Record] = {}  # with their vectors: FAISS has a copy
        self._rows: dict[str, int] = {}  # by the record's id
        self._next_row = 0
        self._lock = threading.RLock()

    @property
    def kind(self) -> str:
        """ "flat" or "ivf"."""
        return "ivf" if isinstance(self._faiss, faiss.IndexIVF) else "flat"

    def add(self, records: Sequence[Record]) -> None:
        """See VectorIndex."""
        latest = {record.id: record for record in records}  # of two with one id the later counts
        if not latest:
            return
        vectors = np.stack([record.vector for record in latest.values()]).astype(np.float32)
        with self._lock:
            if self._faiss is not None and vectors.shape[1] != self._faiss.d:
                raise InputError(f"The vectors have {vectors.shape[1]} dimensions, the index has {self._faiss.d}.")
            self.delete(list(latest))
            rows = np.arange(self._next_row, self._next_row + len(latest), dtype=np.int64)
            self._next_row += len(latest)
            self._add_vectors(vectors, rows)
            for row, record in zip(rows.tolist(), latest.values(), strict=True):
                self._records[row] = record
                self._rows[record.id] = row

    def delete(self, ids: Sequence[str]) -> None:
        """See VectorIndex."""
        with self._lock:
            rows = [self._rows.pop(id) for id in dict.fromkeys(ids) if id in self._rows]
            for row in rows:
                del self._records[row]
            if rows:
                self._faiss.remove_ids(faiss.IDSelectorArray(np.array(rows, dtype=np.int64)))

    def get(self, ids: Sequence[str]) -> list[Record]:
        """See VectorIndex."""
        with self._lock:
            return [self._records[self._rows[id]] for id in ids if id in self._rows]

    def search(self, vector: NDArray[np.float32], count: int, where: Filter | None = None) -> list[Hit]:
        """See VectorIndex."""
        with self._lock:
            if not self._records or count < 1:
                return []
            if len(vector) != self._faiss.d:
                raise InputError(f"The vector has {len(vector)} dimensions, the index has {self._faiss.d}.")
            nearest = self._found(vector, count * (_LOOKED_THROUGH if where else 1), None)
            hits = [hit for hit in nearest if matches(hit.record.metadata, where or {})][:count]
            if len(hits) == min(count, len(self._records)):
                return hits
            return self._found(vector, count, self._matching(where or {}))

    def __iter__(self) -> Iterator[Record]:
        with self._lock:
            return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def contents(self) -> tuple[bytes, list[tuple[int, Record]]]:
        """What `from_contents` takes: FAISS's own bytes, and the records by the number that FAISS knows them by."""
        with self._lock:
            data = b"" if self._faiss is None else faiss.serialize_index(self._faiss).tobytes()
            return data, list(self._records.items())

    @classmethod
    def from_contents(cls, data: bytes, records: Sequence[tuple[int, Record]]) -> FaissIndex:
        """What `contents` gave; the records need no vectors. Raises InputError where the two don't fit together."""
        index = cls()
        if data:
            try:
                index._faiss = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
            except RuntimeError as error:
                raise InputError("the vectors are no FAISS index") from error
        if len(records) != (index._faiss.ntotal if index._faiss is not None else 0):
            raise InputError(f"it has {len(records)} texts but not as many vectors")
        vectors = index._vectors([row for row, _ in records])
        for (row, record), vector in zip(records, vectors, strict=True):
            index._records[row] = Record(record.id, vector, record.text, record.metadata, record.parts)
            index._rows[record.id] = row
        index._next_row = max(index._records, default=-1) + 1
        return index

    def _add_vectors(self, vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        if self._faiss is None:
            self._faiss = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        if self.kind == "flat" and len(self._records) + len(rows) > self._flat_limit:
            before = np.fromiter(self._records, dtype=np.int64, count=len(self._records))
            vectors = np.concatenate([self._vectors(before), vectors])
            rows = np.concatenate([before, rows])
            self._faiss = _inverted_lists(vectors)
        self._faiss.add_with_ids(vectors, rows)

    def _vectors(self, rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        if not len(rows):
            return np.zeros((0, 0 if self._faiss is None else self._faiss.d), dtype=np.float32)
        return np.stack([self._faiss.reconstruct(int(row)) for row in rows])

    def _matching(self, where: Filter) -> NDArray[np.int64]:
        return np.array([row for row, record in self._records.items() if matches(record.metadata, where)], np.int64)

    def _found(self, vector: NDArray[np.float32], count: int, rows: NDArray[np.int64] | None) -> list[Hit]:
        """The nearest of some rows, whichever cluster they are in, or with None of all rows."""
        if rows is not None and not len(rows):
            return []
        options: dict[str, Any] = {} if rows is None else {"sel": faiss.IDSelectorBatch(rows)}
        if self.kind == "ivf":
            probed = _PROBED if rows is None else self._faiss.nlist
            parameters: Any = faiss.SearchParametersIVF(nprobe=probed, **options)  # type: ignore[call-arg]
        else:
            parameters = faiss.SearchParameters(**options)
        query = np.asarray(vector, dtype=np.float32)[None, :]
        similarities, found = self._faiss.search(query, min(count, len(self._records)), params=parameters)
        return [
            Hit(self._records[row], float(similarity))
            for row, similarity in zip(found[0].tolist(), similarities[0].tolist(), strict=True)
            if row >= 0  # FAISS fills up with -1
        ]


def _inverted_lists(vectors: NDArray[np.float32]) -> Any:
    """An empty IVF index whose clusters are those of `vectors` (n, dim): about 2·√n of them."""
    dim = vectors.shape[1]
    clusters = max(1, min(round(2 * math.sqrt(len(vectors))), len(vectors) // _FEWEST_PER_CLUSTER))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, clusters, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    # Without a map from ids to places, vectors could neither be read back nor removed.
    index.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
    return index
