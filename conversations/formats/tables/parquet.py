"""Parquet, read in bounded pieces; pyarrow is imported here and where scores are written, and only for Parquet.

A file whose columns hold no lists and structures is a table, else its rows are records as JSON has them. Raises InputError
that says how to install pyarrow where it isn't.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from conversations.formats.kinds import PackedFormat, Placed
from conversations.formats.limits import Limit, counted
from conversations.formats.options import ReadingOptions
from conversations.formats.tables.cells import cell_text
from conversations.formats.tables.crm import table_records
from conversations.formats.tables.delimited import Table
from conversations.formats.tables.names import may_be_messages
from conversations.formats.tables.own_json import own_records
from foundations.errors import InputError

_BATCH = 256  # rows decoded at once
LARGEST_UPLOAD = 2**26  # bytes, unpacked


class ParquetShape(NamedTuple):
    """What a Parquet file's footer says."""

    rows: int
    columns: list[str]
    flat: bool  # a table as CSV is one: no column holds lists or structures
    unpacked: int  # bytes


def check_pyarrow() -> None:
    """Raises InputError where Parquet can't be read or written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            "Parquet needs the package 'pyarrow': pip install -r requirements/scale.txt, or use JSON lines."
        ) from error


def parquet_shape(path: Path, data: bytes | None = None) -> ParquetShape:
    """Rows and columns of the file, or of its content where that was read.

    Raises InputError for a damaged file and where the words' own column holds no text.
    """
    check_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(path):
        file = pq.ParquetFile(io.BytesIO(data) if data else path)
    schema = file.schema_arrow
    flat = not any(pa.types.is_nested(found.type) for found in schema)
    if "transcript" in schema.names:
        words = schema.field("transcript").type
        words = words.value_type if pa.types.is_dictionary(words) else words
        if not any(is_kind(words) for is_kind in _text_kinds(pa)):
            raise InputError(f"{path}: the column 'transcript' holds {words}, not text.")
    groups = (file.metadata.row_group(n) for n in range(file.metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    return ParquetShape(file.metadata.num_rows, list(schema.names), flat, unpacked)


def parquet_rows(path: Path, start: int, end: int, data: bytes | None = None) -> Iterator[dict[str, Any]]:
    """Rows `start` to `end` without their empty cells, at most `_BATCH` of them in memory.

    Raises InputError where they can't be read.
    """
    check_pyarrow()
    import pyarrow.parquet as pq

    source = io.BytesIO(data) if data else path
    with readable(path, f" from row {start + 1} on"), pq.ParquetFile(source, pre_buffer=False) as file:
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
        passed = 0
        for group, size in enumerate(sizes):
            if passed < end and passed + size > start:
                yield from _rows_of_group(file, group, max(start - passed, 0), min(end - passed, size))
            passed += size


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


def text_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The cells of a row as a table of text has them, without empty ones."""
    return {name: text for name, cell in row.items() if (text := cell_text(cell))}


def is_parquet(data: bytes) -> bool:
    """Whether a file that begins with these bytes is Parquet."""
    return data.startswith(b"PAR1")


def parquet_table(data: bytes, path: Path) -> Table:
    """The rows of a file without lists and structures as a table. Raises InputError where it can't be read."""
    shape = parquet_shape(path, data)
    return Table(shape.columns, [(where, text_cells(row)) for where, row in _placed(data, path, shape.rows)])


def parquet_records(data: bytes, path: Path, options: ReadingOptions, limit: Limit | None) -> list[Placed]:
    """One record a row. Raises InputError where it can't be read, and as `table_records` and `own_records` do."""
    shape = parquet_shape(path, data)
    if limit and shape.unpacked > LARGEST_UPLOAD:
        raise InputError(
            f"{path} unpacks to {shape.unpacked / 2**20:,.0f} MiB, and at most {LARGEST_UPLOAD / 2**20:.0f} MiB are taken "
            "at once; split it, or score it with: python main.py --mode score."
        )
    are_utterances = may_be_messages(shape.columns, path, options)
    placed = list(counted(_placed(data, path, shape.rows), path, limit, are_utterances))
    if not shape.flat:
        return own_records(placed, path, options, limit)
    return table_records(
        Table(shape.columns, [(where, text_cells(row)) for where, row in placed]), path, options, limit
    )


FORMAT = PackedFormat("Parquet", is_parquet, parquet_records)


def _placed(data: bytes, path: Path, rows: int) -> Iterator[Placed]:
    return ((f"{path}, row {number}", row) for number, row in enumerate(parquet_rows(path, 0, rows, data), start=1))


@contextmanager
def readable(path: Path, where: str = "") -> Iterator[None]:
    """Within this block what pyarrow can't read is an InputError."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"Cannot read {str(path)!r}{where} as Parquet ({str(error).splitlines()[0]}).") from error
