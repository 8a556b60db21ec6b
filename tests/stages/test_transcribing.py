"""`--mode transcribe`: a call of two channels becomes turns with sides; a run that was stopped goes on; the rest is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import main
from benchmarks.hearing.spoken_calls import plain_words, word_errors
from conversations.hearing import weights
from conversations.reading.files import read_conversations
from foundations.artifact_folder import ArtifactFolder
from tests.conversations.hearing.recordings import SAID, SAMPLE, needs_packages, silence


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a call, one in which nobody speaks, a broken one and a note; and what came of the first three."""
    folder = tmp_path_factory.mktemp("calls")
    shutil.copy(SAMPLE, folder / "acme.ogg")
    (folder / "broken.mp3").write_bytes(b"ID3\x04" + bytes(3000))
    (folder / "note.txt").write_text("Call Acme.")
    assert transcribe(folder, folder.parent / "calls.jsonl") == 0
    return folder


def transcribe(data: Path, output: Path, *more: str) -> int:
    return main.main(["--mode", "transcribe", "--data", str(data), "--output", str(output), *more])


@needs_packages
def test_each_side_says_its_own_words_and_no_others(calls: Path) -> None:
    (call,) = read_conversations(calls.parent / "calls.jsonl")
    turns = call.turns or []
    assert call.conversation_id == "acme" and call.sides_inferred
    assert [(turn.speaker, turn.name) for turn in turns] == [("seller", "Channel 1"), ("customer", "Channel 2")] * 2
    errors = {}
    for side in ("seller", "customer"):
        said = plain_words(" ".join(text for who, text in SAID if who == side))
        errors[side] = word_errors(said, plain_words(" ".join(turn.text for turn in turns if turn.speaker == side)))
    assert sum(errors.values()) <= 6, "of 66 words; a leak that is heard would be half of them"
    times = [(turn.start or 0.0, turn.end or 0.0) for turn in turns]
    assert times == sorted(times) and all(0 < start < end <= 24.4 for start, end in times)


@needs_packages
def test_what_was_heard_is_scored(calls: Path, trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    command = [
        "--mode",
        "score",
        "--data",
        str(calls.parent / "calls.jsonl"),
        "--artifacts",
        str(trained_artifacts.root),
    ]
    assert main.main([*command, "--output", str(tmp_path / "scores.csv")]) == 0
    assert "acme" in (tmp_path / "scores.csv").read_text()


@needs_packages
def test_a_second_run_goes_on_where_the_first_one_ended(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = calls.parent / "calls.jsonl"
    before = output.read_bytes()
    with output.open("ab") as file:
        file.write(before[:100])  # a line that was cut off
    assert transcribe(calls, output) == 0
    said = capsys.readouterr().out
    assert output.read_bytes() == before
    assert "1 of 2 recordings are in" in said and "0 of 2 recordings transcribed now" in said
    assert "left out" in said and "broken.mp3 is a broken or empty MP3 recording" in said.replace("\n", "")


@needs_packages
def test_no_other_file_is_overwritten(calls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ('{"transcript": "Hello"}\n', "my notes"):
        other = tmp_path / "other.jsonl"
        other.write_text(content)
        assert transcribe(calls, other) == 2
        assert "transcript" in capsys.readouterr().err
        assert other.read_text() == content


@needs_packages
@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.txt", b"Agent: Hello", "is a recording: WAV, MP3"),
        ("a.mp3", b"ID3\x04" + bytes(3000), "a.mp3 is a broken or empty MP3 recording: it can't be decoded"),
    ],
)
def test_where_nothing_can_be_heard_the_reason_is_said(
    tmp_path: Path, name: str, content: bytes, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert transcribe(tmp_path / name, tmp_path / "calls.jsonl") == 2
    assert told in capsys.readouterr().err


def test_bad_options_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert transcribe(tmp_path, tmp_path / "calls.csv") == 2
    assert "needs --data with recordings, and --output FILE.jsonl" in capsys.readouterr().err
    assert main.main(["--mode", "transcribe", "--data", str(tmp_path)]) == 2


def test_without_the_packages_the_way_to_them_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.wav").write_bytes(silence(1))
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    assert transcribe(tmp_path, tmp_path / "calls.jsonl") == 2
    assert "requirements/locked/audio.txt" in capsys.readouterr().err


@needs_packages
def test_a_line_says_which_recording_it_is_of(calls: Path) -> None:
    record = json.loads((calls.parent / "calls.jsonl").read_text())
    assert record["recording_file"] == "acme.ogg" and len(record["recording_sha256"]) == 64
    assert record["recording_seconds"] == pytest.approx(24.3, abs=0.2)
