"""What the Dockerfile says, and the files that its COPY lines put into the image, laid out without a container engine."""

from __future__ import annotations

import fnmatch
import functools
import json
import re
import shutil
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SERVING = ROOT / "requirements/serving.txt"

# Put into a process as sitecustomize: every package but those named is as if it weren't installed, in its children too.
BLOCKER = """
import sys
BLOCKED = set({blocked!r})
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Blocker())
"""


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with what follows them, in order."""
    text = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^\s*#[^\n]*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in lines if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    """The instructions that make the image itself."""
    all_of_them = instructions()
    start = max(number for number, (name, _) in enumerate(all_of_them) if name == "FROM")
    return all_of_them[start:]


def image_environment() -> dict[str, str]:
    """The variables that the image sets."""
    pairs = [pair for name, said in last_stage() if name == "ENV" for pair in said.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def exec_form(name: str) -> list[str]:
    """The command of an instruction in JSON form."""
    said = next(said for found, said in reversed(last_stage()) if found == name)
    return [str(word) for word in json.loads(said[said.index("[") :])]


def copied(stage: list[tuple[str, str]]) -> list[tuple[str, Path, str]]:
    """Source as written, file or folder it stands for, destination, of each COPY from the build context."""
    found: list[tuple[str, Path, str]] = []
    for name, said in stage:
        if name == "COPY" and not said.startswith("--from="):
            *sources, target = said.split()
            for source in sources:
                found.extend((source, path, target) for path in sorted(ROOT.glob(source.rstrip("/"))))
    return found


def in_build_context(path: Path) -> bool:
    """Whether Dockerfile.dockerignore lets a file into the build; the last line that matches decides, as the engine does it."""
    name, kept = path.relative_to(ROOT).as_posix(), True
    for line in (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().lstrip("!").removesuffix("/")
        if pattern and not pattern.startswith("#") and _matches(name, pattern):
            kept = line.startswith("!")
    return kept


def lay_out(folder: Path) -> None:
    """Copies into `folder` what the image has under /app of this project."""
    for _, path, target in copied(last_stage()):
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and in_build_context(file):
                inside = file.relative_to(path.parent if path.is_file() else path)
                (folder / target / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / target / inside)


def requirements(path: Path) -> dict[str, Requirement]:
    """The requirements of a file by canonical name."""
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def with_dependencies(asked: list[Requirement]) -> set[str]:
    """Canonical names of the distributions asked for and of all that they need here."""
    here = {name: str(value) for name, value in default_environment().items()}
    found: set[tuple[str, str]] = set()
    waiting = [(requirement, extra) for requirement in asked for extra in ("", *requirement.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        key = (canonicalize_name(requirement.name), extra)
        if key in found:
            continue
        found.add(key)
        for line in distribution(requirement.name).requires or ():
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate(here | {"extra": extra}):
                waiting.extend((needed, more) for more in ("", *needed.extras))
    return {name for name, _ in found}


@functools.cache
def packages_to_block() -> list[str]:
    """Top-level packages that are installed here and would not be in the image."""
    there = with_dependencies(list(requirements(SERVING).values()))
    return sorted(
        package
        for package, owners in packages_distributions().items()
        if not there.intersection(map(canonicalize_name, owners))
    )


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern names the file or a folder it is in; `*` stays within one part of the path."""
    parts = name.split("/")
    if pattern.startswith("**/"):
        return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
    wanted = pattern.split("/")
    return len(parts) >= len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
