"""Turns texts into vectors with a DistilBERT whose lower blocks are frozen.

The encoder is cut in two: the lower blocks run once per text and their token states are kept; the upper blocks are
either the pre-trained ones (`embed_texts`) or a model's own fine-tuned copy (`copy_upper_blocks`, `run_upper_blocks`).
So no frozen layer runs twice for a text, however many models train on it. Where weights come from is `encoder_source`.
Kept token states cost 4 bytes × dim per token: 340 MB for 611 dialogues of 320 words at 384 dimensions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from encoder_source import BUNDLED, EncoderIdentity, LoadedEncoder, load_encoder

TRAINABLE_LAST_N_LAYERS = 2
MAX_BATCH_TOKENS = 4096  # padded tokens in one forward pass: a bound on memory, large enough to keep the cores busy
_STATE_CACHE_BYTES = 1024 * 1024**2
_VECTOR_CACHE_BYTES = 128 * 1024**2

Kept = TypeVar("Kept", Tensor, NDArray[np.float32])


class SalesEncoder:
    """A pre-trained DistilBERT, split below its last `TRAINABLE_LAST_N_LAYERS` blocks."""

    def __init__(self, loaded: LoadedEncoder, keep_states: bool = False) -> None:
        self.identity: EncoderIdentity = loaded.identity
        self.tokenizer = loaded.tokenizer
        self.model = loaded.model.requires_grad_(False).eval()
        self.dim: int = loaded.model.config.dim
        self.max_tokens: int = loaded.model.config.max_position_embeddings
        layers = loaded.model.transformer.layer
        split = max(0, len(layers) - TRAINABLE_LAST_N_LAYERS)
        self._lower, self._upper = layers[:split], layers[split:]
        self._special_tokens = len(self.tokenizer.encode("").ids)
        self._states: _Cache[Tensor] = _Cache(_STATE_CACHE_BYTES if keep_states else 0)
        self._vectors: _Cache[NDArray[np.float32]] = _Cache(_VECTOR_CACHE_BYTES if keep_states else 0)

    @classmethod
    def load(cls, name: str = BUNDLED, keep_states: bool = False) -> SalesEncoder:
        """Loads by source name; see `encoder_source.load_encoder` for names and errors.

        `keep_states` is for training: token states and vectors are then kept, up to 1.1 GiB in all.
        """
        return cls(load_encoder(name), keep_states)

    def token_count(self, text: str) -> int:
        """Tokens of a text, without the special tokens at its start and end."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    @property
    def window(self) -> int:
        """The longest text in tokens, without special tokens, that one pass can read."""
        return self.max_tokens - self._special_tokens

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Pre-trained mean-pooled vectors, float32 (n, dim), not normalised. Each text must fit the window."""
        vectors = {text: vector for text in texts if (vector := self._vectors.get(text)) is not None}
        for group, states in self.lower_states([text for text in dict.fromkeys(texts) if text not in vectors]):
            with torch.inference_mode():
                new = run_upper_blocks(self._upper, states).numpy()
            for text, vector in zip(group, new, strict=True):
                vectors[text] = vector
                self._vectors.add(text, vector)
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, self.dim), dtype=np.float32)

    def lower_states(self, texts: Sequence[str]) -> Iterator[tuple[list[str], list[Tensor]]]:
        """Yields groups of texts of similar length with their token states below the upper blocks, (tokens, dim) each.

        Every text comes exactly once, in order of length, so that a batch has little padding.
        """
        known = {text: state for text in texts if (state := self._states.get(text)) is not None}
        by_length = sorted(known, key=lambda text: len(known[text]))
        for group in _groups_of_tokens(by_length, [len(known[text]) for text in by_length]):
            yield group, [known[text] for text in group]
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        token_ids = {text: e.ids for text, e in zip(unknown, self.tokenizer.encode_batch(unknown), strict=True)}
        by_length = sorted(unknown, key=lambda text: len(token_ids[text]))
        for group in _groups_of_tokens(by_length, [len(token_ids[text]) for text in by_length]):
            states = self._run_lower_blocks([token_ids[text] for text in group])
            for text, state in zip(group, states, strict=True):
                self._states.add(text, state)
            yield group, states

    def copy_upper_blocks(self) -> nn.ModuleList:
        """A trainable copy of the upper blocks, as pre-trained."""
        config = copy.deepcopy(self.model.config)
        config._attn_implementation = "eager"  # for texts of a few dozen tokens its backward pass is the faster one
        blocks = nn.ModuleList([type(block)(config) for block in self._upper])
        blocks.load_state_dict(self._upper.state_dict())
        return blocks

    @torch.inference_mode()
    def _run_lower_blocks(self, token_ids: list[list[int]]) -> list[Tensor]:
        padding = self.model.config.pad_token_id or 0
        ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in token_ids], True, padding)
        lengths = torch.tensor([len(row) for row in token_ids])
        if ids.shape[1] > self.max_tokens:
            raise ValueError(f"a text of {ids.shape[1]} tokens does not fit the encoder's window of {self.max_tokens}")
        states = _run_blocks(self._lower, self.model.embeddings(ids), lengths)
        return [state[:length].clone() for state, length in zip(states, lengths.tolist(), strict=True)]


def _groups_of_tokens(texts: Sequence[str], lengths: Sequence[int]) -> Iterator[list[str]]:
    """Cuts texts, given in order of length, into groups whose padded batch has at most MAX_BATCH_TOKENS."""
    group: list[str] = []
    for text, length in zip(texts, lengths, strict=True):
        if group and (len(group) + 1) * length > MAX_BATCH_TOKENS:
            yield group
            group = []
        group.append(text)
    if group:
        yield group


def run_upper_blocks(blocks: nn.ModuleList, states: Sequence[Tensor]) -> Tensor:
    """Runs the upper blocks over token states of (tokens, dim) and averages each text's tokens: (n, dim)."""
    lengths = torch.tensor([len(state) for state in states])
    padded = nn.utils.rnn.pad_sequence([state.float() for state in states], batch_first=True)
    output = _run_blocks(blocks, padded, lengths)
    present = _present(lengths, output.shape[1]).unsqueeze(-1).to(output.dtype)
    return (output * present).sum(dim=1) / present.sum(dim=1)


def _run_blocks(blocks: Any, states: Tensor, lengths: Tensor) -> Tensor:
    # A batch without padding needs no mask, and attention without one is faster.
    present = _present(lengths, states.shape[1])
    mask = None if bool(present.all()) else (~present)[:, None, None, :] * torch.finfo(states.dtype).min
    for block in blocks:
        states = block(states, attention_mask=mask)
    return states


def _present(lengths: Tensor, width: int) -> Tensor:
    """(n, width) booleans: True where a position holds a token, False where it is padding."""
    return torch.arange(width)[None, :] < lengths[:, None]


class _Cache(Generic[Kept]):
    """Values by text up to a number of bytes; when full it keeps what it has, which suits epochs over the same texts."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._values: dict[str, Kept] = {}

    def get(self, text: str) -> Kept | None:
        return self._values.get(text)

    def add(self, text: str, value: Kept) -> None:
        if self._bytes + value.nbytes <= self._limit:
            self._values[text] = value
            self._bytes += value.nbytes
