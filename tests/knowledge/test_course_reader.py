"""The reader of segments in their order: what it says of a conversation depends on the order and on nobody else's segments."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from knowledge.course_reader import CourseReader
from modelling.segments import Segment

DIM = 8


def said(*speakers: str) -> list[Segment]:
    return [Segment(f"Part {n}.", speaker, 0.5) for n, speaker in enumerate(speakers)]


SHORT, LONG = said("customer", "seller"), said("seller", "customer", "seller", "anyone")


@pytest.fixture
def vectors() -> Tensor:
    torch.manual_seed(3)
    return functional.normalize(torch.randn(len(SHORT) + len(LONG), DIM), dim=1)


@pytest.fixture
def reader() -> CourseReader:
    torch.manual_seed(4)
    reader = CourseReader(DIM).eval()
    torch.nn.init.normal_(reader.head.weight)
    return reader


def test_before_it_has_learned_it_says_nothing(vectors: Tensor) -> None:
    assert CourseReader(DIM)(vectors, [SHORT, LONG]).tolist() == [0.0, 0.0]


def test_a_conversation_is_read_alike_alone_and_beside_a_longer_one(reader: CourseReader, vectors: Tensor) -> None:
    both = reader(vectors, [SHORT, LONG])
    alone = [reader(vectors[:2], [SHORT]), reader(vectors[2:], [LONG])]
    torch.testing.assert_close(both, torch.cat(alone))


@pytest.mark.parametrize(
    ("order", "conversation"),
    [([1, 0], SHORT), ([0, 1], said("seller", "customer"))],
    ids=["another order", "other speakers"],
)
def test_order_and_speakers_count(
    reader: CourseReader, vectors: Tensor, order: Sequence[int], conversation: list[Segment]
) -> None:
    before, after = reader(vectors[:2], [SHORT]), reader(vectors[:2][list(order)], [conversation])
    assert (before - after).abs().item() > 1e-3


def test_what_it_learns_reaches_every_segment(reader: CourseReader, vectors: Tensor) -> None:
    vectors.requires_grad_(True)
    reader(vectors, [SHORT, LONG]).sum().backward()
    assert vectors.grad is not None and (vectors.grad.abs().sum(dim=1) > 0).all()
