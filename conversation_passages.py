"""What was said, segment by segment, each with a vector of its own: what finds the passages that two conversations share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversation_segments import segment_conversations
from conversation_vectors import Floats
from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder
from segment_whitening import normalised


class Passages(NamedTuple):
    """What was said in several conversations, segment by segment, without the context."""

    texts: list[str]  # conversation after conversation
    speakers: list[str]
    owner: NDArray[np.int64]  # (passages,) index of the conversation that each belongs to
    vectors: Floats  # (passages, dim), L2-normalised


def spoken_passages(
    encoder: TextEncoder,
    conversations: Sequence[Conversation],
    transform: Callable[[Floats, Sequence[str]], Floats] = lambda vectors, speakers: vectors,
) -> Passages:
    """The segments but for the context; `transform` takes their normalised vectors and speakers to the vectors given."""
    parts = segment_conversations(encoder, conversations)
    spoken = [index for index, speaker in enumerate(parts.speakers) if speaker != "context"]
    texts, speakers = [parts.texts[n] for n in spoken], [parts.speakers[n] for n in spoken]
    if not texts:
        return Passages([], [], np.zeros(0, dtype=np.int64), np.zeros((0, encoder.dim), dtype=np.float32))
    return Passages(texts, speakers, parts.owner[spoken], transform(normalised(encoder.embed_texts(texts)), speakers))
