"""Learns on the multilingual encoder, as it is, what the sales encoder was tuned for: signals, and how deals are talked about.

    python -m knowledge.multilingual

No block is tuned: two linear heads are fitted to frozen vectors, which for deals does as much (docs/languages.md). The
signals' head learns the sentences of signal_sentences.json and spoken_sentences.json as `knowledge.signal_head` does, the
starter's the probability that writers judged for each scenario of the knowledge half. All of it is English. The encoder's
centre (`encoder.multilingual.conversion`) is the mean vector of the signal sentences; where it moved, centre.json is
written and all is learned on the new one. The encoder runs as int8, as it is served. Needs PyTorch and
requirements/multilingual.txt; about six minutes of processor time. Writes multilingual_signals.safetensors and
multilingual_starter_head.safetensors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import foundations.thread_policy  # noqa: F401 — before torch
from encoder.multilingual.conversion import CENTRE, read_centre
from encoder.text_encoder import MULTILINGUAL
from encoder.torch_encoder import SalesEncoder
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import say
from knowledge.signal_head import SPOKEN_WEIGHT, fit_signal_head
from knowledge.starter_head import as_served, learn_starter_head
from modelling.starter_head import MULTILINGUAL_STARTER_HEAD
from signals.head import SignalHead
from signals.sentences import SPOKEN_SENTENCES, LabelledSentences, read_training_sentences
from signals.trained import MULTILINGUAL_SIGNALS, write_signals

# Of the squared weights. A fifth of it ranks unread English writers better by 0.01, German and Spanish notes worse by as much.
STARTER_PENALTY = 1e-2
_CENTRED = 0.02  # of any number of the mean vector, whose length was 6.6 before it was centred: less is rounding

Floats = NDArray[np.float32]


def fit_signals(vectors: Floats, plain: LabelledSentences, spoken: LabelledSentences) -> SignalHead:
    """vectors: (n, dim) of the plain sentences, then of the spoken ones."""
    counts = np.repeat(np.array([1.0, SPOKEN_WEIGHT], np.float32), [len(plain.texts), len(spoken.texts)])
    return fit_signal_head(vectors, np.vstack([plain.labels, spoken.labels]), counts)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    description = (__doc__ or "").split("\n")[0]
    argparse.ArgumentParser(prog="python -m knowledge.multilingual", description=description).parse_args(arguments)
    try:
        _learn()
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"Written: {MULTILINGUAL_SIGNALS}, {MULTILINGUAL_STARTER_HEAD}")
    return 0


def _learn() -> None:
    plain, spoken = read_training_sentences(), read_training_sentences(SPOKEN_SENTENCES)
    sentences = [*plain.texts, *spoken.texts]
    base = SalesEncoder.load(MULTILINGUAL)
    say(f"Reading {len(sentences)} sentences")
    vectors = as_served(base, sentences).embed_texts(sentences)
    away = vectors.mean(axis=0)
    if np.abs(away).max() > _CENTRED:
        say(f"The centre moved and is written to {CENTRE}")
        write_json(CENTRE, {"centre": [round(float(value), 4) for value in read_centre() + away]})
        base, vectors = SalesEncoder.load(MULTILINGUAL), vectors - away
    write_signals(fit_signals(vectors, plain, spoken), len(sentences), base.identity.sha256, MULTILINGUAL_SIGNALS)
    learn_starter_head(as_served(base, sentences), STARTER_PENALTY).write(MULTILINGUAL_STARTER_HEAD)


if __name__ == "__main__":
    sys.exit(main())
