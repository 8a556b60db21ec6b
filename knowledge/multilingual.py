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
import torch
from numpy.typing import NDArray
from torch import nn

import foundations.thread_policy  # noqa: F401 — before torch
from conversations.conversation import Conversation, conversation_from_record
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import read_scenarios
from encoder.multilingual.conversion import CENTRE, read_centre
from encoder.onnx_export import export_encoder
from encoder.text_encoder import MULTILINGUAL, TextEncoder
from encoder.torch_encoder import SalesEncoder
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import progress_bar, say
from knowledge.signal_head import SPOKEN_WEIGHT, fit_signal_head
from modelling.starter_head import MULTILINGUAL_STARTER_HEAD, SCALE, StarterHead
from modelling.starter_head import STARTER_BLOCKS as BLOCKS
from signals.head import SignalHead
from signals.sentences import SPOKEN_SENTENCES, LabelledSentences, read_training_sentences
from signals.trained import MULTILINGUAL_SIGNALS, write_signals

STARTER_PENALTY = 1e-2  # of the squared weights; a third and a tenth of it rank unread writers as well or worse
_SEED = 1  # of the drawn scenarios
_STEPS = 100  # at most
_CENTRED = 0.02  # of any number of the mean vector, whose length was 6.6 before it was centred: less is rounding
_AT_ONCE = 100  # scenarios between two movements of the bar

Floats = NDArray[np.float32]


def fit_starter_head(pooled: Floats, probabilities: NDArray[np.float64]) -> StarterHead:
    """The head for pooled conversation vectors (n, blocks · dim) and the probability of a deal that was judged for each."""
    scaled, judged = torch.from_numpy(SCALE * pooled), torch.from_numpy(probabilities.astype(np.float32))
    layer = nn.Linear(scaled.shape[1], 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> float:
        optimizer.zero_grad()
        value = nn.functional.binary_cross_entropy_with_logits(layer(scaled).squeeze(1), judged)
        value = value + STARTER_PENALTY * layer.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return StarterHead(layer.weight[0].detach().numpy().copy(), float(layer.bias.detach()))


def fit_signals(vectors: Floats, plain: LabelledSentences, spoken: LabelledSentences) -> SignalHead:
    """vectors: (n, dim) of the plain sentences, then of the spoken ones."""
    counts = np.repeat(np.array([1.0, SPOKEN_WEIGHT], np.float32), [len(plain.texts), len(spoken.texts)])
    return fit_signal_head(vectors, np.vstack([plain.labels, spoken.labels]), counts)


def pooled_vectors(encoder: TextEncoder, conversations: Sequence[Conversation]) -> Floats:
    """(n, blocks · dim), as `modelling.starter_head` pools them."""
    blank = StarterHead(np.zeros(len(BLOCKS) * encoder.dim, np.float32), 0.0)
    parts = []
    with progress_bar(f"Reading {len(conversations)} scenarios") as report:
        for start in range(0, len(conversations), _AT_ONCE):
            parts.append(blank.read(encoder, conversations[start : start + _AT_ONCE])[1])
            report(min(1.0, (start + _AT_ONCE) / len(conversations)))
    return np.concatenate(parts)


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
    vectors = _as_served(base, sentences).embed_texts(sentences)
    away = vectors.mean(axis=0)
    if np.abs(away).max() > _CENTRED:
        say(f"The centre moved and is written to {CENTRE}")
        write_json(CENTRE, {"centre": [round(float(value), 4) for value in read_centre() + away]})
        base, vectors = SalesEncoder.load(MULTILINGUAL), vectors - away
    write_signals(fit_signals(vectors, plain, spoken), len(sentences), base.identity.sha256, MULTILINGUAL_SIGNALS)
    drawing, scenarios = Drawing(_SEED), read_scenarios("knowledge")
    conversations = [conversation_from_record(drawing.record(scenario), scenario.id) for scenario in scenarios]
    pooled = pooled_vectors(_as_served(base, sentences), conversations)
    fit_starter_head(pooled, np.array([one.probability for one in scenarios])).write(MULTILINGUAL_STARTER_HEAD)


def _as_served(encoder: SalesEncoder, texts: Sequence[str]) -> TextEncoder:
    return export_encoder(encoder, texts).encoder("int8")


if __name__ == "__main__":
    sys.exit(main())
