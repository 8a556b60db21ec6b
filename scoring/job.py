"""The folder of a bulk job: what is to be scored with which model, in which shards, and which of them are finished.

    manifest.json       the inputs (path, size, SHA-256), the model's version and every shard's boundaries; written first
    scores/part-00017.parquet or .jsonl      the scores of a shard
    receipts/part-00017.json                 that it is finished, written after it: rows, scored ones, problems
    errors.jsonl        every row, shard and file that could not be read, with file, place and a sentence

All are written atomically. A shard is finished if its receipt is there and its scores have the size that it says; so a
job that was stopped anywhere goes on with what is missing (`scoring.plan`). Two runs on one folder at once are refused
by a lock that ends with its process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError

from conversations.formats.options import ReadingOptions
from conversations.reading.record import first_problem
from foundations.atomic_files import write_atomically, write_json
from foundations.errors import InputError
from scoring.cutting import Cut
from scoring.inputs import InputFile

FORMATS = ("jsonl", "parquet")
_MANIFEST, _SCORES, _RECEIPTS, _ERRORS, _LOCK = "manifest.json", "scores", "receipts", "errors.jsonl", ".lock"
_PLACE = re.compile(r"(?:line|row|item) \d+(?:, column \d+)?")


@dataclass(frozen=True)
class Terms:
    """What all of a job's runs must agree on."""

    model: str
    model_version: str
    per_turn: bool
    output_format: str
    columns: dict[str, str] = field(default_factory=dict)
    won: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @property
    def reading(self) -> ReadingOptions:
        """How the inputs are meant."""
        return ReadingOptions(self.columns, frozenset(self.won), frozenset(self.lost), needs_outcomes=False)


@dataclass(frozen=True)
class Shard:
    """A run of neighbouring rows of one file."""

    number: int
    file: int  # index into the job's files
    cut: Cut

    @property
    def name(self) -> str:
        """That of its files, without the ending."""
        return f"part-{self.number:05d}"


@dataclass
class Receipt:
    """What became of a finished shard."""

    rows: int = 0
    scored: int = 0  # conversations
    closed: int = 0  # of these, deals whose outcome the input says
    bytes: int = 0  # of its scores
    problems: list[str] = field(default_factory=list)
    worker: str = ""  # machine and process, to find its log


class _Manifest(BaseModel):
    """manifest.json, with the boundaries of a shard in one line of its columns."""

    format_version: Literal[1] = 1
    terms: Terms
    files: list[InputFile]
    shard_columns: tuple[str, ...] = ("file", *Cut._fields)
    shards: list[tuple[int, int, int, int, int, int]]


_RECEIPT = TypeAdapter(Receipt)


@dataclass
class ScoringJob:
    """A bulk job and its folder."""

    folder: Path
    terms: Terms
    files: list[InputFile]
    shards: list[Shard]

    @property
    def rows(self) -> int:
        """Of all shards, as far as it is known before they are read."""
        return sum(shard.cut.rows for shard in self.shards)

    def scores_path(self, shard: Shard) -> Path:
        """Where the scores of a shard belong."""
        return self.folder / _SCORES / f"{shard.name}.{self.terms.output_format}"

    def id_prefix(self, shard: Shard) -> str:
        """What comes before the row's number in the id of a row that has none."""
        if len(self.files) == 1:
            return ""
        return os.path.relpath(self.files[shard.file].path, _common_folder(self.files)) + ":"

    def receipt(self, shard: Shard) -> Receipt | None:
        """None where the shard is not finished."""
        try:
            found = _RECEIPT.validate_json(self._receipt_path(shard).read_bytes())
            return found if self.scores_path(shard).stat().st_size == found.bytes else None
        except (OSError, ValidationError):
            return None

    def finish(self, shard: Shard, receipt: Receipt) -> None:
        """Makes a shard whose scores are written count. Raises InputError where that can't be written."""
        write_json(self._receipt_path(shard), asdict(receipt))

    def save(self) -> None:
        """Writes the manifest. Raises InputError where the folder can't be written to."""
        shards = [(shard.file, *shard.cut) for shard in self.shards]
        manifest = _Manifest(terms=self.terms, files=self.files, shards=shards)
        write_json(self.folder / _MANIFEST, manifest.model_dump(mode="json"))

    def remove_remains(self) -> None:
        """Removes the temporary files of a run that was killed while it wrote."""
        for folder in (self.folder, self.folder / _SCORES, self.folder / _RECEIPTS):
            for remains in folder.glob(".*.tmp"):
                remains.unlink(missing_ok=True)

    def remove_scores(self) -> None:
        """Removes the scores of all shards."""
        for shard in self.shards:
            self.scores_path(shard).unlink(missing_ok=True)

    def write_errors(self, unreadable: Mapping[int, str]) -> int:
        """Writes errors.jsonl anew from the receipts and the sentences of shards that couldn't be read, by number.

        Returns how many there are; without one there is no file.
        """
        path = self.folder / _ERRORS
        count = 0

        def write(stream: Any) -> None:
            nonlocal count
            for line in self._errors(unreadable):
                stream.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8"))
                count += 1

        write_atomically(path, write)
        if not count:
            path.unlink()
        return count

    @property
    def errors_path(self) -> Path:
        """Where `write_errors` writes."""
        return self.folder / _ERRORS

    @property
    def scores_folder(self) -> Path:
        """Where nothing but scores lies."""
        return self.folder / _SCORES

    def _errors(self, unreadable: Mapping[int, str]) -> Iterator[dict[str, str]]:
        yield from (_error_line(file.path, file.problem) for file in self.files if file.problem)
        for shard in self.shards:
            receipt = self.receipt(shard)
            found = [unreadable[shard.number]] if shard.number in unreadable else receipt.problems if receipt else []
            yield from (_error_line(self.files[shard.file].path, problem) for problem in found)

    def _receipt_path(self, shard: Shard) -> Path:
        return self.folder / _RECEIPTS / f"{shard.name}.json"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within this block no other run works on the folder. Raises InputError where one does, or it can't be written."""
    from filelock import FileLock, Timeout  # serving imports this module, and has no bulk jobs

    existed = folder.exists()
    _check_free(folder)
    # Never a lock that is only a file, where the disk knows no other: that of a run that was killed would stay.
    lock = FileLock(folder / _LOCK, blocking=False, mode=0o644, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"Another run is writing to {str(folder)!r}; wait for it, or give another --output."
        ) from error
    except OSError as error:
        raise InputError(
            f"Cannot write {str(folder)!r} ({error.strerror}); choose a folder that you may write to."
        ) from error
    try:
        yield
    finally:
        if not (folder / _MANIFEST).exists():
            (folder / _LOCK).unlink(missing_ok=True)  # ours: that of another run has to stay
        lock.release()
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only if nothing was begun


def read_job(folder: Path) -> ScoringJob | None:
    """The job that an earlier run began in a folder, None where none did. Raises InputError for a damaged manifest."""
    manifest = folder / _MANIFEST
    if not manifest.is_file():
        return None
    try:
        found = _Manifest.model_validate_json(manifest.read_bytes())
    except (OSError, ValidationError) as error:
        why = first_problem(error).strip() if isinstance(error, ValidationError) else error
        raise InputError(f"{str(manifest)!r} is no manifest of a bulk job ({why}); give another --output.") from error
    shards = [Shard(number, file, Cut(*cut)) for number, (file, *cut) in enumerate(found.shards)]
    return ScoringJob(manifest.parent, found.terms, found.files, shards)


def _check_free(folder: Path) -> None:
    """A job's own folder, an empty one, or none yet."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"The output {str(folder)!r} is a file; scores in bulk need a folder.")
    if not (folder / _MANIFEST).exists() and any(path.name[:1] != "." for path in folder.iterdir()):
        raise InputError(
            f"The folder {str(folder)!r} holds other files; give an --output that is empty or not there yet."
        )


def _error_line(path: str, sentence: str) -> dict[str, str]:
    place = _PLACE.match(sentence.removeprefix(f"{path}, "))
    return {"file": path, "place": place[0] if place else "", "error": sentence}


def _common_folder(files: Sequence[InputFile]) -> str:
    return os.path.commonpath([os.path.dirname(file.path) for file in files])
