"""Scores of one shard as a file, JSON lines or Parquet, written whole or not at all; and which ids came twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from batch_scoring import SCORE_COLUMNS, TURN_COLUMNS, json_lines
from foundations.atomic_files import write_atomically
from parquet_files import parquet_bytes, parquet_cells

_NUMBERS: dict[str, type] = {"probability": float, "confidence": float, "turn": int}


class Duplicates(NamedTuple):
    """Ids that the input holds more than once."""

    ids: int  # how many
    first: str


def write_shard(path: Path, rows: Sequence[Mapping[str, Any]], per_turn: bool) -> int:
    """Writes the rows; the ending of `path` says how. Returns the size in bytes. Raises InputError where it can't."""
    columns = TURN_COLUMNS if per_turn else SCORE_COLUMNS
    if path.suffix == ".parquet":
        data = parquet_bytes(rows, {name: _NUMBERS.get(name, str) for name in columns})
    else:
        data = json_lines(rows).encode("utf-8")
    write_atomically(path, lambda file: file.write(data))
    return len(data)


def read_ids(path: Path) -> list[str]:
    """The ids of a shard's conversations; where there is a row for each turn, those of the first turns."""
    if path.suffix == ".parquet":
        rows = parquet_cells(path, ("conversation_id", "turn"))
    else:
        with path.open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    return [row["conversation_id"] for row in rows if row.get("turn", 1) == 1]


def duplicate_ids(paths: Sequence[Path]) -> Duplicates | None:
    """Which conversations' ids occur more than once in these shards; None if no one does.

    Reads the shards once more, and holds 8 bytes an id.
    """
    hashes = [np.array([hash(one) for one in read_ids(path)], dtype=np.int64) for path in paths]
    found, counts = np.unique(np.concatenate(hashes or [np.zeros(0, np.int64)]), return_counts=True)
    repeated = set(found[counts > 1].tolist())
    if not repeated:
        return None
    first = next(one for path in paths for one in read_ids(path) if hash(one) in repeated)
    return Duplicates(len(repeated), first)
