"""How fast and how large encoders of other shapes are on this machine: the figures that docs/encoders.md speaks of.

    python -m benchmarks.speed.encoder_shapes

Encoders of the hub are stood in for by DistilBERTs of their shape with random weights, which cost what trained ones cost;
it says nothing of accuracy. All run in turns in fp32 on the same sentences; medians. Needs no network, takes a minute.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
from rich.table import Table

from conversations.sentences import split_sentences
from encoder.distilbert import DistilBert, DistilBertShape
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.onnx_export import export_encoder
from encoder.source import load_encoder
from encoder.torch_encoder import SalesEncoder
from foundations.terminal import console

NOTE = (
    "Spoke with the head of operations about replacing their reporting tool. She liked the dashboard, asked how long the "
    "migration takes, and said the budget is approved for this quarter. Legal still has to read the contract before Friday."
)
SHAPES = {  # title: words of the vocabulary; None for the bundled encoder itself
    "bundled": None,
    "DistilBERT-base, English": 30_522,
    "DistilBERT-base, multilingual": 119_547,
}
ROUNDS, WARM_UP = 50, 5


def main() -> None:
    """Measures and prints the table."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.speed.encoder_shapes", description=__doc__.split("\n")[0]
    ).parse_args()
    sizes, encoders = {}, {}
    for title, vocabulary in SHAPES.items():
        sizes[title], encoders[title] = served_encoder(vocabulary)
    milliseconds = milliseconds_in_turns(encoders)
    table = Table(
        "encoder", "ONNX files, fp32", f"the {len(split_sentences(NOTE))} sentences of a note", "times bundled"
    )
    for title, median in milliseconds.items():
        factor = median / milliseconds["bundled"]
        table.add_row(title, f"{sizes[title] / 1024**2:.0f} MiB", f"{median:.1f} ms", f"{factor:.1f}")
    console.print(table)


def served_encoder(vocabulary: int | None) -> tuple[int, OnnxTextEncoder]:
    """(bytes of the ONNX files, the encoder on all cores) for a vocabulary of SHAPES."""
    loaded = load_encoder()
    if vocabulary is not None:
        loaded = replace(loaded, model=DistilBert(DistilBertShape(vocab_size=vocabulary)).eval())
    encoder = SalesEncoder(loaded)
    exported = export_encoder(encoder, split_sentences(NOTE))
    return sum(map(len, exported.files("fp32"))), exported.encoder("fp32")


def milliseconds_in_turns(encoders: dict[str, OnnxTextEncoder], rounds: int = ROUNDS) -> dict[str, float]:
    """The median time of each for the sentences of NOTE; in turns, so that a busy moment hits all of them."""
    sentences = split_sentences(NOTE)
    taken: dict[str, list[float]] = {title: [] for title in encoders}
    for _ in range(rounds + WARM_UP):
        for title, encoder in encoders.items():
            start = time.perf_counter()
            encoder.embed_texts(sentences)
            taken[title].append((time.perf_counter() - start) * 1000)
    return {title: float(np.median(values[WARM_UP:])) for title, values in taken.items()}


if __name__ == "__main__":
    main()
