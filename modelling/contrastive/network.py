"""The contrastive model's network: fine-tuned upper blocks, pooling, projection head, classifier.

    token states below the upper blocks → upper blocks → segment vectors → whitening → conversation vector
    → Linear(width, dim) → ReLU → Dropout → Linear(dim, 128) = projection → Linear(128, 2)

The projection head starts as a linear probe instead of noise (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained
Features": probe first, then fine-tune): with a few hundred conversations a random start overfits before it is useful.
The training loop is `modelling.contrastive.training`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder.torch_encoder import SalesEncoder, has_fast_bfloat16, run_upper_blocks
from modelling.conversation_vectors import ConversationSpace
from modelling.processes import ALONE, TrainingProcesses
from modelling.ridge import ridge_weights, ridge_weights_of_samples
from modelling.segments import BLOCKS, SegmentedConversations
from modelling.starter_head import segment_weights
from modelling.whitening import normalised

PROJECTION_SIZE = 128


class ContrastiveNetwork(nn.Module):
    """Everything of the contrastive model that is learned, or fitted and then fixed."""

    _whitening: Tensor
    _block_mean: Tensor
    _block_factors: Tensor

    def __init__(
        self,
        encoder: SalesEncoder,
        space: ConversationSpace,
        dropout: float,
        tune_blocks: bool,
        processes: TrainingProcesses = ALONE,
    ) -> None:
        super().__init__()
        self._processes = processes
        self._tune_blocks = tune_blocks
        self._encoder = encoder
        self._space = space
        self._device = encoder.device
        self.upper_blocks = encoder.copy_blocks(encoder.upper_blocks)
        self.first = nn.Linear(space.width, encoder.dim)
        self.second = nn.Linear(encoder.dim, PROJECTION_SIZE)
        self.projection = nn.Sequential(self.first, nn.ReLU(), nn.Dropout(dropout), self.second)
        self.classifier = nn.Linear(PROJECTION_SIZE, 2)
        self.register_buffer("_whitening", torch.from_numpy(space.whitening.matrix), persistent=False)
        self.register_buffer("_block_mean", torch.from_numpy(space.scaling.mean), persistent=False)
        self.register_buffer("_block_factors", torch.from_numpy(space.scaling.factors), persistent=False)
        self.to(self._device)

    def conversation_vectors(self, parts: SegmentedConversations, count: int) -> Tensor:
        """(count, width), as `ConversationSpace.vectors` but through the fine-tuned blocks, with gradients."""
        if self._tune_blocks:
            vectors = self._tuned_vectors(parts.texts)
        else:
            vectors = self._on_device(self._encoder.embed_texts(parts.texts))
        segments = nn.functional.normalize(vectors, dim=1)
        centre = self._on_device(self._space.whitening.centres(parts.speakers))
        whitened = nn.functional.normalize((segments - centre) @ self._whitening, dim=1)
        weighted = self._on_device(parts.weights)[:, :, None] * whitened[:, None, :]
        blocks = torch.zeros(count, len(BLOCKS), whitened.shape[1], device=self._device)
        blocks = blocks.index_add(0, self._on_device(parts.owner), weighted).flatten(1)
        scaled = (blocks - self._block_mean) * self._block_factors
        if (starter := self._space.starter) is None:
            return scaled
        asked = segments @ self._on_device(starter.by_block) * self._on_device(segment_weights(parts.parts))
        said = torch.full((count,), starter.bias, device=self._device)
        said = said.index_add(0, self._on_device(parts.owner), asked.sum(dim=1))
        return torch.cat([scaled, said[:, None]], dim=1)

    def _tuned_vectors(self, texts: list[str]) -> Tensor:
        """(texts, dim). With several processes each runs every n-th group of texts, and gradients flow to its own."""
        distinct = list(dict.fromkeys(texts))
        vectors: dict[str, Tensor] = {}
        for number, (group, states) in enumerate(self._encoder.lower_states(distinct)):
            if number % self._processes.size != self._processes.rank:
                draw_dropout(self.upper_blocks, [len(state) for state in states], self._device)
                continue
            with torch.autocast(self._device.type, torch.bfloat16, enabled=has_fast_bfloat16(self._device)):
                pooled = run_upper_blocks(self.upper_blocks, states, self._encoder.identity.pooling).float()
            vectors.update(zip(group, pooled, strict=True))
        if self._processes.size == 1:
            return torch.stack([vectors[text] for text in texts])
        row = {text: index for index, text in enumerate(distinct)}
        return self._with_others(vectors, distinct)[[row[text] for text in texts]]

    def _with_others(self, vectors: dict[str, Tensor], texts: list[str]) -> Tensor:
        """(texts, dim): this process's vectors as they are, the others' as numbers."""
        elsewhere = torch.zeros(self._encoder.dim, device=self._device)
        own = torch.stack([vectors.get(text, elsewhere) for text in texts])
        return own + (self._processes.sum(own) - own.detach())  # of its own rows the difference is exactly 0

    def start_alike(self) -> None:
        """Gives every process the first one's weights."""
        if self._processes.size > 1:
            weights = {name: value.cpu() for name, value in self.state_dict().items()}
            self.load_state_dict(self._processes.first_alone(lambda: weights))

    def add_up_gradients(self) -> None:
        """After `backward` of the same loss in every process: makes its gradients those of one process alone.

        Each process has the gradient of the blocks through its own texts, with all other vectors held still; by the chain
        rule their sum is the whole. What lies behind the vectors was computed by all alike, so there the mean is taken.
        Gathering without a gradient and putting one's own rows back is how OpenCLIP does it (Ilharco et al. 2021,
        `gather_features` of its loss.py); adding up instead of averaging needs no factor for the number of processes.
        """
        if self._processes.size == 1:
            return
        blocks = set(self.upper_blocks.parameters())
        parameters = [parameter for parameter in self.parameters() if parameter in blocks or parameter.grad is not None]
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters
        ]
        shares = [1 if parameter in blocks else self._processes.size for parameter in parameters]
        total = self._processes.sum(
            torch.cat([(gradient / share).flatten() for gradient, share in zip(gradients, shares, strict=True)])
        )
        for parameter, part in zip(parameters, total.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def head_layers(self) -> dict[str, NDArray[np.float32]]:
        """Weights and biases behind the conversation vectors, as "first.weight", "classifier.bias" …"""
        layers = {"first": self.first, "second": self.second, "classifier": self.classifier}
        return {
            f"{name}.{part}": value.detach().cpu().numpy().copy()
            for name, layer in layers.items()
            for part, value in layer.named_parameters()
        }

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def forward(self, parts: SegmentedConversations, count: int) -> tuple[Tensor, Tensor]:
        """(projections (count, 128), not normalised; logits (count, 2))."""
        projections = self.projection(self.conversation_vectors(parts, count))
        return projections, self.classifier(projections)


def draw_dropout(blocks: nn.ModuleList, lengths: Sequence[int], device: torch.device) -> None:
    """Draws the random numbers that the blocks would draw for texts of so many tokens each, and nothing else.

    So all processes have the same random numbers at every point, whichever texts they run: those of one process alone.
    """
    if not blocks.training:
        return
    longest = max(lengths)
    for block in blocks:
        attention: Any = block.attention
        feed_forward: Any = block.ffn
        attention.dropout(torch.empty(len(lengths), attention.n_heads, longest, longest, device=device))
        feed_forward.dropout(torch.empty(sum(lengths), attention.dim, device=device))


@torch.no_grad()
def start_from_linear_probes(
    network: ContrastiveNetwork, vectors: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> None:
    """Sets projection and classifier so that they compute, but for rounding, a bag of ridge-regression probes.

    Half of the first layer's rows are probe directions fitted to bootstrap samples of the conversations, the other half
    the same negated: relu(x) − relu(−x) = x keeps the start linear. The second layer mixes them by a random matrix, the
    classifier is the ridge solution on the result. vectors: (n, width), labels: (n,) of 0 and 1.
    """
    first, second = network.first, network.second
    random = np.random.default_rng(seed)
    half = first.out_features // 2
    samples = (_balanced_sample(labels, random) for _ in range(half))
    directions = torch.from_numpy(normalised(ridge_weights_of_samples(vectors, labels, samples)))
    mixing = torch.from_numpy(random.normal(size=(PROJECTION_SIZE, half)).astype(np.float32)) / PROJECTION_SIZE**0.5
    _set_mirrored(first, directions, dim=0)
    _set_mirrored(second, mixing, dim=1)
    network.eval()
    projections = network.projection(torch.from_numpy(vectors).to(first.weight.device)).cpu().numpy()
    weights = torch.from_numpy(ridge_weights(projections - projections.mean(axis=0), labels))
    offset = -float(projections.mean(axis=0) @ weights.numpy())
    network.classifier.weight.copy_(torch.stack([-weights, weights]))
    network.classifier.bias.copy_(torch.tensor([-offset, offset]))


def _balanced_sample(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """70 % of each class, without replacement, so that every probe sees both."""
    members = [np.flatnonzero(labels == c) for c in (0, 1)]
    return np.concatenate([random.choice(m, max(1, int(0.7 * len(m))), replace=False) for m in members])


def _set_mirrored(layer: nn.Linear, weights: Tensor, dim: int) -> None:
    """Fills a layer with `weights` and their negatives, along its outputs (dim 0) or inputs (dim 1)."""
    layer.weight.zero_()
    layer.bias.zero_()
    mirrored = torch.cat([weights, -weights], dim=dim)
    layer.weight[: mirrored.shape[0], : mirrored.shape[1]] = mirrored
