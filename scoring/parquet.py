"""Parquet, read in bounded pieces and written; pyarrow is imported here only, and only when Parquet is asked for.

Raises InputError that says how to install pyarrow where it isn't.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from foundations.errors import InputError

_BATCH = 256  # rows decoded at once


class ParquetShape(NamedTuple):
    """What a Parquet file's footer says."""

    rows: int
    columns: list[str]
    flat: bool  # a table as CSV is one: no column holds lists or structures


def check_pyarrow() -> None:
    """Raises InputError where Parquet can't be read or written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet needs the package 'pyarrow': pip install -r requirements/scale.txt, or use JSON lines."
        ) from error


def parquet_shape(path: Path) -> ParquetShape:
    """Rows and columns. Raises InputError for a damaged file and where the words' own column holds no text."""
    check_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _readable(path):
        file = pq.ParquetFile(path)
    schema = file.schema_arrow
    flat = not any(pa.types.is_nested(found.type) for found in schema)
    if "transcript" in schema.names:
        words = schema.field("transcript").type
        words = words.value_type if pa.types.is_dictionary(words) else words
        if not any(is_kind(words) for is_kind in _text_kinds(pa)):
            raise InputError(f"{path}: the column 'transcript' holds {words}, not text.")
    return ParquetShape(file.metadata.num_rows, list(schema.names), flat)


def parquet_rows(path: Path, start: int, end: int) -> Iterator[dict[str, Any]]:
    """Rows `start` to `end` without their empty cells, at most `_BATCH` of them in memory.

    Raises InputError where they can't be read.
    """
    check_pyarrow()
    import pyarrow.parquet as pq

    with _readable(path, f" from row {start + 1} on"), pq.ParquetFile(path, pre_buffer=False) as file:
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
        passed = 0
        for group, size in enumerate(sizes):
            if passed < end and passed + size > start:
                yield from _rows_of_group(file, group, max(start - passed, 0), min(end - passed, size))
            passed += size


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

    with _readable(path):
        return list(pq.ParquetFile(path).read(list(names)).to_pylist())


def _rows_of_group(file: Any, group: int, first: int, last: int) -> Iterator[dict[str, Any]]:
    passed = 0
    for batch in file.iter_batches(_BATCH, row_groups=[group], use_threads=False):
        chosen = batch.slice(max(first - passed, 0), max(min(last - passed, len(batch)) - max(first - passed, 0), 0))
        passed += len(batch)
        for row in chosen.to_pylist():
            yield {name: cell for name, cell in row.items() if not _is_missing(cell)}
        if passed >= last:
            return


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _text_kinds(pa: Any) -> list[Any]:
    return [pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null]


@contextmanager
def _readable(path: Path, where: str = "") -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"Cannot read {str(path)!r}{where} as Parquet ({str(error).splitlines()[0]}).") from error
