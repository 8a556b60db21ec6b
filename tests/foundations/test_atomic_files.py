"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

import pytest

from foundations.atomic_files import file_sha256, write_atomically, write_json, write_text
from foundations.errors import InputError


def fails_after_a_part(file: BinaryIO) -> None:
    file.write(b"half of it")
    raise RuntimeError("stopped")


def disk_is_full(file: BinaryIO) -> None:
    file.write(b"half of it")
    raise OSError(28, "No space left on device")


def test_new_folders_are_made_and_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "report.txt"
    write_text(path, "Grüße 🎉\n")
    write_text(path, "價格\n")
    assert path.read_bytes() == "價格\n".encode()
    assert os.listdir(path.parent) == ["report.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, tmp_path / "a")} == {0o700}


def test_a_writer_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="stopped"):
        write_atomically(path, fails_after_a_part)
    with pytest.raises(InputError, match=r"No space left on device.*that has space"):
        write_atomically(path, disk_is_full)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.pth"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_text(path, "old")
    seen: list[str] = []

    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        seen.append(path.read_text())

    write_atomically(path, write)
    assert seen == ["old"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("place", ["file/report.json", "file/deeper/report.json", "folder"])
def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="Cannot write") as caught:
        write_text(tmp_path / place, "text")
    assert str(tmp_path / place) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert not os.listdir(tmp_path / "folder")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)  # permissions do not stop root, who may run the tests
    with pytest.raises(InputError, match="Permission denied"):
        write_text(tmp_path / "report.txt", "text")


def test_json_is_readable_and_holds_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"name": "Müller", "share": 0.2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Müller", "share": 0.2}
    assert "Müller" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"share": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["share"] == 0.2


def test_sha256_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"abc" * 100_000)
    assert file_sha256(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
