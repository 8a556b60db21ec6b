"""Scores one shard after another with one model on one core: what each worker does, whichever engine started it.

It reads a shard in pieces, asks the model as `--mode score` without an engine does, and writes the shard's scores and
then its receipt. Holds the rows of scores of one shard, one piece of conversations, and the vectors of texts that came
before, which are forgotten every `_REMEMBERED` characters: short turns and context sentences come again and again.

A shard's scores are one file, JSON lines or Parquet, written whole or not at all.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from conversations.model_text import spoken_text
from encoder.text_encoder import remembered_texts
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_atomically
from foundations.errors import InputError
from model_registry import artifact_path, load_model
from modelling.conversion_model import ConversionModel
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import version_of
from scoring.job import Receipt, ScoringJob, Shard
from scoring.parquet import parquet_bytes, parquet_cells
from scoring.reading import ChangedInputError, Piece, read_pieces
from scoring.scores import SCORE_COLUMNS, TURN_COLUMNS, json_lines, score_conversations, score_turns

_NUMBERS: dict[str, type] = {"probability": float, "confidence": float, "turn": int}


_REMEMBERED = 2_000_000  # characters of transcripts: about 60 MB of vectors a model's encoder


@dataclass(frozen=True)
class Reply:
    """What a worker says of a shard."""

    scored: int = 0  # conversations
    unreadable: str = ""  # the shard can't be read; others can
    failed: str = ""  # nothing goes on: the disk is full, the model was exchanged, or the job wants no bad row


def model_version(folder: ArtifactFolder, name: str) -> str:
    """Which version of a trained model lies in the folder."""
    return version_of(serving_folder(artifact_path(folder, name))) or ""


class ShardScorer:
    """One model in memory. Raises InputError where it can't be loaded or is another version than the job's."""

    def __init__(self, artifacts: Path, job: ScoringJob, skip: bool) -> None:
        folder = ArtifactFolder(artifacts)
        self._job, self._skip = job, skip
        self._model = load_model(folder, job.terms.model, threads=1)
        if (version := model_version(folder, job.terms.model)) != job.terms.model_version:
            raise InputError(
                f"The model {job.terms.model!r} is version {version} by now, the job was begun with "
                f"{job.terms.model_version}; give another --output to score all with the new one."
            )

    def attempt(self, shard: Shard) -> Iterator[int | Reply]:
        """Scores a shard and finishes it; gives from time to time how many of its rows are done, and lastly the reply."""
        receipt = Receipt(worker=f"{socket.gethostname()}, process {os.getpid()}")
        rows: list[dict[str, Any]] = []
        try:
            with _Memory() as memory:
                for piece in self._pieces(shard):
                    memory.make_room_for(piece)
                    rows += self._rows(piece)
                    receipt.rows += piece.rows
                    receipt.scored += len(piece.conversations)
                    receipt.closed += sum(one.outcome is not None for one in piece.conversations)
                    receipt.problems += piece.problems
                    if piece.problems and not self._skip:
                        raise InputError(piece.problems[0])
                    yield receipt.rows
            yield self._finished(shard, rows, receipt)
        except InputError as error:
            others_can = self._skip and not isinstance(error, ChangedInputError)
            yield Reply(unreadable=str(error)) if others_can else Reply(failed=str(error))

    def _finished(self, shard: Shard, rows: list[dict[str, Any]], receipt: Receipt) -> Reply:
        try:
            receipt.bytes = write_shard(self._job.scores_path(shard), rows, self._job.terms.per_turn)
            self._job.finish(shard, receipt)
        except InputError as error:
            return Reply(failed=str(error))
        return Reply(scored=receipt.scored)

    def _pieces(self, shard: Shard) -> Iterator[Piece]:
        file = self._job.files[shard.file]
        return read_pieces(file, shard.cut, self._job.terms.reading, self._job.id_prefix(shard))

    def _rows(self, piece: Piece) -> list[dict[str, Any]]:
        score: Callable[[ConversionModel, Any], list[dict[str, Any]]]
        score = score_turns if self._job.terms.per_turn else score_conversations
        return score(self._model, piece.conversations)


def packed(artifacts: Path, job: ScoringJob, skip: bool) -> bytes:
    """What a worker has to know beside its shard, to be sent to it."""
    return pickle.dumps((artifacts, replace(job, shards=[]), skip))


def attempt(given: bytes, shard: Shard) -> Iterator[int | Reply]:
    """`ShardScorer.attempt` with the scorer of this process for what was `packed`."""
    try:
        scorer = _scorer(given)
    except InputError as error:
        yield Reply(failed=str(error))
        return
    yield from scorer.attempt(shard)


@lru_cache(maxsize=1)
def _scorer(given: bytes) -> ShardScorer:
    """A model is loaded once a process, not once a shard."""
    return ShardScorer(*pickle.loads(given))


class _Memory:
    """`remembered_texts`, begun anew before it holds too much."""

    def __enter__(self) -> _Memory:
        self._held = ExitStack()
        self._held.enter_context(remembered_texts())
        self._characters = 0
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def make_room_for(self, piece: Piece) -> None:
        """To be called before the piece is scored."""
        self._characters += sum(len(spoken_text(conversation)) for conversation in piece.conversations)
        if self._characters > _REMEMBERED:
            self._held.close()
            self.__enter__()


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
