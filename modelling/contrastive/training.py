"""The training loop of the contrastive model: batches, losses, early stopping, checkpoints. Needs PyTorch.

Each step reads a random, late-leaning half of every conversation's segments, which regularises and halves the work. The
epoch with the best validation log loss is kept; epoch 0 is the linear-probe start, so fine-tuning is kept only where it
helps. About 20 s for the default 200 conversations on 2 cores.

With several processes every one draws the same batches, segments and dropout, encodes its share of them and computes the
losses of the whole batch: InfoNCE and triplets see every embedding there is (`modelling.contrastive.network`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from conversations.conversation import Conversation, labels_of
from conversations.model_text import conversations_sha256
from encoder.torch_encoder import SalesEncoder
from foundations.long_work import Progress
from foundations.machine import release_unused_memory
from modelling.checkpoints import Checkpoint, Checkpoints, State
from modelling.contrastive.losses import info_nce, triplet_loss
from modelling.contrastive.network import ContrastiveNetwork, start_from_linear_probes
from modelling.contrastive.settings import ContrastiveSettings
from modelling.conversation_vectors import ConversationSpace
from modelling.processes import ALONE, TrainingProcesses
from modelling.saved.training_record import TrainingHistory
from modelling.segments import segment_conversations

# Batches of ever other lengths leave the heap full of holes; giving it back costs a few hundredths of a second.
_STEPS_BETWEEN_RELEASES = 4

if TYPE_CHECKING:
    from encoder.torch_encoder import SalesEncoder
    from modelling.contrastive.network import ContrastiveNetwork


class ContrastiveTrainer:
    """Trains one network on one training set."""

    def __init__(
        self,
        encoder: SalesEncoder,
        space: ConversationSpace,
        settings: ContrastiveSettings,
        seed: int,
        processes: TrainingProcesses = ALONE,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.settings = settings
        self.seed = seed
        self.encoder = encoder
        self.space = space
        tunes = settings.block_learning_rate > 0
        self.network = ContrastiveNetwork(encoder, space, settings.dropout, tunes, processes)
        self._processes = processes
        self._checkpoints = checkpoints
        self._random = np.random.default_rng(seed)

    def train(
        self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress
    ) -> TrainingHistory:
        """Trains, and leaves the network with the weights of the best epoch."""
        history = TrainingHistory("epoch")
        best: State = {}
        checkpoint = self._checkpoint("search", (train, validation), self.settings.epochs)
        saved = self._resumed(checkpoint)
        if saved is not None:
            history, best = TrainingHistory(**saved["history"]), saved["best"]
        for epoch, losses in self._epochs(self.settings.epochs, train, progress, saved):
            history.rows.append({"epoch": epoch, **losses, "validation_loss": self._validation_loss(validation)})
            if history.rows[-1]["validation_loss"] <= history.rows[history.best]["validation_loss"]:
                history.best = epoch
                best = copy.deepcopy(self.network.state_dict())
            self._keep(checkpoint, epoch, history=asdict(history), best=best)
        self.network.load_state_dict(best)
        return history

    def train_for(self, epochs: int, train: Sequence[Conversation], progress: Progress = lambda share: None) -> None:
        """Trains for a number of epochs, 0 being the linear-probe start."""
        checkpoint = self._checkpoint("final", (train,), epochs)
        for epoch, _ in self._epochs(epochs, train, progress, self._resumed(checkpoint)):
            self._keep(checkpoint, epoch)

    def _epochs(
        self, epochs: int, train: Sequence[Conversation], progress: Progress, saved: State | None
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields each epoch's number and mean losses once it is trained; 0 is the start, without losses."""
        steps_of_one = max(1, round(len(train) / self.settings.batch_size))
        steps = max(1, epochs * steps_of_one)
        self._optimizer, self._schedule = self._optimizer_and_schedule(steps)
        if saved is None:
            start_from_linear_probes(self.network, self.space.vectors(train), labels_of(train), self.seed)
            self.network.start_alike()
            yield 0, {}
        else:
            self._restore(saved)
        first = saved["epoch"] + 1 if saved is not None else 1
        for epoch in range(first, epochs + 1):
            losses = []
            for batch in self._batches(train):
                losses.append(self._step(batch))
                progress(((epoch - 1) * steps_of_one + len(losses)) / (steps + 1))
                if len(losses) % _STEPS_BETWEEN_RELEASES == 0:
                    release_unused_memory()
            yield epoch, {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}

    def _checkpoint(self, name: str, data: Sequence[Sequence[Conversation]], epochs: int) -> Checkpoint | None:
        if self._checkpoints is None:
            return None
        training = {
            "data": [conversations_sha256(part) for part in data],
            "epochs": epochs,
            "settings": asdict(self.settings),
            "seed": self.seed,
            "encoder": self.encoder.identity.as_dict(),
            "width": self.space.width,
            "torch": str(torch.__version__),
        }
        return self._checkpoints.of(f"contrastive_{name}", training)

    def _resumed(self, checkpoint: Checkpoint | None) -> State | None:
        return self._processes.first_alone(checkpoint.load) if checkpoint else None

    def _keep(self, checkpoint: Checkpoint | None, epoch: int, **more: Any) -> None:
        if checkpoint and epoch > 0 and self._processes.rank == 0:
            checkpoint.save({**self._state(epoch), **more})

    def _state(self, epoch: int) -> State:
        """All that the next epoch depends on."""
        on_cuda = self.encoder.device.type == "cuda"
        return {
            "epoch": epoch,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.last_epoch,
            "random": {
                "numpy": json.dumps(self._random.bit_generator.state),
                "torch": torch.get_rng_state(),
                **({"cuda": torch.cuda.get_rng_state(self.encoder.device)} if on_cuda else {}),
            },
        }

    def _restore(self, saved: State) -> None:
        self.network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._schedule.last_epoch = saved["schedule"]
        self._random.bit_generator.state = json.loads(saved["random"]["numpy"])
        torch.set_rng_state(saved["random"]["torch"])
        if "cuda" in saved["random"]:
            torch.cuda.set_rng_state(saved["random"]["cuda"], self.encoder.device)

    def _optimizer_and_schedule(self, steps: int) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
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

    def _step(self, batch: Sequence[Conversation]) -> dict[str, float]:
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
        self._optimizer.zero_grad()
        loss.backward()
        self.network.add_up_gradients()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
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
