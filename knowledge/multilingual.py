"""Tunes the multilingual encoder on the written scenarios and the signal sentences, and fits its heads.

    python -m knowledge.multilingual [--epochs N] [--seed N]

Its last two blocks are tuned as those of the sales encoder are (`knowledge.tuning`), from the package's own. What all vectors
then have in common, the mean vector of the signal sentences, is taken off. Afterwards two
linear heads are fitted to it in int8, as it is served: for signals and for the starter. All of what it learns from is
English; staying near the package's own vectors keeps the other languages beside it (docs/languages.md). Needs PyTorch and
requirements/multilingual.txt; half an hour on 2 cores. Writes encoder/multilingual_encoder.safetensors,
signals/multilingual_signals.safetensors and modelling/multilingual_starter_head.safetensors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import foundations.thread_policy  # noqa: F401 — before torch
from conversations.corpus.scenarios import read_scenarios
from encoder.multilingual.conversion import PACKED_SHA256
from encoder.sales import MULTILINGUAL_WEIGHTS, untuned_sales
from encoder.text_encoder import MULTILINGUAL
from encoder.torch_encoder import SalesEncoder, TunedEncoder, upper_block_arrays
from encoder.tuned_blocks import write_tuned_blocks
from foundations.errors import InputError
from foundations.terminal import progress_bar, say
from knowledge.signal_head import every_sentence, fit_to_every_sentence
from knowledge.starter_head import as_served, learn_starter_head
from knowledge.tuning import Tuning, TuningSettings, read_examples
from modelling.starter_head import MULTILINGUAL_STARTER_HEAD
from signals.trained import MULTILINGUAL_SIGNALS, write_signals
from signals.training import SignalDetector

STARTER_PENALTY = 1e-3  # of the squared weights

Floats = NDArray[np.float32]


def untuned_multilingual() -> SalesEncoder:
    """What tuning starts from: the package's encoder, pooled as the sales encoder is and centred.

    Its own vectors all point one way: the cosine of unrelated texts is about 0.8. Raises InputError where the package is not
    installed or damaged.
    """
    encoder = SalesEncoder(untuned_sales(MULTILINGUAL))
    take_off(encoder.upper_blocks, encoder.embed_texts(every_sentence().texts).mean(axis=0))
    return encoder


def take_off(blocks: nn.ModuleList, common: Floats) -> None:
    """Takes `common` (dim,) off every pooled vector that leaves the blocks, by the bias of their last layer norm.

    So cosines are spread like those of the other encoders, and no threshold needs to know which one it is.
    """
    with torch.no_grad():
        dict(blocks[-1].named_parameters())["output_layer_norm.bias"].sub_(torch.from_numpy(common))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m knowledge.multilingual", description=description)
    parser.add_argument("--epochs", type=int, default=TuningSettings.epochs)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        _tune(given.epochs, given.seed)
        _fit_heads()
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"Written: {MULTILINGUAL_WEIGHTS}, {MULTILINGUAL_SIGNALS}, {MULTILINGUAL_STARTER_HEAD}")
    return 0


def _tune(epochs: int, seed: int) -> None:
    sentences, scenarios = every_sentence(), read_scenarios("knowledge")
    with progress_bar(f"Reading {len(scenarios)} scenarios") as report:
        encoder = untuned_multilingual()
        head = fit_to_every_sentence(encoder.embed_texts(sentences.texts))
        start = SignalDetector(encoder, head, len(sentences.texts))
        examples = read_examples(encoder, scenarios, seed, report)
    tuning = Tuning(encoder, start, examples, sentences, TuningSettings(epochs=epochs), seed)
    with progress_bar(f"Tuning on {len(examples)} scenarios") as report:
        tuning.run(report)
    take_off(tuning.blocks, TunedEncoder(encoder, tuning.blocks).embed_texts(sentences.texts).mean(axis=0))
    blocks = upper_block_arrays(TunedEncoder(encoder, tuning.blocks))
    write_tuned_blocks(blocks, len(encoder.lower_blocks), PACKED_SHA256, MULTILINGUAL_WEIGHTS)


def _fit_heads() -> None:
    sentences = every_sentence()
    encoder = SalesEncoder.load(MULTILINGUAL)
    served = as_served(encoder, sentences.texts)
    head = fit_to_every_sentence(served.embed_texts(sentences.texts))
    write_signals(head, len(sentences.texts), encoder.identity.sha256, MULTILINGUAL_SIGNALS)
    learn_starter_head(served, STARTER_PENALTY).write(MULTILINGUAL_STARTER_HEAD)


if __name__ == "__main__":
    sys.exit(main())
