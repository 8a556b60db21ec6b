"""The encoder in PyTorch, for training: a DistilBERT whose lower blocks are frozen and run once per text.

The encoder is cut in two. The token states that the lower blocks make of a text are kept; the upper blocks are either
the pre-trained ones (`SalesEncoder`) or a model's fine-tuned copy (`TunedEncoder`). So no frozen layer runs twice for a
text, however many models train on it. Where weights come from is `encoder.source`; serving uses `encoder.onnx_encoder`.
Kept token states cost 4 bytes × dim per token: 340 MB for 611 dialogues of 320 words at 384 dimensions. With a
`CacheFolder` they are on disk instead, for the next run as well.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import foundations.thread_policy  # noqa: F401 — before torch
from encoder.cache import CacheFolder, SegmentCache
from encoder.distilbert import TokenLayout, first_of_tokens, mean_of_tokens, run_blocks
from encoder.sales import load_multilingual, load_sales
from encoder.source import LoadedEncoder, load_encoder
from encoder.text_encoder import MULTILINGUAL, SALES, Pooling, TextEncoder, groups_of_tokens

TRAINABLE_LAST_N_LAYERS = 2
_STATE_CACHE_BYTES = 1024 * 1024**2
_VECTOR_CACHE_BYTES = 128 * 1024**2
_STATES, _VECTOR = "token states", "vector"  # what the cache on disk holds of a text

Kept = TypeVar("Kept", Tensor, NDArray[np.float32])


class SalesEncoder(TextEncoder):
    """A pre-trained DistilBERT, split below its last `TRAINABLE_LAST_N_LAYERS` blocks."""

    def __init__(
        self, loaded: LoadedEncoder, keep_states: bool = False, cache_folder: CacheFolder | None = None
    ) -> None:
        shape = loaded.model.shape
        positions = shape.max_position_embeddings
        super().__init__(loaded.identity, loaded.tokenizer, shape.dim, min(loaded.max_tokens or positions, positions))
        self.notices = loaded.notices
        self.device = training_device()
        self.model = loaded.model.requires_grad_(False).eval().to(self.device)
        blocks = self.model.blocks
        split = max(0, len(blocks) - TRAINABLE_LAST_N_LAYERS)
        self.lower_blocks, self.upper_blocks = blocks[:split], blocks[split:]
        self._states: _Cache[Tensor] = _Cache(_STATE_CACHE_BYTES if keep_states else 0)
        self.vector_cache_bytes = _VECTOR_CACHE_BYTES if keep_states else 0
        self._vectors: _Cache[NDArray[np.float32]] = _Cache(self.vector_cache_bytes)
        self._on_disk = SegmentCache(cache_folder, self._numerics()) if cache_folder else None

    @classmethod
    def load(
        cls, name: str = SALES, keep_states: bool = False, cache_folder: CacheFolder | None = None
    ) -> SalesEncoder:
        """Loads `sales`, `multilingual`, or by another source name; see `encoder.source.load_encoder` for names and errors.

        `keep_states` is for training: token states and vectors are then kept, up to 1.1 GiB in all. With `cache_folder`
        they are looked for and kept on disk; of the states none is then kept in memory.
        """
        tuned = {SALES: load_sales, MULTILINGUAL: load_multilingual}.get(name)
        return cls(tuned() if tuned else load_encoder(name), keep_states, cache_folder)

    def keep_on_disk(self, refresh: bool = False) -> None:
        """Writes what was encoded since the last time; `refresh`: then finds what other processes have written."""
        if self._on_disk is not None:
            self._on_disk.flush()
            if refresh:
                self._on_disk.refresh()

    def _numerics(self) -> list[str]:
        """All that decides which numbers a text becomes."""
        parts = (self.identity.sha256, self.identity.pooling, self.max_tokens, len(self.lower_blocks), self.device.type)
        return [*map(str, parts), str(torch.__version__), str(self.model.shape), self.tokenizer.to_str()]

    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        """Pre-trained vectors."""
        return _through_cache(self._vectors, texts, self._frozen_vectors)

    def _frozen_vectors(self, texts: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Those that are on disk, then the others."""
        disk = self._on_disk
        if disk is None:
            yield from self._run_upper(self.upper_blocks, texts)
            return
        known = {text: rows[0] for text in texts if (rows := disk.get(_VECTOR, text)) is not None}
        yield from known.items()
        for text, vector in self._run_upper(self.upper_blocks, [text for text in texts if text not in known]):
            disk.add(_VECTOR, text, vector[None])
            yield text, vector

    def lower_states(self, texts: Sequence[str]) -> Iterator[tuple[list[str], list[Tensor]]]:
        """Yields groups of texts of similar length with their token states below the upper blocks, (tokens, dim) each.

        Every text comes exactly once, in order of length, so that a batch has little padding.
        """
        rows = {text: self._known_rows(text) for text in dict.fromkeys(texts)}
        unknown = [text for text, known in rows.items() if known is None]
        token_ids = dict(zip(unknown, self.token_ids(unknown), strict=True))
        lengths = {text: len(token_ids[text]) if known is None else known for text, known in rows.items()}
        by_length = sorted(lengths, key=lengths.__getitem__)
        for span in groups_of_tokens([lengths[text] for text in by_length]):
            group = by_length[span]
            states = {text: state for text in group if (state := self._known_state(text)) is not None}
            new = [text for text in group if text not in states]
            states.update(zip(new, self._new_states(new), strict=True))
            yield group, [states[text] for text in group]

    def _known_rows(self, text: str) -> int | None:
        """Tokens of a text whose states are in memory or on disk."""
        state = self._states.get(text)
        if state is not None:
            return len(state)
        return self._on_disk.rows(_STATES, text) if self._on_disk is not None else None

    def _known_state(self, text: str) -> Tensor | None:
        """From memory or disk; what is on disk is read again each time, as training needs the memory for other things."""
        state = self._states.get(text)
        if state is None and self._on_disk is not None:
            array = self._on_disk.get(_STATES, text)
            state = None if array is None else torch.from_numpy(array).to(self.device)
        return state

    def _new_states(self, texts: list[str]) -> list[Tensor]:
        states = self._run_lower_blocks(self.token_ids(texts)) if texts else []
        for text, state in zip(texts, states, strict=True):
            if self._on_disk is not None and self._on_disk.keeps:
                self._on_disk.add(_STATES, text, state.cpu().numpy())
            else:
                self._states.add(text, state)
        return states

    def copy_blocks(self, blocks: nn.ModuleList) -> nn.ModuleList:
        """A trainable copy of some of this encoder's blocks, or of fine-tuned ones of the same shape."""
        return copy.deepcopy(blocks).requires_grad_(True).train().to(self.device)

    @torch.inference_mode()
    def _run_upper(self, blocks: nn.ModuleList, texts: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        for group, states in self.lower_states(texts):
            yield from zip(group, run_upper_blocks(blocks, states, self.identity.pooling).cpu().numpy(), strict=True)

    @torch.inference_mode()
    def _run_lower_blocks(self, token_ids: list[list[int]]) -> list[Tensor]:
        states: Tensor = self.model(token_ids, self.lower_blocks)
        return list(states.split([len(ids) for ids in token_ids]))


class TunedEncoder(TextEncoder):
    """A SalesEncoder whose upper blocks are replaced by fine-tuned ones; the lower blocks and their memory are shared."""

    def __init__(self, base: SalesEncoder, upper_blocks: nn.ModuleList) -> None:
        super().__init__(base.identity, base.tokenizer, base.dim, base.max_tokens)
        self.base = base
        self.upper_blocks = upper_blocks.requires_grad_(False).eval()
        self._vectors: _Cache[NDArray[np.float32]] = _Cache(base.vector_cache_bytes)

    @classmethod
    def from_arrays(cls, base: SalesEncoder, arrays: dict[str, NDArray[np.float32]]) -> TunedEncoder:
        """What `upper_block_arrays` gave, on the same pre-trained encoder."""
        blocks = base.copy_blocks(base.upper_blocks)
        blocks.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        return cls(base, blocks)

    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        """Fine-tuned vectors."""
        return _through_cache(self._vectors, texts, partial(self.base._run_upper, self.upper_blocks))


def pretrained(encoder: TextEncoder) -> SalesEncoder:
    """The pre-trained encoder below a fine-tuned one, or itself. Raises TypeError for one that is not in PyTorch."""
    encoder = encoder.base if isinstance(encoder, TunedEncoder) else encoder
    if not isinstance(encoder, SalesEncoder):
        raise TypeError(f"training needs the encoder in PyTorch, not {type(encoder).__name__}")
    return encoder


def upper_blocks_of(encoder: TextEncoder) -> nn.ModuleList:
    """The blocks above the lower ones, fine-tuned or not. Raises TypeError for an encoder that is not in PyTorch."""
    if not isinstance(encoder, SalesEncoder | TunedEncoder):
        raise TypeError(f"only an encoder in PyTorch has blocks to train, not {type(encoder).__name__}")
    return encoder.upper_blocks


def upper_block_arrays(encoder: TextEncoder) -> dict[str, NDArray[np.float32]]:
    """Weights of a fine-tuned encoder's upper blocks by parameter name."""
    if not isinstance(encoder, TunedEncoder):
        raise TypeError(f"only a fine-tuned encoder in PyTorch has blocks of its own, not {type(encoder).__name__}")
    return {name: value.cpu().numpy() for name, value in encoder.upper_blocks.state_dict().items()}


def run_upper_blocks(blocks: nn.ModuleList, states: Sequence[Tensor], pooling: str = Pooling.MEAN) -> Tensor:
    """Runs the upper blocks over token states of (tokens, dim) and pools each text's tokens: (n, dim)."""
    layout = TokenLayout([len(state) for state in states], states[0].device)
    below = torch.cat(list(states))
    output = run_blocks(blocks, below, layout)
    if pooling == Pooling.SKIP:
        output = output + below
    return first_of_tokens(output, layout) if pooling == Pooling.CLS else mean_of_tokens(output, layout)


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


def _through_cache(
    cache: _Cache[NDArray[np.float32]],
    texts: list[str],
    embed: Callable[[list[str]], Iterable[tuple[str, NDArray[np.float32]]]],
) -> NDArray[np.float32]:
    """(n, dim): vectors from the cache, the others by `embed` and then into the cache; texts are distinct."""
    vectors = {text: vector for text in texts if (vector := cache.get(text)) is not None}
    for text, vector in embed([text for text in texts if text not in vectors]):
        vectors[text] = vector
        cache.add(text, vector)
    return np.stack([vectors[text] for text in texts])


def training_device() -> torch.device:
    """A CUDA device where PyTorch finds one, of several processes on a machine another for each; else `cpu`."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; without it, it would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_tile"))
