"""What a worker serves: the database's word, the last of it where that is away, and what this machine lacks is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from answers.model_loader import ModelLoader, ModelUnavailableError
from answers.model_server import ModelServer
from answers.served_versions import Choice, read_copy
from benchmarks.postgresql_server import PostgresqlServer
from foundations.artifact_folder import ArtifactFolder
from foundations.database import StoreAwayError
from foundations.errors import InputError
from foundations.settings import Settings, load_settings
from learning import roles
from learning.served_versions import ServedVersions, versions_in_use
from main import main
from model_registry import artifact_path
from modelling.saved import versions
from modelling.saved.serving_folder import serving_folder
from prediction_log.actors import OPERATOR
from prediction_log.store import PredictionStore
from prediction_log.tables.learning import served_versions
from tests.shared.fixtures import TwoVersions

MODEL = "few_shot"


class Machine:
    """Artifacts, a state folder and a database, and the service of it, started anew at each `start`."""

    def __init__(self, two: TwoVersions, root: Path, url: str = "") -> None:
        self.folder = ArtifactFolder(Path(shutil.copytree(two.artifacts.root, root / "artifacts")))
        self.settings: Settings = load_settings(artifacts=self.folder.root, state=root / "state", database_url=url)
        self.store = PredictionStore(self.settings.database)
        self._services = 0

    def start(self) -> ServedVersions:
        self._services += 1
        return self.worker()

    def worker(self) -> ServedVersions:
        """Another worker of the service that was started last."""
        service = self.settings.state_folder.parent / f"service-{self._services}"
        service.mkdir(exist_ok=True)
        versions = ServedVersions(self.settings, self.store)
        versions.start(service)
        return versions

    def models(self) -> ModelServer:
        return ModelServer(ModelLoader(self.folder, 1), self.start())

    def promote(self, version: str, pinned: bool = True) -> None:
        found = ModelLoader(self.folder, 1).find(MODEL, version)
        roles.promote(self.store, MODEL, found, OPERATOR, pinned=pinned)

    def lose(self, version: str) -> None:
        """Removes a version's files."""
        current = serving_folder(artifact_path(self.folder, MODEL))
        shutil.rmtree(current.parent / "versions" / MODEL / version)
        if ModelLoader(self.folder, 1).versions(MODEL)[0].version == version:
            shutil.rmtree(current)


def kept(machine: Machine) -> set[str]:
    return {path.name for path in (machine.folder.models / "versions" / MODEL).iterdir()}


@pytest.fixture
def machine(two_versions: TwoVersions, tmp_path: Path) -> Iterator[Machine]:
    found = Machine(two_versions, tmp_path)
    yield found
    found.store.close()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Takes every database away for a while."""

    @contextmanager
    def taken() -> Iterator[None]:
        @contextmanager
        def refuse(self: PredictionStore, writing: bool = False) -> Iterator[None]:
            raise StoreAwayError("connection refused")
            yield

        with monkeypatch.context() as patch:
            patch.setattr(PredictionStore, "connection", refuse)
            yield

    return taken


def test_a_start_takes_the_newest_but_for_what_was_named(machine: Machine, two_versions: TwoVersions) -> None:
    assert machine.start().read()[MODEL].version == two_versions.new
    machine.promote(two_versions.old)
    assert machine.start().read()[MODEL] == Choice(
        two_versions.old, True, True, machine.start().read()[MODEL].metrics, None
    )
    machine.promote(two_versions.old, pinned=False)
    assert machine.worker().read()[MODEL].version == two_versions.old, "another worker is no new start"
    assert machine.start().read()[MODEL].version == two_versions.new


def test_a_file_of_an_earlier_release_is_taken_over_once(machine: Machine, two_versions: TwoVersions) -> None:
    file = machine.settings.state_folder / "serving.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({MODEL: {"version": two_versions.old, "pinned": True, "wanted": True}}))
    versions = machine.start()
    assert versions.read()[MODEL].version == two_versions.old
    assert versions.read()[MODEL].pinned
    machine.promote(two_versions.new)
    file.write_text(json.dumps({MODEL: {"version": two_versions.old, "pinned": True, "wanted": True}}))
    assert machine.start().read()[MODEL].version == two_versions.new, "the database knows better from then on"


def test_a_database_that_was_deleted_gets_what_is_served(machine: Machine, two_versions: TwoVersions) -> None:
    versions = machine.start()
    machine.promote(two_versions.old, pinned=False)
    before = versions.read()
    with machine.store.connection(writing=True) as connection:
        connection.execute(served_versions.delete())
    assert versions.read() == before


def test_the_database_away_what_is_served_stays_and_a_fresh_worker_takes_what_was_seen_last(
    machine: Machine, two_versions: TwoVersions, away: Callable[[], Any]
) -> None:
    versions = machine.start()
    machine.promote(two_versions.old)
    before = versions.read()
    with away():
        assert versions.read() == before
        assert versions.problem is None
        fresh = machine.worker()
        assert fresh.read() == before
        assert fresh.problem is not None
        assert fresh.problem.endswith("serves what this machine has seen last.")
        assert ModelServer(ModelLoader(machine.folder, 1), fresh).problem() == fresh.problem
    machine.promote(two_versions.new)
    assert fresh.read()[MODEL].version == two_versions.new
    assert fresh.problem is None


def test_a_start_without_the_database_takes_the_newest_and_says_so_in_the_database_later(
    machine: Machine, two_versions: TwoVersions, away: Callable[[], Any]
) -> None:
    machine.start()
    machine.promote(two_versions.old, pinned=False)
    with away():
        versions = machine.start()
        assert versions.read()[MODEL].version == two_versions.new
        assert versions.problem is not None
    assert versions.read()[MODEL].version == two_versions.new
    machine.promote(two_versions.old, pinned=False)
    assert machine.worker().read()[MODEL].version == two_versions.old, "only once"
    (machine.settings.state_folder / "serving.json").unlink()
    with away():
        lone = machine.worker()
        assert lone.read()[MODEL].version == two_versions.new
        assert lone.problem is not None
        assert lone.problem.endswith("serves the newest that it has.")


def test_a_file_that_is_no_copy_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "serving.json"
    for content in (
        "",
        "[]",
        "3",
        '{"few_shot": 1}',
        '{"few_shot": {"pinned": true}}',
        '{"few_shot": {"version": "a", "x": 1}}',
    ):
        file.write_text(content)
        assert read_copy(file) == {}


def test_a_state_folder_that_cannot_be_written_to_is_one_sentence(two_versions: TwoVersions, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    settings = load_settings(artifacts=two_versions.artifacts.root, state=tmp_path / "state")
    with pytest.raises(InputError, match="SALES_STATE"):
        ServedVersions(settings, PredictionStore(settings.database)).start(tmp_path)


def test_machines_that_share_a_database_serve_the_same_and_tell_what_they_lack(
    two_versions: TwoVersions, tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    url = postgresql.new_database()
    one, other = (Machine(two_versions, tmp_path / name, url) for name in ("one", "other"))
    first = one.models()
    other.lose(two_versions.new)
    lacking = other.models()
    assert first.served(MODEL).version == lacking.served(MODEL).version == two_versions.new, "its own is older"
    with pytest.raises(ModelUnavailableError, match=f"{two_versions.new!r} of 'few_shot' is not on this machine"):
        lacking.model(MODEL)
    assert f"{two_versions.new!r} of 'few_shot' is not on this machine" in str(lacking.problem())
    assert first.problem() is None
    assert first.auto == lacking.auto, "no other model takes its place"
    one.promote(two_versions.old)
    assert first.changed() and lacking.changed()
    for models in (first, lacking):
        models.follow()
    assert first.model(MODEL).version == lacking.model(MODEL).version == two_versions.old
    assert lacking.problem() is None
    one.promote(two_versions.new)
    lacking.follow()
    assert lacking.model(MODEL).version == two_versions.old, "what is served stays served"
    assert two_versions.new in str(lacking.problem())
    assert not lacking.changed()
    one.promote(two_versions.old)
    lacking.follow()
    assert lacking.problem() is None, "what it lacks is not to be served any more"
    one.promote(two_versions.new)
    lacking.follow()
    shutil.copytree(one.folder.models, other.folder.models, dirs_exist_ok=True)
    assert lacking.changed(), "it has arrived"
    lacking.follow()
    assert lacking.model(MODEL).version == two_versions.new
    for machine in (one, other):
        machine.store.close()


def test_a_training_deletes_no_version_that_is_served_and_a_restart_answers_with_it(
    machine: Machine,
    two_versions: TwoVersions,
    tiny_encoder_folder: Path,
    quick_signals: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SALES_STATE", str(machine.settings.state_folder))
    monkeypatch.setattr(versions, "KEPT", 1)
    machine.start().read()
    machine.promote(two_versions.old)
    shutil.copytree(  # one that nobody needs
        machine.folder.models / "versions" / MODEL / two_versions.old,
        machine.folder.models / "versions" / MODEL / ("f" * 12),
    )
    arguments = ["--mode", "train", "--model", MODEL, "--seed", "3", "--encoder", str(tiny_encoder_folder)]
    assert main([*arguments, "--artifacts", str(machine.folder.root)]) == 0
    newest = ModelLoader(machine.folder, 1).versions(MODEL)[0].version
    assert kept(machine) == {newest, two_versions.old, two_versions.new}, "served, and what a rollback goes back to"
    found = machine.models()
    assert found.model(MODEL).version == two_versions.old


def test_a_version_on_trial_is_in_use_also_for_who_is_told_of_no_database(
    machine: Machine, two_versions: TwoVersions
) -> None:
    assert versions_in_use(machine.settings) == {}, "and makes no database"
    assert not (machine.settings.state_folder / "predictions.db").exists()
    service = machine.start()
    assert (versions_in_use(machine.settings) or {})[MODEL] == {two_versions.new}
    tried = ModelLoader(machine.folder, 1).find(MODEL, two_versions.old)
    roles.start_trial(machine.store, MODEL, tried, "shadow", None, OPERATOR)
    assert (versions_in_use(machine.settings) or {})[MODEL] == {two_versions.old, two_versions.new}
    service.read()  # what is served is copied to the state folder
    (machine.settings.state_folder / "predictions.db").unlink()
    assert (versions_in_use(machine.settings) or {})[MODEL] == {two_versions.old, two_versions.new}


def test_while_the_database_is_away_it_is_not_known_what_is_in_use_and_no_version_is_forgotten(
    machine: Machine, two_versions: TwoVersions, away: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "KEPT", 1)
    machine.start().read()
    with away():
        spared = versions_in_use(machine.settings)
    assert spared is None
    current = serving_folder(artifact_path(machine.folder, MODEL))
    (current / "manifest.json").write_bytes((current / "manifest.json").read_bytes() + b"\n")  # as after a training
    versions.keep_version(current, spared)
    assert kept(machine) > {two_versions.old, two_versions.new}
