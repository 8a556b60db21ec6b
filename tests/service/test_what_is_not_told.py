"""Neither answers nor the log hold what a customer said, who that was, or where things lie on the machine.

The files of artifacts and state are their user's alone.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conversations.reading.uploads import uploaded_records
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.texts import without_folders
from main import main
from model_registry import best_model_name
from modelling.names import MODEL_NAMES
from prediction_log.store import PredictionStore
from prediction_log.waiting import WaitingRecords
from tests.service_clients import JSON, client_for

SAID, WHO = "the divorce made her sign", "Wilhelmina Quast"
CELL = f"{WHO} said {SAID}"

FILES: dict[str, str] = {
    "no header.csv": f"{CELL},won\n",
    "no header, no sentence.csv": f"{WHO}@example.com;{SAID}\n",
    "a cell beyond.csv": f"transcript\nHi, {CELL}\n",
    "a quote.csv": f'transcript\n"{CELL}" {CELL}\n',
    "no end.csv": f'transcript\n"{CELL}\n',
    "broken.json": f'[{{"transcript": "{CELL}" "{CELL}"}}]',
    "cut.json": f'{{"transcript": "{CELL}',
    "texts.json": json.dumps([CELL]),
    "a list.json": json.dumps([{"transcript": [CELL]}]),
    "text turns.json": json.dumps([{"turns": CELL}]),
    "text turn.json": json.dumps([{"turns": [CELL]}]),
    "a speaker.json": json.dumps([{"turns": [{"speaker": [WHO], "text": SAID}]}]),
    "half.json": json.dumps([{"transcript": f"{CELL} \ud83d"}]),
    "gong.json": json.dumps({"callTranscripts": [{"transcript": [{"sentences": [{"text": {CELL: 1}}]}]}]}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_refused_file_is_told_of_without_its_words(name: str) -> None:
    with pytest.raises(InputError) as refused:
        uploaded_records(FILES[name].encode(), name)
    said = str(refused.value)
    assert said.startswith(name.replace(",", "_"))
    assert not [part for part in (SAID, WHO, "divorce", "Quast") if part in said], said


BODIES: list[Any] = [
    CELL,
    [CELL],
    {"transcript": [CELL]},
    {"transcript": {WHO: SAID}},
    {"turns": CELL},
    {"turns": [CELL]},
    {"turns": [{"speaker": [WHO], "text": SAID}]},
    {"turns": [{"speaker": WHO, "text": [SAID]}]},
    {"transcript": "Hi", "context": [CELL]},
    {"transcript": f"{CELL} \ud83d"},
    {"conversations": [CELL]},
    {"conversations": CELL},
]


def test_neither_bodies_nor_the_log_say_what_a_bad_request_held(
    trained_artifacts: ArtifactFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = []
    with client_for(trained_artifacts.root, state=tmp_path, rate_limit=0) as client:
        capfd.readouterr()  # the start tells the operator where the admin key lies
        for body in BODIES:
            for path in ("/predict", "/predict/batch"):
                said.append(client.post(path, content=json.dumps(body), headers=JSON))
                said.append(client.post(path, content=json.dumps(body)[:-2], headers=JSON))
        said += [client.post("/predict/file?name=a", content=content.encode()) for content in FILES.values()]
    assert {answer.status_code for answer in said} == {400, 422}
    log = "".join(capfd.readouterr())
    assert log.count('"request"') >= len(said)
    for text in (*(answer.text for answer in said), log):
        assert not [part for part in ("divorce", "Quast", "/dev/null", str(tmp_path)) if part in text], text


def test_what_is_left_out_of_an_upload_is_not_logged(
    trained_artifacts: ArtifactFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    table = f"Description,Stage\nShe will think about it.,{WHO} decides\nWe shall see.,Negotiation\n,Lost\n"
    with client_for(trained_artifacts.root, state=tmp_path) as client:
        assert client.post("/predict/file?name=Quast.csv", content=table).status_code == 200
    log = "".join(capfd.readouterr())
    assert "Quast" not in log
    assert "/dev/null" not in log


def test_no_answer_says_where_the_artifacts_lie(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    folder = ArtifactFolder(Path(shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")))
    best = best_model_name(folder)
    with client_for(folder.root, state=tmp_path / "state") as client:
        shutil.rmtree(folder.models)
        answers = [
            client.post("/predict", json={"transcript": "Hi", "model_type": name, "include_similar": True})
            for name in MODEL_NAMES
        ]
        answers += [client.post(f"/models/{best}/load"), client.get("/models"), client.get("/signals")]
        answers += [client.get("/health"), client.get("/health/ready")]
    assert "ARTIFACTS" in "".join(answer.text for answer in answers)
    for answer in answers:
        assert str(tmp_path) not in answer.text, answer.text


def _open_to_others(root: Path) -> list[str]:
    return [f"{path} {path.stat().st_mode:o}" for path in (root, *root.rglob("*")) if path.stat().st_mode & 0o077]


def test_nobody_else_may_read_artifacts_or_state(trained_artifacts: ArtifactFolder, tmp_path: Path) -> None:
    state = tmp_path / "old"
    state.mkdir()
    PredictionStore(f"sqlite:///{state / 'predictions.db'}").check()
    for path in (state, state / "predictions.db"):
        path.chmod(0o755)  # as an earlier version left them
    before = os.umask(0)
    try:
        for folder in (state, tmp_path / "new" / "state"):
            with client_for(trained_artifacts.root, state=folder, log_mode="durable") as client:
                assert client.post("/predict", json={"transcript": CELL}).status_code == 200
                WaitingRecords(folder).append([{"created_at": datetime.now(UTC), "transcript": CELL}])
                assert {path.suffix for path in folder.iterdir()} >= {".db", ".db-wal", ".db-shm", ".jsonl"}
                assert _open_to_others(folder) == []
        assert _open_to_others(tmp_path / "new") == []
    finally:
        os.umask(before)
    assert _open_to_others(trained_artifacts.root) == []


def test_a_run_closes_what_an_earlier_version_left_open(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path / "artifacts")
    folder.data.mkdir(parents=True)
    folder.data.chmod(0o755)
    main(["--mode", "cache", "--artifacts", str(folder.root)])
    assert folder.data.stat().st_mode & 0o777 == 0o755, "it may be somebody else's folder"
    folder.stage_records.write_text("{}")
    main(["--mode", "cache", "--artifacts", str(folder.root)])
    assert folder.data.stat().st_mode & 0o777 == 0o700


def test_folders_are_named_by_their_keys() -> None:
    folders = {"ARTIFACTS": Path("artifacts"), "STATE": Path("artifacts/service")}
    said = "There is no 'artifacts/models/x'; use --mode train --artifacts artifacts, or artifacts/service."
    assert without_folders(said, folders) == (
        "There is no 'ARTIFACTS/models/x'; use --mode train --artifacts ARTIFACTS, or STATE."
    )
    where = Path("artifacts/service").absolute()
    assert without_folders(f"no '{where}/predictions.db' in my-artifacts", folders) == (
        "no 'STATE/predictions.db' in my-artifacts"
    )
