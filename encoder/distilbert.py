"""DistilBERT in PyTorch, for training: the tokens of many texts as one matrix, without padding.

Sanh et al. 2019, "DistilBERT, a distilled version of BERT": embeddings of words and places, then blocks of multi-head
attention (Vaswani et al. 2017, equation 1) and a feed-forward layer with GELU, a layer norm behind each. Linear layers
see only tokens; attention lays them out text by text, and a mask hides the gaps. Parameters have the names of the
Hugging Face implementation, so that its weight files load, and the vectors are the same; the library itself takes
seconds to import (docs/performance.md), which every start of training would pay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import foundations.thread_policy  # noqa: F401 — before torch

_EPSILON = 1e-12  # of the layer norms


@dataclass(frozen=True)
class DistilBertShape:
    """Sizes by the names of the Hugging Face configuration; the defaults are distilbert-base-uncased's."""

    vocab_size: int = 30_522
    max_position_embeddings: int = 512
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 3072
    dropout: float = 0.1
    attention_dropout: float = 0.1


class TokenLayout:
    """Where the tokens of several texts, one after another in a matrix, stand text by text."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        """lengths: tokens of each text, none of them 0."""
        self.texts, self.longest = len(lengths), max(lengths)
        self.lengths = torch.tensor(lengths, device=device)
        present = torch.arange(self.longest, device=device) < self.lengths[:, None]
        self._slots = present.flatten().nonzero().flatten()
        self.places = self._slots % self.longest  # (tokens,): where in its text each token stands
        self._full = len(self._slots) == present.numel()
        # Texts of one length have no gaps, and attention without a mask is faster.
        self.mask = None if self._full else present[:, None, None, :]  # (texts, 1, 1, longest): True for a token

    def by_text(self, values: Tensor) -> Tensor:
        """(tokens, n) → (texts, longest, n), zeros in the gaps."""
        if self._full:
            return values.view(self.texts, self.longest, -1)
        grid = values.new_zeros(self.texts * self.longest, values.shape[1])
        return grid.index_copy_(0, self._slots, values).view(self.texts, self.longest, -1)

    def in_a_row(self, grid: Tensor) -> Tensor:
        """(texts, longest, n) → (tokens, n): the opposite of `by_text`."""
        flat = grid.reshape(self.texts * self.longest, -1)
        return flat if self._full else flat.index_select(0, self._slots)


class DistilBert(nn.Module):
    """Embeddings and blocks; the caller may run some of them only."""

    def __init__(self, shape: DistilBertShape, device: str | None = None) -> None:
        """Random weights, or on the device "meta" none. Raises ValueError where the heads don't divide the width evenly."""
        super().__init__()
        if shape.dim % shape.n_heads:
            raise ValueError(f"{shape.n_heads} heads do not divide a width of {shape.dim} evenly")
        self.shape = shape
        self.embeddings = Embeddings(shape, device)
        self.transformer = nn.Module()
        self.transformer.layer = nn.ModuleList(TransformerBlock(shape, device) for _ in range(shape.n_layers))

    @classmethod
    def from_weights(cls, shape: DistilBertShape, weights: Mapping[str, Tensor]) -> DistilBert:
        """In evaluation mode, with these weights themselves, not copies.

        Raises KeyError with the name of a parameter that they lack, RuntimeError where a size is another.
        """
        model = cls(shape, "meta")  # no random numbers for what is replaced
        own = {name: weights[name] for name in model.state_dict()}
        model.load_state_dict(own, assign=True)
        return model.eval()

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks in order."""
        layers = self.transformer.layer
        assert isinstance(layers, nn.ModuleList)
        return layers

    def forward(self, token_ids: Sequence[Sequence[int]], blocks: nn.ModuleList | None = None) -> Tensor:
        """(tokens, dim) of all texts in a row, from token ids with the special ones, after `blocks` or all of them."""
        device = self.embeddings.LayerNorm.weight.device
        layout = TokenLayout([len(ids) for ids in token_ids], device)
        ids = torch.tensor([number for ids in token_ids for number in ids], device=device)
        return run_blocks(self.blocks if blocks is None else blocks, self.embeddings(ids, layout.places), layout)


class Embeddings(nn.Module):
    """Token ids and places to states."""

    def __init__(self, shape: DistilBertShape, device: str | None) -> None:
        super().__init__()
        self.word_embeddings = _embedding(shape.vocab_size, shape.dim, device)
        self.position_embeddings = _embedding(shape.max_position_embeddings, shape.dim, device)
        self.LayerNorm = nn.LayerNorm(shape.dim, eps=_EPSILON, device=device)

    def forward(self, ids: Tensor, places: Tensor) -> Tensor:
        """(tokens,) and (tokens,) → (tokens, dim)."""
        summed: Tensor = self.word_embeddings(ids) + self.position_embeddings(places)
        return self.LayerNorm(summed)  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Multi-head attention within each text."""

    def __init__(self, shape: DistilBertShape, device: str | None) -> None:
        super().__init__()
        self.dim, self.n_heads = shape.dim, shape.n_heads
        self.q_lin = nn.Linear(shape.dim, shape.dim, device=device)
        self.k_lin = nn.Linear(shape.dim, shape.dim, device=device)
        self.v_lin = nn.Linear(shape.dim, shape.dim, device=device)
        self.out_lin = nn.Linear(shape.dim, shape.dim, device=device)
        self.dropout = nn.Dropout(shape.attention_dropout)

    def forward(self, states: Tensor, layout: TokenLayout) -> Tensor:
        """(tokens, dim) → (tokens, dim)."""
        query, key, value = (
            layout.by_text(linear(states)).unflatten(2, (self.n_heads, -1)).transpose(1, 2)
            for linear in (self.q_lin, self.k_lin, self.v_lin)
        )
        if query.requires_grad:  # for texts of a few dozen tokens this one's backward pass is the faster one
            attended = self._step_by_step(query, key, value, layout.mask)
        else:
            attended = functional.scaled_dot_product_attention(query, key, value, layout.mask)
        return self.out_lin(layout.in_a_row(attended.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]

    def _step_by_step(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        shares: Tensor = self.dropout(scores.softmax(dim=-1))
        return shares @ value


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, shape: DistilBertShape, device: str | None) -> None:
        super().__init__()
        self.lin1 = nn.Linear(shape.dim, shape.hidden_dim, device=device)
        self.lin2 = nn.Linear(shape.hidden_dim, shape.dim, device=device)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, states: Tensor) -> Tensor:
        """(tokens, dim) → (tokens, dim)."""
        return self.dropout(self.lin2(functional.gelu(self.lin1(states))))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
    """Attention and feed-forward layer, each added to what went in and normalised."""

    def __init__(self, shape: DistilBertShape, device: str | None) -> None:
        super().__init__()
        self.attention = SelfAttention(shape, device)
        self.sa_layer_norm = nn.LayerNorm(shape.dim, eps=_EPSILON, device=device)
        self.ffn = FeedForward(shape, device)
        self.output_layer_norm = nn.LayerNorm(shape.dim, eps=_EPSILON, device=device)

    def forward(self, states: Tensor, layout: TokenLayout) -> Tensor:
        """(tokens, dim) → (tokens, dim)."""
        between = self.sa_layer_norm(self.attention(states, layout) + states)
        return self.output_layer_norm(self.ffn(between) + between)  # type: ignore[no-any-return]


def run_blocks(blocks: Any, states: Tensor, layout: TokenLayout) -> Tensor:
    """(tokens, dim) through transformer blocks."""
    for block in blocks:
        states = block(states, layout)
    return states


def mean_of_tokens(states: Tensor, layout: TokenLayout) -> Tensor:
    """(texts, dim): mean over each text's tokens, special tokens included, as sentence-transformers pools."""
    return layout.by_text(states).sum(dim=1) / layout.lengths[:, None]


def first_of_tokens(states: Tensor, layout: TokenLayout) -> Tensor:
    """(texts, dim): the state of each text's first token."""
    return layout.by_text(states)[:, 0]


def _embedding(rows: int, dim: int, device: str | None) -> nn.Embedding:
    """As nn.Embedding, whose random start on "meta" would import PyTorch's compiler, a second's work."""
    weight = torch.empty(rows, dim, device=device)
    return nn.Embedding(rows, dim, _weight=weight if device == "meta" else nn.init.normal_(weight, std=0.02))
