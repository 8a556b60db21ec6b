"""Teaches an encoder to tell signals: its upper blocks and the head are tuned on the sentences of signal_sentences.json.

Frozen vectors tell a sentence's topic but hardly who has the say or what is denied; tuned ones do, at no cost when
served. Some sentences are read with a second one behind them and give what both say, so that a long sentence may say
two things. The lower blocks' states get some noise, so that those of int8 blocks are read just as well. A running mean
of the weights is kept, as it reads new sentences better than the last weights do. Nothing of the user's data is read, so
it is trained once for an encoder. Needs PyTorch; takes eight to nine minutes on one core for the bundled encoder where
the processor multiplies bfloat16, longer elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.text_encoder import TextEncoder
from encoder.torch_encoder import SalesEncoder, TunedEncoder, has_fast_bfloat16, run_upper_blocks, upper_blocks_of
from foundations.long_work import Progress
from signals.head import SCALE, SignalHead
from signals.sentences import SIGNAL_LABELS, LabelledSentences, read_training_sentences

_BATCHES_OF_LIKE_LENGTH = 16  # shuffled sentences are sorted within so many batches, so that a batch has little padding


@dataclass(frozen=True)
class SignalSettings:
    """How the detector is trained."""

    epochs: int = 8
    block_learning_rate: float = 1e-3
    head_learning_rate: float = 3e-3
    batch_size: int = 32
    dropout: float = 0.2  # of the sentence vector
    pair_share: float = 0.3  # of the sentences: read with another one behind them
    state_noise: float = 0.06  # of the token states' spread: as much as lower blocks in int8 change them
    averaging: float = 0.998  # how much of the weights' running mean a step keeps


@dataclass(frozen=True)
class SignalDetector:
    """What training gives: the encoder and the head that reads its vectors."""

    encoder: TextEncoder  # in PyTorch: a TunedEncoder, or the sales encoder, which was tuned for it
    head: SignalHead
    sentences: int  # how many it learned from


def train_signal_detector(
    encoder: SalesEncoder,
    seed: int = 42,
    sentences: LabelledSentences | None = None,
    settings: SignalSettings = SignalSettings(),
    progress: Progress = lambda _: None,
) -> SignalDetector:
    """Learns from the training sentences. The same encoder and seed, the same detector, on the same device."""
    generator = np.random.default_rng(seed)
    examples = _PairedSentences(encoder, sentences or read_training_sentences(), settings.pair_share, generator)
    return SignalTrainer(encoder, examples, settings, seed, generator).train(progress)


class Examples(Protocol):
    """What a detector learns from: sentences, and what each should give."""

    sentences: int  # different labelled ones
    lengths: list[int]  # tokens of each example

    def draw(self, batch: NDArray[np.int64]) -> tuple[list[Tensor], Tensor]:
        """Token states below the upper blocks and targets (n, labels + 1), whose rows sum to 1, of some examples."""
        ...


class _PairedSentences:
    """Labelled sentences, some of which are read with another one behind them, drawn anew each time."""

    def __init__(
        self, encoder: SalesEncoder, sentences: LabelledSentences, pair_share: float, random: np.random.Generator
    ) -> None:
        self.random, self.pair_share = random, pair_share
        self.states, self.labels = states_of(encoder, sentences.texts), sentences.labels
        self.sentences, self.lengths = len(self.states), [len(state) for state in self.states]

    def draw(self, batch: NDArray[np.int64]) -> tuple[list[Tensor], Tensor]:
        """Token states and targets; no sentence is paired with one that it contradicts."""
        states, labels = [self.states[index] for index in batch], self.labels[batch]
        others = self.random.integers(len(self.states), size=len(batch))
        both = labels | self.labels[others]
        paired = (self.random.random(len(batch)) < self.pair_share) & ~contradictory(both)
        for place in np.flatnonzero(paired):
            states[place] = torch.cat([states[place], self.states[others[place]]])
        return states, torch.from_numpy(target_shares(np.where(paired[:, None], both, labels)))


class SignalTrainer:
    """Tunes a copy of the encoder's upper blocks, and a head, on examples."""

    def __init__(
        self,
        encoder: SalesEncoder,
        examples: Examples,
        settings: SignalSettings,
        seed: int,
        random: np.random.Generator,
        start: SignalDetector | None = None,
    ) -> None:
        """From `start`, or from the pre-trained blocks and a head that says nothing."""
        torch.manual_seed(seed)
        self.encoder, self.examples, self.settings, self.random = encoder, examples, settings, random
        self.blocks = encoder.copy_blocks(upper_blocks_of(start.encoder if start else encoder)).requires_grad_(True)
        self.head = nn.Linear(encoder.dim, len(SIGNAL_LABELS) + 1).to(encoder.device)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(start.head.weights.T) if start else torch.tensor(0.0))
            self.head.bias.copy_(torch.from_numpy(start.head.bias) if start else torch.tensor(0.0))

    def train(self, progress: Progress) -> SignalDetector:
        """Every epoch, then the detector."""
        settings = self.settings
        steps = settings.epochs * max(1, -(-len(self.examples.lengths) // settings.batch_size))
        optimizer, schedule = self._optimizer(steps)
        self.blocks.train()
        self.head.train()
        parameters = [*self.blocks.parameters(), *self.head.parameters()]
        means = [parameter.detach().clone() for parameter in parameters]
        done = 0
        for _ in range(settings.epochs):
            for batch in self._batches():
                optimizer.zero_grad()
                self._loss(batch).backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()
                schedule.step()
                done += 1
                _average(means, parameters, min(settings.averaging, done / (done + 10)))
                progress(done / steps)
        with torch.no_grad():
            for parameter, mean in zip(parameters, means, strict=True):
                parameter.copy_(mean)
        return self._detector()

    def _loss(self, batch: NDArray[np.int64]) -> Tensor:
        device = self.encoder.device
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            states, targets = self.examples.draw(batch)
            states = [state + self.settings.state_noise * state.std() * torch.randn_like(state) for state in states]
            vectors = run_upper_blocks(self.blocks, states, self.encoder.identity.pooling).float()
        vectors = nn.functional.dropout(SCALE * nn.functional.normalize(vectors, dim=1), self.settings.dropout)
        return nn.functional.cross_entropy(self.head(vectors), targets.to(device))

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """AdamW, and its schedule: rising over the first tenth of the steps, then falling to 0."""
        groups = [
            {"params": list(self.blocks.parameters()), "lr": self.settings.block_learning_rate},
            {"params": list(self.head.parameters()), "lr": self.settings.head_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups)
        warm_up = max(1, steps // 10)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm_up, max(0.0, (steps - step) / (steps - warm_up + 1)))
        )

    def _batches(self) -> Iterator[NDArray[np.int64]]:
        """Shuffled batches of sentences of similar length."""
        size = self.settings.batch_size
        lengths = self.examples.lengths
        order = self.random.permutation(len(lengths))
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(order), size * _BATCHES_OF_LIKE_LENGTH):
            part = sorted(order[start : start + size * _BATCHES_OF_LIKE_LENGTH], key=lambda n: lengths[n])
            batches += [np.array(part[first : first + size]) for first in range(0, len(part), size)]
        for number in self.random.permutation(len(batches)):
            yield batches[number]

    def _detector(self) -> SignalDetector:
        weights, bias = (value.detach().cpu().numpy().copy() for value in (self.head.weight.T, self.head.bias))
        head = SignalHead(np.ascontiguousarray(weights), bias)
        return SignalDetector(TunedEncoder(self.encoder, self.blocks), head, self.examples.sentences)


def _average(means: list[Tensor], parameters: list[nn.Parameter], kept: float) -> None:
    """Moves running means towards the parameters."""
    with torch.no_grad():
        for mean, parameter in zip(means, parameters, strict=True):
            mean.lerp_(parameter, 1 - kept)


def states_of(encoder: SalesEncoder, texts: Sequence[str]) -> list[Tensor]:
    """Each text's token states below the upper blocks, (tokens, dim)."""
    groups = encoder.lower_states(texts)
    states = {text: state for of_group in groups for text, state in zip(*of_group, strict=True)}
    return [states[text] for text in texts]


def contradictory(labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,): which rows hold a signal both for and against."""
    return np.asarray((labels[:, 0::2] & labels[:, 1::2]).any(axis=1))


def target_shares(labels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n, labels + 1): 1 shared among a sentence's labels, or all of it to the last column, "nothing"."""
    targets = np.column_stack([labels, ~labels.any(axis=1)]).astype(np.float32)
    return np.asarray(targets / targets.sum(axis=1, keepdims=True))
