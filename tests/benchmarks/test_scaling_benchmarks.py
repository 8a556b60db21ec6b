"""The benchmarks of scaling: recall by hand, and the arithmetic of machines from given figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.postgresql_server import PostgresqlServer
from benchmarks.scale import vector_stores
from benchmarks.scale.serving import Load, arithmetic
from benchmarks.tables import plain_table, write_between_markers
from foundations.errors import InputError
from similarity.pgvector_database import EF_SEARCH


def test_vectors_are_of_length_one_and_of_two_outcomes() -> None:
    vectors, won = vector_stores.conversation_like_vectors(500, seed=1)
    assert vectors.shape == (500, vector_stores.DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(500), abs=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[won][:, won].mean() > 0.2 > -0.2 > cosines[won][:, ~won].mean()
    strengths = np.linalg.svd(vectors, compute_uv=False) ** 2
    assert 0.6 < strengths[0] / strengths.sum() < 0.9, "one axis has three quarters of it"


def test_a_small_run_compares_both_stores_with_brute_force(postgresql: PostgresqlServer) -> None:
    title, rows = vector_stores.measure(300, 10, postgresql.new_database())
    assert title.startswith("300 vectors of 128 dimensions, 10 queries")
    found = {(store, where): recall for store, where, recall, *_ in rows}
    assert found["FAISS, exact", "none"] == "1.0000"
    for where in vector_stores.FILTERS:
        assert found[f"pgvector, HNSW, ef_search {EF_SEARCH} (the setting)", where] == "1.0000"


def test_machines_by_hand() -> None:
    load = Load(2, rate=200, p50=0.01, p95=0.02, transactions=10, rows=204, bytes_each=1000, log_bytes_each=2000,
                connections=4, cores=1.5, client_cores=0.3)  # fmt: skip
    machines, rows, size, connections = arithmetic(load)
    # 200 · 0.7 = 140 predictions a second each; 1,000 / 140 = 7.1, so 8 machines.
    assert "200 × 0.7 = 140; 1,000 / 140 = 7.1, so **8 machines**" in machines
    # 8 machines · 10 transactions; 204 − 200 rows of counts, 8 machines of them.
    assert "in 80 transactions: 8 machines × 10.0" in rows
    assert "32.0 rows of request counts" in rows
    # 1,000 · 86,400 s · 1,000 bytes = 86.4 GB a day; 7 days 605 GB, 90 days 7.8 TB.
    assert "= 86 GB a day" in size and "173 GB of write-ahead log" in size
    assert "that is 605 GB, at 90 7.8 TB" in size
    assert "8 machines × 4 = 32, of the 100 that PostgreSQL allows by default." in connections
    assert "PgBouncer" in arithmetic(load._replace(connections=20))[3]


def test_a_table_goes_between_the_markers_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("<!-- a: begin -->\nold\n<!-- a: end -->\n<!-- b: begin -->\nkept\n<!-- b: end -->\n")
    write_between_markers(path, plain_table(("x", "y"), [("1", "2")], "title"), "a")
    table = "title\n\n| x | y |\n|---|---|\n| 1 | 2 |"
    assert path.read_text() == (
        f"<!-- a: begin -->\n{table}\n<!-- a: end -->\n<!-- b: begin -->\nkept\n<!-- b: end -->\n"
    )
    for place in (path, tmp_path / "missing.md"):
        with pytest.raises(InputError, match=r"lacks the lines '<!-- c: begin -->'"):
            write_between_markers(place, "text", "c")
