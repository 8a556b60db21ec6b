"""Contrastive fine-tuning: the last two blocks and a projection head learn an embedding in which outcomes part.

The loss of a batch is InfoNCE (label-aware) + triplet loss on the normalised projections, plus the classifier's cross
entropy; the lower blocks are frozen and run once per text. Each step reads a random, late-leaning half of every
conversation's segments, which regularises and halves the work. The epoch with the best validation log loss is kept.
Training takes about 10 s for 200 short conversations on 2 cores; run as a script it trains where there is no artifact,
evaluates, and shows a few test predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contrastive_losses import info_nce, triplet_loss
from contrastive_network import ContrastiveNetwork, start_from_linear_probes
from conversation import Conversation, labels_of
from conversation_vectors import ConversationSpace, segment_conversations
from conversion_model import ConversionModel, Progress, TrainingHistory
from embedding_quality import embedding_quality
from input_error import InputError

_INFERENCE_BATCH = 64  # conversations


@dataclass(frozen=True)
class ContrastiveSettings:
    """Hyper-parameters; an impossible one is refused where it is made."""

    epochs: int = 4
    batch_size: int = 48  # conversations
    block_learning_rate: float = 1e-5
    head_learning_rate: float = 2e-4
    temperature: float = 0.3  # τ of InfoNCE
    margin: float = 0.2  # of the triplet loss, in cosine
    info_nce_weight: float = 0.5
    triplet_weight: float = 0.5
    cross_entropy_weight: float = 1.0
    kept_segments: float = 0.5  # share of a conversation's segments that a training step reads
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 4:
            raise InputError(f"epochs is {self.epochs} (at least 1), batch_size is {self.batch_size} (at least 4).")
        if self.temperature <= 0 or not 0 < self.kept_segments <= 1:
            raise InputError(
                f"temperature is {self.temperature} (must be positive), kept_segments is {self.kept_segments} "
                "(must be above 0 and at most 1)."
            )


class ContrastiveModel(ConversionModel):
    """Fine-tuned embedding and a classifier on top."""

    name = "contrastive"
    title = "Contrastive fine-tuning"
    artifact_file = "contrastive_sales_model.pth"

    space: ConversationSpace
    network: ContrastiveNetwork

    @staticmethod
    def default_settings() -> ContrastiveSettings:
        """The defaults."""
        return ContrastiveSettings()

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """Fine-tuned projections: float32 (n, 128), L2-normalised."""
        return np.asarray(nn.functional.normalize(self._run(conversations)[0], dim=1).numpy())

    def _fit(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        torch.manual_seed(self.seed)
        self.space = ConversationSpace.fit(self.encoder, train, self.seed)
        self.network = ContrastiveNetwork(self.encoder, self.space, self.settings.dropout)
        vectors = self.space.vectors(train)
        start_from_linear_probes(self.network, vectors, labels_of(train), self.seed)
        history = self._train_network(train, validation, progress)
        history.notes = embedding_quality(self.embed(validation), labels_of(validation))
        return history

    def _train_network(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        settings = self.settings
        steps = settings.epochs * max(1, round(len(train) / settings.batch_size))
        optimizer, schedule = self._optimizer(steps)
        random = np.random.default_rng(self.seed)
        history = TrainingHistory("epoch", [self._epoch_row(0, {}, validation)])
        best = copy.deepcopy(self.network.state_dict())
        done = 0
        for epoch in range(1, settings.epochs + 1):
            losses = []
            for batch in _batches(train, settings.batch_size, random):
                losses.append(self._step(batch, optimizer, random))
                schedule.step()
                done += 1
                progress(done / (steps + 1))
            mean = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
            history.rows.append(self._epoch_row(epoch, mean, validation))
            if history.rows[-1]["validation_loss"] <= history.rows[history.best]["validation_loss"]:
                history.best = epoch
                best = copy.deepcopy(self.network.state_dict())
        self.network.load_state_dict(best)
        self.network.eval()
        return history

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        settings, network = self.settings, self.network
        head = [*network.projection.parameters(), *network.classifier.parameters()]
        groups = [
            {"params": list(network.upper_blocks.parameters()), "lr": settings.block_learning_rate},
            {"params": head, "lr": settings.head_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        warm_up = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / warm_up) * max(0.0, 1 - step / steps)
        )
        return optimizer, schedule

    def _step(
        self, batch: Sequence[Conversation], optimizer: torch.optim.Optimizer, random: np.random.Generator
    ) -> dict[str, float]:
        settings = self.settings
        labels = torch.from_numpy(labels_of(batch))
        parts = segment_conversations(self.encoder, batch, settings.kept_segments, random)
        self.network.train()
        projections, logits = self.network(parts, len(batch))
        embeddings = nn.functional.normalize(projections, dim=1)
        losses = {
            "info_nce": info_nce(embeddings, labels, settings.temperature),
            "triplet": triplet_loss(embeddings, labels, settings.margin),
            "cross_entropy": nn.functional.cross_entropy(logits, labels),
        }
        loss = sum(getattr(settings, f"{name}_weight") * value for name, value in losses.items())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        optimizer.step()
        return {"train_loss": loss.item(), **{name: value.item() for name, value in losses.items()}}

    def _epoch_row(self, epoch: int, losses: dict[str, float], validation: Sequence[Conversation]) -> dict[str, Any]:
        labels = torch.from_numpy(labels_of(validation))
        loss = nn.functional.cross_entropy(self._run(validation)[1], labels).item()
        return {"epoch": epoch, **losses, "validation_loss": loss}

    @torch.inference_mode()
    def _run(self, conversations: Sequence[Conversation]) -> tuple[Tensor, Tensor]:
        self.network.eval()
        outputs = []
        for start in range(0, len(conversations), _INFERENCE_BATCH):
            chunk = conversations[start : start + _INFERENCE_BATCH]
            outputs.append(self.network(segment_conversations(self.encoder, chunk), len(chunk)))
        return torch.cat([output[0] for output in outputs]), torch.cat([output[1] for output in outputs])

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        logits = self._run(conversations)[1].double()
        return np.asarray((logits[:, 1] - logits[:, 0]).numpy())

    def _state(self) -> dict[str, Any]:
        return {"space": self.space.state(), "network": self.network.state_dict()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.space = ConversationSpace.from_state(self.encoder, state["space"])
        self.network = ContrastiveNetwork(self.encoder, self.space, self.settings.dropout)
        self.network.load_state_dict(state["network"])
        self.network.eval()


def _batches(
    conversations: Sequence[Conversation], size: int, random: np.random.Generator
) -> Iterator[list[Conversation]]:
    """Shuffled batches of nearly equal size, about `size` each."""
    order = random.permutation(len(conversations))
    for chosen in np.array_split(order, max(1, round(len(order) / size))):
        yield [conversations[index] for index in chosen]


if __name__ == "__main__":
    from model_script import main

    raise SystemExit(main(ContrastiveModel.name))
