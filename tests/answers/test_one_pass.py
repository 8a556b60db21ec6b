"""An answer with everything costs one encoder: models, evidence, similar conversations and signals share its one pass."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoder.onnx_encoder import OnnxTextEncoder
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from signals.artifact import save_signal_finder
from signals.head import SignalHead
from signals.sentences import SIGNAL_LABELS
from tests.service_clients import client_for

TALK = [
    ("seller", "Good morning. What do you use today?"),
    ("customer", "A tool from a rival. Their support was awful, and nobody likes it."),
    ("seller", "Shall I send the contract?"),
    ("customer", "Yes please, send it over."),
    ("seller", "And by when do you need it?"),
    ("customer", "We must be live before the audit in six weeks. Yes please, send it over."),
]


@pytest.fixture
def shared_encoder(trained_artifacts: ArtifactFolder, tiny_encoder: SalesEncoder, tmp_path: Path) -> ArtifactFolder:
    """Artifacts whose signals are a head over the models' own encoder, as with `--encoder sales`."""
    folder = ArtifactFolder(tmp_path / "artifacts")
    shutil.copytree(trained_artifacts.root, folder.root)
    shutil.rmtree(folder.signals)
    head = SignalHead(
        np.zeros((tiny_encoder.dim, len(SIGNAL_LABELS) + 1), np.float32), np.zeros(len(SIGNAL_LABELS) + 1, np.float32)
    )
    save_signal_finder(head, tiny_encoder, folder.signals)
    return folder


def test_each_text_is_encoded_once(shared_encoder: ArtifactFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: Counter[str] = Counter()
    of = OnnxTextEncoder._embed_distinct

    def counted(self: OnnxTextEncoder, texts: list[str]) -> Any:
        encoded.update(texts)
        return of(self, texts)

    monkeypatch.setattr(OnnxTextEncoder, "_embed_distinct", counted)
    body = {"turns": [{"speaker": speaker, "text": text} for speaker, text in TALK], "model_type": "few_shot"}
    with client_for(shared_encoder.root, rate_limit=0) as client:
        client.post(
            "/predict", json={**body, "include_analysis": True, "include_similar": True}
        )  # loads what is loaded once
        encoded.clear()
        answer = client.post("/predict", json={**body, "include_analysis": True, "include_similar": True})
    assert answer.status_code == 200 and answer.json()["analysis"] is not None
    assert "We must be live before the audit in six weeks." in encoded
    assert {text: times for text, times in encoded.items() if times > 1} == {}
