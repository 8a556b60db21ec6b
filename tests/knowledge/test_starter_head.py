"""The starter's head has the least penalised cross entropy with the judged probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import read_scenarios
from conversations.reading.record import conversation_from_record
from encoder.torch_encoder import SalesEncoder
from knowledge.starter_head import fit_starter_head, main, pooled_vectors
from modelling.starter_head import SCALE, STARTER_BLOCKS


def test_a_head_without_features_says_the_mean_probability() -> None:
    head = fit_starter_head(np.zeros((4, 2), np.float32), np.array([0.9, 0.9, 0.9, 0.5]), 1e-3)
    assert head.bias == pytest.approx(np.log(0.8 / 0.2), abs=1e-3)
    assert head.weights == pytest.approx(0)


def test_the_penalised_cross_entropy_is_least() -> None:
    """Its gradient is mean((σ(wx + b) − p) x) + 2 · penalty · w, and 0 where it is least."""
    random = np.random.default_rng(1)
    pooled = random.normal(size=(50, 3)).astype(np.float32) / SCALE
    judged = random.uniform(size=50)
    head = fit_starter_head(pooled, judged, 1e-2)
    scaled = SCALE * pooled
    wrong = 1 / (1 + np.exp(-(scaled @ head.weights + head.bias))) - judged
    assert wrong.mean() == pytest.approx(0, abs=1e-4)
    assert (wrong[:, None] * scaled).mean(axis=0) + 2e-2 * head.weights == pytest.approx(0, abs=1e-4)


def test_scenarios_are_pooled_to_one_vector_each(tiny_encoder: SalesEncoder) -> None:
    scenarios = read_scenarios("knowledge")[:3]
    drawing = Drawing(1)
    conversations = [conversation_from_record(drawing.record(one), one.id) for one in scenarios]
    pooled = pooled_vectors(tiny_encoder, conversations)
    assert pooled.shape == (3, len(STARTER_BLOCKS) * tiny_encoder.dim)
    assert np.abs(pooled).sum(axis=1).all()


def test_help_says_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "starter's head" in " ".join(capsys.readouterr().out.split())
