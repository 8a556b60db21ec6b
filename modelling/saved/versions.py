"""The last versions of a trained model, so that a service can go back to one.

A version is the beginning of the SHA-256 of a serving folder's manifest, which holds the hashes of the other files.
models/<name>/ is the newest; models/versions/<name>/<version>/ keeps it and the two before it, and those that somebody
spares, as hard links where the file system can, so that the newest costs no disk space. Which version is served is
`answers.served_versions`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundations.atomic_files import make_private_folder
from foundations.errors import InputError
from modelling.saved.serving_folder import MANIFEST, read_serving_manifest

KEPT = 3
VERSIONS = "versions"
_LENGTH = 12  # hexadecimal digits


@dataclass(frozen=True)
class ModelVersion:
    """One trained version of a model."""

    version: str
    folder: Path
    manifest: dict[str, Any]
    newest: bool


def version_of(folder: Path) -> str | None:
    """The version that lies in a serving folder, None where there is none."""
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:_LENGTH]
    except OSError:
        return None


def keep_version(folder: Path, spared: Collection[str] | None = ()) -> None:
    """Keeps what lies in a serving folder as a version, and forgets all but the newest KEPT.

    spared: versions that are not forgotten however old they are, such as one that is served; None: none is forgotten.
    """
    version = version_of(folder)
    kept = folder.parent / VERSIONS / folder.name
    if version is None or (kept / version).exists():
        return
    copy = kept / f".{version}.tmp"
    shutil.rmtree(copy, ignore_errors=True)
    make_private_folder(copy)
    for file in folder.iterdir():
        _link_or_copy(file, copy / file.name)
    copy.rename(kept / version)
    if spared is not None:
        _forget_old(kept, {version, *spared})


def add_version(built: Path, current: Path, spared: Collection[str]) -> str:
    """Puts a serving folder that was written elsewhere on the same file system among the kept versions, at once or not at all.

    It is served when it is chosen; models/<name>/ stays as it is. current: the serving folder of the newest; spared: versions
    that are not forgotten however old they are. Gives the new version. Raises InputError where `built` holds none.
    """
    version = version_of(built)
    if version is None:
        raise InputError(f"There is no manifest in {str(built)!r}; train the model again.")
    kept = current.parent / VERSIONS / current.name
    make_private_folder(kept)
    if (kept / version).is_dir():  # the same bytes, by one that was stopped before it was chosen
        os.utime(kept / version)
    else:
        built.rename(kept / version)
    _forget_old(kept, {version, *spared})
    return version


def _forget_old(kept: Path, spared: Collection[str]) -> None:
    ages = sorted(kept.glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in ages[KEPT:]:
        if old.name not in spared:
            shutil.rmtree(old, ignore_errors=True)


def kept_versions(current: Path) -> list[ModelVersion]:
    """Every version that is there, the newest first; those whose manifest was changed are left out.

    current: the serving folder of the newest.
    """
    newest = version_of(current)
    folders = {newest: current} if newest else {}
    for folder in (current.parent / VERSIONS / current.name).glob("[!.]*"):
        folders.setdefault(version_of(folder) or folder.name, folder)
    versions = []
    for version, folder in folders.items():
        with contextlib.suppress(InputError):
            versions.append(ModelVersion(str(version), folder, read_serving_manifest(folder), version == newest))
    return sorted(versions, key=lambda found: (found.newest, found.manifest["created_at"]), reverse=True)


def _link_or_copy(source: Path, target: Path) -> None:
    """Files of an artifact are replaced, never changed, so a second name for the same bytes is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
