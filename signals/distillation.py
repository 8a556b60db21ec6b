"""Several signal detectors in one: a student learns what teachers of different seeds find together.

The mean of their probabilities reads new sentences clearly better than each of them does; the student comes near to it
at the cost of one. It starts from the mean of their weights and learns from the labelled sentences and pairs of them,
with the labels and the teachers' probabilities mixed, and from sentences that nobody wrote, which only the teachers label:
they are unsure of those, and so tell more. `python -m benchmarks.accuracy.signals --keep` makes the detector that comes
with the program in this way; for another encoder one plain `signals.training` does. Needs PyTorch.

The invented sentences, for which there are no labels but the teachers', are training sentences' parts put together: the
start of one and the end of another with the same joint (", but "), or some words replaced by ones that follow the same
word elsewhere ("is approved", "is late"). They read like sentences, and often say something new or the opposite.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.torch_encoder import (
    SalesEncoder,
    TunedEncoder,
    has_fast_bfloat16,
    pretrained,
    run_upper_blocks,
    upper_block_arrays,
    upper_blocks_of,
)
from foundations.long_work import Progress
from signals.head import SignalHead
from signals.sentences import LabelledSentences, read_training_sentences
from signals.training import (
    SignalDetector,
    SignalSettings,
    SignalTrainer,
    contradictory,
    states_of,
    target_shares,
    train_signal_detector,
)

_JOINT = re.compile(
    r",?(?<!\s)\s++(?:and|but|so|because|until|unless|if|though|since|while|when|before|after)\s+|[,;:]\s+"
)
_SHORTEST_PART = 3  # words
_REPLACED = 0.2  # of the words, but at least one


_AT_ONCE = 64  # examples that the teachers read together


@dataclass(frozen=True)
class DistillationSettings:
    """How the student is taught."""

    teacher_seeds: tuple[int, ...] = (42, 43, 44, 45, 46)
    teacher: SignalSettings = field(default_factory=SignalSettings)
    student: SignalSettings = field(default_factory=lambda: SignalSettings(epochs=3))
    label_share: float = 0.5  # of the targets of labelled examples; the teachers give the rest
    pairs: float = 0.5  # of the number of sentences
    crossed: float = 0.5  # likewise
    reworded: float = 1.0  # likewise


def train_distilled_detector(
    encoder: SalesEncoder,
    seed: int = 42,
    sentences: LabelledSentences | None = None,
    settings: DistillationSettings = DistillationSettings(),
    progress: Progress = lambda _: None,
) -> SignalDetector:
    """Trains the teachers and then the student. The same encoder and seed, the same detector, on the same device."""
    sentences = sentences or read_training_sentences()
    steps = len(settings.teacher_seeds) + 1

    def report(step: int, done: float) -> None:
        progress((step + done) / steps)

    teachers = [
        train_signal_detector(encoder, of_teacher, sentences, settings.teacher, partial(report, step))
        for step, of_teacher in enumerate(settings.teacher_seeds)
    ]
    return distil(encoder, teachers, seed, sentences, settings, partial(report, steps - 1))


def distil(
    encoder: SalesEncoder,
    teachers: Sequence[SignalDetector],
    seed: int,
    sentences: LabelledSentences,
    settings: DistillationSettings = DistillationSettings(),
    progress: Progress = lambda _: None,
) -> SignalDetector:
    """The student of these teachers, who learned from the same sentences."""
    random = np.random.default_rng(seed)
    lessons = _Lessons(encoder, teachers, sentences, settings, random)
    return SignalTrainer(encoder, lessons, settings.student, seed, random, mean_of_weights(teachers)).train(progress)


def mean_of_weights(detectors: Sequence[SignalDetector]) -> SignalDetector:
    """One whose weights are the mean of theirs: they all started from the same ones, so it reads about as well as they."""
    blocks = [upper_block_arrays(detector.encoder) for detector in detectors]
    arrays = {name: np.mean([of_one[name] for of_one in blocks], axis=0) for name in blocks[0]}
    heads = [detector.head for detector in detectors]
    head = SignalHead(np.mean([one.weights for one in heads], axis=0), np.mean([one.bias for one in heads], axis=0))
    return SignalDetector(
        TunedEncoder.from_arrays(pretrained(detectors[0].encoder), arrays), head, detectors[0].sentences
    )


class _Lessons:
    """The labelled sentences, pairs of them and invented ones, with targets that are worked out once."""

    def __init__(
        self,
        encoder: SalesEncoder,
        teachers: Sequence[SignalDetector],
        sentences: LabelledSentences,
        settings: DistillationSettings,
        random: np.random.Generator,
    ) -> None:
        count = self.sentences = len(sentences.texts)
        pairs = drawn_pairs(sentences.labels, round(settings.pairs * count), random)
        invented = crossed_sentences(sentences.texts, round(settings.crossed * count), random)
        invented += reworded_sentences(sentences.texts, round(settings.reworded * count), random)
        states = states_of(encoder, sentences.texts)
        paired = [torch.cat([states[one], states[other]]) for one, other in pairs]
        self.states = [*states, *paired, *states_of(encoder, invented)]
        self.lengths = [len(state) for state in self.states]
        both = sentences.labels[pairs[:, 0]] | sentences.labels[pairs[:, 1]]
        labels = target_shares(np.concatenate([sentences.labels, both]))
        targets = mean_probabilities(teachers, self.states)
        targets[: len(labels)] += settings.label_share * (labels - targets[: len(labels)])
        self.targets = torch.from_numpy(targets)

    def draw(self, batch: NDArray[np.int64]) -> tuple[list[Tensor], Tensor]:
        """Token states and targets."""
        return [self.states[index] for index in batch], self.targets[batch]


def drawn_pairs(labels: NDArray[np.bool_], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """(at most count, 2): numbers of two sentences that do not contradict each other."""
    pairs = random.integers(len(labels), size=(count, 2))
    return np.asarray(pairs[~contradictory(labels[pairs[:, 0]] | labels[pairs[:, 1]])])


@torch.inference_mode()
def mean_probabilities(teachers: Sequence[SignalDetector], states: Sequence[Tensor]) -> NDArray[np.float32]:
    """(n, labels + 1): the mean of the teachers' probabilities, the last column "nothing", from token states."""
    by_length = sorted(range(len(states)), key=lambda n: len(states[n]))
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(by_length), _AT_ONCE):
        group = [states[n] for n in by_length[start : start + _AT_ONCE]]
        rows.append(np.mean([_probabilities(teacher, group) for teacher in teachers], axis=0))
    result = np.empty((len(states), rows[0].shape[1]), dtype=np.float32)
    result[by_length] = np.concatenate(rows)
    return result


def _probabilities(teacher: SignalDetector, states: list[Tensor]) -> NDArray[np.float32]:
    blocks, device = upper_blocks_of(teacher.encoder), states[0].device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
        vectors = run_upper_blocks(blocks, states, teacher.encoder.identity.pooling).float()
    scores = teacher.head.scores(vectors.cpu().numpy())
    return np.column_stack([scores, 1 - scores.sum(axis=1)])


def crossed_sentences(texts: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """At most so many different ones, each the start of one text and the end of another with the same joint."""
    halves: dict[str, list[tuple[str, str]]] = {}
    for text in texts:
        for match in _JOINT.finditer(text):
            start, end = text[: match.start()], text[match.end() :]
            if min(len(start.split()), len(end.split())) >= _SHORTEST_PART:
                halves.setdefault(match.group(), []).append((start, end))
    starts = [(joint, start) for joint, of_joint in halves.items() for start, _ in of_joint]
    invented = []
    for n in random.integers(len(starts), size=count) if starts else ():
        joint, start = starts[n]
        _, end = halves[joint][random.integers(len(halves[joint]))]
        invented.append(start + joint + end)
    return sorted(set(invented) - set(texts))


def reworded_sentences(texts: Sequence[str], count: int, random: np.random.Generator) -> list[str]:
    """At most so many different ones, each with some words replaced by others that follow the same word in a text."""
    followers: dict[tuple[str, bool], list[str]] = {}
    for text in texts:
        words = text.split()
        for n in range(1, len(words)):
            followers.setdefault(_before(words, n), []).append(words[n])
    invented = []
    for text_number in random.integers(len(texts), size=count):
        words = texts[text_number].split()
        if len(words) > 1:
            for place in random.integers(1, len(words), size=max(1, round(_REPLACED * len(words)))):
                known = followers.get(_before(words, place), [words[place]])
                words[place] = known[random.integers(len(known))]
            invented.append(" ".join(words))
    return sorted(set(invented) - set(texts))


def _before(words: Sequence[str], place: int) -> tuple[str, bool]:
    """What decides which words may stand there: the one before, and whether punctuation ends it."""
    return words[place - 1].lower(), words[place][-1].isalnum()
