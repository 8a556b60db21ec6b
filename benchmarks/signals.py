"""How well signals are found in the test sentences, beside the phrase lists that the encoder replaces.

    python -m benchmarks.signals

F1 counts a signal as found only with its right polarity; "either polarity" asks only whether the sentence speaks of it,
and the polarity's accuracy is then the share of those that came out on the right side. All averages are over the 13
signals; sentences that say nothing count through the false alarms they raise. Nothing is tuned here: the detector is
trained on signal_sentences.json, whose words the test sentences don't repeat. Takes about two minutes on one core.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import thread_policy  # noqa: F401 — before torch
from benchmarks.signal_phrases import find_phrases
from sales_encoder import SalesEncoder
from signal_head import found_labels, macro_f1, mention_figures, polarity_accuracy, signal_figures
from signal_sentences import SIGNAL_NAMES, LabelledSentences, read_test_sentences
from signal_training import train_signal_detector

TEST_SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "signal_test_sentences.json"


def main() -> None:
    """Trains the detector, measures and prints the table."""
    console = Console()
    test = read_test_sentences(TEST_SENTENCES)
    with console.status("Training the signal detector …"):
        detector = train_signal_detector(SalesEncoder.load(keep_states=True))
    found = found_labels(detector.head.scores(detector.encoder.embed_texts(test.texts)))
    phrases = find_phrases(test.texts)
    console.print(_table(test, found, phrases))
    accuracies = (polarity_accuracy(test.labels, of) for of in (found, phrases))
    console.print("Right polarity where the signal was found: {:.2f}; phrase lists {:.2f}".format(*accuracies))


def _table(test: LabelledSentences, found: NDArray[np.bool_], phrases: NDArray[np.bool_]) -> Table:
    silent = int((~test.labels.any(axis=1)).sum())
    columns = (
        "signal",
        "sentences",
        "precision",
        "recall",
        "F1",
        "F1, either polarity",
        "F1 of phrase lists",
        "either",
    )
    table = Table(*columns, title=f"Signals in {len(test.texts)} test sentences, {silent} of them without any")
    exact, either = signal_figures(test.labels, found), mention_figures(test.labels, found)
    of_phrases = signal_figures(test.labels, phrases), mention_figures(test.labels, phrases)
    for n, name in enumerate(SIGNAL_NAMES):
        count = int(test.labels[:, 2 * n : 2 * n + 2].sum())
        f1s = (figures[name][2] for figures in (either, *of_phrases))
        table.add_row(name.replace("_", " "), str(count), *_two_digits(*exact[name], *f1s))
    precision, recall = (float(np.mean([figure[n] for figure in exact.values()])) for n in (0, 1))
    averages = _two_digits(precision, recall, *map(macro_f1, (exact, either, *of_phrases)))
    table.add_row("macro average", "", *averages, style="bold")
    return table


def _two_digits(*values: float) -> list[str]:
    return [f"{value:.2f}" for value in values]


if __name__ == "__main__":
    main()
