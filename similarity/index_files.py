"""An index of records on disk: FAISS's bytes, the texts as JSON, quantised lines, and a manifest with their SHA-256.

    manifest.json              the description, the name and SHA-256 of each file and of itself; written last
    vectors.<hash>.faiss       the vectors
    records.<hash>.json        ids, texts and metadata
    lines.<hash>.safetensors   the vector of each line of the texts, int8

Data, never code: every file is read once, checked, and only then parsed. A new version lies beside the old one until one
rename of the manifest puts it in its place, so whoever reads, or is stopped while writing, has the one or the other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from foundations.atomic_files import is_as_written, sealed, write_atomically, write_json
from foundations.errors import InputError
from similarity.faiss_index import FaissIndex
from similarity.vector_index import IndexPlace, Record

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
_HASH_CHARACTERS = 12  # of a SHA-256, in a file's name
_KINDS = {"vectors": "faiss", "records": "json", "lines": "safetensors"}
_NAME = re.compile("|".join(rf"{part}\.[0-9a-f]{{{_HASH_CHARACTERS}}}\.{kind}" for part, kind in _KINDS.items()))


class IndexFolder(IndexPlace):
    """An index in files; `remedy` ends the sentence of each error."""

    def __init__(self, folder: Path, remedy: str) -> None:
        self._folder = folder
        self._remedy = remedy

    def __str__(self) -> str:
        return repr(str(self._folder))

    def stamp(self) -> Hashable:
        """See IndexPlace."""
        try:
            found = (self._folder / MANIFEST).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def manifest(self) -> dict[str, Any]:
        """See IndexPlace."""
        return read_index_manifest(self._folder, self._remedy)

    def open(self) -> tuple[FaissIndex, dict[str, Any]]:
        """See IndexPlace."""
        return load_index(self._folder, self._remedy)


def save_index(folder: Path, index: FaissIndex, description: dict[str, Any]) -> list[Path]:
    """Writes an index in the place of the one in `folder`; gives the files. Raises InputError where it can't write.

    description: plain values that `load_index` gives back.
    """
    vectors, rows = index.contents()
    records = [{"row": row, "id": r.id, "text": r.text, "metadata": r.metadata} for row, r in rows]
    contents = {
        "vectors": vectors,
        "records": json.dumps(records, ensure_ascii=False, allow_nan=False).encode("utf-8"),
        "lines": _packed([record.parts for _, record in rows]),
    }
    files = {}
    for part, data in contents.items():
        sha256 = hashlib.sha256(data).hexdigest()
        name = f"{part}.{sha256[:_HASH_CHARACTERS]}.{_KINDS[part]}"
        files[part] = {"name": name, "sha256": sha256}
        write_atomically(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    manifest = {"format_version": FORMAT_VERSION, **description, "search": index.kind, "files": files}
    write_json(folder / MANIFEST, sealed({**manifest, "count": len(rows)}))
    names = {file["name"] for file in files.values()}
    _remove_others(folder, names)
    return [folder / MANIFEST, *(folder / name for name in sorted(names))]


def load_index(folder: Path, remedy: str) -> tuple[FaissIndex, dict[str, Any]]:
    """(index, manifest) of what `save_index` wrote.

    Raises InputError where a file is missing or is not the one that was written; `remedy` ends its sentence.
    """
    manifest = read_index_manifest(folder, remedy)
    try:
        contents = {part: _checked(folder, manifest["files"][part], remedy) for part in _KINDS}
    except FileNotFoundError:  # another process has just put a new version in place, or the file is gone
        manifest = read_index_manifest(folder, remedy)
        try:
            contents = {part: _checked(folder, manifest["files"][part], remedy) for part in _KINDS}
        except FileNotFoundError as error:
            raise InputError(f"There is no {str(error.filename)!r}; {remedy}.") from error
    try:
        lines = _unpacked(contents["lines"])
        found = json.loads(contents["records"])
        empty = np.zeros(0, dtype=np.float32)
        records = [
            (item["row"], Record(item["id"], empty, item["text"], item["metadata"], part))
            for item, part in zip(found, lines, strict=True)
        ]
        return FaissIndex.from_contents(contents["vectors"], records), manifest
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"The index in {str(folder)!r} was written by another version ({error}); {remedy}.") from error


def read_index_manifest(folder: Path, remedy: str) -> dict[str, Any]:
    """The description of an index, its `search` kind, `count` and files. Raises InputError as `load_index` does."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
        manifest = json.loads(data)
    except FileNotFoundError as error:
        raise InputError(f"There is no {str(path)!r}; {remedy}.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"The manifest {str(path)!r} is damaged ({error}); {remedy}.") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if (
        version != FORMAT_VERSION
        or not isinstance(manifest.get("files"), dict)
        or set(manifest["files"]) != set(_KINDS)
    ):
        raise InputError(
            f"The manifest {str(path)!r} has format version {version!r}, this program reads {FORMAT_VERSION}; {remedy}."
        )
    if not is_as_written(manifest, data):
        raise InputError(f"{str(path)!r} was changed after it was written; {remedy}, or restore the file.")
    return dict(manifest)


def _checked(folder: Path, file: dict[str, str], remedy: str) -> bytes:
    path = folder / Path(file["name"]).name  # never outside the folder
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"Cannot read {str(path)!r} ({error.strerror}); {remedy}.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != file["sha256"]:
        raise InputError(
            f"{str(path)!r} was changed after it was written: its SHA-256 is {found}, the manifest says "
            f"{file['sha256']}; {remedy}, or restore the file."
        )
    return data


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Removes the files of older versions, known by their names: the old manifest may be damaged or of another format."""
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink(missing_ok=True)


def _packed(parts: Sequence[NDArray[np.int8] | None]) -> bytes:
    """The lines of all records below each other, and how many each has; −1 for a record without."""
    counts = np.array([-1 if part is None else len(part) for part in parts], dtype=np.int64)
    kept = [part for part in parts if part is not None]
    return save({"counts": counts, "lines": np.concatenate(kept) if kept else np.zeros((0, 1), dtype=np.int8)})


def _unpacked(data: bytes) -> list[NDArray[np.int8] | None]:
    arrays = load(data)
    counts, lines = arrays["counts"], arrays["lines"]
    ends = np.cumsum(np.maximum(counts, 0))
    return [
        None if count < 0 else lines[end - count : end]
        for count, end in zip(counts.tolist(), ends.tolist(), strict=True)
    ]
