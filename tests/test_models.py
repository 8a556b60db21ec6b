"""One contract for all models: whatever is true of one must be true of the others."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classification_head_model import ClassificationHeadModel, train_head
from contrastive_learning_model import EMBEDDING_SIZE, ContrastiveModel
from conversations.conversation import Conversation, Turn, labels_of
from conversations.split import DataSplits
from encoder.torch_encoder import SalesEncoder
from ensemble_model import EnsembleSettings
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from model_registry import (
    CHANCE,
    MODEL_CLASSES,
    ModelNotTrainedError,
    artifact_path,
    best_model_name,
    best_of,
    load_model,
)
from modelling.conversion_model import ConversionModel
from modelling.names import CONTRASTIVE, ENSEMBLE, MODEL_NAMES, STARTER
from modelling.saved.export import COMPARED, FP32_CONVERSATIONS, passes
from modelling.saved.serving_folder import read_serving_manifest, serving_folder
from modelling.whitening import normalised
from probability.bands import Prediction, prediction_of
from probability.metrics import classification_metrics

pytestmark = pytest.mark.seconds(10)

every_model = pytest.mark.parametrize("name", MODEL_NAMES)


@pytest.fixture
def fitted(fitted_models: dict[str, ConversionModel]) -> dict[str, ConversionModel]:
    return fitted_models


@pytest.fixture(scope="module")
def saved(fitted_models: dict[str, ConversionModel], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifact of each model. Shared: copy its folder before changing it."""
    folder = tmp_path_factory.mktemp("saved")
    paths = {name: folder / name / model.artifact_file for name, model in fitted_models.items()}
    for name, path in paths.items():
        fitted_models[name].save(path)
    return paths


@pytest.fixture
def odd_conversations() -> list[Conversation]:
    """One word, a 10,000-word call, an emoji only, other scripts, a speaker that training never had."""
    return [
        Conversation(transcript="Yes"),
        Conversation(transcript="They asked for the price again. " * 1700),
        Conversation(transcript="🙂"),
        Conversation(turns=[Turn(speaker="customer", text="是的，我们签。"), Turn(speaker="seller", text="شكرا")]),
        Conversation(turns=[Turn(speaker="Dr. Lee", text="No budget.")]),
    ]


def test_the_names_without_torch_are_those_of_the_registry() -> None:
    assert tuple(MODEL_CLASSES) == MODEL_NAMES


@every_model
def test_probabilities_and_embeddings(fitted: dict[str, ConversionModel], splits: DataSplits, name: str) -> None:
    model = fitted[name]
    probabilities = model.predict_proba(splits.test)
    assert probabilities.dtype == np.float64
    assert probabilities.shape == (len(splits.test),)
    assert np.all((probabilities > 0) & (probabilities < 1))
    vectors = model.embed(splits.test)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(splits.test)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model.predict_proba([]).shape == (0,)


def test_contrastive_likeness_is_half_what_was_said_and_half_how_it_ends(
    fitted: dict[str, ConversionModel], splits: DataSplits
) -> None:
    model = fitted[CONTRASTIVE]
    assert isinstance(model, ContrastiveModel)
    learned_from = [*splits.train, *splits.validation]
    assert len(learned_from) <= EMBEDDING_SIZE, "so many directions lose nothing"
    vectors = model.space.vectors(learned_from)
    projections = normalised(np.maximum(vectors @ model.layers["first.weight"].T + model.layers["first.bias"], 0)
        @ model.layers["second.weight"].T + model.layers["second.bias"])  # fmt: skip
    said, ends = normalised(vectors), projections
    found = model.embed(learned_from)
    np.testing.assert_allclose(found @ found.T, (said @ said.T + ends @ ends.T) / 2, atol=1e-3)


def test_kept_figures_come_from_conversations_that_were_held_out(
    tiny_encoder: SalesEncoder, conversations: list[Conversation]
) -> None:
    # Outcomes drawn by chance can be learned by heart, but not foretold: a leak would show as a figure above chance.
    drawn = np.random.default_rng(1).permutation([str(conversation.outcome) for conversation in conversations])
    noise = [
        conversation.model_copy(update={"outcome": outcome, "group": None})
        for conversation, outcome in zip(conversations, drawn.tolist(), strict=True)
    ]
    models: dict[str, ConversionModel] = {}
    learning = {name: kind for name, kind in MODEL_CLASSES.items() if name != STARTER}  # whose weights never change
    for name, model_class in learning.items():
        settings = EnsembleSettings(starter=False) if name == ENSEMBLE else None  # it may be lucky
        model = model_class(tiny_encoder, settings, seed=7)
        model.reuse(models)
        model.fit(noise[:60], noise[60:])
        models[name] = model
        learned = classification_metrics(labels_of(noise), model.predict_proba(noise))
        assert learned["roc_auc"] > 0.75, name
        assert model.record.cross_validation_metrics["roc_auc"] < 0.65, name  # 0.5 ± 0.065 by chance
        assert model.record.cross_validation_metrics["log_loss"] > np.log(2) - 0.02, name
        assert model.last_fit is not None and model.last_fit.log_odds.shape == (80,)


@every_model
def test_same_seed_same_model(
    fitted: dict[str, ConversionModel], tiny_encoder: SalesEncoder, splits: DataSplits, name: str
) -> None:
    again = MODEL_CLASSES[name](tiny_encoder, seed=7)
    again.fit(splits.train, splits.validation)
    np.testing.assert_array_equal(again.predict_proba(splits.test), fitted[name].predict_proba(splits.test))


@every_model
@pytest.mark.parametrize("served", [False, True])
def test_a_score_does_not_depend_on_its_neighbours(
    fitted: dict[str, ConversionModel],
    trained_artifacts: ArtifactFolder,
    odd_conversations: list[Conversation],
    splits: DataSplits,
    name: str,
    served: bool,
) -> None:
    model = load_model(trained_artifacts, name) if served else fitted[name]
    conversations = [*odd_conversations, *splits.test]
    together = model.predict_proba(conversations)
    assert np.all(np.isfinite(together))
    alone = np.array([model.predict_proba([conversation])[0] for conversation in conversations])
    np.testing.assert_allclose(alone, together, atol=1e-4)
    np.testing.assert_allclose(model.predict_proba(conversations[::-1])[::-1], together, atol=1e-4)


@every_model
def test_a_saved_model_is_the_same_model(
    fitted: dict[str, ConversionModel],
    tiny_encoder: SalesEncoder,
    splits: DataSplits,
    saved: dict[str, Path],
    name: str,
) -> None:
    path = saved[name]
    loaded = MODEL_CLASSES[name].load(path, tiny_encoder)
    np.testing.assert_allclose(loaded.predict_proba(splits.test), fitted[name].predict_proba(splits.test), atol=1e-6)
    assert loaded.record.validation_metrics == fitted[name].record.validation_metrics
    assert loaded.record.history == fitted[name].record.history
    with pytest.raises(InputError, match="not trained in this process"):
        loaded.save(path)


@every_model
def test_the_served_model_agrees_with_the_trained_one(
    fitted: dict[str, ConversionModel], splits: DataSplits, saved: dict[str, Path], name: str
) -> None:
    path = saved[name]
    served = MODEL_CLASSES[name].load_served(path)
    compared = [*splits.validation, *splits.train]
    assert len(compared) <= COMPARED
    difference = np.abs(served.predict_proba(compared) - fitted[name].predict_proba(compared))
    assert difference.mean() <= 0.02  # what the parity check allows a quantised model on these conversations
    serving = read_serving_manifest(serving_folder(path))["serving"]
    assert serving["parity"][serving["precision"]]["conversations"] in (len(compared), FP32_CONVERSATIONS)
    parity = serving["parity"]["fp32"]  # whatever is served
    assert 0 < parity["conversations"] <= FP32_CONVERSATIONS
    assert parity["largest_difference"] <= 1e-3


def test_a_model_whose_fp32_differs_is_not_exported(
    fitted: dict[str, ConversionModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted["classification_head"]
    assert isinstance(model, ClassificationHeadModel)
    predict = ConversionModel.predict_proba
    trained = model.encoder

    def nudged(self: ConversionModel, conversations: Any) -> Any:
        return predict(self, conversations) + (0.0 if self.encoder is trained else 2e-3)

    monkeypatch.setattr(ConversionModel, "predict_proba", nudged)  # little enough for int8
    with pytest.raises(RuntimeError, match="the exported classification_head differs"):
        model.save(tmp_path / model.artifact_file)
    assert not (tmp_path / "classification_head").exists()


@every_model
@pytest.mark.parametrize("file", ["lower.onnx", "encoder.onnx", "tokenizer.json", "weights.safetensors"])
def test_a_changed_serving_file_is_refused(saved: dict[str, Path], tmp_path: Path, name: str, file: str) -> None:
    path = shutil.copytree(saved[name].parent, tmp_path / "changed") / saved[name].name
    damaged = serving_folder(path) / file
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"{file}.*SHA-256"):
        MODEL_CLASSES[name].load_served(path)


@every_model
def test_another_encoder_is_refused(saved: dict[str, Path], bundled_encoder: SalesEncoder, name: str) -> None:
    with pytest.raises(InputError, match=bundled_encoder.identity.sha256):
        MODEL_CLASSES[name].load(saved[name], bundled_encoder)


@every_model
def test_one_class_is_refused(tiny_encoder: SalesEncoder, splits: DataSplits, name: str) -> None:
    won = [conversation for conversation in splits.train if conversation.label]
    with pytest.raises(InputError, match="not both outcomes"):
        MODEL_CLASSES[name](tiny_encoder).fit(won, splits.validation)


def test_hyper_parameters_are_checked_where_they_are_made() -> None:
    for name, wrong in (
        ("few_shot", {"temperatures": (0.0,)}),
        ("classification_head", {"epochs": 1}),
        ("contrastive", {"temperature": -1.0}),
    ):
        settings = type(MODEL_CLASSES[name].default_settings())
        with pytest.raises(InputError, match=r"must be|at least"):
            settings(**wrong)


def test_classification_head_restores_its_best_epoch_and_learns_from_validation_too(
    fitted: dict[str, ConversionModel], splits: DataSplits
) -> None:
    head = fitted["classification_head"]
    assert isinstance(head, ClassificationHeadModel)
    parts = [(head.space.vectors(part), labels_of(part)) for part in (splits.train, splits.validation)]
    weights, bias, history = train_head(parts[0], parts[1], head.settings)
    losses = [row["validation_loss"] for row in history.rows]
    assert losses[history.best] == min(losses[4:])  # no epoch before the fifth is kept
    margins = np.where(parts[1][1] == 1, 1, -1) * (parts[1][0] @ weights + bias)
    assert np.mean(np.logaddexp(0, -margins)) == pytest.approx(losses[history.best], abs=1e-5)

    assert head.record.history.best == history.best
    everything = (head.space.vectors(splits.learned_from), labels_of(splits.learned_from))
    as_many = replace(head.settings, epochs=history.best + 1, fewest_epochs=history.best + 1)
    np.testing.assert_allclose(head.weights, train_head(everything, everything, as_many)[0], atol=1e-5)
    assert np.abs(head.weights - weights).max() > 1e-4


def test_contrastive_measures_collapse(fitted: dict[str, ConversionModel]) -> None:
    history = fitted["contrastive"].record.history
    assert -1 <= history.notes["mean_cosine"] <= 1
    assert history.notes["mean_dimension_std"] > 0.01  # 0 would be one point for everything


def test_auto_is_chosen_by_cross_validated_log_loss(trained_artifacts: ArtifactFolder) -> None:
    best = best_model_name(trained_artifacts)
    losses = {
        name: load_model(trained_artifacts, name).record.cross_validation_metrics["log_loss"] for name in MODEL_NAMES
    }
    assert losses[best] == min(losses.values()) or (
        best == "ensemble" and losses[best] <= min(losses.values()) + CHANCE
    )
    assert load_model(trained_artifacts, "auto").name == best


def test_a_missing_model_says_how_to_train_it(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    with pytest.raises(ModelNotTrainedError, match="--mode train --model contrastive"):
        load_model(folder, "contrastive")
    with pytest.raises(ModelNotTrainedError, match="--mode train"):
        load_model(folder, "auto")
    with pytest.raises(InputError, match="'transformer'.*few_shot"):
        artifact_path(folder, "transformer")


def test_a_probability_becomes_a_prediction() -> None:
    assert prediction_of(0.5) == Prediction("successful", 0.5, 0.5)
    assert prediction_of(0.2) == Prediction("failed", 0.2, 0.8)


def test_auto_is_the_lowest_loss_or_an_ensemble_that_is_as_good() -> None:
    losses = {"few_shot": 0.60, "contrastive": 0.55, "ensemble": 0.56}
    assert best_of({name: {"log_loss": loss} for name, loss in losses.items()}) == "ensemble"
    assert (
        best_of({name: {"log_loss": loss} for name, loss in (losses | {"ensemble": 0.5601}).items()}) == "contrastive"
    )
    del losses["ensemble"]
    assert best_of({name: {"log_loss": loss} for name, loss in losses.items()}) == "contrastive"


@pytest.mark.parametrize(
    ("accuracy_loss", "roc_auc_loss", "mean_difference", "taken"),
    [
        (0.0, 0.0, 0.01, True),
        (0.02, -0.001, 0.01, True),  # two of a hundred next to one half
        (0.03, -0.001, 0.01, False),
        (0.0, 0.006, 0.01, False),
        (0.0, 0.0, 0.021, False),
    ],
)
def test_a_quantised_model_is_taken_that_decides_and_ranks_as_well(
    accuracy_loss: float, roc_auc_loss: float, mean_difference: float, taken: bool
) -> None:
    check = {
        "conversations": 100,
        "largest_difference": 0.06,
        "mean_difference": mean_difference,
        "accuracy_loss": accuracy_loss,
        "roc_auc_loss": roc_auc_loss,
    }
    assert passes("int8", check) is taken
