"""Tunes the sales encoder on the written scenarios and the signal sentences, and the starter's head with it.

    python -m knowledge.tuning [--epochs N] [--seed N] [--output DIR]

The bundled encoder's last two blocks start from the signal detector's and learn three things at once: from a conversation's
pooled segment vectors, the probability of a deal that its writer judged (cross entropy with soft labels); the same vectors,
projected, to lie together by outcome (InfoNCE, in which the other scenario of a pair that begins alike is the hard
negative); and from single sentences, the signals. Each step reads a random part of every conversation, and token states get
some noise, as int8 blocks below would change them. A running mean of the weights is kept. Only the knowledge half of the
corpus is read. Needs PyTorch; half an hour on 2 cores. Writes encoder/sales_encoder.safetensors,
signals/sales_signals.safetensors and knowledge/starter_head.safetensors, or the same names into --output.
Run `python -m knowledge.signal_head` afterwards: it fits the signals' head to the final vectors, with more sentences.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

import foundations.thread_policy  # noqa: F401 — before torch
from conversations.conversation import conversation_from_record
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import read_scenarios
from encoder.sales import SALES_WEIGHTS, write_sales
from encoder.text_encoder import BUNDLED
from encoder.torch_encoder import SalesEncoder, TunedEncoder, run_upper_blocks, upper_block_arrays, upper_blocks_of
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.terminal import progress_bar, say
from knowledge.starter_head import SCALE, STARTER_BLOCKS, STARTER_HEAD, StarterHead
from modelling.segments import Segment, block_weights, segments
from signals.head import SCALE as SIGNAL_SCALE
from signals.head import SignalHead
from signals.sentences import read_training_sentences
from signals.trained import SALES_SIGNALS, read_trained_signals, write_sales_signals
from signals.training import states_of, target_shares

_TEMPERATURE = 0.2  # of InfoNCE


@dataclass(frozen=True)
class TuningSettings:
    """How the encoder is tuned."""

    epochs: int = 2
    conversations: int = 16  # of a step
    sentences: int = 32  # of a step, for the signals
    block_learning_rate: float = 3e-4
    head_learning_rate: float = 2e-3
    contrast: float = 0.2  # weight of InfoNCE
    signals: float = 0.5  # weight of the signals' cross entropy
    kept: tuple[float, float] = (0.45, 0.8)  # share of a conversation's segments that a step reads, drawn between these
    state_noise: float = 0.03  # of the token states' spread
    averaging: float = 0.98  # how much of the weights' running mean a step keeps


@dataclass(frozen=True)
class Example:
    """One conversation of the corpus, below the blocks that are tuned."""

    states: list[Tensor]  # of each spoken segment, (tokens, dim)
    segments: list[Segment]
    probability: float
    group: str


class Tuning:
    """The network and its loop."""

    def __init__(self, encoder: SalesEncoder, examples: Sequence[Example], settings: TuningSettings, seed: int) -> None:
        torch.manual_seed(seed)
        self.encoder, self.examples, self.settings = encoder, examples, settings
        self.random = np.random.default_rng(seed)
        start = read_trained_signals(encoder)
        if start is None:
            raise InputError("The signal detector does not fit its sentences; run: make signals, with --keep.")
        self.blocks = encoder.copy_blocks(upper_blocks_of(start.encoder)).requires_grad_(True)
        sentences = read_training_sentences()
        self.sentence_states = states_of(encoder, sentences.texts)
        self.sentence_targets = torch.from_numpy(target_shares(sentences.labels))
        dim = len(STARTER_BLOCKS) * encoder.dim
        self.head, self.projection = nn.Linear(dim, 1), nn.Linear(dim, 128)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.signal_head = nn.Linear(encoder.dim, self.sentence_targets.shape[1])
        with torch.no_grad():
            self.signal_head.weight.copy_(torch.from_numpy(start.head.weights.T))
            self.signal_head.bias.copy_(torch.from_numpy(start.head.bias))
        self.kept = [*self.blocks.parameters(), *self.head.parameters(), *self.signal_head.parameters()]

    def run(self, progress: Progress) -> None:
        """Every epoch; then the weights are their running mean."""
        settings = self.settings
        steps = settings.epochs * (len(self.examples) // settings.conversations)
        optimizer = torch.optim.AdamW(
            [
                {"params": self.blocks.parameters(), "lr": settings.block_learning_rate},
                {"params": [*self.head.parameters(), *self.projection.parameters()], "lr": settings.head_learning_rate},
                {"params": self.signal_head.parameters(), "lr": 2 * settings.block_learning_rate},
            ]
        )
        warm_up = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm_up, max(0.0, (steps - step) / (steps - warm_up + 1)))
        )
        means = [parameter.detach().clone() for parameter in self.kept]
        for done, batch in enumerate(self._batches(), start=1):
            optimizer.zero_grad()
            self._loss(batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.kept, 1.0)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for mean, parameter in zip(means, self.kept, strict=True):
                    mean.lerp_(parameter, 1 - min(settings.averaging, done / (done + 10)))
            progress(done / steps)
        with torch.no_grad():
            for parameter, mean in zip(self.kept, means, strict=True):
                parameter.copy_(mean)

    def _batches(self) -> Iterator[list[Example]]:
        """Shuffled by group, so that both scenarios of a pair mostly come in one batch."""
        groups = sorted({example.group for example in self.examples})
        size = self.settings.conversations
        for _ in range(self.settings.epochs):
            place = {group: rank for rank, group in enumerate(self.random.permutation(groups))}
            order = sorted(self.examples, key=lambda example: place[example.group])
            yield from (order[start : start + size] for start in range(0, len(order) - size + 1, size))

    def _loss(self, batch: Sequence[Example]) -> Tensor:
        vectors = self._pooled(batch)
        judged = torch.tensor([example.probability for example in batch])
        said = self.head(functional.dropout(vectors, 0.2)).squeeze(1)
        loss = functional.binary_cross_entropy_with_logits(said, judged)
        loss = loss + self.settings.contrast * info_nce_by_outcome(self.projection(vectors), judged > 0.5)
        return loss + self.settings.signals * self._signal_loss()

    def _pooled(self, batch: Sequence[Example]) -> Tensor:
        """(conversations, blocks · dim) of a random part of each."""
        parts = [self._some_of(example) for example in batch]
        noise = self.settings.state_noise
        states = [state + noise * state.std() * torch.randn_like(state) for part, _ in parts for state in part]
        vectors = functional.normalize(run_upper_blocks(self.blocks, states, self.encoder.identity.pooling), dim=1)
        of_each = vectors.split([len(part) for part, _ in parts])
        weights = [torch.from_numpy(block_weights(chosen, STARTER_BLOCKS).T) for _, chosen in parts]
        return SCALE * torch.stack([(w @ own).flatten() for w, own in zip(weights, of_each, strict=True)])

    def _some_of(self, example: Example) -> tuple[list[Tensor], list[Segment]]:
        count = max(3, round(len(example.segments) * self.random.uniform(*self.settings.kept)))
        chosen = np.sort(self.random.permutation(len(example.segments))[:count])
        return [example.states[n].float() for n in chosen], [example.segments[n] for n in chosen]

    def _signal_loss(self) -> Tensor:
        drawn = self.random.integers(len(self.sentence_states), size=self.settings.sentences)
        vectors = run_upper_blocks(self.blocks, [self.sentence_states[n] for n in drawn], self.encoder.identity.pooling)
        vectors = functional.dropout(SIGNAL_SCALE * functional.normalize(vectors, dim=1), 0.2)
        return functional.cross_entropy(self.signal_head(vectors), self.sentence_targets[drawn])


def info_nce_by_outcome(vectors: Tensor, successful: Tensor) -> Tensor:
    """−mean over anchors and their positives of log softmax(cosine / temperature); an anchor without positives gives 0.

    Khosla et al. 2020, "Supervised Contrastive Learning", equation 2: positives are the batch's others of one outcome.
    """
    unit = functional.normalize(vectors, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool)
    similarity = (unit @ unit.T / _TEMPERATURE).masked_fill(itself, float("-inf"))
    log_share = (similarity - similarity.logsumexp(dim=1, keepdim=True)).masked_fill(itself, 0.0)
    positive = (successful[:, None] == successful[None]) & ~itself
    return -((log_share * positive).sum(dim=1) / positive.sum(dim=1).clamp(min=1)).mean()


def read_examples(encoder: SalesEncoder, seed: int) -> list[Example]:
    """The knowledge half, one conversation a scenario, with the token states of its spoken segments."""
    drawing = Drawing(seed)
    cut = []
    for scenario in read_scenarios("knowledge"):
        conversation = conversation_from_record(drawing.record(scenario), scenario.id)
        spoken = [
            one for one in segments(conversation, encoder.token_count, encoder.window) if one.speaker != "context"
        ]
        cut.append((scenario, spoken))
    texts = list(dict.fromkeys(one.text for _, spoken in cut for one in spoken))
    states = dict(zip(texts, (state.half() for state in states_of(encoder, texts)), strict=True))
    return [
        Example([states[one.text] for one in spoken], spoken, scenario.probability, scenario.group)
        for scenario, spoken in cut
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.tuning", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=TuningSettings.epochs)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: where the program reads them")
    given = parser.parse_args(arguments)
    try:
        encoder = SalesEncoder.load(BUNDLED)
        with progress_bar("Reading the scenarios") as report:
            examples = read_examples(encoder, given.seed)
            tuning = Tuning(encoder, examples, TuningSettings(epochs=given.epochs), given.seed)
            report(1.0)
        with progress_bar(f"Tuning on {len(examples)} scenarios") as report:
            tuning.run(report)
        written = _write(tuning, given.output)
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"Written: {', '.join(map(str, written))}")
    return 0


def _write(tuning: Tuning, folder: Path | None) -> list[Path]:
    paths = [path if folder is None else folder / path.name for path in (SALES_WEIGHTS, SALES_SIGNALS, STARTER_HEAD)]
    encoder = tuning.encoder
    write_sales(upper_block_arrays(TunedEncoder(encoder, tuning.blocks)), len(encoder.lower_blocks), paths[0])
    weights, bias = (_array(value) for value in (tuning.signal_head.weight.T, tuning.signal_head.bias))
    write_sales_signals(SignalHead(weights, bias), len(tuning.sentence_states), paths[0], paths[1])
    StarterHead(_array(tuning.head.weight[0]), float(tuning.head.bias)).write(paths[2])
    return paths


def _array(value: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(value.detach().cpu().numpy())


if __name__ == "__main__":
    sys.exit(main())
