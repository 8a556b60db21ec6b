"""The student: what it is taught, that it learns it, and the file its detector comes in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.torch_encoder import SalesEncoder, upper_block_arrays
from signals import trained as trained_signals
from signals.distillation import (
    DistillationSettings,
    _Lessons,
    crossed_sentences,
    distil,
    drawn_pairs,
    mean_of_weights,
    mean_probabilities,
    reworded_sentences,
    train_distilled_detector,
)
from signals.head import found_labels
from signals.sentences import SIGNAL_LABELS, LabelledSentences, read_training_sentences
from signals.trained import read_trained_signals, write_trained_signals
from signals.training import SignalDetector, SignalSettings, states_of, target_shares, train_signal_detector

MEANING = {"rich": "budget+", "broke": "budget-", "afraid": "objection-"}
EAGER = SignalSettings(epochs=12, block_learning_rate=2e-3, head_learning_rate=2e-2, dropout=0.0)


@pytest.fixture(scope="module")
def sentences() -> LabelledSentences:
    texts = [f"{word} number {n}" for word in MEANING for n in range(12)] + [f"nothing {n}" for n in range(12)]
    labels = np.array([[MEANING.get(text.split()[0]) == label for label in SIGNAL_LABELS] for text in texts])
    return LabelledSentences(texts, labels, np.arange(len(texts)))


@pytest.fixture(scope="module")
def teachers(tiny_encoder: SalesEncoder, sentences: LabelledSentences) -> list[SignalDetector]:
    return [train_signal_detector(tiny_encoder, seed, sentences, EAGER) for seed in (1, 2)]


def test_sentences_are_invented_of_halves_with_the_same_joint() -> None:
    texts = ["they have the money, but nobody has time for it", "she likes the tool, but it costs a lot",
             "we wait because the boss is away", "so, but no"]  # fmt: skip
    invented = crossed_sentences(texts, 200, np.random.default_rng(1))
    assert invented == ["she likes the tool, but nobody has time for it", "they have the money, but it costs a lot"]
    assert crossed_sentences(["no joint here"], 200, np.random.default_rng(1)) == []


def test_words_are_replaced_by_ones_that_follow_the_same_word() -> None:
    texts = ["It is late", "budget is approved", "Money, is approved.", "yes"]
    # After "is" stand late and approved, and approved. at an end; one word in three is replaced.
    assert reworded_sentences(texts, 200, np.random.default_rng(1)) == ["It is approved", "budget is late"]


def test_no_pair_contradicts_itself() -> None:
    labels = np.zeros((3, len(SIGNAL_LABELS)), bool)
    labels[0, 0] = labels[1, 1] = labels[2, 2] = True  # for and against one signal, and another
    pairs = drawn_pairs(labels, 300, np.random.default_rng(1))
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == {(0, 0), (1, 1), (2, 2), (0, 2), (1, 2)}


def test_the_teachers_probabilities_are_averaged(
    tiny_encoder: SalesEncoder, teachers: list[SignalDetector], sentences: LabelledSentences
) -> None:
    means = mean_probabilities(teachers, states_of(tiny_encoder, sentences.texts))
    scores = [teacher.head.scores(teacher.encoder.embed_texts(sentences.texts)) for teacher in teachers]
    # bfloat16, where the processor has it, rounds to about a percent
    assert means[:, :-1] == pytest.approx((scores[0] + scores[1]) / 2, abs=0.05)
    assert means.sum(axis=1) == pytest.approx(np.ones(len(means)), abs=1e-5)


def test_the_mean_of_weights_by_hand(teachers: list[SignalDetector], sentences: LabelledSentences) -> None:
    one, other = teachers
    mean = mean_of_weights(teachers)
    assert mean.head.bias == pytest.approx((one.head.bias + other.head.bias) / 2, abs=1e-6)
    of_each = (upper_block_arrays(detector.encoder) for detector in (mean, one, other))
    for middle, first, second in zip(*(arrays.values() for arrays in of_each), strict=True):
        assert middle == pytest.approx((first + second) / 2, abs=1e-6)
    same = mean_of_weights([one, one])
    assert np.array_equal(same.encoder.embed_texts(sentences.texts), one.encoder.embed_texts(sentences.texts))


def test_labels_are_a_share_of_the_targets_but_invented_sentences_have_none(
    tiny_encoder: SalesEncoder, teachers: list[SignalDetector]
) -> None:
    texts = ["rich as they are, but of no use here", "afraid of all of it, but rich enough by far"]
    labels = np.array([[label == wanted for label in SIGNAL_LABELS] for wanted in ("need-", "timeline+")])
    settings = DistillationSettings(label_share=0.25, pairs=0, crossed=10, reworded=0)
    sentences = LabelledSentences(texts, labels, np.arange(2))
    lessons = _Lessons(tiny_encoder, teachers, sentences, settings, np.random.default_rng(1))
    states, targets = lessons.draw(np.arange(4))
    means = mean_probabilities(teachers, states)
    assert len(lessons.states) == 4 and lessons.sentences == 2, "both halves crossed"
    assert targets[:2].numpy() == pytest.approx(0.25 * target_shares(labels) + 0.75 * means[:2], abs=0.02)
    assert targets[2:].numpy() == pytest.approx(means[2:], abs=0.02)


def test_a_student_learns_from_its_teachers_alone(
    tiny_encoder: SalesEncoder, teachers: list[SignalDetector], sentences: LabelledSentences
) -> None:
    unlabelled = dataclasses.replace(sentences, labels=np.zeros_like(sentences.labels))
    settings = DistillationSettings(student=EAGER, label_share=0.0)
    student = distil(tiny_encoder, teachers, 3, unlabelled, settings)
    guessed = found_labels(student.head.scores(student.encoder.embed_texts(sentences.texts)))
    assert (guessed == sentences.labels).all(axis=1).mean() > 0.95


def test_teachers_and_student_in_one_go_give_the_same_again(
    tiny_encoder: SalesEncoder, sentences: LabelledSentences
) -> None:
    quick = SignalSettings(epochs=1)
    settings = DistillationSettings(teacher_seeds=(1, 2), teacher=quick, student=quick)
    shares: list[float] = []
    one, other = (train_distilled_detector(tiny_encoder, 3, sentences, settings, shares.append) for _ in range(2))
    assert np.array_equal(one.head.weights, other.head.weights)
    assert one.sentences == len(sentences.texts)
    half = shares[: len(shares) // 2]
    assert half == sorted(half) and half[-1] == 1.0 and 0 < half[0] < 1 / 3


def test_the_file_holds_the_detector_of_this_training_only(
    tiny_encoder: SalesEncoder,
    teachers: list[SignalDetector],
    sentences: LabelledSentences,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "trained.safetensors"
    assert read_trained_signals(tiny_encoder, path) is None
    write_trained_signals(teachers[0], path)
    read = read_trained_signals(tiny_encoder, path)
    assert read is not None and read.sentences == len(sentences.texts)
    wanted = teachers[0].head.scores(teachers[0].encoder.embed_texts(sentences.texts))
    assert read.head.scores(read.encoder.embed_texts(sentences.texts)) == pytest.approx(wanted, abs=0.01)
    assert read_trained_signals(tiny_encoder) is None, "the program's file is for the bundled encoder"
    other = tmp_path / "sentences.json"
    other.write_text("[]")
    monkeypatch.setattr(trained_signals, "TRAINING_SENTENCES", other)
    assert read_trained_signals(tiny_encoder, path) is None


def test_the_program_comes_with_the_detector_of_todays_sentences_and_settings(bundled_encoder: SalesEncoder) -> None:
    detector = read_trained_signals(bundled_encoder)
    assert detector is not None, "out of date: python -m benchmarks.accuracy.signals --keep"
    assert detector.sentences == len(read_training_sentences().texts)


def test_target_rows_sum_to_one(tiny_encoder: SalesEncoder, teachers: list[SignalDetector]) -> None:
    labels = np.zeros((6, len(SIGNAL_LABELS)), bool)
    labels[np.arange(6), np.arange(6) * 2] = True
    sentences = LabelledSentences([f"word {n}" for n in range(6)], labels, np.arange(6))
    lessons = _Lessons(tiny_encoder, teachers, sentences, DistillationSettings(pairs=2.0), np.random.default_rng(1))
    assert len(lessons.states) > 6
    assert torch.allclose(lessons.targets.sum(dim=1), torch.ones(len(lessons.states)), atol=1e-5)
