"""How well signals are found in the test sentences, beside the phrase lists that the encoder replaces.

    python -m benchmarks.signals

A signal counts as found only with its right polarity. Nothing is tuned here; the head is trained on
signal_sentences.json, whose words the test sentences don't repeat. Takes about ten seconds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import thread_policy  # noqa: F401 — before torch
from artifact_folder import ArtifactFolder
from benchmarks.signal_phrases import find_phrases
from cache_stage import cache_folder
from sales_encoder import SalesEncoder
from signal_head import SignalHead, signal_figures
from signal_sentences import SIGNAL_NAMES, LabelledSentences, read_test_sentences

TEST_SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "signal_test_sentences.json"
Figures = dict[str, tuple[float, float, float]]


def main() -> None:
    """Trains the head, measures and prints the table."""
    console = Console()
    test = read_test_sentences(TEST_SENTENCES)
    encoder = SalesEncoder.load(cache_folder=cache_folder(ArtifactFolder()))
    with console.status("Training the signal head …"):
        head = SignalHead.fit(encoder)
    figures = _with_average(signal_figures(test.labels, head.found(head.scores(encoder.embed_texts(test.texts)))))
    baseline = _with_average(signal_figures(test.labels, find_phrases(test.texts)))
    encoder.keep_on_disk()
    console.print(_table(test, figures, baseline))


def _with_average(figures: Figures) -> Figures:
    precision, recall, f1 = (float(mean) for mean in np.mean(list(figures.values()), axis=0))
    return {**figures, "macro average": (precision, recall, f1)}


def _table(test: LabelledSentences, figures: Figures, baseline: Figures) -> Table:
    silent = int((~test.labels.any(axis=1)).sum())
    title = f"Signals in {len(test.texts)} test sentences, {silent} of them without any"
    columns = ("signal", "sentences", "precision", "recall", "F1", "F1 of phrase lists")
    table = Table(*columns, title=title)
    for n, name in enumerate(figures):
        is_signal = name in SIGNAL_NAMES
        count = str(int(test.labels[:, 2 * n : 2 * n + 2].sum())) if is_signal else ""
        values = [f"{value:.2f}" for value in (*figures[name], baseline[name][2])]
        table.add_row(name.replace("_", " "), count, *values, style=None if is_signal else "bold")
    return table


if __name__ == "__main__":
    main()
