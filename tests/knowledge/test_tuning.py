"""Tuning learns what writers judged, stays near the encoder it started from, and gives what the starter reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import Scenario, read_scenarios
from conversations.reading.record import conversation_from_record
from encoder.torch_encoder import SalesEncoder, TunedEncoder
from knowledge.tuning import Example, Tuning, TuningSettings, read_examples
from modelling.starter_head import StarterHead
from modelling.whitening import normalised
from signals.sentences import LabelledSentences, read_training_sentences
from signals.training import SignalDetector, SignalSettings, train_signal_detector

pytestmark = pytest.mark.seconds(10)

SETTINGS = TuningSettings(epochs=10, conversations=8, sentences=4, block_learning_rate=3e-3, head_learning_rate=2e-2)


@pytest.fixture(scope="module")
def scenarios() -> list[Scenario]:
    clear = [one for one in read_scenarios("knowledge") if one.form == "chat" and not 0.1 < one.probability < 0.9]
    return clear[:32]


@pytest.fixture(scope="module")
def sentences() -> LabelledSentences:
    return read_training_sentences().part(np.arange(40))


@pytest.fixture(scope="module")
def start(tiny_encoder: SalesEncoder, sentences: LabelledSentences) -> SignalDetector:
    return train_signal_detector(tiny_encoder, sentences=sentences, settings=SignalSettings(epochs=1))


@pytest.fixture(scope="module")
def examples(tiny_encoder: SalesEncoder, scenarios: list[Scenario]) -> list[Example]:
    return read_examples(tiny_encoder, scenarios, seed=3)


def tuned(
    encoder: SalesEncoder,
    start: SignalDetector,
    examples: list[Example],
    sentences: LabelledSentences,
    settings: TuningSettings = SETTINGS,
) -> Tuning:
    tuning = Tuning(encoder, start, examples, sentences, settings, seed=1)
    tuning.run(lambda share: None)
    return tuning


def read_by_starter(tuning: Tuning, scenarios: list[Scenario]) -> np.ndarray:
    drawing = Drawing(3)
    conversations = [conversation_from_record(drawing.record(one), one.id) for one in scenarios]
    head = StarterHead(tuning.head.weight[0].detach().numpy(), float(tuning.head.bias.detach()))
    return head.read(TunedEncoder(tuning.encoder, tuning.blocks), conversations)[0]


def test_the_starter_s_head_reads_what_tuning_learned(
    tiny_encoder: SalesEncoder,
    start: SignalDetector,
    examples: list[Example],
    sentences: LabelledSentences,
    scenarios: list[Scenario],
) -> None:
    log_odds = read_by_starter(tuned(tiny_encoder, start, examples, sentences), scenarios)
    judged = np.array([one.probability > 0.5 for one in scenarios])
    assert log_odds[judged].mean() > log_odds[~judged].mean() + 0.1


def test_nearness_keeps_vectors_near_those_of_the_encoder(
    tiny_encoder: SalesEncoder, start: SignalDetector, examples: list[Example], sentences: LabelledSentences
) -> None:
    texts = [segment.text for example in examples for segment in example.segments]
    untouched = normalised(tiny_encoder.embed_texts(texts))

    def cosine(settings: TuningSettings) -> float:
        tuning = tuned(tiny_encoder, start, examples, sentences, settings)
        vectors = TunedEncoder(tiny_encoder, tuning.blocks).embed_texts(texts)
        return float((normalised(vectors) * untouched).sum(axis=1).mean())

    assert cosine(replace(SETTINGS, nearness=10.0)) > cosine(replace(SETTINGS, nearness=0.0)) + 0.01


def test_the_same_seed_gives_the_same_weights(
    tiny_encoder: SalesEncoder, start: SignalDetector, examples: list[Example], sentences: LabelledSentences
) -> None:
    settings = replace(SETTINGS, epochs=1)
    first, second = (tuned(tiny_encoder, start, examples, sentences, settings) for _ in range(2))
    assert torch.equal(first.head.weight, second.head.weight)
    for one, other in zip(first.blocks.parameters(), second.blocks.parameters(), strict=True):
        assert torch.equal(one, other)
