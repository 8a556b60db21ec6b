"""What a tour is made of: one stop, and what the stops before it found."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from service.demo.client import DemoClient


@dataclass
class Tour:
    """The server, and what earlier stops found."""

    client: DemoClient
    auto: str = ""
    predictions: list[str] = field(default_factory=list)  # ids that the tour made
    batch: list[str] = field(default_factory=list)  # of them, those of `conversation`
    deal: str = field(default_factory=lambda: f"tour-{uuid.uuid4().hex}")
    conversation: str = field(default_factory=lambda: f"tour-{uuid.uuid4().hex}")  # nobody else's


@dataclass(frozen=True)
class Stop:
    """Routes as the API's schema has them, a title, and a visit that gives a line."""

    routes: tuple[str, ...]
    title: str
    visit: Callable[[Tour], str]
