"""Fits the starter's head to the sales encoder's vectors, once the encoder was tuned anew or scenarios were added.

    python -m knowledge.starter_head [--output DIR]

The encoder stays as it is and runs as int8, as it is served: one conversation of each scenario of the knowledge half is pooled
as `modelling.starter_head` pools it, and a linear layer learns by L-BFGS the probability of a deal that the writer judged. The
loss is convex, so the result depends on no seed. The layer that is tuned along with the encoder (`knowledge.tuning`) sees
parts of conversations, dropped out, and stops early; this one ranks unread writers better (docs/accuracy.md). Needs PyTorch and
three minutes of processor time, nearly all of it for encoding. Writes modelling/starter_head.safetensors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import foundations.thread_policy  # noqa: F401 — before torch
from conversations.conversation import Conversation
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import read_scenarios
from conversations.reading.record import conversation_from_record
from encoder.onnx_export import export_encoder
from encoder.sales import SALES_WEIGHTS, load_sales
from encoder.text_encoder import TextEncoder
from encoder.torch_encoder import SalesEncoder
from foundations.errors import InputError
from foundations.terminal import progress_bar, say
from modelling.starter_head import SCALE, STARTER_BLOCKS, STARTER_HEAD, StarterHead
from signals.sentences import read_training_sentences

PENALTY = 5e-4  # of the squared weights: the least log loss on the demo half, which it does not learn from
_SEED = 1  # of the drawn scenarios
_STEPS = 300  # at most
_AT_ONCE = 100  # scenarios between two movements of the bar

Floats = NDArray[np.float32]


def fit_starter_head(pooled: Floats, probabilities: NDArray[np.float64], penalty: float) -> StarterHead:
    """The head for pooled conversation vectors (n, blocks · dim) and the probability of a deal that was judged for each."""
    scaled, judged = torch.from_numpy(SCALE * pooled), torch.from_numpy(probabilities.astype(np.float32))
    layer = nn.Linear(scaled.shape[1], 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = nn.functional.binary_cross_entropy_with_logits(layer(scaled).squeeze(1), judged)
        value = value + penalty * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return StarterHead(layer.weight[0].detach().numpy().copy(), float(layer.bias.detach()))


def learn_starter_head(encoder: TextEncoder, penalty: float) -> StarterHead:
    """The head for an encoder, from the knowledge half."""
    drawing, scenarios = Drawing(_SEED), read_scenarios("knowledge")
    conversations = [conversation_from_record(drawing.record(scenario), scenario.id) for scenario in scenarios]
    pooled = pooled_vectors(encoder, conversations)
    return fit_starter_head(pooled, np.array([one.probability for one in scenarios]), penalty)


def pooled_vectors(encoder: TextEncoder, conversations: Sequence[Conversation]) -> Floats:
    """(n, blocks · dim), as `modelling.starter_head` pools them."""
    blank = StarterHead(np.zeros(len(STARTER_BLOCKS) * encoder.dim, np.float32), 0.0)
    parts = []
    with progress_bar(f"Reading {len(conversations)} scenarios") as report:
        for start in range(0, len(conversations), _AT_ONCE):
            parts.append(blank.read(encoder, conversations[start : start + _AT_ONCE])[1])
            report(min(1.0, (start + _AT_ONCE) / len(conversations)))
    return np.concatenate(parts)


def as_served(encoder: SalesEncoder, texts: Sequence[str]) -> TextEncoder:
    """It in int8; texts: what its ranges are measured on."""
    return export_encoder(encoder, texts).encoder("int8")


def write_starter_head(weights: Path, path: Path) -> None:
    """Fits the head to the sales encoder in the file `weights`, and writes it to `path`.

    Raises InputError where one can't be read or the other can't be written.
    """
    encoder = as_served(SalesEncoder(load_sales(weights)), read_training_sentences().texts)
    learn_starter_head(encoder, PENALTY).write(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m knowledge.starter_head", description=description)
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: where the program reads it")
    given = parser.parse_args(arguments)
    path = given.output / STARTER_HEAD.name if given.output else STARTER_HEAD
    try:
        write_starter_head(SALES_WEIGHTS, path)
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"Written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
