"""One retraining at a time, whoever starts it: a lock that the system takes away with the process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from foundations.atomic_files import make_private_folder, open_private
from foundations.errors import InputError

_LOCK = ".retraining.lock"


@contextlib.contextmanager
def alone(models: Path) -> Iterator[None]:
    """Raises InputError where another retraining of these models runs, or the folder can't be written to."""
    try:
        make_private_folder(models)
        file = open_private(models / _LOCK)
    except OSError as error:
        raise InputError(
            f"Cannot write to {str(models)!r} ({error.strerror}), where a retrained version would lie; give a folder that "
            "you may write to with --artifacts."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"Another retraining of the models in {str(models)!r} is under way; start again once it has ended."
            ) from error
        yield
