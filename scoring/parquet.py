"""Scores as Parquet, written and read back; needs pyarrow as `conversations.formats.tables.parquet` does."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conversations.formats.tables.parquet import check_pyarrow, readable


def parquet_bytes(rows: Sequence[Mapping[str, Any]], types: Mapping[str, type]) -> bytes:
    """A Parquet file with these rows, its columns in the order of `types` (str, int or float) even where it has none."""
    check_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, arrow[kind]) for name, kind in types.items()])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), buffer)
    return buffer.getvalue()


def parquet_cells(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a whole file, with those of these columns that it has. Raises InputError where it can't be read."""
    check_pyarrow()
    import pyarrow.parquet as pq

    with readable(path):
        return list(pq.ParquetFile(path).read(list(names)).to_pylist())
