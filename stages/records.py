"""Remembers what each stage last worked on, so that a stage with unchanged inputs and outputs is skipped.

A stage's inputs are plain values (options, file hashes, the hash of the code that does the work); its outputs are files.
A changed input, or an output that is missing or was edited, makes the stage run again. Hashing costs milliseconds for
data and about 0.1 s for 100 MB of models.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from foundations.atomic_files import file_sha256, write_json

_CODE = Path(__file__).resolve().parents[1]
_SCRIPT = '\nif __name__ == "__main__":'  # what follows is no part of the module's work


class StageRecords:
    """The records of one artifact folder, in stages.json."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_current(self, stage: str, inputs: dict[str, Any]) -> bool:
        """Whether the stage's last run had these inputs and its outputs are still what it wrote."""
        record = self._read().get(stage)
        if not isinstance(record, dict) or not isinstance(record.get("outputs"), dict):
            return False
        return record.get("inputs") == inputs and _hashes(record["outputs"]) == record["outputs"]

    def remember(self, stage: str, inputs: dict[str, Any], outputs: Sequence[Path]) -> None:
        """Records a finished run; call it after the outputs are written."""
        records = self._read()
        records[stage] = {"inputs": inputs, "outputs": _hashes(str(path) for path in outputs)}
        write_json(self._path, records)

    def inputs_of(self, stage: str) -> dict[str, Any]:
        """The inputs of the stage's last run; {} where there was none."""
        record = self._read().get(stage)
        return dict(record["inputs"]) if isinstance(record, dict) and isinstance(record.get("inputs"), dict) else {}

    def _read(self) -> dict[str, Any]:
        try:
            records = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # nothing remembered, or nothing readable: every stage runs
        return records if isinstance(records, dict) else {}


def code_sha256(code: Iterable[str | Path]) -> dict[str, str]:
    """SHA-256 of modules (dotted names), of data files (paths) and of all they import from this project, by file name.

    Paths are relative to the program's folder, as in the result. An import counts wherever it stands: inside a function,
    for type checkers only, of a module inside a package, or of a package, whose `__init__.py` it runs. So a stage runs
    again when any of the code behind it changed. Raises ValueError for a name that is neither module nor file here.
    """
    hashes: dict[str, str] = {}
    waiting: list[Path] = []
    for name in code:
        files = [name] if isinstance(name, Path) else _module_files(_CODE, name)
        if not files:
            raise ValueError(f"{name!r} is no module of this project")
        waiting += files
    while waiting:
        file = waiting.pop()
        if file.as_posix() in hashes:
            continue
        hashes[file.as_posix()] = file_sha256(_CODE / file)
        if file.suffix == ".py":
            for module in _imported((_CODE / file).read_text(encoding="utf-8")):
                waiting += _module_files(_CODE, module)
    return hashes


@cache  # a run asks for each of its stages, and parsing takes longer than all else here
def _imported(source: str) -> list[str]:
    """Dotted names that a module's source imports: `from a.b import c` may mean the module a.b or a.b.c."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source.partition(_SCRIPT)[0])):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


@cache
def _module_files(code: Path, module: str) -> list[Path]:
    """The files below `code` that importing a module runs: those of the packages around it and its own; [] of none."""
    *packages, _ = parts = module.split(".")
    own = [Path(*parts).with_suffix(".py"), Path(*parts, "__init__.py")]
    around = [Path(*packages[:depth], "__init__.py") for depth in range(1, len(packages) + 1)]
    found = [file for file in own if (code / file).is_file()]
    return found and found + [file for file in around if (code / file).is_file()]


def _hashes(paths: Iterable[str]) -> dict[str, str | None]:
    return {path: file_sha256(Path(path)) if os.path.isfile(path) else None for path in paths}
