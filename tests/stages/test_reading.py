"""`--mode read` shows how data were understood, trains and writes nothing, and refuses in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from foundations.terminal import console
from main import main

DATA = Path(__file__).parents[1] / "data"


def read(*arguments: object) -> int:
    return main(["--mode", "read", *map(str, arguments)])


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_it_shows_how_a_file_was_understood_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read("--data", DATA / "salesforce_opportunities.csv") == 0
    shown = said(capsys)
    for words in ("read as", "a table", "transcript DESCRIPTION", "conversations", "won", "lost", "open", "from 2024-"):
        assert words in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "width", width)
    assert read("--data", DATA / "zoom.vtt") == 0
    shown = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    assert "…" not in shown or width < 80


def test_what_looks_like_markup_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deals.csv"
    path.write_text('transcript,conversation_id\n"[bold]They signed[/nothing].","[red]c-1"\n', encoding="utf-8")
    assert read("--data", path) == 0
    shown = said(capsys)
    assert "[bold]They signed[/nothing]." in shown and "[red]c-1" in shown


def test_the_same_is_written_as_json(tmp_path: Path) -> None:
    output = tmp_path / "reading.json"
    assert read("--data", DATA / "gong.json", "--output", output) == 0
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["formats"][0]["format"] == "Gong"
    assert written["conversations"] == len(written["ids"]) > 0
    assert {"outcomes", "dates", "speakers", "groups", "deals", "example", "notices"} <= written.keys()


def test_recordings_are_joined_with_their_outcomes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    for name in ("acme", "globex"):
        (calls / f"{name}.vtt").write_bytes((DATA / "zoom.vtt").read_bytes())
    outcomes = tmp_path / "deals.csv"
    outcomes.write_text("file,outcome\nacme.vtt,won\n", encoding="utf-8")
    assert read("--data", calls, "--outcomes", outcomes) == 0
    shown = said(capsys)
    assert "1 won, 0 lost, 1 open" in shown and "names 1 of the 2 conversations" in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--mode read needs --data"),
        (("--data", DATA / "nowhere.csv"), "There is no file"),
        (("--data", DATA / "zoom.vtt", "--output", "reading.csv"), "ends in '.csv'"),
        (("--data", DATA / "zoom.vtt", "--outcomes", DATA / "nowhere.csv"), "There is no file"),
    ],
)
def test_what_is_not_understood_is_one_sentence(
    arguments: tuple[object, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(*arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error and len(error.strip().splitlines()) == 1
