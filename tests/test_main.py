"""The command line: every mode, its files and its exit codes, 0 for done and 2 for bad usage or input."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

import evaluation_framework as evaluation_stage
from benchmarks.running_server import free_port
from evaluation import measuring
from evaluation.pictures import predictions as evaluation_plots
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from main import main
from model_registry import best_model_name
from modelling.names import MODEL_NAMES
from service.demo.client import DemoClient
from signals.outcomes import read_signal_outcomes

pytestmark = [pytest.mark.seconds(40), pytest.mark.usefixtures("quick_signals", "quick_looks_at_data")]

ROOT = Path(__file__).parents[1]
SCORE_COLUMNS = [
    "conversation_id",
    "probability",
    "outcome",
    "confidence",
    "model",
    "reliability",
    "reliability_reasons",
    "recorded_outcome",
]


def run(*arguments: object) -> int:
    """The exit code of `python main.py` with these arguments, in this process."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:  # argparse's --help and bad options
        return int(ended.code or 0)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed on stdout, in one line: rich folds long ones."""
    return " ".join(capsys.readouterr().out.split())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("generated") / "deals.json"
    assert run("--mode", "generate", "--count", 60, "--seed", 3, "--output", path) == 0
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, generated: Path, tiny_encoder_folder: Path) -> Path:
    """An artifact folder trained by the command line."""
    folder = tmp_path_factory.mktemp("trained")
    assert run(*training(generated, folder, tiny_encoder_folder)) == 0
    return folder


def training(data: Path, folder: Path, encoder: Path) -> list[object]:
    return ["--mode", "train", "--data", data, "--artifacts", folder, "--encoder", encoder]


# ---------------------------------------------------------------------------------------------------------------- modes


def test_help_names_every_mode_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for word in ("generate", "train", "evaluate", "deploy", "score", "--data", "--artifacts", "--encoder", "--rank"):
        assert word in text


def test_generate_writes_as_many_as_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new folder" / "[bold]deals[/x].json"
    assert run("--mode", "generate", "--count", 40, "--output", path, "--artifacts", tmp_path / "artifacts") == 0
    outcomes = [record["outcome"] for record in json.loads(path.read_text(encoding="utf-8"))]
    assert (len(outcomes), outcomes.count("successful")) == (40, 20)
    assert str(path) in capsys.readouterr().out, "a path is printed as it is, not as markup"


def test_training_without_data_learns_from_what_it_generated(
    tmp_path: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "deals.json"
    arguments = ["--mode", "train", "--count", 60, "--output", output, "--artifacts", tmp_path / "artifacts"]
    assert run(*arguments, "--encoder", tiny_encoder_folder, "--model", "few_shot") == 0
    written = {record["conversation_id"] for record in json.loads(output.read_text(encoding="utf-8"))}
    learned = json.loads((tmp_path / "artifacts" / "data" / "train_data.json").read_text(encoding="utf-8"))
    assert learned
    assert {record["conversation_id"] for record in learned} <= written
    assert "60 conversations in" in said(capsys)


def test_train_writes_splits_models_and_manifests(trained: Path) -> None:
    names = {path.name for path in (trained / "models").iterdir()}
    assert {"few_shot_sales_model.pkl", "classification_head_model.pth", "contrastive_sales_model.pth"} <= names
    assert sum(name.endswith(".manifest.json") for name in names) == len(MODEL_NAMES) - 1, (
        "the starter reads the sales encoder only"
    )
    counts = [
        len(json.loads((trained / "data" / f"{name}_data.json").read_text())) for name in ("train", "val", "test")
    ]
    assert sum(counts) == 60
    assert counts[0] > counts[2] > counts[1]
    assert (trained / "reports" / "dataset_distribution.png").stat().st_size > 10_000


def test_unchanged_stages_are_skipped_and_changed_ones_run(
    tmp_path: Path, trained: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"train": "train", "val": "validation", "test": "test"}  # their own splits, so that no seed changes these
    records = [
        {**record, "split": split}
        for name, split in parts.items()
        for record in json.loads((trained / "data" / f"{name}_data.json").read_text(encoding="utf-8"))
    ]
    (tmp_path / "deals.json").write_text(json.dumps(records), encoding="utf-8")
    few_shot = [*training(tmp_path / "deals.json", tmp_path, tiny_encoder_folder), "--model", "few_shot"]
    artifact = tmp_path / "models" / "few_shot_sales_model.pkl"
    assert run(*few_shot) == 0
    assert "skipped" not in said(capsys)
    written = artifact.stat().st_mtime_ns
    assert run(*few_shot) == 0
    text = said(capsys)
    assert "split: unchanged since the last run, skipped" in text
    assert "train few_shot: unchanged since the last run, skipped" in text
    assert artifact.stat().st_mtime_ns == written
    for change in (["--force"], ["--seed", 5]):
        assert run(*few_shot, *change) == 0
        text = said(capsys)
        assert not [stage for stage in ("split", "train few_shot", "index") if f"{stage}: unchanged" in text]
        assert artifact.stat().st_mtime_ns > written
        written = artifact.stat().st_mtime_ns
    artifact.write_bytes(b"edited")
    assert run(*few_shot, "--seed", 5) == 0
    text = said(capsys)
    assert "split: unchanged" in text
    assert "train few_shot: unchanged" not in text
    assert artifact.read_bytes() != b"edited"
    assert [path.name for path in (tmp_path / "models").glob("*.p*")] == ["few_shot_sales_model.pkl"]


def test_evaluate_reports_on_the_test_split_then_on_a_file(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = ["--mode", "evaluate", "--artifacts", trained, "--model", "few_shot"]
    assert run(*evaluation) == 0  # with real costs and pictures
    assert "Few-shot" in said(capsys)
    report = json.loads((trained / "reports" / "final_project_report.json").read_text())
    test_split = json.loads((trained / "data" / "test_data.json").read_text())
    assert report["dataset"]["evaluated"]["conversations"] == len(test_split)
    assert list(report["models"]) == ["few_shot"]
    assert 0 <= report["models"]["few_shot"]["accuracy"] <= 1
    assert (trained / "reports" / "model_comparison.png").stat().st_size > 10_000
    assert read_signal_outcomes(ArtifactFolder(trained)).conversations == len(test_split)
    outputs = json.loads((trained / "stages.json").read_text())["evaluate"]["outputs"]
    assert {"signals_by_outcome.json", "signals_by_outcome.png"} < {Path(path).name for path in outputs}
    assert run(*evaluation) == 0
    assert "evaluate: unchanged since the last run, skipped" in (text := said(capsys))
    assert "Few-shot" in text, "the table is printed again"

    without_costs = partial(measuring.evaluate, cost_of=lambda *of: {"latency_ms": {"p50": 1.0, "p95": 2.0}})
    monkeypatch.setattr(measuring, "evaluate", without_costs)
    monkeypatch.setattr(evaluation_plots, "write_pictures", lambda *of: [])
    monkeypatch.setattr(evaluation_stage, "comparison_table", lambda report, width: "Few-shot")
    some = tmp_path / "some.jsonl"
    lines = [json.dumps({**record, "split": None}) for record in [*test_split[:7], {"transcript": "An open deal."}]]
    some.write_text("\n".join(lines), encoding="utf-8")
    assert run(*evaluation, "--data", some) == 0
    report = json.loads((trained / "reports" / "final_project_report.json").read_text())
    assert report["dataset"]["evaluated"]["conversations"] == 7
    assert report["dataset"]["open_deals_left_out"] == 1
    said(capsys)
    assert run("--mode", "evaluate", "--artifacts", trained, "--data", some) == 0
    assert "skipped" not in said(capsys), "all models are not one model"
    report = json.loads((trained / "reports" / "final_project_report.json").read_text())
    assert list(report["models"]) == [name for name in MODEL_NAMES if name != "starter"]


def test_a_model_of_another_split_is_not_evaluated(
    capsys: pytest.CaptureFixture[str], trained: Path, generated: Path, tiny_encoder_folder: Path, tmp_path: Path
) -> None:
    """Trained again with another seed, one model learns from conversations that the others are tested on, and they
    learned from those that it is tested on."""
    folder = shutil.copytree(trained, tmp_path / "artifacts")
    arguments = [*training(generated, folder, tiny_encoder_folder), "--model", "few_shot", "--seed", 5]
    assert run(*arguments) == 0
    error = refused(capsys, "--mode", "evaluate", "--artifacts", folder)
    assert "classification_head and contrastive and ensemble learned from other conversations" in error
    assert "few_shot" not in error
    error = refused(capsys, "--mode", "evaluate", "--artifacts", folder, "--model", "contrastive", "--data", generated)
    assert "contrastive learned from other conversations" in error


@pytest.fixture
def open_deals(tmp_path: Path) -> Path:
    """Unlabelled, labelled, and one whose id a spreadsheet would run."""
    records = [
        {"conversation_id": f"open-{n}", "transcript": text}
        for n, text in enumerate(
            ["They want to sign on Monday!", "Never call again.", "价格合适。", "Maybe.", "Budget: $50,000"]
        )
    ]
    records += [{"conversation_id": "=1+1", "transcript": "Hello", "outcome": "failed"}, {"transcript": "No id."}]
    path = tmp_path / "open.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


@pytest.mark.parametrize("rank", [False, True])
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_score_writes_a_row_for_each_record(
    trained: Path, open_deals: Path, tmp_path: Path, ending: str, rank: bool
) -> None:
    output = tmp_path / f"scores{ending}"
    scoring = ["--mode", "score", "--artifacts", trained, "--data", open_deals, "--output", output]
    assert run(*scoring, "--model", "contrastive", *(["--rank"] if rank else [])) == 0
    text = output.read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = (
        list(csv.DictReader(text.splitlines()))
        if ending == ".csv"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert all(list(row) == SCORE_COLUMNS for row in rows)
    identifiers = [row["conversation_id"] for row in rows]
    expected = [*(f"open-{n}" for n in range(5)), "'=1+1" if ending == ".csv" else "=1+1", "row-7"]
    probabilities = [float(row["probability"]) for row in rows]
    if rank:
        assert sorted(identifiers) == sorted(expected)
        still_open = [float(row["probability"]) for row in rows if not row["recorded_outcome"]]
        assert still_open == sorted(still_open, reverse=True) == probabilities[: len(still_open)]
        assert still_open[0] > still_open[-1]
    else:
        assert identifiers == expected
    for row, probability in zip(rows, probabilities, strict=True):
        assert row["outcome"] == ("successful" if probability >= 0.5 else "failed")
        assert float(row["confidence"]) == pytest.approx(max(probability, 1 - probability))
        assert row["model"] == "contrastive"


@pytest.mark.parametrize("per_turn", [False, True])
def test_a_ranking_has_open_deals_first_and_tells_of_closed_ones(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], per_turn: bool
) -> None:
    """Of what a CRM exports most is closed; it is marked, and stands below what can still be won."""
    texts = ["They signed.", "No budget.", "They will sign on Friday.", "They compare us.", "Legal reads it."]
    ended = ["successful", "failed", None, "successful", None]
    records = [
        {"conversation_id": f"d{n}", "transcript": text, "outcome": outcome}
        for n, (text, outcome) in enumerate(zip(texts, ended, strict=True))
    ]
    data, output = tmp_path / "deals.json", tmp_path / "scores.jsonl"
    data.write_text(json.dumps(records), encoding="utf-8")
    scoring = ["--mode", "score", "--artifacts", trained, "--data", data, "--output", output, "--rank"]
    assert run(*scoring, *(["--per-turn"] if per_turn else [])) == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {row["conversation_id"]: row["recorded_outcome"] for row in rows} == {
        f"d{n}": outcome for n, outcome in enumerate(ended)
    }
    assert [row["recorded_outcome"] is None for row in rows] == [True] * 2 + [False] * 3
    for part in (rows[:2], rows[2:]):
        shares = [row["probability"] for row in part]
        assert shares == sorted(shares, reverse=True)
    assert "3 of 5 deals are closed already (recorded_outcome); they stand below the open ones." in " ".join(
        capsys.readouterr().out.split()
    )


def test_score_takes_the_best_model_by_itself(trained: Path, open_deals: Path, tmp_path: Path) -> None:
    output = tmp_path / "scores.jsonl"
    assert run("--mode", "score", "--artifacts", trained, "--data", open_deals, "--output", output) == 0
    used = {json.loads(line)["model"] for line in output.read_text().splitlines()}
    assert used == {best_model_name(ArtifactFolder(trained))}


def test_add_finds_more_without_training(
    trained: Path, generated: Path, tmp_path: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "artifacts"
    shutil.copytree(trained, folder)
    lines = [
        {"conversation_id": "new-1", "transcript": "They signed.", "outcome": "successful"},
        {"conversation_id": "new-2", "transcript": "They left.", "outcome": "failed"},
        {"conversation_id": "new-3", "transcript": "We will see."},
    ]
    data = tmp_path / "closed.jsonl"
    data.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    artifact = folder / "models" / "contrastive_sales_model.pth"
    written = artifact.stat().st_mtime_ns
    for said_first in ("2 conversations added, 0 replaced", "0 conversations added, 2 replaced"):
        assert run("--mode", "add", "--data", data, "--artifacts", folder) == 0
        assert f"{said_first}; 1 without an outcome left out" in said(capsys)
    manifest = json.loads((folder / "models" / "similar_conversations" / "manifest.json").read_text())
    known = [c for name in ("train", "val") for c in json.loads((folder / "data" / f"{name}_data.json").read_text())]
    assert manifest["count"] == len(known) + 2
    assert run("--mode", "train", "--data", generated, "--artifacts", folder, "--encoder", tiny_encoder_folder) == 0
    text = said(capsys)
    assert "index: unchanged since the last run, skipped" in text
    assert artifact.stat().st_mtime_ns == written
    assert (
        run("--mode", "train", "--data", generated, "--artifacts", folder, "--encoder", tiny_encoder_folder, "--force")
        == 0
    )
    assert json.loads((folder / "models" / "similar_conversations" / "manifest.json").read_text())["count"] == (
        len(known) + 2
    ), "training again keeps what was added"


def test_a_real_process(tmp_path: Path) -> None:
    def process(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "main.py"), *arguments, "--artifacts", str(tmp_path / "artifacts")]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100, check=False)

    output = tmp_path / "deals.json"
    done = process("--mode", "generate", "--count", "40", "--output", str(output))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(output.read_text(encoding="utf-8"))) == 40
    output.write_text("[{]", encoding="utf-8")
    refused = process("--mode", "train", "--data", str(output))
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: ")
    assert f"{output}, line 1, column 3" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_command_line_loads_neither_torch_nor_a_database_before_it_needs_them() -> None:
    code = "import main, sys; print([name for name in ('torch', 'sklearn', 'sqlalchemy', 'fastapi') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_whole_job_becomes_a_serving_process_that_never_trained(
    trained: Path, generated: Path, tiny_encoder_folder: Path, tmp_path: Path
) -> None:
    folder, port = shutil.copytree(trained, tmp_path / "artifacts"), free_port()
    options = ["--data", generated, "--encoder", tiny_encoder_folder, "--model", "few_shot", "--artifacts", folder]
    command = [sys.executable, "main.py", *map(str, options), f"--port={port}", "--workers=2"]
    environment = {**os.environ, "SALES_STATE": str(tmp_path / "state"), "SALES_LOG_LEVEL": "warning"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        job = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_until_it_answers(port, job, log)
        process = psutil.Process(job.pid)
        assert process.cmdline()[2:] == [
            "--mode=deploy",
            f"--artifacts={folder}",
            f"--port={port}",
            "--workers=2",
        ]
        assert process.environ()["SALES_LOG_LEVEL"] == "warning"
        loaded = {Path(part.path).name for part in process.memory_maps()}
        assert not [name for name in loaded if "torch" in name or "sklearn" in name]
        os.killpg(job.pid, signal.SIGINT)  # as a terminal does it: to all of them
        assert job.wait(30) == 0
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    said = log.read_text(encoding="utf-8")
    assert said.index("train few_shot: unchanged") < said.index("Serving the models of"), "nothing said before is lost"
    assert "Traceback" not in said


def _wait_until_it_answers(port: int, job: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while True:
        with contextlib.suppress(InputError):
            DemoClient(f"http://127.0.0.1:{port}").get("/health")
            return
        assert job.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
        time.sleep(0.1)


def test_purge_says_how_many_it_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--mode", "purge", "--artifacts", tmp_path) == 0
    assert "0 predictions from before" in said(capsys)


def test_a_purge_of_a_mistyped_folder_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mistyped = tmp_path / "artefacts"
    assert f"There is no folder '{mistyped}'" in refused(capsys, "--mode", "purge", "--artifacts", mistyped)
    assert not mistyped.exists()


def test_purge_without_its_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_DATABASE_URL", "postgresql://somebody:secret@127.0.0.1:1/nothing")
    error = refused(capsys, "--mode", "purge", "--artifacts", tmp_path)
    assert "SALES_DATABASE_URL" in error
    assert "secret" not in error


# ------------------------------------------------------------------------------------------------------ bad usage and input


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs into exit code 2, and gives what stderr says: one sentence and no stack trace."""
    capsys.readouterr()
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.rstrip().endswith((".", "FILE"))
    assert len(error.splitlines()) == 1
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mode", "guess"],
        ["--model", "gpt"],
        ["--seed", "many"],
        ["--count", "1.5"],
        ["--port", "http"],
        ["--no-such-option"],
        ["train"],
        ["--data"],
    ],
    ids=" ".join,
)
def test_bad_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert "usage:" in error
    assert arguments[-1] in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--mode", "generate", "--count", "0"], "0"),
        (["--mode", "generate", "--count", "-5"], "-5"),
        (["--mode", "generate", "--noise", "nan"], "nan"),
        (["--mode", "generate", "--noise", "0.9"], "0.9"),
        (["--mode", "generate", "--seed", "-1"], "-1"),
        (["--mode", "generate", "--seed", "4294967296"], "4294967296"),
        (["--mode", "deploy", "--port", "99999"], "99999"),
        (["--mode", "deploy", "--workers", "0"], "0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_out_of_range(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], value: str
) -> None:
    assert value in refused(capsys, *arguments, "--artifacts", tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()


def deals(count: int, **fields: object) -> list[dict[str, object]]:
    return [
        {"transcript": f"Call {n}.", "outcome": "failed" if n % 2 else "successful", **fields} for n in range(count)
    ]


BAD_DATA: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "broken JSON": ('[{"transcript": "Hi"},\n {"transcript": }]', "line 2, column 17"),
    "broken JSON lines": ('{"transcript": "Hi"}\n{"transcript": "Hi"', "line 2, column 20"),
    "wrong type": ('[{"transcript": ["Hi"], "outcome": "failed"}]', "transcript (a list of 1)"),
    "unknown outcome": ('[{"transcript": "Hi", "outcome": "[bold]so[/x]"}]', "'[bold]so[/x]'"),
    "empty transcripts": (
        json.dumps([{"transcript": "  ", "outcome": "failed"}] * 3),
        "the transcript is empty in each",
    ),
    "one class only": (json.dumps(deals(40, outcome="failed")), "0 successful and 40 failed"),
    "too few": (json.dumps(deals(18)), "9 successful and 9 failed"),
    "the same words": (json.dumps([{**deal, "transcript": "Hi"} for deal in deals(40)]), "have the same words, 'Hi'"),
    "one group": (json.dumps(deals(40, group="g")), "1 groups"),
    "2 MB transcript": (json.dumps([*deals(40), {"transcript": "word " * 400_000}]), "1,999,999 characters"),
    "binary junk": (os.urandom(5000) + b"\xff\x00", "it should be"),
    "CSV without a transcript": ("text;outcome\nHi;failed\n", "no column 'transcript'"),
    "half a character": (r'[{"transcript": "\ud83d", "outcome": "failed"}]', "half of a character"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
@pytest.mark.parametrize("mode", ["train", "evaluate", "score"])
def test_bad_data_is_one_sentence_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, tiny_encoder_folder: Path, kind: str, mode: str
) -> None:
    if mode != "train" and kind in ("one class only", "too few", "one group", "the same words"):
        pytest.skip("only training needs both classes")
    if mode == "score" and kind == "unknown outcome":
        pytest.skip("scoring needs no outcome")
    content, part = BAD_DATA[kind]
    data = tmp_path / "deals.data"  # a text file would be one transcript
    data.write_bytes(content.encode() if isinstance(content, str) else content)
    folder = tmp_path / "artifacts" if mode == "train" else trained
    before = tree(folder)
    arguments = ["--mode", mode, "--data", data, "--artifacts", folder]
    if mode != "evaluate":
        arguments += ["--encoder", tiny_encoder_folder, "--output", tmp_path / "scores.csv"]
    error = refused(capsys, *arguments)
    assert part in error
    if kind not in ("one class only", "too few", "one group", "the same words"):
        assert str(data) in error
    assert tree(folder) == before
    assert os.listdir(tmp_path) == ["deals.data"]


def test_a_script_that_the_encoder_does_not_know(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_encoder_folder: Path
) -> None:
    """Each emoji is a word that the vocabulary lacks, and so the same to it."""
    data = tmp_path / "deals.json"
    data.write_text(json.dumps([{**deal, "transcript": chr(0x1F400 + n)} for n, deal in enumerate(deals(40))]))
    error = refused(capsys, *training(data, tmp_path / "artifacts", tiny_encoder_folder))
    assert "reads all 32 conversations to learn from as the same" in error
    assert "docs/encoders.md" in error
    assert not list((tmp_path / "artifacts" / "models").glob("*_model*"))


@pytest.mark.parametrize("mode", ["train", "evaluate", "score"])
def test_a_missing_data_file_or_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, mode: str
) -> None:
    for data in (tmp_path / "nowhere.json", tmp_path):
        arguments = ["--mode", mode, "--data", data, "--artifacts", trained, "--output", tmp_path / "scores.csv"]
        assert repr(str(data)) in refused(capsys, *arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that is there and cannot be read")
@pytest.mark.parametrize("mode", ["train", "evaluate", "score"])
def test_a_data_file_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, mode: str
) -> None:
    arguments = [
        "--mode",
        mode,
        "--data",
        "/proc/self/mem",
        "--artifacts",
        trained,
        "--output",
        tmp_path / "scores.csv",
    ]
    assert "Cannot read '/proc/self/mem'" in refused(capsys, *arguments)


@pytest.mark.parametrize("name", ["file/artifacts", "file"])
@pytest.mark.parametrize("mode", ["train", "generate", "evaluate"])
def test_an_artifacts_folder_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, generated: Path, tiny_encoder_folder: Path, name: str, mode: str
) -> None:
    """Below a regular file no folder can be made, also not by root, whom no permission stops."""
    (tmp_path / "file").write_text("in the way")
    error = refused(capsys, *training(generated, tmp_path / name, tiny_encoder_folder), "--mode", mode)
    assert str(tmp_path / name) in error
    assert tree(tmp_path) == {"file": b"in the way"}


def test_a_disk_that_fills_up_while_training_leaves_no_half_model(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    generated: Path,
    tiny_encoder_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replace: Callable[[Any, Any], None] = os.replace

    def full(source: str, target: Path) -> None:
        if Path(target).suffix == ".pkl":
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    arguments = [*training(generated, tmp_path, tiny_encoder_folder), "--model", "few_shot"]
    assert "No space left on device" in refused(capsys, *arguments)
    assert {path.name for path in (tmp_path / "models").iterdir()} <= {"signals"}, "a stage of its own, done before"


@pytest.mark.parametrize(
    ("output", "part"),
    [
        ("scores.xlsx", "'.xlsx'"),
        ("scores", "''"),
        ("deals.jsonl", "the data file itself"),
        ("deals.jsonl/x.csv", "x.csv"),
    ],
)
def test_an_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, output: str, part: str
) -> None:
    data = tmp_path / "deals.jsonl"
    data.write_text('{"transcript": "Hi"}')
    error = refused(capsys, "--mode", "score", "--data", data, "--artifacts", trained, "--output", tmp_path / output)
    assert part in error
    assert tree(tmp_path) == {"deals.jsonl": b'{"transcript": "Hi"}'}


def test_an_output_folder_that_cannot_be_written_is_told_before_scoring(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, open_deals: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    output = tmp_path / "file" / "scores.csv"
    error = refused(
        capsys, "--mode", "score", "--data", open_deals, "--output", output, "--artifacts", tmp_path / "none"
    )
    assert f"Cannot write {str(output)!r}" in error, "not that no model is trained, which is seen later"


def test_score_needs_data_output_and_one_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Path, open_deals: Path
) -> None:
    scoring = ["--mode", "score", "--artifacts", trained]
    assert "--output FILE" in refused(capsys, *scoring, "--data", open_deals)
    assert "--data FILE" in refused(capsys, *scoring, "--output", tmp_path / "scores.csv")
    both = ["--data", open_deals, "--output", tmp_path / "scores.csv"]
    assert "'all' can't score" in refused(capsys, *scoring, *both, "--model", "all")
    assert not (tmp_path / "scores.csv").exists()


@pytest.mark.parametrize("model", ["auto", *(name for name in MODEL_NAMES if name != "starter")])
def test_before_training_it_is_said_how_to_train(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, open_deals: Path, model: str
) -> None:
    folder = tmp_path / "artifacts"
    scoring = ["--mode", "score", "--data", open_deals, "--output", tmp_path / "scores.csv"]
    error = refused(capsys, *scoring, "--artifacts", folder, "--model", model)
    assert "python main.py --mode train" in error
    assert str(folder) in error
    assert "--mode train" in refused(capsys, "--mode", "evaluate", "--artifacts", folder, "--model", model)
    assert os.listdir(tmp_path) == ["open.jsonl"]


def test_an_encoder_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, generated: Path) -> None:
    error = refused(capsys, *training(generated, tmp_path, tmp_path / "no encoder here"))
    assert "'bundled'" in error
    assert not (tmp_path / "models").exists()


def test_a_damaged_model_is_refused_and_trained_again(
    capsys: pytest.CaptureFixture[str],
    trained: Path,
    generated: Path,
    tiny_encoder_folder: Path,
    open_deals: Path,
    tmp_path: Path,
) -> None:
    weights = trained / "models" / "few_shot" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    output = tmp_path / "scores.csv"
    scoring = ["--mode", "score", "--data", open_deals, "--output", output, "--artifacts", trained]
    assert "was changed after training" in refused(capsys, *scoring, "--model", "few_shot")
    assert not output.exists()
    assert run(*training(generated, trained, tiny_encoder_folder)) == 0
    text = said(capsys)
    assert "train few_shot: unchanged" not in text
    assert "train contrastive: unchanged" in text
    assert run(*scoring, "--model", "few_shot") == 0
