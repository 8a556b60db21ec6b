"""The starter's head: log-odds of a deal from the sales encoder's vectors, learned from written scenarios alone.

`starter_head.safetensors` comes from the same tuning as the sales encoder's blocks (`knowledge.tuning`), which make the vectors
mean something; on another encoder the head would say nothing. Applying it needs numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder
from foundations.atomic_files import write_atomically
from foundations.errors import InputError
from modelling.segments import ANYONE, Block, block_weights, segment_conversations
from modelling.whitening import normalised

Floats = NDArray[np.float32]
STARTER_HEAD = Path(__file__).with_name("starter_head.safetensors")
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
        cut = segment_conversations(encoder, conversations).parts
        parts = [[one for one in of_one if one.speaker != "context"] for of_one in cut]
        texts = list(dict.fromkeys(one.text for of_one in parts for one in of_one))
        vectors = dict(zip(texts, normalised(encoder.embed_texts(texts)), strict=True)) if texts else {}
        pooled = np.zeros((len(parts), len(STARTER_BLOCKS) * encoder.dim), dtype=np.float32)
        for row, of_one in enumerate(parts):
            if of_one:
                own = np.stack([vectors[one.text] for one in of_one])
                pooled[row] = (block_weights(of_one, STARTER_BLOCKS).T @ own).ravel()
        log_odds = SCALE * (pooled @ self.weights) + self.bias
        return np.asarray(log_odds, dtype=np.float64), pooled

    def write(self, path: Path = STARTER_HEAD) -> None:
        """Writes the file. Raises InputError where it can't be written."""
        data = save({"weights": self.weights, "bias": np.array([self.bias], dtype=np.float32)})
        write_atomically(path, lambda file: file.write(data))


def read_starter_head(path: Path = STARTER_HEAD) -> StarterHead:
    """The head that comes with the program. Raises InputError where the file is missing or damaged."""
    try:
        arrays = load_file(path)
        return StarterHead(arrays["weights"], float(arrays["bias"][0]))
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"The starter's head {str(path)!r} is damaged ({error}); restore the file.") from error
