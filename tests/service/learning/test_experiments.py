"""Trials over HTTP: a shadow after the answer, a split that is sticky over restarts, promotion, the way back, refusals."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from benchmarks.postgresql_server import PostgresqlServer
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import SEAL, sealed, write_json
from learning.trials import clipped_log_loss
from model_registry import artifact_path
from modelling.saved.serving_folder import MANIFEST, read_serving_manifest, serving_folder
from modelling.saved.versions import keep_version, version_of
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import trial_scores
from service import shadow_scoring
from tests.service_clients import client_for, error_of
from tests.shared.fixtures import TwoVersions

TRIAL = "/models/few_shot/trial"
Start = Callable[[], AbstractContextManager[TestClient]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def start(two_versions: TwoVersions, tmp_path: Path, url: str) -> Start:
    """Starts the service anew, with the same artifacts and the same database."""
    artifacts = Path(shutil.copytree(two_versions.artifacts.root, tmp_path / "artifacts"))

    def started() -> AbstractContextManager[TestClient]:
        return client_for(artifacts, state=tmp_path / "state", database_url=url, rate_limit=0, log_mode="durable")

    return started


@pytest.fixture
def client(start: Start, two_versions: TwoVersions) -> Iterator[TestClient]:
    """It serves the older of the two."""
    with start() as client:
        client.post("/models/few_shot/load", json={"version": two_versions.old})
        yield client


def ask(client: TestClient, deal: str | None = None, text: str = "They will sign.", model: str = "few_shot") -> Any:
    answer = client.post("/predict", json={"transcript": text, "model_type": model, "deal_id": deal})
    assert answer.status_code == 200, answer.text
    return answer.json()


def experiment(client: TestClient, enough: Callable[[Any], bool] = bool) -> Any:
    """The newest trial, once it has `enough`: scores are stored in the background."""
    deadline = time.monotonic() + 15
    while True:
        (found, *_) = client.get("/experiments").json()["experiments"]
        if enough(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_a_shadow_is_asked_after_the_answer_and_compared(client: TestClient, two_versions: TwoVersions) -> None:
    started = client.post(TRIAL, json={"version": two_versions.new, "role": "shadow"})
    assert started.status_code == 200, started.text
    assert started.json() == {
        "model": "few_shot",
        "version": two_versions.new,
        "role": "shadow",
        "share": None,
        "champion": two_versions.old,
        "notices": [],
        "workers": 1,
        "workers_trying": 1,
    }
    answered = ask(client, "d-1")
    assert answered["model_version"] == two_versions.old
    calls = [
        {"transcript": "They asked for a price.", "date": "2024-03-01"},
        {"transcript": "No.", "date": "2024-03-02"},
    ]
    deal = client.post(
        "/predict/deal", json={"deal_id": "d-2", "conversations": calls, "model_type": "few_shot"}
    ).json()
    ask(client, "d-3", model="contrastive")
    client.post("/predict/batch", json={"conversations": [{"transcript": "Hi"}], "model_type": "few_shot"})
    experiment(client, lambda found: found["waiting"] == 2)
    for predicted, outcome in ((answered, "successful"), (deal, "failed")):
        client.post("/feedback", json={"prediction_id": predicted["prediction_id"], "actual_outcome": outcome})
    found = experiment(client, lambda found: found["deals"] == 2)
    assert (found["waiting"], found["decided"]) == (0, None)
    said = [answered["prediction"]["probability"], deal["prediction"]["probability"]]
    losses = [clipped_log_loss(*one) for one in zip(said, ("successful", "failed"), strict=True)]
    assert found["champion_loss"] == pytest.approx(sum(losses) / 2)
    client.post("/models/few_shot/load", json={"version": two_versions.new})
    by_challenger = [
        ask(client)["prediction"]["probability"],
        client.post("/predict/deal", json={"deal_id": "d-2", "conversations": calls, "model_type": "few_shot"}).json()[
            "prediction"
        ]["probability"],
    ]
    losses = [clipped_log_loss(*one) for one in zip(by_challenger, ("successful", "failed"), strict=True)]
    assert found["challenger_loss"] == pytest.approx(sum(losses) / 2), "the shadow read what the champion read"
    assert experiment(client)["ended"] == "promoted"


def test_a_split_is_sticky_by_deal_over_restarts(start: Start, two_versions: TwoVersions) -> None:
    deals = [f"d-{n}" for n in range(16)]
    with start() as client:
        client.post("/models/few_shot/load", json={"version": two_versions.old})
        assert client.post(TRIAL, json={"version": two_versions.new, "role": "split", "share": 50}).status_code == 200
        first = {deal: ask(client, deal)["model_version"] for deal in deals}
        assert first == {deal: ask(client, deal, "Another call.")["model_version"] for deal in deals}
        assert set(first.values()) == {two_versions.old, two_versions.new}
        both = {ask(client)["model_version"] for _ in range(16)}
        assert both == set(first.values()), "who names no deal is answered by either"
    with start() as client:
        assert first == {deal: ask(client, deal)["model_version"] for deal in deals}
        found = experiment(client, lambda found: found["waiting"] == 16 + 16)
        assert found["share"] == 50
        batch = {"conversations": [{"transcript": "Hi", "deal_id": deal} for deal in deals], "model_type": "few_shot"}
        assert client.post("/predict/batch", json=batch).json()["model_version"] == two_versions.old
        client.delete(TRIAL)
        assert {ask(client, deal)["model_version"] for deal in deals[:8]} == {two_versions.old}
    with start() as client:
        assert ask(client)["model_version"] == two_versions.old, "a champion stays though a newer version was tried"


def test_promotion_and_the_way_back(client: TestClient, two_versions: TwoVersions) -> None:
    old, new = two_versions.old, two_versions.new
    error_of(client.post("/models/few_shot/promote"), 409, "no_trial")
    client.post(TRIAL, json={"version": new, "role": "split", "share": 10})
    listed = next(model for model in client.get("/models").json()["models"] if model["name"] == "few_shot")
    assert [(one["version"], one["served"], one["on_trial"]) for one in listed["versions"]] == [
        (new, False, True),
        (old, True, False),
    ]
    answer = client.post("/models/few_shot/promote").json()
    assert answer == {
        "model": "few_shot",
        "version": new,
        "previous_version": old,
        "workers": 1,
        "workers_serving": 1,
    }
    assert ask(client)["model_version"] == new
    assert client.get("/experiments").json()["experiments"][0]["ended"] == "promoted"
    back = client.post("/models/few_shot/rollback").json()
    assert (back["version"], back["previous_version"], back["workers_serving"]) == (old, new, 1)
    assert ask(client)["model_version"] == old
    actions = [one["action"] for one in client.get("/audit?subject=few_shot").json()["entries"]]
    assert actions == ["version rolled back", "version promoted", "trial started", "version loaded"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_cannot_be_is_one_sentence(client: TestClient, two_versions: TwoVersions) -> None:
    old, new = two_versions.old, two_versions.new

    def refused(status: int, code: str, **body: Any) -> str:
        return error_of(client.post(TRIAL, json=body), status, code)

    assert "'ffff'" in refused(404, "unknown_version", version="ffff", role="shadow")
    assert old in refused(409, "already_champion", version=old, role="shadow")
    assert refused(422, "invalid_request", version=new, role="split", share=120) == (
        "share 120 is out of range: a split takes more than 0 and less than 100 percent of the deals."
    )
    assert "share is missing" in refused(422, "invalid_request", version=new, role="split")
    assert "'champion'" in refused(422, "invalid_request", version=new, role="champion")
    listed = client.get("/models").json()["models"]
    theirs = next(model for model in listed if model["name"] == "contrastive")["version"]
    said = refused(404, "unknown_version", version=theirs, role="shadow")
    assert said.startswith(f"'{theirs}' is a version of 'contrastive', not of 'few_shot'; there is ")
    error_of(client.post("/models/gpt/trial", json={"version": new, "role": "shadow"}), 404, "unknown_model")
    error_of(client.post("/models/gpt/promote"), 404, "unknown_model")
    error_of(client.delete(TRIAL), 409, "no_trial")
    assert client.post(TRIAL, json={"version": new, "role": "shadow"}).status_code == 200
    assert f"'{new}' on trial" in refused(409, "trial_runs", version=new, role="split", share=5)
    client.post("/models/few_shot/rollback")
    error_of(client.post("/models/few_shot/rollback"), 409, "no_champion_before")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_version_of_another_machine_is_told(client: TestClient, two_versions: TwoVersions) -> None:
    state = client.app.state.service  # type: ignore[attr-defined]
    current = serving_folder(artifact_path(state.sources.models.folder, "few_shot"))
    client.post("/models/few_shot/load", json={"version": two_versions.new})
    client.post("/models/few_shot/rollback")
    shutil.rmtree(current.parent / "versions" / "few_shot" / two_versions.new)
    shutil.rmtree(current)
    for path, body in (
        (TRIAL, {"version": two_versions.new, "role": "shadow"}),
        ("/models/few_shot/load", {"version": two_versions.new}),
    ):
        said = error_of(client.post(path, json=body), 409, "version_elsewhere")
        assert f"{two_versions.new!r} of 'few_shot' is not on this machine" in said


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_version_that_is_gone_at_the_next_start_is_told_and_no_other_answers(
    start: Start, two_versions: TwoVersions
) -> None:
    with start() as client:
        client.post("/models/few_shot/load", json={"version": two_versions.old})
        folder = client.app.state.service.sources.models.folder  # type: ignore[attr-defined]
    shutil.rmtree(folder.models / "versions" / "few_shot" / two_versions.old)
    with start() as client:
        health = client.get("/health").json()
        assert health["status"] == "degraded"
        assert f"{two_versions.old!r} of 'few_shot' is not on this machine" in health["problem"]
        error_of(client.post("/predict", json={"transcript": "Hi", "model_type": "few_shot"}), 503, "model_unavailable")
        assert client.post("/models/few_shot/load").json()["version"] == two_versions.new
        assert client.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_challenger_of_another_encoder_may_be_tried_and_is_told_of(client: TestClient) -> None:
    artifacts: ArtifactFolder = client.app.state.service.sources.models.folder  # type: ignore[attr-defined]
    folder = serving_folder(artifact_path(artifacts, "few_shot"))
    manifest = {name: value for name, value in read_serving_manifest(folder).items() if name != SEAL}
    manifest["encoder"] = {**manifest["encoder"], "name": "another", "sha256": "abcdef01" * 8}
    write_json(folder / MANIFEST, sealed(manifest))
    keep_version(folder)
    (notice,) = client.post(TRIAL, json={"version": version_of(folder), "role": "shadow"}).json()["notices"]
    assert "this one on another (abcdef01): both are judged by their probabilities alone" in notice


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_under_load_shadows_are_dropped_first_and_counted(
    start: Start, two_versions: TwoVersions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_scoring, "LONGEST_QUEUE", 3)
    monkeypatch.setattr(shadow_scoring, "available_cores", lambda: 2)
    with start() as client:
        client.post("/models/few_shot/load", json={"version": two_versions.old})
        client.post(TRIAL, json={"version": two_versions.new, "role": "shadow"})
        in_flight = client.app.state.service.access.admission.in_flight  # type: ignore[attr-defined]
        before = counted(client)
        assert in_flight.enter()  # somebody predicts
        for n in range(8):
            ask(client, f"d-{n}")
        assert counted(client) == {"asked": before["asked"], "dropped": before["dropped"] + 5}
        store: PredictionStore = client.app.state.service.store  # type: ignore[attr-defined]
        assert store.rows(trial_scores.select()) == []
        in_flight.exit()
        experiment(client, lambda found: found["waiting"] == 3)
        assert counted(client)["asked"] == before["asked"] + 3


def counted(client: TestClient) -> dict[str, float]:
    """What became of conversations for shadows, since the process began."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("sales_shadows_total")]
    found = {
        fate: sum(float(line.rpartition(" ")[2]) for line in lines if fate in line) for fate in ("asked", "dropped")
    }
    return found
