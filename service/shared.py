"""The folder that the workers of one running service share on this machine.

It is new for each start of the service and lies in the system's folder for temporary files; what must outlive the
service is under `Settings.state_folder`. Every process of the service holds a lock on it (flock), which the system takes
away with the last of them however it ends: a folder that nobody holds is left over and is removed. Unix only (fcntl).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from foundations.settings import Settings

# The process that started the workers: uvicorn's import this anew and know their parent, forked ones have it from there.
_SERVICE = getattr(multiprocessing.parent_process(), "pid", None) or os.getpid()
_held: dict[Path, int] = {}  # folder: the descriptor that holds its lock, which forked workers have, too


def process_folder() -> Path:
    """The folder of this service: that of the process that started the workers, or of this one where it has none.

    Left behind by services that ended, folders of the same user are removed.
    """
    root = Path(tempfile.gettempdir()) / f"sales-workers-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid() or root.is_symlink():
        raise PermissionError(f"{root} belongs to somebody else")
    folder = root / f"{_SERVICE}-{_process_space()}"
    if not _is_held(folder):
        with _locked(root):
            _remove_ended(root)
            folder.mkdir(mode=0o700, exist_ok=True)
            _held[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(_held[folder], fcntl.LOCK_SH)
    return folder


def service_folder(settings: Settings) -> Path:
    """The part of `process_folder` for these settings: a process may run several services, as tests do."""
    name = hashlib.sha256(repr(settings).encode("utf-8")).hexdigest()[:16]
    folder = process_folder() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def keep_from_ageing(folder: Path) -> None:
    """Sets the times of a folder and all in it to now: systems remove from /tmp what was not used for some days."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):  # it ended meanwhile
            os.utime(path)


def _is_held(folder: Path) -> bool:
    """Whether this process holds it, and it is still the one that is there: its service may have ended and begun anew."""
    held = _held.get(folder)
    if held is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(held), folder.stat()):
            return True
    os.close(_held.pop(folder))
    return False


def _process_space() -> int:
    """Containers that share a folder for temporary files may give two services the same process id."""
    with contextlib.suppress(OSError):  # not Linux
        return os.stat("/proc/self/ns/pid").st_ino
    return 0


def _remove_ended(root: Path) -> None:
    for folder in root.iterdir():
        with contextlib.suppress(OSError), _locked(folder, fcntl.LOCK_NB):  # held: its service runs
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, waiting: int = 0) -> Iterator[None]:
    """The folder for this process alone. Raises BlockingIOError where it is held and `waiting` is LOCK_NB."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | waiting)
        yield
    finally:
        os.close(descriptor)
