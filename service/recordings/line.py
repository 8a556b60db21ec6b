"""The recordings that were sent to this service: what waits to be heard, what is heard now, what came of it.

They lie in a folder that all workers share and that goes with the service. One process hears one recording at a time, with
low priority, whatever the number of workers: predictions never wait for it. A worker that finds work and nobody at it
starts that process (`service.recordings.process`), which ends when there is no more to do. The sound is deleted as soon as it
is heard, the words when their sender says so, and after an hour at the latest. Unix only (fcntl).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from foundations.atomic_files import make_private_folder, write_text
from foundations.json_log import log

MOST_WAITING, MOST_OF_A_CALLER = 32, 8
KEEP_SECONDS = 3600.0  # that the words wait for their sender
_ROOT = Path(__file__).resolve().parents[2]
_ID = re.compile(r"[0-9a-f]{32}")

State = Literal["waiting", "hearing", "done", "failed"]


class Entry(BaseModel):
    """What is known of a recording beside its sound and its words."""

    id: str
    caller: str  # who sent it, and alone may ask for it
    name: str
    came: float  # seconds since the epoch
    state: State = "waiting"
    tries: int = 0  # how often hearing it was begun
    progress: float = 0.0
    seconds_left: float | None = None
    problem: str | None = None
    ended: float | None = None  # seconds since the epoch


class Line:
    """The folder of the recordings, for workers and for the process that hears."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_private_folder(folder)

    def new(self, caller: str, name: str) -> Entry:
        """A recording that is about to be sent; it is in line with `join`."""
        return Entry(id=uuid.uuid4().hex, caller=caller, name=name, came=time.time())

    def join(self, entry: Entry) -> None:
        """From now on it is heard when its turn comes. Raises InputError where the disk refuses."""
        self.keep(entry)

    def keep(self, entry: Entry) -> None:
        """Writes what is known. Raises InputError where the disk refuses."""
        write_text(self._file(entry.id), entry.model_dump_json())

    def find(self, identifier: str, caller: str | None = None) -> Entry | None:
        """The recording of that id, None where there is none; caller: and who may ask for it."""
        if not _ID.fullmatch(identifier):
            return None
        try:
            entry = Entry.model_validate_json(self._file(identifier).read_bytes())
        except (OSError, ValidationError):
            return None
        return entry if caller in (None, entry.caller) else None

    def entries(self) -> list[Entry]:
        """All of them, the first that came first."""
        found = (self.find(path.stem) for path in self._folder.glob("*.json"))
        return sorted((entry for entry in found if entry), key=lambda entry: entry.came)

    def unheard(self) -> list[Entry]:
        """Those that wait or are heard, the first that came first."""
        return [entry for entry in self.entries() if entry.state in ("waiting", "hearing")]

    def sound(self, identifier: str) -> Path:
        """Where the bytes of a recording lie until it is heard."""
        return self._folder / f"{identifier}.sound"

    def words(self, identifier: str) -> Path:
        """Where its conversation lies from then on, as JSON."""
        return self._folder / f"{identifier}.words"

    def delete(self, identifier: str) -> None:
        """Deletes all there is of a recording; one that is heard now is given up."""
        for path in (self._file(identifier), self.sound(identifier), self.words(identifier)):
            path.unlink(missing_ok=True)

    def delete_old(self, now: float) -> None:
        """Deletes those that ended KEEP_SECONDS ago, and what a worker left that was killed. now: seconds since the epoch."""
        for entry in self.entries():
            if entry.ended is not None and entry.ended < now - KEEP_SECONDS:
                self.delete(entry.id)
        for path in self._folder.glob("*.sound"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - KEEP_SECONDS and not self._file(path.stem).exists():
                    path.unlink()

    @contextlib.contextmanager
    def hearing(self) -> Iterator[int | None]:
        """The descriptor of the lock that whoever hears holds; None where another process does."""
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        except BlockingIOError:
            yield None
        finally:
            os.close(descriptor)  # a process that has it, too, keeps the lock

    def _file(self, identifier: str) -> Path:
        return self._folder / f"{identifier}.json"


class Hearing:
    """A worker's part in it: sees to it that somebody hears."""

    def __init__(self, folder: Path, speech_model: Path | None) -> None:
        self.line = Line(folder)
        self.speech_model = speech_model
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._looks = threading.Lock()

    def look(self) -> None:
        """Starts the process that hears where there is work and nobody at it, and deletes what is old."""
        try:
            self._look()
        except OSError as error:  # the system has no room for another process now; the next look tries again
            log.warning("recordings can't be heard now", problem=str(error.strerror or error))

    def _look(self) -> None:
        with self._looks:
            if self._process is not None and self._process.poll() is not None:
                self._process = None
            self.line.delete_old(time.time())
            if self._process is None and self.line.unheard():
                with self.line.hearing() as lock:
                    self._process = None if lock is None else self._started(lock)

    def close(self) -> None:
        """Ends the process that this worker started; another worker's look starts the next one."""
        with self._looks:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _started(self, lock: int) -> subprocess.Popen[bytes]:
        """It has the lock as long as it lives, and ends when this worker does: then its standard input ends."""
        model = [str(self.speech_model)] if self.speech_model else []
        command = [sys.executable, "-m", "service.recordings.process", str(self._folder), *model]
        return subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, pass_fds=(lock,))
