"""How many wrongly recorded outcomes stand among the most contradicted ones: `--mode suggest`'s second list, put to the test.

5 % of the outcomes of the default data (or of --data) are turned round; a model learns from them as if they were right; of
the 5 % of the conversations that contradict it most while held out, the turned ones are counted. By chance it would be one
in twenty. Repeated with other draws, for each model that learns on frozen vectors: seconds a draw.

    python -m benchmarks.accuracy.turned_outcomes [--data FILE] [--draws N] [--seed N]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from conversations.conversation import Conversation
from conversations.folds import set_aside
from conversations.reading.files import read_conversations
from conversations.reading.record import conversation_from_record
from encoder.torch_encoder import SalesEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.terminal import console, progress_bar
from generate_sales_data import generate_conversations
from learning.review.contradictions import SHARE, held_out_contradictions
from model_registry import model_class
from modelling.conversion_model import ConversionModel
from modelling.names import CLASSIFICATION_HEAD, FEW_SHOT, STARTER
from stages.job import cache_folder, encode_once

MODELS = (STARTER, FEW_SHOT, CLASSIFICATION_HEAD)
DRAWS = 10


def turned_round(
    conversations: Sequence[Conversation], share: float, seed: int
) -> tuple[list[Conversation], list[int]]:
    """The conversations with the outcomes of a random share turned round, and the places of those."""
    count = max(1, round(share * len(conversations)))
    places = sorted(np.random.default_rng(seed).choice(len(conversations), count, replace=False).tolist())
    other = {"successful": "failed", "failed": "successful"}
    turned = list(conversations)
    for place in places:
        turned[place] = turned[place].model_copy(update={"outcome": other[str(turned[place].outcome)]})
    return turned, places


def share_found(model: ConversionModel, learned_from: Sequence[Conversation], turned: Sequence[str]) -> float:
    """Which share of as many conversations as were turned, the most contradicted ones, are the turned ones, by id."""
    shown = held_out_contradictions(model, learned_from)[: len(turned)]
    return len({one.conversation_id for one in shown} & {*turned}) / len(turned)


def measure(encoder: SalesEncoder, name: str, conversations: Sequence[Conversation], seed: int) -> float:
    """`share_found` of one model and one draw."""
    turned, places = turned_round(conversations, SHARE, seed)
    train, validation = set_aside(turned, seed)
    model = model_class(name)(encoder, seed=seed)
    model.fit(train, validation)
    return share_found(model, [*train, *validation], [turned[place].conversation_id for place in places])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="How many turned outcomes the most contradicted ones are.")
    parser.add_argument("--data", type=Path, help="closed deals; default: 200 generated ones")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--seed", type=int, default=42)
    given = parser.parse_args(arguments)
    conversations = _closed(given.data, given.seed)
    encoder = SalesEncoder.load(keep_states=True, cache_folder=cache_folder(ArtifactFolder()))
    encode_once(encoder, conversations)
    count = max(1, round(SHARE * len(conversations)))
    table = Table(
        title=f"Turned outcomes among the {count} most contradicted of {len(conversations)}, {count} of them turned",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
    )
    for column in ("", "Found", "Lowest and highest draw", "By chance"):
        table.add_column(column, justify="right" if column else "left")
    for name in MODELS:
        with progress_bar(f"Turning outcomes round, {name}") as report:
            shares = []
            for draw in range(given.draws):
                shares.append(measure(encoder, name, conversations, given.seed + draw))
                report((draw + 1) / given.draws)
        table.add_row(name, f"{np.mean(shares):.0%}", f"{min(shares):.0%} to {max(shares):.0%}", f"{SHARE:.0%}")
    console.print(table)


def _closed(data: Path | None, seed: int) -> list[Conversation]:
    if data is not None:
        return [one for one in read_conversations(data) if one.outcome is not None]
    return [conversation_from_record(record, "generated") for record in generate_conversations(seed=seed)]


if __name__ == "__main__":
    main()
