"""The folder of a running service: new for each, one for all its workers, and gone when nobody holds it any more."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import shared
from service.shared import keep_from_ageing, process_folder

ROOT = Path(__file__).parents[2]
SERVICE = """
import sys
from service.shared import process_folder
print(process_folder(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shared, "_held", {})
    yield tmp_path
    for held in shared._held.values():
        os.close(held)


def started(temporary: Path, source: str = SERVICE) -> tuple[subprocess.Popen[str], Path]:
    """Another service and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def forget() -> None:
    """As if this service had ended."""
    for held in shared._held.values():
        os.close(held)
    shared._held.clear()


def test_only_what_nobody_holds_is_removed_whatever_its_age(temporary: Path) -> None:
    process, folder = started(temporary)
    with process:
        os.utime(folder, (1, 1))
        mine = process_folder()
        assert folder.is_dir()
        assert mine != folder
        process.kill()
    forget()
    assert process_folder() == mine
    assert not folder.exists()


def test_a_folder_of_the_same_name_that_another_service_left_is_new(temporary: Path) -> None:
    (process_folder() / "started").touch()
    assert (process_folder() / "started").exists(), "it is the same while the service runs"
    forget()
    assert not (process_folder() / "started").exists()


def test_one_that_was_taken_away_is_made_again(temporary: Path) -> None:
    folder = process_folder()
    folder.rmdir()
    assert process_folder() == folder
    assert folder.is_dir()


def test_forked_workers_keep_it_when_the_first_process_is_gone(temporary: Path) -> None:
    source = SERVICE.replace("sys.stdin.read()", "import os\nif os.fork():\n    os._exit(0)\nsys.stdin.read()")
    process, folder = started(temporary, source)
    process.wait(20)
    process_folder()
    assert folder.is_dir()
    process.communicate("")  # the worker ends
    deadline = time.monotonic() + 20
    while folder.exists():
        assert time.monotonic() < deadline
        forget()
        process_folder()


def test_a_service_s_folder_does_not_look_unused(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    shared_file = tmp_path / "metrics" / "workers"
    shared_file.write_bytes(b"1")
    for path in (shared_file, shared_file.parent, tmp_path):
        os.utime(path, (1, 1))
    keep_from_ageing(tmp_path)
    for path in (shared_file, shared_file.parent, tmp_path):
        assert time.time() - path.stat().st_mtime < 60
        assert time.time() - path.stat().st_atime < 60
