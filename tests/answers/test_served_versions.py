"""Versions of a model: kept when trained, loaded by name, refused where a byte was changed, the old one staying."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from model_registry import artifact_path, model_class
from modelling.saved.serving_folder import read_serving_manifest, serving_folder
from modelling.saved.versions import KEPT, keep_version, kept_versions, version_of
from tests.service_clients import client_for, error_of

HI = {"transcript": "They will sign.", "model_type": "few_shot"}


@pytest.fixture
def artifacts(trained_artifacts: ArtifactFolder, tmp_path: Path) -> ArtifactFolder:
    shutil.copytree(trained_artifacts.root, tmp_path / "artifacts")
    return ArtifactFolder(tmp_path / "artifacts")


@pytest.fixture
def retrain(artifacts: ArtifactFolder, tiny_encoder: SalesEncoder, splits: DataSplits) -> Callable[[], str]:
    def train() -> str:
        """Trains few_shot again, with another seed; gives the new version."""
        model = model_class("few_shot")(tiny_encoder, seed=8)
        model.fit(splits.train[:-4], splits.validation)
        model.save(artifact_path(artifacts, "few_shot"))
        return str(version_of(serving_folder(artifact_path(artifacts, "few_shot"))))

    return train


def served(client: TestClient) -> str:
    answer = client.post("/predict", json=HI)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_version"])


def test_a_retrained_model_is_a_new_version_that_is_served_when_it_is_loaded(
    artifacts: ArtifactFolder, retrain: Callable[[], str]
) -> None:
    with client_for(artifacts.root) as client:
        old = served(client)
        before = client.post("/predict", json=HI).json()["prediction"]["probability"]
        new = retrain()
        assert new != old
        assert served(client) == old, "training changes nothing that is served"
        answer = client.post("/models/few_shot/load").json()
        assert answer == {
            "model": "few_shot",
            "version": new,
            "previous_version": old,
            "workers": 1,
            "workers_serving": 1,
        }
        assert served(client) == new
        listed = next(model for model in client.get("/models").json()["models"] if model["name"] == "few_shot")
        assert [(found["version"], found["newest"], found["served"]) for found in listed["versions"]] == [
            (new, True, True),
            (old, False, False),
        ]
        assert client.post("/models/few_shot/load", json={"version": old}).status_code == 200
        assert served(client) == old
        assert client.post("/predict", json=HI).json()["prediction"]["probability"] == before
    with client_for(artifacts.root) as client:
        assert served(client) == old, "a version that was named is kept by the next start"
        client.post("/models/few_shot/load")
    with client_for(artifacts.root) as client:
        assert served(client) == new


def test_a_start_takes_the_newest_version(artifacts: ArtifactFolder, retrain: Callable[[], str]) -> None:
    with client_for(artifacts.root) as client:
        old = served(client)
    new = retrain()
    with client_for(artifacts.root) as client:
        assert served(client) == new != old


def test_only_the_newest_versions_are_kept(artifacts: ArtifactFolder, retrain: Callable[[], str]) -> None:
    current = serving_folder(artifact_path(artifacts, "few_shot"))
    manifest = current / "manifest.json"
    for _ in range(KEPT + 1):
        manifest.write_bytes(manifest.read_bytes() + b"\n")  # another version, as far as its name goes
        keep_version(current)
    assert len(list((current.parent / "versions" / "few_shot").iterdir())) == KEPT


def test_unknown_models_and_versions_are_404(artifacts: ArtifactFolder) -> None:
    with client_for(artifacts.root) as client:
        error_of(client.post("/models/gpt/load"), 404, "unknown_model")
        error_of(client.post("/models/..%2fpasswd/load"), 404, "not_found")
        said = error_of(client.post("/models/few_shot/load", json={"version": "f" * 12}), 404, "unknown_version")
        assert served(client) in said


@pytest.mark.parametrize(
    "file", ["lower.onnx", "encoder.onnx", "tokenizer.json", "weights.safetensors", "manifest.json"]
)
def test_one_flipped_byte_is_refused_and_the_old_model_stays(
    artifacts: ArtifactFolder, retrain: Callable[[], str], file: str
) -> None:
    with client_for(artifacts.root) as client:
        old = served(client)
        retrain()
        path = serving_folder(artifact_path(artifacts, "few_shot")) / file
        data = bytearray(path.read_bytes())
        for place in (0, len(data) // 3, len(data) - 2):
            data[place] ^= 1
            path.write_bytes(bytes(data))
            error_of(client.post("/models/few_shot/load"), 503, "model_unavailable")
            assert served(client) == old
            data[place] ^= 1
        path.write_bytes(bytes(data))
        assert client.post("/models/few_shot/load").status_code == 200
        assert served(client) != old


class _Payload:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return open, (self.marker, "w")  # type: ignore[return-value]

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)


@pytest.mark.parametrize(
    "file", ["lower.onnx", "encoder.onnx", "tokenizer.json", "weights.safetensors", "manifest.json"]
)
def test_a_pickle_in_a_files_place_runs_nothing(artifacts: ArtifactFolder, tmp_path: Path, file: str) -> None:
    with client_for(artifacts.root) as client:
        old = served(client)
        path = serving_folder(artifact_path(artifacts, "few_shot")) / file
        path.unlink()
        path.write_bytes(pickle.dumps(_Payload(tmp_path / "ran")))
        error_of(client.post("/models/few_shot/load"), 503, "model_unavailable")
        assert not (tmp_path / "ran").exists()
        assert served(client) == old


def test_a_manifest_that_was_changed_is_no_version(artifacts: ArtifactFolder) -> None:
    folder = serving_folder(artifact_path(artifacts, "few_shot"))
    text = (folder / "manifest.json").read_text()
    for changed in (text.replace('"seed": 7', '"seed": 8'), text.rstrip(), text.replace("\n", "\r\n", 1)):
        (folder / "manifest.json").write_text(changed, newline="")
        with pytest.raises(InputError, match="was changed after training"):
            read_serving_manifest(folder)
    assert [found.newest for found in kept_versions(folder)] == [False], "only the copy that was kept is as it was"


def test_the_answer_names_the_version_that_gave_it(artifacts: ArtifactFolder) -> None:
    with client_for(artifacts.root) as client:
        batch = client.post("/predict/batch", json={"conversations": [HI, HI], "model_type": "few_shot"}).json()
        assert (
            batch["model_version"] == served(client) == version_of(serving_folder(artifact_path(artifacts, "few_shot")))
        )
