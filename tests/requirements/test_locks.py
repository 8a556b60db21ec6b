"""The locks agree with the requirements files, hold all that these need, and are what everything is installed from."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from requirements.locks import LOCKED, LOCKS, ROOT, TORCH, Pinned, locked, parsed
from tests.image_files import requirements, with_dependencies

TORCH_CPU = ROOT / "requirements" / "torch_cpu.txt"
NAMES = [*LOCKS, TORCH]
HERE = [name for name in LOCKS if name != "bench"]  # `make bench` has an environment of its own


def _asked(path: Path) -> dict[str, Requirement]:
    """What a requirements file asks for, with the files that it names by -r."""
    found = requirements(path)
    for line in re.findall(r"^-r (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
        found |= _asked(path.parent / line)
    return found


def _asked_by(name: str) -> dict[str, Requirement]:
    return {key: one for source in LOCKS[name].sources for key, one in _asked(ROOT / source).items()}


def _pins(name: str) -> list[Pinned]:
    return [*locked(TORCH), *locked(name)] if name != TORCH else locked(TORCH)


def _disagreements(asked: dict[str, Requirement], pins: list[Pinned]) -> list[str]:
    versions: dict[str, set[str]] = {}
    for one in pins:
        versions.setdefault(one.name, set()).add(one.version)
    return [str(one) for name, one in asked.items() if versions.get(name) != {str(one.specifier).removeprefix("==")}]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_what_its_requirements_files_ask_for(name: str) -> None:
    assert _disagreements(_asked_by(name), _pins(name)) == []


def test_a_requirement_that_changed_is_found() -> None:
    asked, pins = _asked_by("serving"), _pins("serving")
    assert _disagreements(asked | {"fastapi": Requirement("fastapi==0.1.0")}, pins) == ["fastapi==0.1.0"]
    assert _disagreements(asked | {"flask": Requirement("flask==3.0.0")}, pins) == ["flask==3.0.0"]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_lock_is_a_pinned_package_with_hashes(name: str) -> None:
    text = (LOCKED / f"{name}.txt").read_text(encoding="utf-8")
    own = parsed(text)
    assert own and all(one.hashes for one in own)
    options = [line for line in text.splitlines() if line.startswith("-")]
    includes = LOCKS[name].includes if name in LOCKS else ()
    assert options == ["--only-binary :all:", *(f"-r {include}.txt" for include in includes)], (
        "packages that are built while they are installed bring others that no hash holds"
    )
    assert text.splitlines()[len(options) + 1 :] == "\n".join(map(str, own)).splitlines(), "something is overlooked"


@pytest.mark.parametrize("name", HERE)
def test_a_lock_has_all_that_its_packages_need_here(name: str) -> None:
    pinned = {one.name: one for one in _pins(name)}
    asked = list(_asked_by(name).values())
    assert with_dependencies(asked) - set(pinned) == set()
    for package in with_dependencies(asked):
        for line in distribution(package).requires or ():
            needed = Requirement(line)
            known = pinned.get(canonicalize_name(needed.name))
            if known and needed.marker is None:
                assert needed.specifier.contains(known.version, prereleases=True), f"{package} needs {needed}"


def test_a_package_has_one_version_in_all_locks() -> None:
    versions: dict[tuple[str, str], set[str]] = {}
    for one in (one for name in NAMES for one in _pins(name)):
        versions.setdefault((one.name, one.marker), set()).add(one.version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_torch_without_cuda_is_the_version_that_is_asked_for() -> None:
    (cpu,) = parsed(TORCH_CPU.read_text(encoding="utf-8"))
    (torch,) = [one for one in locked(TORCH) if one.name == "torch"]
    assert cpu.name == "torch" and Version(cpu.version).public == torch.version and Version(cpu.version).local == "cpu"
    assert cpu.hashes and not set(cpu.hashes) & set(torch.hashes)


def test_what_runs_here_is_what_is_locked() -> None:
    """As `make` installs it; a package put in by hand is nobody's business."""
    versions: dict[str, set[str]] = {}
    for one in [*locked(TORCH), *locked("dev")]:
        versions.setdefault(one.name, set()).add(one.version)
    here = {canonicalize_name(found.metadata["Name"]): Version(found.version).public for found in distributions()}
    other = {name: version for name, version in here.items() if name in versions and version not in versions[name]}
    assert {name: version for name, version in other.items() if name not in ("pip", "setuptools")} == {}, "make install"


@pytest.mark.parametrize("file", ["Makefile", "deploy/Dockerfile", ".ci/run"])
def test_everything_is_installed_by_hashes(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    for command in re.findall(r"^INSTALL := (.*)$", text, re.MULTILINE):  # the Makefile's name for it
        text = text.replace("$(INSTALL)", command)
    installs = re.findall(r"pip install[^\n|&]*-r [^\n|&]*", text)
    assert bool(installs) == (file != ".ci/run"), "CI installs through make"
    for command in installs:
        assert "--require-hashes" in command, command
        for named in re.findall(r'-r "?([^\s"]+)', command):
            path = named.replace("$(LOCKED)", "requirements/locked").replace("${lock}", "serving")
            assert (ROOT / path).is_file() and "--hash=sha256:" in (ROOT / path).read_text(encoding="utf-8"), command


def test_pip_refuses_a_file_that_was_changed(tmp_path: Path) -> None:
    name = "changed-0-py3-none-any.whl"
    (tmp_path / name).write_bytes(b"not what was locked")
    lock = Pinned("changed", "0", "", ("0" * 64,))
    (tmp_path / "lock.txt").write_text(f"--only-binary :all:\n{lock}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-index"]
    command += ["--find-links", str(tmp_path), "--target", str(tmp_path / "to"), "-r", str(tmp_path / "lock.txt")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
