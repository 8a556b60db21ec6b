"""Which challengers the gate of `--mode retrain` lets through, on generated conversations whose outcomes are known.

    python -m benchmarks.gate [--draws 20] [--model starter --model classification_head]

In each draw a champion learns from 140 conversations and a challenger from 60 more, which are right, or some of them turned
round; both are asked of the most recent 60 or 120, and of all that is left, which says who is truly better. No scenario is on
two sides. About a minute on 2 cores with the default model; the encoder reads every conversation once.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.tables import rich_table
from conversations.conversation import Conversation, Outcome, labels_of
from conversations.reading.record import conversation_from_record
from encoder.text_encoder import SALES
from encoder.torch_encoder import SalesEncoder
from foundations.terminal import console, progress_bar
from generate_sales_data import generate_conversations
from learning.gate import judged
from model_registry import model_class
from modelling.names import MODEL_NAMES, STARTER
from probability.metrics import classification_metrics
from stages.job import encode_once

OLD, NEW, RECENT, ALL = 140, 60, (60, 120), 440
_OTHER: dict[Outcome, Outcome] = {"successful": "failed", "failed": "successful"}
HEADINGS = ("model", "new outcomes", "held out", "truly", "lower loss", "gate")


class Case(NamedTuple):
    """Which outcomes are turned round: of the new ones, and of those held out."""

    name: str
    new: int = 0
    held_out: bool = False


CASES = (Case("right"), Case("6 turned", 6), Case("30 turned", 30), Case("60 turned", 60), Case("all turned", 60, True))


class Draw(NamedTuple):
    """What one draw said of a case."""

    difference: float  # of the losses on all that is left, challenger − champion
    is_lower: bool  # the loss on those held out
    passed: bool


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description="Whom the gate lets through.")
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="default 20")
    parser.add_argument("--model", action="append", choices=MODEL_NAMES, help=f"default {STARTER}; may be repeated")
    options = parser.parse_args()
    conversations = [conversation_from_record(one, "generated") for one in generate_conversations(count=ALL, seed=11)]
    encoder = SalesEncoder.load(SALES, keep_states=True)
    encode_once(encoder, conversations)
    rows = []
    for model in options.model or [STARTER]:
        with progress_bar(f"{options.draws} draws of {model}") as progress:
            found = []
            for number in range(options.draws):
                found.append(_draw(model, encoder, conversations, number))
                progress((number + 1) / options.draws)
        rows += list(_rows(model, found))
    console.print(rich_table(rows, f"Let through, of {options.draws} draws", HEADINGS))


def _draw(
    model: str, encoder: SalesEncoder, conversations: Sequence[Conversation], seed: int
) -> dict[tuple[Case, int], Draw]:
    groups = list(dict.fromkeys(one.group_key for one in conversations))
    random.Random(seed).shuffle(groups)
    place = {group: number for number, group in enumerate(groups)}
    ordered = sorted(conversations, key=lambda one: place[one.group_key])
    old, new, later = ordered[:OLD], ordered[OLD : OLD + NEW], ordered[OLD + NEW :]
    train, validation = old[: OLD * 7 // 8], old[OLD * 7 // 8 :]
    champion = _said(model, encoder, train, validation, later)
    found = {}
    for turned in sorted({case.new for case in CASES}):
        learned = [*train, *_turned(new, turned)]
        challenger = _said(model, encoder, learned, validation, later)
        truly = _loss(later, challenger) - _loss(later, champion)
        for case in (case for case in CASES if case.new == turned):
            for recent in RECENT:
                held_out = _turned(later[:recent], recent if case.held_out else 0)
                verdict = judged(held_out, champion[:recent], challenger[:recent])
                assert verdict.difference is not None
                found[case, recent] = Draw(truly, verdict.difference < 0, verdict.passed)
    return found


def _said(
    model: str,
    encoder: SalesEncoder,
    train: Sequence[Conversation],
    validation: Sequence[Conversation],
    asked: Sequence[Conversation],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    fitted = model_class(model)(encoder)
    fitted.fit(train, validation)
    return fitted.predict_proba(asked)


def _turned(conversations: Sequence[Conversation], count: int) -> list[Conversation]:
    """The first `count` with the contrary outcome."""
    turned = [one.model_copy(update={"outcome": _OTHER[one.outcome]}) for one in conversations[:count] if one.outcome]
    return [*turned, *conversations[count:]]


def _loss(conversations: Sequence[Conversation], said: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return classification_metrics(labels_of(conversations), said)["log_loss"]


def _rows(model: str, draws: Sequence[dict[tuple[Case, int], Draw]]) -> Iterator[tuple[str, ...]]:
    for case, recent in draws[0]:
        of = [draw[case, recent] for draw in draws]
        truly = f"{np.mean([one.difference for one in of]):+.3f}"
        shares = (np.mean([one.is_lower for one in of]), np.mean([one.passed for one in of]))
        yield model, case.name, str(recent), truly, *(f"{100 * share:.0f} %" for share in shares)


if __name__ == "__main__":
    main()
