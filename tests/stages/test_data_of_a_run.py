"""A run's data may be a folder, with outcomes in another file: what is read, and when a stage has to be done again."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conversations.formats.options import ReadingOptions
from data_pipeline import prepare_data
from foundations.artifact_folder import ArtifactFolder
from main import main
from stages.job import Job

CALLS = 30


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Recordings, half of which were won as `deals.csv` beside them says."""
    folder = tmp_path / "calls"
    folder.mkdir()
    rows = []
    for n in range(CALLS):
        said = f"Jane: Hello number {n}.\nBob: Hello.\nJane: Shall we sign?\nBob: {'Yes' if n % 2 else 'No'}.\n"
        (folder / f"call-{n}.txt").write_text(said, encoding="utf-8")
        rows.append(f"call-{n}.TXT,{'won' if n % 2 else 'lost'},customer-{n}")
    (tmp_path / "deals.csv").write_text("\n".join(["file,result,group", *rows]), encoding="utf-8")
    return folder


def test_recordings_and_their_outcomes_are_split_and_a_change_of_either_redoes_it(
    tmp_path: Path, calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ArtifactFolder(tmp_path / "artifacts")
    outcomes = tmp_path / "deals.csv"
    job = Job(folder, calls, outcomes=outcomes)

    def is_skipped() -> bool:
        prepare_data(job)
        return "unchanged" in capsys.readouterr().out

    assert not is_skipped()
    parts = [json.loads(path.read_text(encoding="utf-8")) for path in folder.data.glob("*_data.json")]
    records = [record for part in parts for record in part]
    assert len(records) == CALLS
    assert {record["outcome"] for record in records} == {"successful", "failed"}
    assert all(record["group"] == record["conversation_id"].replace("call", "customer") for record in records)
    assert is_skipped()
    outcomes.write_text(outcomes.read_text(encoding="utf-8") + "\ncall-x,won,other", encoding="utf-8")
    assert not is_skipped()
    (calls / "call-0.txt").write_text("Jane: Hi.\nBob: Hi.\nJane: Bye.\nBob: Bye.\n", encoding="utf-8")
    assert not is_skipped()
    (calls / "call-1.txt").unlink()
    assert not is_skipped()
    assert is_skipped()


def test_a_folder_is_scored_with_a_row_a_recording(
    tmp_path: Path, calls: Path, trained_artifacts: ArtifactFolder
) -> None:
    output = tmp_path / "scores.csv"
    given = ["--data", str(calls), "--output", str(output), "--artifacts", str(trained_artifacts.root)]
    assert main(["--mode", "score", *given, "--model", "few_shot"]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        ids = {row["conversation_id"] for row in csv.DictReader(file)}
    assert ids == {f"call-{n}" for n in range(CALLS)}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--mode", "train", "--outcomes", "deals.csv"], "--outcomes 'deals.csv' needs --data"),
        (
            ["--mode", "score", "--engine", "local", "--data", "a", "--output", "b", "--outcomes", "deals.csv"],
            "--outcomes 'deals.csv' is not for --engine",
        ),
        (["--mode", "train", "--data", "nothing*"], "There is no file 'nothing*'"),
    ],
)
def test_what_can_not_be_is_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert sentence in error and len(error.strip().splitlines()) == 1


def test_a_table_of_outcomes_has_columns_of_its_own_names(tmp_path: Path, calls: Path) -> None:
    outcomes = tmp_path / "deals.csv"
    outcomes.write_text(outcomes.read_text(encoding="utf-8").replace("group", "Kunde"), encoding="utf-8")
    folder = ArtifactFolder(tmp_path / "artifacts")
    prepare_data(Job(folder, calls, ReadingOptions.given(["group=Kunde", "outcome=result"]), outcomes=outcomes))
    records = json.loads((folder.data / "train_data.json").read_text(encoding="utf-8"))
    assert all(record["group"].startswith("customer-") for record in records)
