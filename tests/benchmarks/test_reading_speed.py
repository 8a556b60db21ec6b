"""The files that the speed benchmark reads are what they are meant to be."""

from __future__ import annotations

from benchmarks.speed.reading import reading_rows


def test_each_format_is_read_whole() -> None:
    rows = {row.what.split(",")[0].removeprefix("reading "): row for row in reading_rows(0.01)}
    conversations = {name: int(row.what.split(", ")[1].split()[0]) for name, row in rows.items()}
    assert conversations == {
        "notes.csv": 40,
        "calls.jsonl": 2,
        "messages.csv": 2,
        "call.vtt": 1,
        "call.txt": 1,
        "whisper.json": 1,
        "chat.txt": 1,
        "mails.mbox": 1,
        "notes.xlsx": 40,
    }
    assert all(row.measured.endswith(" MB/s") for row in rows.values())
