"""Tunes the sales encoder on the written scenarios and the signal sentences, and fits its heads.

    python -m knowledge.tuning [--epochs N] [--seed N] [--output DIR]

The bundled encoder's last two blocks start from the signal detector's and learn five things at once: from a conversation's
pooled segment vectors, the probability of a deal that its writer judged (cross entropy with soft labels); the same vectors,
projected, to lie together by outcome (InfoNCE and triplets, in which the other scenario of a pair that begins alike is the
hard negative); from the same vectors in their order, the deal once more (`knowledge.course_reader`); from single sentences,
the signals; and to stay near the bundled encoder's own vectors, which know of everything else. Each step reads a random part
of every conversation, and token states get some noise, as int8 blocks below would change them. A running mean of the weights
is kept. Only the knowledge half of the corpus is read. Afterwards both heads are fitted to the tuned encoder
(`knowledge.signal_head`, `knowledge.starter_head`). Needs PyTorch; half an hour on 2 cores that multiply bfloat16, an hour
elsewhere. Writes encoder/sales_encoder.safetensors, signals/sales_signals.safetensors and modelling/starter_head.safetensors,
or the same names into --output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import foundations.thread_policy  # noqa: F401 — before torch
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import Scenario, read_scenarios
from conversations.reading.record import conversation_from_record
from encoder.sales import SALES_WEIGHTS, untuned_sales
from encoder.source import BUNDLED_SHA256
from encoder.text_encoder import BUNDLED
from encoder.torch_encoder import (
    SalesEncoder,
    TunedEncoder,
    has_fast_bfloat16,
    run_upper_blocks,
    upper_block_arrays,
    upper_blocks_of,
)
from encoder.tuned_blocks import write_tuned_blocks
from foundations.errors import InputError
from foundations.long_work import Progress
from foundations.terminal import progress_bar, say
from knowledge.course_reader import CourseReader
from knowledge.signal_head import every_sentence, write_signal_head
from knowledge.starter_head import write_starter_head
from modelling.contrastive.losses import info_nce, triplet_loss
from modelling.segments import Segment, block_weights, segments
from modelling.starter_head import SCALE, STARTER_BLOCKS, STARTER_HEAD
from signals.head import SCALE as SIGNAL_SCALE
from signals.sentences import LabelledSentences
from signals.trained import SALES_SIGNALS, read_trained_signals
from signals.training import SignalDetector, states_of, target_shares


@dataclass(frozen=True)
class TuningSettings:
    """How the encoder is tuned."""

    epochs: int = 2
    conversations: int = 16  # of a step
    sentences: int = 32  # of a step, for the signals
    block_learning_rate: float = 3e-4
    head_learning_rate: float = 2e-3
    reader_learning_rate: float = 1e-3
    contrast: float = 0.2  # weight of InfoNCE
    temperature: float = 0.2  # of InfoNCE
    triplets: float = 0.2  # weight of the triplet loss
    margin: float = 0.3  # of the triplet loss, in cosine
    course: float = 1.0  # weight of the cross entropy of who reads the segments in their order
    nearness: float = 1.0  # weight of 1 − cosine to the bundled encoder's vector of the same segment
    signals: float = 0.5  # weight of the signals' cross entropy
    kept: tuple[float, float] = (0.45, 0.8)  # share of a conversation's segments that a step reads, drawn between these
    state_noise: float = 0.03  # of the token states' spread
    averaging: float = 0.98  # how much of the weights' running mean a step keeps


@dataclass(frozen=True)
class Example:
    """One conversation of the corpus, below the blocks that are tuned."""

    states: list[Tensor]  # of each spoken segment, (tokens, dim)
    segments: list[Segment]
    generic: Tensor  # (segments, dim): their L2-normalised vectors in the bundled encoder
    probability: float
    group: str


class Tuning:
    """The network and its loop."""

    def __init__(
        self,
        encoder: SalesEncoder,
        start: SignalDetector,
        examples: Sequence[Example],
        sentences: LabelledSentences,
        settings: TuningSettings,
        seed: int,
    ) -> None:
        """start: whose blocks and signal head tuning begins with; sentences: what the signals are learned from."""
        torch.manual_seed(seed)
        self.encoder, self.examples, self.settings = encoder, examples, settings
        self.random = np.random.default_rng(seed)
        self.blocks = encoder.copy_blocks(upper_blocks_of(start.encoder)).requires_grad_(True)
        self.sentence_states = states_of(encoder, sentences.texts)
        self.sentence_targets = torch.from_numpy(target_shares(sentences.labels))
        dim = len(STARTER_BLOCKS) * encoder.dim
        self.head, self.projection = nn.Linear(dim, 1), nn.Linear(dim, 128)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.reader = CourseReader(encoder.dim)
        self.signal_head = nn.Linear(encoder.dim, self.sentence_targets.shape[1])
        with torch.no_grad():
            self.signal_head.weight.copy_(torch.from_numpy(start.head.weights.T))
            self.signal_head.bias.copy_(torch.from_numpy(start.head.bias))
        learners = (self.blocks, self.head, self.reader, self.signal_head)
        self.kept = [parameter for learner in learners for parameter in learner.parameters()]

    def run(self, progress: Progress) -> None:
        """Every epoch; then the weights are their running mean."""
        settings = self.settings
        steps = settings.epochs * (len(self.examples) // settings.conversations)
        optimizer = torch.optim.AdamW(
            [
                {"params": self.blocks.parameters(), "lr": settings.block_learning_rate},
                {"params": [*self.head.parameters(), *self.projection.parameters()], "lr": settings.head_learning_rate},
                {"params": self.reader.parameters(), "lr": settings.reader_learning_rate},
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
        settings = self.settings
        parts = [self._some_of(example) for example in batch]
        vectors = self._segment_vectors(parts)
        pooled = _pooled(vectors, parts)
        judged = torch.tensor([example.probability for example in batch])
        said = self.head(functional.dropout(pooled, 0.2)).squeeze(1)
        read = self.reader(vectors, [part.segments for part in parts])
        projected = functional.normalize(self.projection(pooled), dim=1)
        successful = (judged > 0.5).long()
        away = 1 - (vectors * torch.cat([part.generic for part in parts])).sum(dim=1).mean()
        return (
            functional.binary_cross_entropy_with_logits(said, judged)
            + settings.course * functional.binary_cross_entropy_with_logits(read, judged)
            + settings.contrast * info_nce(projected, successful, settings.temperature)
            + settings.triplets * triplet_loss(projected, successful, settings.margin)
            + settings.nearness * away
            + settings.signals * self._signal_loss()
        )

    def _segment_vectors(self, parts: Sequence[Example]) -> Tensor:
        """(segments, dim) of all parts, L2-normalised."""
        noise = self.settings.state_noise
        states = [state + noise * state.std() * torch.randn_like(state) for part in parts for state in part.states]
        return functional.normalize(self._through_blocks(states), dim=1)

    def _through_blocks(self, states: Sequence[Tensor]) -> Tensor:
        """(texts, dim): in half the numbers' width where the processor multiplies them faster, as all training does."""
        with torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=has_fast_bfloat16(self.encoder.device)):
            return run_upper_blocks(self.blocks, states, self.encoder.identity.pooling).float()

    def _some_of(self, example: Example) -> Example:
        """A random part of its segments, in their order."""
        count = max(3, round(len(example.segments) * self.random.uniform(*self.settings.kept)))
        chosen = np.sort(self.random.permutation(len(example.segments))[:count])
        return replace(
            example,
            states=[example.states[n].float() for n in chosen],
            segments=[example.segments[n] for n in chosen],
            generic=example.generic[chosen].float(),
        )

    def _signal_loss(self) -> Tensor:
        drawn = self.random.integers(len(self.sentence_states), size=self.settings.sentences)
        vectors = self._through_blocks([self.sentence_states[n] for n in drawn])
        vectors = functional.dropout(SIGNAL_SCALE * functional.normalize(vectors, dim=1), 0.2)
        return functional.cross_entropy(self.signal_head(vectors), self.sentence_targets[drawn])


def _pooled(vectors: Tensor, parts: Sequence[Example]) -> Tensor:
    """(conversations, blocks · dim), as `modelling.starter_head` pools them."""
    of_each = vectors.split([len(part.segments) for part in parts])
    weights = [torch.from_numpy(block_weights(part.segments, STARTER_BLOCKS).T) for part in parts]
    return SCALE * torch.stack([(w @ own).flatten() for w, own in zip(weights, of_each, strict=True)])


def read_examples(
    encoder: SalesEncoder, scenarios: Sequence[Scenario], seed: int, progress: Progress = lambda share: None
) -> list[Example]:
    """One conversation a scenario, with the token states of its spoken segments."""
    drawing = Drawing(seed)
    cut = []
    for scenario in scenarios:
        conversation = conversation_from_record(drawing.record(scenario), scenario.id)
        spoken = [
            one for one in segments(conversation, encoder.token_count, encoder.window) if one.speaker != "context"
        ]
        cut.append((scenario, spoken))
    states, generic = _read(encoder, {one.text for _, spoken in cut for one in spoken}, progress)
    return [
        Example(
            states=[states[one.text] for one in spoken],
            segments=spoken,
            generic=torch.stack([generic[one.text] for one in spoken]),
            probability=scenario.probability,
            group=scenario.group,
        )
        for scenario, spoken in cut
    ]


@torch.inference_mode()
def _read(
    encoder: SalesEncoder, texts: Collection[str], progress: Progress
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Each text's token states below the blocks that are tuned, and its vector above them, L2-normalised, as float16."""
    states: dict[str, Tensor] = {}
    vectors: dict[str, Tensor] = {}
    for group, of_group in encoder.lower_states(sorted(texts)):
        above = run_upper_blocks(encoder.upper_blocks, of_group, encoder.identity.pooling)
        states.update(zip(group, (state.half() for state in of_group), strict=True))
        vectors.update(zip(group, functional.normalize(above, dim=1).half(), strict=True))
        progress(len(states) / len(texts))
    return states, vectors


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.tuning", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--epochs", type=int, default=TuningSettings.epochs)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: where the program reads them")
    given = parser.parse_args(arguments)
    try:
        encoder = SalesEncoder(untuned_sales())
        with progress_bar("Reading the scenarios") as report:
            start = read_trained_signals(SalesEncoder.load(BUNDLED))
            if start is None:
                raise InputError("The signal detector does not fit its sentences; run: make signals, with --keep.")
            examples = read_examples(encoder, read_scenarios("knowledge"), given.seed, report)
        settings = TuningSettings(epochs=given.epochs)
        tuning = Tuning(encoder, start, examples, every_sentence(), settings, given.seed)
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
    blocks = upper_block_arrays(TunedEncoder(encoder, tuning.blocks))
    write_tuned_blocks(blocks, len(encoder.lower_blocks), BUNDLED_SHA256, paths[0])
    write_signal_head(paths[0], paths[1])
    write_starter_head(paths[0], paths[2])
    return paths


if __name__ == "__main__":
    sys.exit(main())
