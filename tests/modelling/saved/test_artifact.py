"""Artifacts: what was saved comes back, the manifest says what it is, and changed or foreign bytes are refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conversations.model_text import conversations_sha256
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from few_shot_model import FewShotModel
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import SEAL, sealed, write_json
from foundations.errors import InputError
from model_registry import MODEL_CLASSES, artifact_path
from modelling.conversion_model import ConversionModel
from modelling.names import STARTER
from modelling.saved.artifact import FORMAT_VERSION, load_artifact, manifest_path, read_manifest, save_artifact
from modelling.saved.serving_folder import serving_folder

STATE: dict[str, Any] = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "labels": np.array([1, 0]),
    "names": ["a", "b"],
    "nested": {"k": 5, "share": 0.25, "none": None, "text": "价格 🎉"},
}
DESCRIPTION: dict[str, Any] = {
    "model": "few_shot",
    "encoder": {"name": "bundled", "revision": None, "sha256": "ab" * 32},
    "training_data_sha256": "cd" * 32,
    "seed": 42,
    "hyper_parameters": {"neighbours": 5},
    "calibration": {"slope": 1.5, "intercept": 0.1},
    "validation_metrics": {"log_loss": 0.5},
    "cross_validation_metrics": {"log_loss": 0.5},
    "history": {"step": "epoch", "rows": []},
}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "few_shot_sales_model.pkl"
    save_artifact(path, STATE, DESCRIPTION)
    return path


def edit_manifest(artifact: Path, **changes: Any) -> None:
    """As someone would who knows how manifests are sealed."""
    manifest = json.loads(manifest_path(artifact).read_text(encoding="utf-8"))
    del manifest[SEAL]
    write_json(manifest_path(artifact), sealed({**manifest, **changes}))


def put_in_its_place(artifact: Path, data: bytes) -> None:
    """Foreign bytes whose SHA-256 the manifest vouches for: what someone with access to the folder could do."""
    artifact.write_bytes(data)
    edit_manifest(artifact, sha256=hashlib.sha256(data).hexdigest())


# ------------------------------------------------------------------------------------------------------------ round trip


def test_state_and_description_come_back(artifact: Path) -> None:
    state, manifest = load_artifact(artifact)
    assert state.keys() == STATE.keys()
    assert all(np.array_equal(state[name], STATE[name]) for name in ("weights", "labels"))
    assert all(state[name].dtype == STATE[name].dtype for name in ("weights", "labels"))
    assert (state["names"], state["nested"]) == (STATE["names"], STATE["nested"])
    assert {name: manifest[name] for name in DESCRIPTION} == DESCRIPTION
    assert sorted(os.listdir(artifact.parent)) == ["few_shot_sales_model.manifest.json", "few_shot_sales_model.pkl"]


def test_the_manifest_says_what_the_file_is(artifact: Path) -> None:
    manifest = read_manifest(artifact)
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["file"] == artifact.name
    assert manifest["sha256"] == hashlib.sha256(artifact.read_bytes()).hexdigest()
    assert manifest["package_versions"]["torch"] == version("torch")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest["created_at"])


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_a_trained_model_s_manifest_says_where_it_comes_from(
    name: str, trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder, splits: DataSplits
) -> None:
    manifest = read_manifest(artifact_path(trained_artifacts, name))
    assert manifest["model"] == name
    assert manifest["encoder"] == tiny_encoder.identity.as_dict()
    assert manifest["training_data_sha256"] == conversations_sha256(splits.learned_from)
    assert manifest["seed"] == 7
    assert manifest["hyper_parameters"] or name == STARTER, "which has none"
    assert manifest["calibration"]["slope"] > 0
    assert (
        {"log_loss", "accuracy"} <= manifest["cross_validation_metrics"].keys() == manifest["validation_metrics"].keys()
    )


@pytest.mark.parametrize("name", MODEL_CLASSES)
def test_a_loaded_model_predicts_as_the_saved_one_did(
    name: str, fitted_models: dict[str, ConversionModel], splits: DataSplits, tmp_path: Path
) -> None:
    model = fitted_models[name]
    model.save(tmp_path / model.artifact_file)
    loaded = MODEL_CLASSES[name].load(tmp_path / model.artifact_file)  # with an encoder of its own
    assert np.abs(loaded.predict_proba(splits.test) - model.predict_proba(splits.test)).max() <= 1e-6
    assert np.abs(loaded.embed(splits.test) - model.embed(splits.test)).max() <= 1e-5
    served = MODEL_CLASSES[name].load_served(tmp_path / model.artifact_file)
    assert np.abs(served.predict_proba(splits.test) - model.predict_proba(splits.test)).max() <= 0.02


# --------------------------------------------------------------------------------------------- damaged and foreign files


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_flipped_byte_is_refused(artifact: Path, place: int) -> None:
    data = bytearray(artifact.read_bytes())
    data[place] ^= 1
    artifact.write_bytes(data)
    with pytest.raises(InputError, match="was changed after training") as caught:
        load_artifact(artifact)
    assert hashlib.sha256(data).hexdigest() in str(caught.value)


class Payload:
    """Code that runs when it is unpickled the unsafe way."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.trace),)


def as_torch_file(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    torch.save({"description": {}, "state": {"weights": payload}}, buffer)
    return buffer.getvalue()


def as_plain_pickle(content: object) -> bytes:
    return pickle.dumps(content, protocol=2)  # the protocol that torch writes and reads without a warning


@pytest.mark.parametrize("pack", [as_plain_pickle, as_torch_file], ids=["pickle", "torch file"])
def test_a_pickle_with_code_is_refused_and_nothing_runs(
    artifact: Path, tmp_path: Path, pack: Callable[[Payload], bytes]
) -> None:
    trace = tmp_path / "the payload ran"
    data = pack(Payload(trace))
    put_in_its_place(artifact, data)
    with pytest.raises(InputError, match="holds more than data"):
        load_artifact(artifact)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Payload(trace)))
    assert trace.exists(), "the payload must be able to run, or this test shows nothing"


@pytest.mark.parametrize(
    "data", [b"", b"not a model", b"\x80\x02}.", as_plain_pickle({"state": {}}), bytes(range(256))]
)
def test_bytes_that_are_no_artifact_are_refused(artifact: Path, data: bytes) -> None:
    put_in_its_place(artifact, data)
    with pytest.raises(InputError, match=re.escape(str(artifact))):
        load_artifact(artifact)


def test_a_torch_file_of_something_else_is_refused(artifact: Path) -> None:
    for content in (torch.zeros(3), {"weights": torch.zeros(3)}):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        put_in_its_place(artifact, buffer.getvalue())
        with pytest.raises(InputError, match="not one that this program wrote"):
            load_artifact(artifact)


def test_a_missing_artifact_or_manifest(artifact: Path) -> None:
    manifest_path(artifact).unlink()
    with pytest.raises(InputError, match="no manifest"):
        load_artifact(artifact)
    artifact.unlink()
    with pytest.raises(InputError, match="train it first"):
        load_artifact(artifact)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format_version": 1, "sha256": "ab"}'])
def test_a_damaged_manifest_is_refused(artifact: Path, content: bytes) -> None:
    manifest_path(artifact).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(manifest_path(artifact)))):
        load_artifact(artifact)


@pytest.mark.parametrize(("old", "new"), [(b'"seed": 42', b'"seed": 43'), (b"\n}\n", b"\n}\x0b"), (b"\n}\n", b"\n}")])
def test_a_changed_manifest_is_refused(artifact: Path, old: bytes, new: bytes) -> None:
    path = manifest_path(artifact)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_manifest(artifact)


@pytest.mark.parametrize("key", [*DESCRIPTION, "format_version", "created_at", "package_versions"])
def test_a_manifest_that_lacks_anything_is_refused(artifact: Path, key: str) -> None:
    manifest = read_manifest(artifact)
    del manifest[key]
    manifest_path(artifact).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(InputError, match=f"lacks some of .*'{key}'"):
        read_manifest(artifact)


def test_a_manifest_without_a_sha256_vouches_for_nothing(artifact: Path) -> None:
    edit_manifest(artifact, sha256=None)
    with pytest.raises(InputError, match="was changed after training"):
        load_artifact(artifact)


@pytest.mark.parametrize("found", [0, FORMAT_VERSION + 1, "1", None])
def test_another_format_version_is_refused(artifact: Path, found: object) -> None:
    edit_manifest(artifact, format_version=found)
    with pytest.raises(InputError, match=re.escape(f"format version {found!r}")):
        load_artifact(artifact)


# ------------------------------------------------------------------------------------------------- the wrong model for it


def test_another_model_s_artifact_is_refused(trained_artifacts: ArtifactFolder) -> None:
    artifact = artifact_path(trained_artifacts, "few_shot")
    for load in (MODEL_CLASSES["classification_head"].load, MODEL_CLASSES["classification_head"].load_served):
        with pytest.raises(InputError, match="holds a 'few_shot' model"):
            load(artifact)


def test_other_encoder_weights_are_refused(trained_artifacts: ArtifactFolder, bundled_encoder: SalesEncoder) -> None:
    with pytest.raises(InputError, match=bundled_encoder.identity.sha256):
        MODEL_CLASSES["few_shot"].load(artifact_path(trained_artifacts, "few_shot"), bundled_encoder)


# ----------------------------------------------------------------------------------------------------- what serving reads


@pytest.fixture
def served(trained_artifacts: ArtifactFolder, tmp_path: Path) -> Path:
    """The artifact whose serving folder, a copy of the trained one, lies beside it."""
    artifact = artifact_path(trained_artifacts, "few_shot")
    shutil.copytree(serving_folder(artifact), tmp_path / serving_folder(artifact).name)
    return tmp_path / artifact.name


@pytest.mark.parametrize(
    "name", ["lower.onnx", "encoder.onnx", "tokenizer.json", "weights.safetensors", "manifest.json"]
)
def test_a_damaged_serving_file_is_refused(served: Path, name: str) -> None:
    FewShotModel.load_served(served)
    path = serving_folder(served) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if name != "manifest.json" else 0] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=re.escape(str(path))):
        FewShotModel.load_served(served)
    path.unlink()
    with pytest.raises(InputError, match=re.escape(str(path))):
        FewShotModel.load_served(served)
