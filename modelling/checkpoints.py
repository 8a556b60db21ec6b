"""What a training has learned so far, in a file after each epoch, so that it can go on after it was stopped.

The file holds tensors and plain values, never code: it is read with `weights_only=True` after its SHA-256 has been
checked, appears complete or not at all, and belongs to one training: the same data, settings, seed and encoder. One that
can't be written costs a sentence, not the training.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundations.atomic_files import write_atomically
from foundations.errors import InputError

_SHA256_BYTES = 32
_SUFFIX = ".checkpoint"

State = dict[str, Any]  # tensors and plain values, nested


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run."""

    folder: Path
    resume: bool  # whether to go on from what an earlier run left
    say: Callable[[str], None]  # takes a sentence for the person who started the run

    def of(self, name: str, training: dict[str, Any]) -> Checkpoint:
        """The checkpoint of one training; `training`: all that decides what it learns, as plain values."""
        return Checkpoint(self, name, json.dumps(training, sort_keys=True))

    def found(self) -> list[Path]:
        """The files that a stopped run left."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def clear(self) -> None:
        """Deletes them: the run is finished."""
        try:
            for path in self.found():
                path.unlink(missing_ok=True)
            if self.folder.is_dir():
                self.folder.rmdir()
        except OSError:  # a file of somebody else's, or no permission: of no use, and of no harm
            return


class Checkpoint:
    """One of them."""

    def __init__(self, run: Checkpoints, name: str, training: str) -> None:
        self._run = run
        self._training = training
        self._path = run.folder / f"{name}{_SUFFIX}"
        self._writes = True

    def load(self) -> State | None:
        """What was saved last, or None where there is nothing to resume; of a file that doesn't fit it says so."""
        if not self._run.resume:
            return None
        state, problem = self._found()
        if problem:
            self._run.say(f"{problem}; that part is trained from the start.")
        return state

    def _found(self) -> tuple[State | None, str]:
        """The state and "", or None and why."""
        named = f"The checkpoint {str(self._path)!r}"
        try:
            content = _read(self._path)
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, f"{named} can't be read ({error.strerror})"
        except ValueError:
            return None, f"{named} is damaged"
        if content["training"] != self._training:
            return None, f"{named} is of other data, settings, seed or encoder"
        return content["state"], ""

    def save(self, state: State) -> None:
        """Replaces what was saved before. Where it can't be written, it says so once."""
        if not self._writes:
            return
        import torch

        buffer = io.BytesIO()
        torch.save({"training": self._training, "state": state}, buffer)
        data = buffer.getbuffer()
        try:
            write_atomically(self._path, lambda file: file.write(hashlib.sha256(data).digest()) and file.write(data))
        except InputError as error:
            self._writes = False
            self._run.say(f"The training goes on without checkpoints. {error}")


def _read(path: Path) -> dict[str, Any]:
    """Raises ValueError for a file that is not what was written."""
    import torch

    content = path.read_bytes()
    sha256, data = content[:_SHA256_BYTES], content[_SHA256_BYTES:]
    if hashlib.sha256(data).digest() != sha256:
        raise ValueError(path)
    try:
        return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    except Exception as error:  # what the unpickler refuses comes in many classes
        raise ValueError(path) from error
