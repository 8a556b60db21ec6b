"""`--column` and `--split` on the command line: they reach the data, and a changed one redoes the split."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conversations.formats.tables.crm import column_mapping
from data_pipeline import prepare_data
from foundations.artifact_folder import ArtifactFolder
from main import main
from stages import job as pipeline_job
from stages.job import Job


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Notes", "Ergebnis", "Tag"])
        writer.writerows([f"a{n} b{n} c{n}", ("won", "lost")[n % 2], f"2024-01-{1 + n // 4:02}"] for n in range(80))
        writer.writerow(["still open", "Negotiation", ""])
    return path


def columns(*more: str) -> dict[str, str]:
    return column_mapping(["transcript=Notes", "outcome=Ergebnis", *more])


def test_options_reach_the_split_and_a_changed_one_redoes_it(
    tmp_path: Path, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ArtifactFolder(tmp_path / "artifacts")
    for by, more, is_skipped in [
        ("group", (), False),
        ("group", (), True),
        ("time", ("date=Tag",), False),
        ("time", ("date=Tag",), True),
        ("group", (), False),
    ]:
        prepare_data(Job(folder, export, columns(*more), by))  # type: ignore[arg-type]
        said = capsys.readouterr().out
        assert ("unchanged" in said) == is_skipped
        if by == "time":
            test = json.loads((folder.data / "test_data.json").read_text())
            assert {record["date"] for record in test} == {f"2024-01-{day}" for day in range(17, 21)}


def test_a_corpus_second_file_counts_as_an_input(tmp_path: Path) -> None:
    path = tmp_path / "full_dialog.csv"
    before = pipeline_job.data_inputs(path, {})
    (tmp_path / "full_info.csv").write_text("B2,B3,B4,B6\n")
    assert pipeline_job.data_inputs(path, {}) != before


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--column", "words=Notes"], "'words=Notes' is not FIELD=COLUMN"),
        (["--column", "transcript=Text"], "no column 'Text' for transcript (found: 'Notes', 'Ergebnis', 'Tag')"),
        ([], "--column transcript=Notes"),
        (["--column", "transcript=Notes", "--column", "outcome=Ergebnis", "--split", "time"], "no date"),
    ],
)
def test_bad_options_exit_with_2_and_one_sentence(
    tmp_path: Path, export: Path, options: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mode", "train", "--data", str(export), "--artifacts", str(tmp_path / "artifacts"), *options]) == 2
    assert part in " ".join(capsys.readouterr().err.split())
