"""A small transformer that reads a conversation's segments in their order. It helps the encoder's tuning and is not kept.

The starter's head sums a conversation's segments up, so nothing in it teaches the tuned blocks what an answer means after
a question, or a promise after an objection. This reader learns beside the head, from the same vectors; with it the head ranks
writers whom nobody has read better, though only the head is served (docs/accuracy.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from modelling.segments import Segment
from modelling.starter_head import SCALE

_ROLES = {"customer": 0, "seller": 1}
_NO_ROLE = 2  # of a note, or of others
_WIDTH, _HEADS, _LAYERS = 192, 4, 2
_RECENT = (1.0, 4.0)  # segments before the end after which it counts as 1 / e as late


class CourseReader(nn.Module):
    """Segment vectors of conversations to the log-odds of a deal, 0 before it has learned."""

    def __init__(self, dim: int) -> None:
        """dim: of a segment's vector."""
        super().__init__()
        self.vectors = nn.Linear(dim, _WIDTH)
        self.roles = nn.Embedding(_NO_ROLE + 1, _WIDTH)
        self.places = nn.Linear(1 + len(_RECENT), _WIDTH)
        layer = nn.TransformerEncoderLayer(_WIDTH, _HEADS, 2 * _WIDTH, dropout=0.2, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)
        self.attention, self.head = nn.Linear(_WIDTH, 1), nn.Linear(_WIDTH, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, vectors: Tensor, conversations: Sequence[Sequence[Segment]]) -> Tensor:
        """(conversations,) log-odds. vectors: (segments, dim) of all of them, L2-normalised, one after the other."""
        lengths = [len(segments) for segments in conversations]
        seen = SCALE * functional.dropout(vectors, 0.1, self.training)
        padded = pad_sequence(list(seen.split(lengths)), batch_first=True)
        roles = pad_sequence([_roles(segments) for segments in conversations], batch_first=True)
        places = pad_sequence([_places(length) for length in lengths], batch_first=True)
        beyond = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        states = self.vectors(padded) + self.roles(roles) + self.places(places)
        states = self.layers(states, src_key_padding_mask=beyond)
        shares = self.attention(states).squeeze(2).masked_fill(beyond, float("-inf")).softmax(1)
        log_odds: Tensor = self.head((shares[:, :, None] * states).sum(1)).squeeze(1)
        return log_odds


def _roles(segments: Sequence[Segment]) -> Tensor:
    return torch.tensor([_ROLES.get(segment.speaker, _NO_ROLE) for segment in segments])


def _places(length: int) -> Tensor:
    """(length, 3): where a segment stands between the first (0) and the last (1), and how near the end it is."""
    place = torch.arange(length, dtype=torch.float32)
    before_end = length - 1 - place
    return torch.stack([place / max(1, length - 1), *(torch.exp(-before_end / recent) for recent in _RECENT)], 1)
