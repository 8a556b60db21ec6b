"""FAISS and pgvector as stores of similar conversations: what they find, how long that takes, how long building takes.

    python -m benchmarks.scale.vector_stores [--write docs/scaling.md] [--count 50000] [--database URL]

Recall@10 is the share of the ten truly nearest that a search gives. Queries run one after the other through the
product's own `VectorIndex`, records with their metadata and texts included. Without --database it starts a PostgreSQL
of its own, on a Unix socket and with the server's default settings. Takes about three minutes for 50,000 on 2 cores,
and 1 GB of memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs

# isort: split
import numpy as np
from numpy.typing import NDArray

from benchmarks.postgresql_server import postgresql
from benchmarks.tables import in_words, plain_table, rich_table, write_between_markers
from foundations.errors import InputError
from foundations.terminal import console, say
from similarity.faiss_index import FaissIndex
from similarity.pgvector_database import EF_SEARCH, VectorDatabase
from similarity.pgvector_index import FINGERPRINT, DatabasePlace, PgVectorIndex
from similarity.vector_index import Filter, Record, VectorIndex, matches

DIMENSIONS = 128  # of the contrastive embedding
SCENARIOS = 1000
INDUSTRIES = 20
WANTED = 10
EF_SEARCHES = (10, 40, EF_SEARCH, 200)
HEADINGS = ("store", "filter", "recall@10", "a query, median", "a query, p95", "build")
MARKERS = "vector stores"
_FILTERED_QUERIES = 50  # each looks at every record
FILTERS: dict[str, Filter | None] = {
    "none": None,
    "outcome (1 in 2)": {"outcome": "successful"},
    "outcome and industry (1 in 40)": {"outcome": "successful", "industry": "industry 7"},
}


class Store(NamedTuple):
    """A filled index, and the seconds it took to fill it."""

    title: str
    searched: VectorIndex
    build: float


def conversation_like_vectors(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit vectors (count, DIMENSIONS) shaped like the contrastive embedding of the default data, and their outcomes.

    There one axis, the outcome, has three quarters of the variance, and the others' falls off like 1 / their number.
    So: a place on the outcome's axis, one of SCENARIOS directions, and noise half as long, both with that fall-off.
    """
    fixed, random = np.random.default_rng(0), np.random.default_rng(seed)
    fall_off = np.sqrt(1 / np.arange(1, DIMENSIONS))
    scenarios = fixed.standard_normal((SCENARIOS, DIMENSIONS - 1)) * fall_off
    rotation = np.linalg.qr(fixed.standard_normal((DIMENSIONS, DIMENSIONS)))[0]
    won = random.random(count) < 0.5
    outcome = np.where(won, 1.0, -1.0) + 0.4 * random.standard_normal(count)
    rest = scenarios[random.integers(0, SCENARIOS, count)]
    rest = rest + 0.5 * random.standard_normal((count, DIMENSIONS - 1)) * fall_off
    rest *= np.sqrt(1 / 3) / np.sqrt((1.25 / np.arange(1, DIMENSIONS)).sum())
    vectors = np.column_stack([outcome, rest]) @ rotation
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), won


def records(count: int) -> list[Record]:
    """With metadata as conversations have them, and a text of about their length."""
    vectors, won = conversation_like_vectors(count, seed=1)
    return [
        Record(
            f"c-{n}",
            vectors[n],
            f"Conversation {n}. " + "They talked about the price, the dates and the contract. " * 5,
            {"outcome": "successful" if won[n] else "failed", "industry": f"industry {n % INDUSTRIES}"},
        )
        for n in range(count)
    ]


def measure(count: int, queries: int, url: str | None) -> tuple[str, list[tuple[str, ...]]]:
    """The title and the rows of the table."""
    given = records(count)
    asked = conversation_like_vectors(queries, seed=2)[0]
    flat = _built("FAISS, exact", FaissIndex(flat_limit=count), given)
    cosines = np.stack([record.vector for record in given]) @ asked.T  # (count, queries)
    truth = {name: _truly_nearest(given, cosines, where) for name, where in FILTERS.items()}
    nearest = float(np.median(cosines.max(axis=0)))
    rows = _rows(flat, asked, truth)
    rows += _rows(_built("FAISS, inverted lists", FaissIndex(flat_limit=0), given), asked, truth, ["none"])
    with postgresql(url) as found:
        rows += _pgvector_rows(found, given, asked, truth)
    title = (
        f"{count:,} vectors of {DIMENSIONS} dimensions, {queries} queries that are not among them; the nearest one's cosine "
        f"is {nearest:.3f} (median)"
    )
    return title, rows


def _pgvector_rows(
    url: str, given: Sequence[Record], asked: NDArray[np.float32], truth: dict[str, list[set[str]]]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    build = None
    for ef_search in EF_SEARCHES:
        database = VectorDatabase(url, ef_search)
        place = DatabasePlace(database, "benchmark", "")
        if build is None:
            start = time.perf_counter()
            place.replace(given, {FINGERPRINT: "benchmark"})
            build = time.perf_counter() - start
        chosen = " (the setting)" if ef_search == EF_SEARCH else ""
        store = Store(f"pgvector, HNSW, ef_search {ef_search}{chosen}", place.open()[0], build)
        rows += _rows(store, asked, truth, [*FILTERS] if chosen else ["none"])
        if ef_search == EF_SEARCHES[-1]:
            rows.append(_one_more(database, given))
        database.close()
    return rows


def _one_more(database: VectorDatabase, given: Sequence[Record]) -> tuple[str, ...]:
    """Replacing one record, as --mode add does."""
    index = PgVectorIndex(database, "benchmark")
    seconds = []
    for record in given[:20]:
        start = time.perf_counter()
        index.add([record])
        seconds.append(time.perf_counter() - start)
    return ("pgvector, one record added", "", "", in_words(statistics.median(seconds)), in_words(_p95(seconds)), "")


def _built(title: str, index: VectorIndex, given: Sequence[Record]) -> Store:
    say(f"{title} …", style="dim")
    start = time.perf_counter()
    index.add(given)
    return Store(title, index, time.perf_counter() - start)


def _rows(
    store: Store, asked: NDArray[np.float32], truth: dict[str, list[set[str]]], filters: Sequence[str] = tuple(FILTERS)
) -> list[tuple[str, ...]]:
    say(f"{store.title}: searching …", style="dim")
    rows: list[tuple[str, ...]] = []
    for name in filters:
        where = FILTERS[name]
        found, seconds = _found(store.searched, asked if where is None else asked[:_FILTERED_QUERIES], where)
        recall = statistics.mean(
            len(one & best) / max(1, len(best)) for one, best in zip(found, truth[name], strict=False)
        )
        build = in_words(store.build) if where is None else ""
        median, p95 = in_words(statistics.median(seconds)), in_words(_p95(seconds))
        rows.append((store.title, name, f"{recall:.4f}", median, p95, build))
    return rows


def _truly_nearest(given: Sequence[Record], cosines: NDArray[np.float32], where: Filter | None) -> list[set[str]]:
    """The ids of the nearest that match, for each query, by brute force. cosines: (records, queries)."""
    kept = np.array([matches(record.metadata, where or {}) for record in given])
    rows = np.flatnonzero(kept)
    best = rows[np.argsort(-cosines[rows], axis=0)[:WANTED]]  # (WANTED, queries)
    return [{given[n].id for n in column} for column in best.T]


def _found(index: VectorIndex, asked: NDArray[np.float32], where: Filter | None) -> tuple[list[set[str]], list[float]]:
    """The ids that each query finds, and its seconds; the first few are run before, unmeasured."""
    for query in asked[:5]:
        index.search(query, WANTED, where)
    found, seconds = [], []
    for query in asked:
        start = time.perf_counter()
        hits = index.search(query, WANTED, where)
        seconds.append(time.perf_counter() - start)
        found.append({hit.record.id for hit in hits})
    return found, seconds


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def main() -> int:
    """Measures, prints the table and writes it where asked; 0, or 2 after one sentence for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale.vector_stores", description="Recall and speed of FAISS and pgvector."
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this document")
    parser.add_argument("--count", type=int, default=50_000, help="vectors (50000)")
    parser.add_argument("--queries", type=int, default=500, help="queries for each figure (500)")
    parser.add_argument("--database", metavar="URL", help="a PostgreSQL with pgvector, instead of one of its own")
    options = parser.parse_args()
    try:
        title, rows = measure(options.count, options.queries, options.database)
        console.print(rich_table(rows, title, HEADINGS))
        if options.write:
            write_between_markers(options.write, plain_table(HEADINGS, rows, title), MARKERS)
    except InputError as error:
        say(f"Error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
