"""Fits the head that reads signals off the sales encoder's vectors, once the encoder was tuned anew or sentences were added.

    python -m knowledge.signal_head [--output DIR]

The encoder stays as it is: each sentence of signal_sentences.json and spoken_sentences.json is encoded once, and a softmax
layer is fitted to the vectors by L-BFGS. The spoken ones count SPOKEN_WEIGHT times, as there are few of them and they are
what conversations sound like. The loss is convex, so the result depends on no seed. Needs PyTorch and a minute or two
of processor time, nearly all of it for encoding. Writes signals/sales_signals.safetensors.
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
from encoder.sales import SALES_WEIGHTS, load_sales
from encoder.torch_encoder import SalesEncoder
from foundations.atomic_files import file_sha256
from foundations.errors import InputError
from foundations.terminal import say
from modelling.whitening import normalised
from signals.head import SCALE, SignalHead
from signals.sentences import SPOKEN_SENTENCES, LabelledSentences, read_training_sentences
from signals.trained import SALES_SIGNALS, write_signals
from signals.training import target_shares

SPOKEN_WEIGHT = 2.0
PENALTY = 2e-4  # of the squared weights; 1e-4 and 4e-4 give the same to a hundredth
_STEPS = 150  # at most


def fit_signal_head(
    vectors: NDArray[np.float32], labels: NDArray[np.bool_], weights: NDArray[np.float32], steps: int = _STEPS
) -> SignalHead:
    """The head for sentence vectors (n, dim) with labels (n, len(SIGNAL_LABELS)); weights: how much each counts, (n,)."""
    scaled = torch.from_numpy(SCALE * normalised(vectors))
    targets, counts = torch.from_numpy(target_shares(labels)), torch.from_numpy(weights)
    layer = nn.Linear(scaled.shape[1], targets.shape[1])
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        of_each = nn.functional.cross_entropy(layer(scaled), targets, reduction="none")
        value = (counts * of_each).sum() / counts.sum() + PENALTY * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    weight, bias = (value.detach().numpy() for value in (layer.weight, layer.bias))
    return SignalHead(np.ascontiguousarray(weight.T), bias.copy())


def every_sentence() -> LabelledSentences:
    """The sentences that signals are learned from: the plain ones, then the spoken ones."""
    plain, spoken = read_training_sentences(), read_training_sentences(SPOKEN_SENTENCES)
    return LabelledSentences(
        [*plain.texts, *spoken.texts],
        np.vstack([plain.labels, spoken.labels]),
        np.concatenate([plain.groups, plain.groups.max() + 1 + spoken.groups]),
    )


def fit_to_every_sentence(vectors: NDArray[np.float32]) -> SignalHead:
    """The head for the vectors (n, dim) of `every_sentence`."""
    sentences, spoken = every_sentence(), len(read_training_sentences(SPOKEN_SENTENCES).texts)
    counts = np.repeat(np.array([1.0, SPOKEN_WEIGHT], np.float32), [len(vectors) - spoken, spoken])
    return fit_signal_head(vectors, sentences.labels, counts)


def write_signal_head(weights: Path, path: Path) -> int:
    """Fits the head to the sales encoder in the file `weights`, and writes it to `path`; how many sentences it read.

    Raises InputError where one can't be read or the other can't be written.
    """
    texts = every_sentence().texts
    head = fit_to_every_sentence(SalesEncoder(load_sales(weights)).embed_texts(texts))
    write_signals(head, len(texts), file_sha256(weights), path)
    return len(texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.signal_head", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: where the program reads it")
    given = parser.parse_args(arguments)
    path = given.output / SALES_SIGNALS.name if given.output else SALES_SIGNALS
    try:
        learned_from = write_signal_head(SALES_WEIGHTS, path)
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"Written: {path}, learned from {learned_from} sentences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
