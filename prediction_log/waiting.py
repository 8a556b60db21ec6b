"""What waits to be stored: records on disk while the database is away, and requests counted by the minute.

Records are JSON lines, one file a worker, appended and handed on whole: what could not be stored is read back when the
database returns, and deleted once it is stored there; storing twice does no harm. A file whose worker was killed is taken
over by the next worker that looks. `append` returns when the bytes are on the disk. Counts say how many requests each
route answered with each status; a row holds a worker's whole count of a minute, so that storing it again, after a failure
or as the minute goes on, changes nothing else. Counting costs about a microsecond a request.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from foundations.atomic_files import make_private_folder, open_private, write_atomically
from prediction_log.tables.predictions import predictions
from prediction_log.tables.rows import DEAL, Record, stored_conversation_id

_Key = tuple[datetime, str, int]  # minute, route, status


_BATCH = 500
_MOMENTS = ("created_at", "minute")


class WaitingRecords:
    """The waiting records in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def append(self, records: Sequence[Record], counts: Sequence[Record] = ()) -> None:
        """Adds rows of `predictions` and of `request_counts`. Raises OSError where the disk refuses."""
        if self._file is None:
            make_private_folder(self._folder)
            self._file = open_private(self._folder / f"waiting-{os.getpid()}-{time.time_ns()}.jsonl")
            fcntl.flock(self._file, fcntl.LOCK_EX)  # held while this worker lives and writes to it
        lines = [json.dumps({"prediction": row}, default=_plain) for row in records]
        lines += [json.dumps({"count": row}, default=_plain) for row in counts]
        _append_whole(self._file.fileno(), "".join(f"{line}\n" for line in lines).encode("utf-8"))

    def release(self) -> None:
        """Lets go of this worker's file, so that `batches` hands it out too."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def batches(self) -> Iterator[tuple[list[Record], list[Record]]]:
        """Every waiting row in batches; a file is deleted once all of it was taken. Call `release` before.

        A line that was cut off when its worker was killed had not been acknowledged, and is left out.
        """
        for path in self._paths():
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue  # another worker was quicker
            with file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # its worker still writes to it, or another reads it
                while lines := list(islice(file, _BATCH)):
                    rows = [row for line in lines if (row := _row(line))]
                    yield (
                        [row["prediction"] for row in rows if "prediction" in row],
                        [row["count"] for row in rows if "count" in row],
                    )
                path.unlink(missing_ok=True)

    def remove_conversation(self, conversation_id: str) -> int:
        """Deletes what waits of a conversation, but for files that a worker writes to just now; how many predictions."""
        stored_id, removed = stored_conversation_id(conversation_id), 0
        for path in self._paths():
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                lines = file.readlines()
                kept = [line for line in lines if not _is_of(line, stored_id)]
                if len(kept) < len(lines):
                    write_atomically(path, lambda file, kept=kept: file.writelines(kept))  # type: ignore[misc]
                    removed += len(lines) - len(kept)
        return removed

    def any(self) -> bool:
        """Whether something waits."""
        return bool(self._paths())

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("waiting-*.jsonl"))


def _append_whole(file: int, data: bytes) -> None:
    """All of it, on the disk, or nothing: behind a line that was cut off the next one would be lost with it."""
    before = os.fstat(file).st_size
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, before)
        raise


def _plain(value: Any) -> str:
    assert isinstance(value, datetime)  # the only column type that JSON lacks
    return value.isoformat()


def _is_of(line: bytes, stored_id: str | None) -> bool:
    """Whether a prediction is of that conversation, or of a deal with it, whose words are in its row."""
    row = _row(line)
    if row is None or "prediction" not in row:
        return False
    parts = row["prediction"].get(DEAL, {}).get("parts", [])
    return stored_id in (row["prediction"].get("conversation_id"), *(part.get("conversation_id") for part in parts))


def _row(line: bytes) -> dict[str, Record] | None:
    try:
        row: dict[str, Record] = json.loads(line)
    except ValueError:
        return None
    if "prediction" in row:  # of another version of this program: what it lacks is empty, what is unknown is left out
        given = row["prediction"]
        row["prediction"] = {column.name: given.get(column.name) for column in predictions.columns}
        row["prediction"] |= {DEAL: given[DEAL]} if given.get(DEAL) else {}
    for record in row.values():
        for name in _MOMENTS:
            if record.get(name):
                record[name] = datetime.fromisoformat(record[name])
    return row


class RequestCounts:
    """The counts of one worker."""

    def __init__(self) -> None:
        self._worker = uuid.uuid4().hex
        self._counts: Counter[_Key] = Counter()
        self._changed: set[_Key] = set()
        self._guard = threading.Lock()

    def __bool__(self) -> bool:
        """Whether something changed since the last `take`."""
        return bool(self._changed)

    def add(self, route: str, status: int) -> None:
        """Counts a request that is answered now."""
        key = (datetime.now(UTC).replace(second=0, microsecond=0), route, status)
        with self._guard:
            self._counts[key] += 1
            self._changed.add(key)

    def take(self) -> list[Record]:
        """Rows of `request_counts` that changed since the last call; finished minutes are forgotten."""
        with self._guard:
            changed, self._changed = self._changed, set()
            rows = [self._row(key) for key in changed]
            now = datetime.now(UTC).replace(second=0, microsecond=0)
            for key in [key for key in self._counts if key[0] < now]:
                del self._counts[key]
        return rows

    def _row(self, key: _Key) -> Record:
        minute, route, status = key
        values = {"minute": minute, "worker": self._worker, "route": route[:128], "status": status}
        return {**values, "requests": self._counts[key]}
