"""An answer costs one encoder: the model, its evidence and the signals share the vectors of one pass over each text."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversations.split import DataSplits
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.torch_encoder import SalesEncoder
from few_shot_model import FewShotModel
from foundations.artifact_folder import ArtifactFolder
from model_registry import artifact_path
from modelling.segments import segment_conversations
from signals.artifact import save_signal_finder
from signals.head import SignalHead
from signals.sentences import SIGNAL_LABELS, read_training_sentences
from tests.service_clients import client_for

TALK = [
    ("seller", "Good morning. What do you use today?"),
    ("customer", "A tool from a rival. Their support was awful, and nobody here likes the thing."),
    ("seller", "Shall I send the contract?"),
    ("customer", "Yes please, send it over."),
    ("seller", "And by when do you need it?"),
    ("customer", "We must be live before the audit in six weeks. Yes please, send it over."),
]


@pytest.fixture
def shared_encoder(tiny_encoder: SalesEncoder, splits: DataSplits, tmp_path: Path) -> ArtifactFolder:
    """A model and signals of one encoder, saved as `--mode train --encoder sales` does."""
    folder = ArtifactFolder(tmp_path / "artifacts")
    labels = len(SIGNAL_LABELS) + 1
    head = SignalHead(np.zeros((tiny_encoder.dim, labels), np.float32), np.zeros(labels, np.float32))
    texts = segment_conversations(tiny_encoder, [*splits.train, *splits.validation]).texts
    save_signal_finder(head, tiny_encoder, folder.signals, texts)
    model = FewShotModel(tiny_encoder, seed=7)
    model.fit(splits.train, splits.validation)
    model.save(artifact_path(folder, model.name), also_read=read_training_sentences().texts)
    return folder


def test_each_text_is_encoded_once(shared_encoder: ArtifactFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: Counter[str] = Counter()
    embed = OnnxTextEncoder._embed_distinct

    def counted(self: OnnxTextEncoder, texts: list[str]) -> Any:
        encoded.update(texts)
        return embed(self, texts)

    body = {"turns": [{"speaker": speaker, "text": text} for speaker, text in TALK], "model_type": "few_shot"}
    with client_for(shared_encoder.root, rate_limit=0) as client:
        client.post("/predict", json={**body, "include_analysis": True})  # loads the model and the signals
        monkeypatch.setattr(OnnxTextEncoder, "_embed_distinct", counted)
        answer = client.post("/predict", json={**body, "include_analysis": True})
    assert answer.status_code == 200 and answer.json()["analysis"]["evidence"]
    assert {"Good morning. What do you use today?", "We must be live before the audit in six weeks."} <= set(encoded)
    assert {text: times for text, times in encoded.items() if times > 1} == {}


def test_signals_of_an_encoder_of_their_own_would_be_noticed(
    shared_encoder: ArtifactFolder, trained_artifacts: ArtifactFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(shared_encoder.signals)
    shutil.copytree(trained_artifacts.signals, shared_encoder.signals)
    with pytest.raises(AssertionError, match="Yes please"):
        test_each_text_is_encoded_once(shared_encoder, monkeypatch)
