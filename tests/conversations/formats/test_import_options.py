"""`--column` and `--split` on the command line: they reach the data, and a changed one redoes the split."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conversations.formats.options import ReadingOptions
from conversations.reading.files import read_conversations
from data_pipeline import prepare_data
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from main import main
from scoring.job import Terms
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


def columns(*more: str) -> ReadingOptions:
    return ReadingOptions.given(["transcript=Notes", "outcome=Ergebnis", *more])


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
    before = pipeline_job.data_inputs(path, ReadingOptions())
    (tmp_path / "full_info.csv").write_text("B2,B3,B4,B6\n")
    assert pipeline_job.data_inputs(path, ReadingOptions()) != before


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--column", "words=Notes"], "'words=Notes' is not FIELD=COLUMN"),
        (["--column", "transcript=Text"], "no column 'Text' for transcript (found: 'Notes', 'Ergebnis', 'Tag')"),
        ([], "as in transcript=Notes"),
        (["--column", "transcript=Notes", "--column", "outcome=Ergebnis", "--split", "time"], "no date"),
    ],
)
def test_bad_options_exit_with_2_and_one_sentence(
    tmp_path: Path, export: Path, options: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--mode", "train", "--data", str(export), "--artifacts", str(tmp_path / "artifacts"), *options]) == 2
    assert part in " ".join(capsys.readouterr().err.split())


# ------------------------------------------------------------------------------------------------------ outcome words

CALLS = "Call notes,Call outcome\nThey want it.,Connected\nNobody there.,Left  voicemail\nNothing.,Busy\n"


def read(folder: Path, content: str, options: ReadingOptions) -> list[str | None]:
    path = folder / "calls.csv"
    path.write_text(content)
    return [one.outcome for one in read_conversations(path, options)]


def test_words_of_a_person_come_before_all_that_is_known(tmp_path: Path) -> None:
    options = ReadingOptions.given([], ["connected", "Lost cause"], ["LEFT voicemail", "busy"])
    assert read(tmp_path, CALLS, options) == ["successful", "failed", "failed"]
    table = "Description,StageName\nHi,Lost  Cause\nHo,Closed Lost\n"
    assert read(tmp_path, table, options) == ["successful", "failed"]
    assert read(tmp_path, '[{"transcript": "Hi", "outcome": "Busy"}]', options) == ["failed"]
    assert read(tmp_path, "transcript,outcome\nHi,Busy\nHo,won\n", options) == ["failed", "successful"]


def test_a_call_s_disposition_is_no_outcome_unless_its_words_are_explained(tmp_path: Path) -> None:
    assert read(tmp_path, CALLS, ReadingOptions()) == [None, None, None]


@pytest.mark.parametrize("content", ["transcript,outcome\nHi,Connected\nHo,Busy\nHa,Busy\nHe,won\n"])
def test_unknown_words_stop_a_training_and_are_left_out_of_scoring(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, content, ReadingOptions())
    said = str(refused.value)
    assert "line 2: the outcome 'Connected' is not known" in said and "--won or --lost" in said
    assert said.endswith("not known either: 'Busy' (2).") and not caplog.records
    assert read(tmp_path, content, ReadingOptions().for_scoring()) == [None, None, None, "successful"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.endswith("3 outcomes are not understood and left out: 'Busy' (2), 'Connected' (1).")


def test_an_internal_stage_and_a_broken_flag_do_not_stop_scoring(tmp_path: Path) -> None:
    table = "Description,dealstage,hs_is_closed\nHi,1334521,\nHo,Closed Won,perhaps\nHa,Closed,\n"
    assert read(tmp_path, table, ReadingOptions().for_scoring()) == [None, "successful", None]
    assert read(tmp_path, "Description,IsWon\nHi,true\nHo,false\n", ReadingOptions().for_scoring()) == [
        "successful",
        None,
    ]


@pytest.mark.parametrize(
    ("won", "lost", "part"),
    [(["Busy"], ["busy "], "'busy' is given as won and as lost"), ([" "], [], "The option won is empty")],
)
def test_bad_outcome_options(won: list[str], lost: list[str], part: str) -> None:
    with pytest.raises(InputError, match=part):
        ReadingOptions.given([], won, lost)


def test_the_command_line_s_words_reach_the_data_and_changed_ones_count(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(CALLS)
    plain, explained = ReadingOptions(), ReadingOptions.given([], ["Connected"], ["Busy"])
    assert pipeline_job.data_inputs(path, plain) != pipeline_job.data_inputs(path, explained)
    terms = Terms("few_shot", "1", False, "jsonl", {}, sorted(explained.won), sorted(explained.lost))
    assert terms.reading == explained.for_scoring()
