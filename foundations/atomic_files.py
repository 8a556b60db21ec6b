"""Writes a file completely or not at all: to a temporary file beside it, then one rename.

A reader never sees half a file, and a run that is stopped leaves the old file in place. Costs one extra `fsync`. What is
written here holds conversations or what was learned from them, so nobody but its owner may read it: files have mode 0600,
new folders 0700, whatever the umask.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from foundations.errors import InputError

SEAL = "manifest_sha256"
PRIVATE_FILE, _FOLDER_MODE = 0o600, 0o700


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Calls `write` with a binary file that becomes `path` once it is complete.

    Raises InputError where the folder can't be made or written to.
    """
    try:
        make_private_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def make_private_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing, mode 0700; one that is there stays as it is."""
    if not folder.is_dir():
        make_private_folder(folder.parent)
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def open_private(path: Path) -> BinaryIO:
    """A file of mode 0600 to append to. Raises OSError."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE), "ab")


def keep_private(*folders: Path) -> None:
    """Gives folders of earlier versions, which others could look into, mode 0700; those of somebody else stay."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.chmod(_FOLDER_MODE)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: Path, value: Any) -> None:
    """Writes indented UTF-8 JSON atomically; NaN is refused, as JSON has no such number."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a SHA-256 of itself; written with `write_json`, `is_as_written` knows it again."""
    return {**manifest, SEAL: hashlib.sha256(json_text(manifest).encode("utf-8")).hexdigest()}


def is_as_written(manifest: dict[str, Any], data: bytes) -> bool:
    """Whether a file's bytes, and the manifest that was read from them, are what `sealed` made, to the last byte."""
    inner = {key: value for key, value in manifest.items() if key != SEAL}
    return sealed(inner) == manifest and json_text(manifest).encode("utf-8") == data


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_write(path: Path, error: OSError) -> str:
    why = error.strerror or error
    return f"Cannot write {str(path)!r} ({why}); choose a folder that you may write to and that has space."
