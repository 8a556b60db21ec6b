"""The training loop of the contrastive model: batches, losses, early stopping. Needs PyTorch.

Each step reads a random, late-leaning half of every conversation's segments, which regularises and halves the work. The
epoch with the best validation log loss is kept; epoch 0 is the linear-probe start, so fine-tuning is kept only where it
helps. About 12 s for 200 short conversations on 2 cores.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from contrastive_losses import info_nce, triplet_loss
from contrastive_network import ContrastiveNetwork, start_from_linear_probes
from conversation import Conversation, labels_of
from conversation_vectors import ConversationSpace, segment_conversations
from conversion_model import Progress
from sales_encoder import SalesEncoder
from saved_model import TrainingHistory

if TYPE_CHECKING:
    from contrastive_learning_model import ContrastiveSettings


class ContrastiveTrainer:
    """Trains one network on one training set."""

    def __init__(
        self, encoder: SalesEncoder, space: ConversationSpace, settings: ContrastiveSettings, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.settings = settings
        self.seed = seed
        self.encoder = encoder
        self.space = space
        self.network = ContrastiveNetwork(encoder, space, settings.dropout, settings.block_learning_rate > 0)
        self._random = np.random.default_rng(seed)

    def train(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        """Trains, and leaves the network with the weights of the best epoch."""
        history = TrainingHistory("epoch")
        best: dict[str, Any] = {}
        for epoch, losses in enumerate(self._epochs(self.settings.epochs, train, progress)):
            history.rows.append({"epoch": epoch, **losses, "validation_loss": self._validation_loss(validation)})
            if history.rows[-1]["validation_loss"] <= history.rows[history.best]["validation_loss"]:
                history.best = epoch
                best = copy.deepcopy(self.network.state_dict())
        self.network.load_state_dict(best)
        return history

    def train_for(self, epochs: int, train: Sequence[Conversation], progress: Progress = lambda share: None) -> None:
        """Trains for a number of epochs, 0 being the linear-probe start."""
        for _ in self._epochs(epochs, train, progress):
            pass

    def _epochs(self, epochs: int, train: Sequence[Conversation], progress: Progress) -> Iterator[dict[str, float]]:
        """Yields the mean losses of each epoch once it is trained; before the first one, none: that is the start."""
        start_from_linear_probes(self.network, self.space.vectors(train), labels_of(train), self.seed)
        yield {}
        steps = max(1, epochs * max(1, round(len(train) / self.settings.batch_size)))
        optimizer, schedule = self._optimizer(steps)
        done = 0
        for _ in range(epochs):
            losses = []
            for batch in self._batches(train):
                losses.append(self._step(batch, optimizer))
                schedule.step()
                done += 1
                progress(done / (steps + 1))
            yield {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        settings, network = self.settings, self.network
        head = [*network.projection.parameters(), *network.classifier.parameters()]
        groups: list[dict[str, Any]] = [
            {"params": list(network.upper_blocks.parameters()), "lr": settings.block_learning_rate},
            {"params": head, "lr": settings.head_learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        warm_up = max(1, steps // 10)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / warm_up) * max(0.0, 1 - step / steps)
        )
        return optimizer, schedule

    def _step(self, batch: Sequence[Conversation], optimizer: torch.optim.Optimizer) -> dict[str, float]:
        settings = self.settings
        labels = torch.from_numpy(labels_of(batch)).to(self.encoder.device)
        parts = segment_conversations(self.encoder, batch, settings.kept_segments, self._random)
        self.network.train()
        projections, logits = self.network(parts, len(batch))
        embeddings = nn.functional.normalize(projections, dim=1)
        losses = {
            "info_nce": info_nce(embeddings, labels, settings.temperature),
            "triplet": triplet_loss(embeddings, labels, settings.margin),
            "cross_entropy": nn.functional.cross_entropy(logits, labels),
        }
        loss = torch.stack([getattr(settings, f"{name}_weight") * value for name, value in losses.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        optimizer.step()
        return {"train_loss": loss.item(), **{name: value.item() for name, value in losses.items()}}

    @torch.inference_mode()
    def logits(self, conversations: Sequence[Conversation]) -> torch.Tensor:
        """(n, 2) of the network as it is now."""
        self.network.eval()
        return self.network(segment_conversations(self.encoder, conversations), len(conversations))[1].cpu()

    def _validation_loss(self, validation: Sequence[Conversation]) -> float:
        return nn.functional.cross_entropy(self.logits(validation), torch.from_numpy(labels_of(validation))).item()

    def _batches(self, conversations: Sequence[Conversation]) -> Iterator[list[Conversation]]:
        """Shuffled batches of nearly equal size."""
        order = self._random.permutation(len(conversations))
        for chosen in np.array_split(order, max(1, round(len(order) / self.settings.batch_size))):
            yield [conversations[index] for index in chosen]
