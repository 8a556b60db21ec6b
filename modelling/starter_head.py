"""The starter's heads: log-odds of a deal from an encoder's vectors, learned from written scenarios alone.

`starter_head.safetensors` is fitted to the tuned sales encoder (`knowledge.starter_head`),
`multilingual_starter_head.safetensors` to the multilingual encoder as it is (`knowledge.multilingual`). On another encoder a
head would say nothing. It is a model of its own (`starter_model`), and what it says is one more number in every model's
conversation vector, so that these start from it. Applying it needs numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from conversations.conversation import Conversation
from encoder.text_encoder import MULTILINGUAL, SALES, TextEncoder
from foundations.atomic_files import write_atomically
from foundations.errors import InputError
from modelling.segments import ANYONE, Block, Segment, block_weights, segment_conversations
from modelling.whitening import normalised

Floats = NDArray[np.float32]
STARTER_HEAD = Path(__file__).with_name("starter_head.safetensors")
MULTILINGUAL_STARTER_HEAD = Path(__file__).with_name("multilingual_starter_head.safetensors")
SCALE = 6.0  # of pooled vectors: far enough apart for the layer
STARTER_BLOCKS = (
    Block("customer", recency=0.5, weight=1.0),
    Block("seller", recency=0.5, weight=1.0),
    Block("customer", recency=0.2, weight=1.0),
    Block(ANYONE, recency=0.5, weight=1.0),
)


@dataclass(frozen=True)
class StarterHead:
    """A linear layer over a conversation's pooled vectors."""

    weights: Floats  # (blocks · dim,)
    bias: float

    def read(self, encoder: TextEncoder, conversations: Sequence[Conversation]) -> tuple[NDArray[np.float64], Floats]:
        """(log-odds (n,), pooled vectors (n, blocks · dim)); a conversation without spoken words has zeros."""
        cut = segment_conversations(encoder, conversations)
        vectors = normalised(encoder.embed_texts(cut.texts)) if cut.texts else np.zeros((0, encoder.dim), np.float32)
        weighted = segment_weights(cut.parts)[:, :, None] * vectors[:, None, :]
        by_block = np.zeros((len(conversations), len(STARTER_BLOCKS), encoder.dim), dtype=np.float32)
        np.add.at(by_block, cut.owner, weighted)
        pooled = by_block.reshape(len(conversations), -1)
        return np.asarray(SCALE * (pooled @ self.weights) + self.bias, dtype=np.float64), pooled

    @cached_property
    def by_block(self) -> Floats:
        """(dim, blocks): what each block asks of a vector, such that log-odds are sums over `segment_weights`."""
        return np.ascontiguousarray(SCALE * self.weights.reshape(len(STARTER_BLOCKS), -1).T)

    def write(self, path: Path = STARTER_HEAD) -> None:
        """Writes the file. Raises InputError where it can't be written."""
        data = save({"weights": self.weights, "bias": np.array([self.bias], dtype=np.float32)})
        write_atomically(path, lambda file: file.write(data))


def segment_weights(parts: Sequence[Sequence[Segment]]) -> Floats:
    """(segments, blocks), conversation after conversation: how much each counts in each block; the context nothing."""
    weights = [np.zeros((len(of_one), len(STARTER_BLOCKS)), dtype=np.float32) for of_one in parts]
    for of_one, own in zip(parts, weights, strict=True):
        spoken = [place for place, part in enumerate(of_one) if part.speaker != "context"]
        if spoken:
            own[spoken] = block_weights([of_one[place] for place in spoken], STARTER_BLOCKS)
    return np.concatenate(weights) if weights else np.zeros((0, len(STARTER_BLOCKS)), dtype=np.float32)


def starter_head_for(encoder: TextEncoder) -> StarterHead | None:
    """The head that comes with the program for an encoder; None where none does."""
    paths = {SALES: STARTER_HEAD, MULTILINGUAL: MULTILINGUAL_STARTER_HEAD}
    path = paths.get(encoder.identity.name)
    return read_starter_head(path) if path else None


def read_starter_head(path: Path = STARTER_HEAD) -> StarterHead:
    """The head that comes with the program. Raises InputError where the file is missing or damaged."""
    try:
        arrays = load_file(path)
        return StarterHead(arrays["weights"], float(arrays["bias"][0]))
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"The starter's head {str(path)!r} is damaged ({error}); restore the file.") from error
