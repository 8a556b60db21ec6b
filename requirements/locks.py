"""The files of requirements/locked/: which there are, how they are read, and how `make lock` writes them.

Each pins what its requirements files ask for and all that this needs in turn, with the SHA-256 of every file of that
version, for every platform. It includes the locks before it by `-r` and holds only what those lack, so that a package
stands in one place. Writing asks the package index, through uv; reading needs nothing. `python -m requirements.locks
--upgrade` takes newer versions of what no requirements file pins; without it those that are locked stay.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKED = ROOT / "requirements" / "locked"
TORCH = "torch"  # apart, with the gigabytes that its default build needs on Linux: torch_cpu.txt may stand in its place
_WITH_TORCH = re.compile(r"torch|triton|(nvidia|cuda)-.+")
_HEADER = """\
# Made by `make lock` from {sources}; don't edit.
--only-binary :all:
"""
_PINNED = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\\n]+?))?"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Lock:
    """One file: the requirements files that it stands for, the locks that it includes, and the oldest Python."""

    sources: tuple[str, ...]
    includes: tuple[str, ...] = ()
    python: str = "3.11"


LOCKS = {
    "serving": Lock(("requirements/serving.txt",)),
    "run": Lock(("requirements.txt",), ("serving",)),
    "langchain": Lock(("requirements/langchain.txt",), ("run",)),
    "scale": Lock(("requirements/scale.txt",), ("run",)),
    "tune": Lock(("requirements/tune.txt",), ("run",)),
    "tracing": Lock(("requirements/serving.txt", "requirements/tracing.txt"), ("serving",)),
    "agents": Lock(("requirements/serving.txt", "requirements/agents.txt"), ("serving",)),
    "audio": Lock(("requirements/serving.txt", "requirements/audio.txt"), ("serving",)),
    "multilingual": Lock(("requirements/multilingual.txt",), ("run",)),
    "dev": Lock(  # for the site
        ("requirements/dev.txt",),
        ("langchain", "scale", "tune", "tracing", "agents", "audio", "multilingual"),
        python="3.11.5",
    ),
    "bench": Lock(("requirements/bench.txt",), ("run",)),
}


@dataclass(frozen=True)
class Pinned:
    """One package at one version; `marker` says where, empty for everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]  # SHA-256 in hexadecimal, of any of which a file may be

    def __str__(self) -> str:
        where = f" ; {self.marker}" if self.marker else ""
        return " \\\n    ".join([f"{self.name}=={self.version}{where}", *(f"--hash=sha256:{h}" for h in self.hashes)])


def parsed(text: str) -> list[Pinned]:
    """The packages of a lock's text, in its order, without those of the files that it includes."""
    return [
        Pinned(
            found["name"],
            found["version"],
            found["marker"] or "",
            tuple(re.findall(r"sha256:([0-9a-f]{64})", found["hashes"])),
        )
        for found in _PINNED.finditer(text)
    ]


def locked(name: str) -> list[Pinned]:
    """What installing a lock brings, the locks that it includes first. Torch is in none but its own."""
    included = [pinned for lock in _includes(name) for pinned in locked(lock)]
    own = parsed((LOCKED / f"{name}.txt").read_text(encoding="utf-8"))
    return list(dict.fromkeys([*included, *own]))


def write_locks(upgrade: bool = False) -> None:
    """Resolves all requirements files together, so that no package has two versions, and writes every lock anew.

    Raises subprocess.CalledProcessError where uv finds no solution.
    """
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "everything.txt"
        if not upgrade:
            kept = [str(pinned) for path in LOCKED.glob("*.txt") for pinned in parsed(path.read_text(encoding="utf-8"))]
            everything.write_text("\n".join(kept), encoding="utf-8")  # uv keeps versions of the file it is to write
        sources = [source for lock in LOCKS.values() for source in lock.sources]
        newest = max(lock.python for lock in LOCKS.values())
        _resolve(sources, newest, "--output-file", str(everything))
        resolved = {
            name: parsed(_resolve(lock.sources, lock.python, "--generate-hashes", "--constraints", str(everything)))
            for name, lock in LOCKS.items()
        }
    for name, lock in LOCKS.items():
        included = {pinned for include in lock.includes for pinned in _including(include, resolved)}
        own = [pinned for pinned in resolved[name] if pinned not in included and not _WITH_TORCH.fullmatch(pinned.name)]
        _write(name, lock.sources, own)
    _write(TORCH, LOCKS["run"].sources, [pinned for pinned in resolved["run"] if _WITH_TORCH.fullmatch(pinned.name)])


def _resolve(sources: list[str] | tuple[str, ...], python: str, *options: str) -> str:
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--universal", "--no-header"]
    command += ["--no-annotate", "--only-binary", ":all:", "--python-version", python, *options, *sources]
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout


def _including(name: str, resolved: dict[str, list[Pinned]]) -> set[Pinned]:
    return {*resolved[name], *(pinned for lock in LOCKS[name].includes for pinned in _including(lock, resolved))}


def _includes(name: str) -> tuple[str, ...]:
    return LOCKS[name].includes if name in LOCKS else ()


def _write(name: str, sources: tuple[str, ...], entries: list[Pinned]) -> None:
    lines = [*(f"-r {include}.txt" for include in _includes(name)), *map(str, entries)]
    text = _HEADER.format(sources=" and ".join(sources)) + "\n".join(lines) + "\n"
    (LOCKED / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_locks(upgrade="--upgrade" in sys.argv[1:])
