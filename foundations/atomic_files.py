"""Writes a file completely or not at all: to a temporary file beside it, then one rename.

A reader never sees half a file, and a run that is stopped leaves the old file in place. Costs one extra `fsync`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from foundations.errors import InputError

SEAL = "manifest_sha256"


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Calls `write` with a binary file that becomes `path` once it is complete.

    Raises InputError where the folder can't be made or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(_cannot_write(path, error)) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


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
