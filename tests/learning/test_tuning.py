"""Settings searched honestly: the formulas by hand, luck that is not believed, files that are refused, and the two modes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from classification_head_model import ClassificationHeadSettings
from conversations.conversation import Conversation
from conversations.reading.files import write_splits
from conversations.split import DataSplits
from few_shot_model import FewShotSettings
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from learning.tuning import search
from learning.tuning.search import Tuned, log_losses, mean_and_error, tune
from learning.tuning.settings_file import read_settings, write_settings
from learning.tuning.spaces import SPACES
from main import main
from model_registry import artifact_path, model_class
from modelling.contrastive.settings import ContrastiveSettings
from modelling.names import CLASSIFICATION_HEAD, ENSEMBLE, FEW_SHOT
from modelling.saved.artifact import read_manifest
from stages.job import Job
from stages.training import train

pytestmark = pytest.mark.seconds(10)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def folder(splits: DataSplits, tmp_path: Path) -> ArtifactFolder:
    """With splits, and nothing trained."""
    write_splits(splits, (folder := ArtifactFolder(tmp_path / "artifacts")).data)
    return folder


def test_a_loss_is_the_surprise_at_what_happened() -> None:
    found = log_losses(np.array([1, 0, 1]), np.array([0.5, 0.75, 0.0]))
    # −ln 0.5 = 0.693, −ln 0.25 = 1.386, and no infinity
    assert found[:2] == pytest.approx([0.693, 1.386], abs=0.001)
    assert np.isfinite(found[2])


def test_the_standard_error_takes_a_group_as_one() -> None:
    values = np.array([1.0, 1.0, 0.0, 0.0])
    # mean 0.5; of two groups the sums of deviations are 1 and −1: √(2 / 1 · 2) / 4 = 0.5
    assert mean_and_error(values, ["a", "a", "b", "b"]) == pytest.approx((0.5, 0.5))
    # of four groups each deviates by 0.5: √(4 / 3 · 4 · 0.25) / 4 = 0.289, the plain standard error
    assert mean_and_error(values, list("abcd")) == pytest.approx((0.5, values.std(ddof=1) / 2))


@dataclass(frozen=True)
class FakeRecord:
    cross_validation_metrics: dict[str, float]


class FakeModel:
    """Promises what its setting says; unseen, it gives the truth with a sureness of its own."""

    name = CLASSIFICATION_HEAD
    unseen: ClassVar[dict[str, float]] = {}  # probability of what happened

    def __init__(self, encoder: Any, settings: Any = None, seed: int = 42) -> None:
        self.settings = settings or ClassificationHeadSettings()

    def reuse(self, fitted: Any) -> None: ...

    def fit(self, train: Any, validation: Any) -> None:
        default = self.settings == ClassificationHeadSettings()
        self.record = FakeRecord({"log_loss": 0.67 if default else 0.64})

    def predict_proba(self, conversations: list[Conversation]) -> np.ndarray[Any, Any]:
        sure = self.unseen["default" if self.settings == ClassificationHeadSettings() else "searched"]
        wobble = np.array([len(one.conversation_id) % 2 for one in conversations]) / 50
        return np.array([abs(1 - one.label - sure) for one in conversations]) + wobble


@pytest.mark.parametrize(("searched", "kept"), [(0.50, True), (0.55, True), (0.70, False)])
def test_a_promise_that_unseen_data_do_not_keep_leaves_the_defaults(
    conversations: list[Conversation], monkeypatch: pytest.MonkeyPatch, searched: float, kept: bool
) -> None:
    """The search always promises 0.67 → 0.64; unseen, the default gives what happened 0.55."""
    monkeypatch.setattr(search, "model_class", lambda name: FakeModel)
    monkeypatch.setattr(FakeModel, "unseen", {"default": 0.55, "searched": searched})
    found = tune(None, CLASSIFICATION_HEAD, conversations, seed=1, trials=3)  # type: ignore[arg-type]
    assert found.promised == (0.67, 0.64)
    assert found.defaults_kept == kept
    assert (found.settings == ClassificationHeadSettings()) == kept
    assert found.gain == pytest.approx(found.unseen[0] - found.unseen[1])


def test_the_search_is_nested_seeded_and_never_learns_from_the_fold_it_is_judged_by(
    conversations: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed: list[float] = []
    judged: list[tuple[set[str], set[str]]] = []

    class Noted(FakeModel):
        def fit(self, train: Any, validation: Any) -> None:
            super().fit(train, validation)
            proposed.append(self.settings.l2)
            self.groups = {one.group_key for one in (*train, *validation)}

        def predict_proba(self, held: Any) -> Any:
            judged.append((self.groups, {one.group_key for one in held}))
            return super().predict_proba(held)

    monkeypatch.setattr(search, "model_class", lambda name: Noted)
    monkeypatch.setattr(FakeModel, "unseen", {"default": 0.55, "searched": 0.6})
    shares: list[float] = []

    def found(seed: int) -> tuple[Tuned, list[float]]:
        proposed.clear()
        return tune(None, CLASSIFICATION_HEAD, conversations, seed, trials=2, progress=shares.append), [*proposed]  # type: ignore[arg-type]

    first = found(1)
    assert len(first[1]) == 6 * 3, "a default and two trials in each of five folds, and on all"
    assert len(judged) == 5 * 2 and all(not learned & held for learned, held in judged)
    assert set().union(*(held for _, held in judged)) == {one.group_key for one in conversations}
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] <= 1
    assert found(1) == first
    assert found(2)[1] != first[1]


class Lowest:
    """A trial that takes the lowest of each range, or with `high` the highest."""

    def __init__(self, high: bool) -> None:
        self.high = high

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return high if self.high else low

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return high if self.high else low

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return choices[-1 if self.high else 0]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("high", [False, True])
def test_every_setting_that_can_be_proposed_is_a_valid_one(name: str, high: bool) -> None:
    settings = type(model_class(name).default_settings())
    proposed = SPACES[name](Lowest(high))
    assert all(getattr(settings(**proposed), key) == value for key, value in proposed.items())


def test_a_settings_file_comes_back_and_may_name_a_part(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    chosen = FewShotSettings(temperatures=(0.07,), neighbours=(15,))
    write_settings(path, [Tuned(FEW_SHOT, chosen, False, 20, 160, (0.6, 0.5), (0.6, 0.55), 0.05, 0.01)])
    assert read_settings(path) == {FEW_SHOT: chosen}
    assert json.loads(path.read_text(encoding="utf-8"))["measured"][FEW_SHOT]["gain"] == 0.05
    path.write_text('{"settings": {"contrastive": {"epochs": 3}}}', encoding="utf-8")
    assert read_settings(path) == {"contrastive": ContrastiveSettings(epochs=3)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "are no JSON"),
        ("[1]", "is [1]; it should be a JSON object"),
        ('{"few_shot": {}}', "has 'few_shot'; there may be 'settings' and 'measured'"),
        ('{"measured": {}}', "is None; it should be a JSON object"),
        ('{"settings": {"fewshot": {}}}', "has settings of 'fewshot'; the models are starter, few_shot"),
        ('{"settings": {"few_shot": [0.1]}}', "is [0.1]; it should be a JSON object"),
        (
            '{"settings": {"few_shot": {"temperature": 1}}}',
            "has 'temperature'; its settings are temperatures, neighbours",
        ),
        ('{"settings": {"classification_head": {"l2": "3"}}}', "l2 is '3'; input should be a valid number"),
        ('{"settings": {"classification_head": {"l2": -1}}}', "l2 is -1.0; it must not be negative"),
        ('{"settings": {"classification_head": {"epochs": 2.5}}}', "epochs is 2.5; input should be a valid integer"),
    ],
)
def test_a_wrong_settings_file_is_one_sentence_of_the_command(
    content: str, message: str, tmp_path: Path, folder: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_settings(path)
    assert message in str(refused.value) and str(path) in str(refused.value)


def test_the_mode_writes_settings_that_train_takes_and_remembers(
    folder: ArtifactFolder,
    tiny_encoder_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "OUTER_FOLDS", 2)
    monkeypatch.setattr("stages.training.signals_up_to_date", lambda job: True)
    monkeypatch.setattr("stages.training.index_conversations", lambda job: None)
    shared = ("--artifacts", folder.root, "--model", FEW_SHOT, "--encoder", tiny_encoder_folder)
    assert run("--mode", "tune", "--trials", 1, *shared) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Promised Unseen Gain on unseen Chosen" in said
    assert f"python main.py --mode train --settings {folder.root}/settings.json" in said
    path = folder.root / "settings.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["settings"][FEW_SHOT]["temperatures"] = [0.07]
    path.write_text(json.dumps(content), encoding="utf-8")
    job = Job(folder=folder, model=FEW_SHOT, encoder=str(tiny_encoder_folder), settings=path)
    train(job)
    trained = read_manifest(artifact_path(folder, FEW_SHOT))
    assert trained["hyper_parameters"]["temperatures"] == [0.07]
    capsys.readouterr()
    train(job)
    assert "train few_shot: unchanged" in " ".join(capsys.readouterr().out.split())
    content["settings"][FEW_SHOT]["temperatures"] = [0.4]
    path.write_text(json.dumps(content), encoding="utf-8")

    def begun(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stages.training.encode_once", begun)
    with pytest.raises(KeyboardInterrupt):  # with other settings it is trained again
        train(job)


def test_that_an_ensembles_members_keep_the_defaults_is_said(
    folder: ArtifactFolder,
    tiny_encoder_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begun(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stages.training.encode_once", begun)
    monkeypatch.setattr("stages.training.signals_up_to_date", lambda job: True)
    path = tmp_path / "settings.json"
    said = {}
    for model, given in ((ENSEMBLE, {FEW_SHOT: {}}), (ENSEMBLE, {ENSEMBLE: {"pull": 3}}), (FEW_SHOT, {FEW_SHOT: {}})):
        path.write_text(json.dumps({"settings": given}), encoding="utf-8")
        with pytest.raises(KeyboardInterrupt):
            train(Job(folder=folder, model=model, encoder=str(tiny_encoder_folder), settings=path, force=True))
        said[model, *given] = "members keep their default settings" in " ".join(capsys.readouterr().out.split())
    assert said == {(ENSEMBLE, FEW_SHOT): True, (ENSEMBLE, ENSEMBLE): False, (FEW_SHOT, FEW_SHOT): False}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trials", 21), "--trials is 21; give a whole number from 1 to 20."),
        (("--trials", 0), "--trials is 0; give a whole number from 1 to 20."),
        (("--model", "ensemble"), "--model is 'ensemble'; the settings of few_shot, classification_head, contrastive"),
        (("--artifacts", "nowhere"), "There is no 'nowhere/data/train_data.json'; make it with"),
    ],
)
def test_wrong_options_of_the_search_are_one_sentence(
    options: tuple[object, ...], message: str, folder: ArtifactFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--mode", "tune", "--artifacts", folder.root, *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_search_that_is_stopped_by_hand_writes_nothing(
    folder: ArtifactFolder,
    tiny_encoder_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("learning.tuning.search.group_folds", stopped)
    assert run("--mode", "tune", "--artifacts", folder.root, "--encoder", tiny_encoder_folder) == 130
    assert "Stopped; nothing was written." in capsys.readouterr().out
    assert not (folder.root / "settings.json").exists()
