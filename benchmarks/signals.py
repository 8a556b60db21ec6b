"""How well signals are found in the test sentences, beside the phrase lists that the encoder replaces.

    python -m benchmarks.signals [--held-out]

F1 counts a signal as found only with its right polarity; "either polarity" asks only whether the sentence speaks of it,
and the polarity's accuracy is then the share of those that came out on the right side. All averages are over the 13
signals; sentences that say nothing count through the false alarms they raise. Nothing is tuned here: the detector is
trained on signal_sentences.json, whose words the test sentences don't repeat. --held-out is for choices: it trains on
four fifths of those sentences' groups, measures on the rest and shows what other thresholds would give. Takes about
three minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import thread_policy  # noqa: F401 — before torch
from benchmarks.signal_phrases import find_phrases
from sales_encoder import SalesEncoder
from signal_head import found_labels, macro_f1, mention_figures, polarity_accuracy, signal_figures
from signal_sentences import SIGNAL_NAMES, LabelledSentences, read_test_sentences, read_training_sentences
from signal_training import train_signal_detector

TEST_SENTENCES = Path(__file__).parent.parent / "tests" / "data" / "signal_test_sentences.json"
_THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def main() -> None:
    """Trains the detector, measures and prints the table."""
    parser = argparse.ArgumentParser(description="How well signals are found in single sentences.")
    parser.add_argument("--held-out", action="store_true", help="measure on a fifth of the training sentences instead")
    console = Console()
    held_out = parser.parse_args().held_out
    train, test = _fifth_apart() if held_out else (read_training_sentences(), read_test_sentences(TEST_SENTENCES))
    with console.status("Training the signal detector …"):
        detector = train_signal_detector(SalesEncoder.load(keep_states=True), sentences=train)
    scores = detector.head.scores(detector.encoder.embed_texts(test.texts))
    found, phrases = found_labels(scores), find_phrases(test.texts)
    console.print(_table(test, found, phrases))
    accuracies = (polarity_accuracy(test.labels, of) for of in (found, phrases))
    console.print("Right polarity where the signal was found: {:.2f}; phrase lists {:.2f}".format(*accuracies))
    if held_out:
        for threshold in _THRESHOLDS:
            f1 = macro_f1(signal_figures(test.labels, found_labels(scores, threshold)))
            console.print(f"Threshold {threshold:.2f}: macro F1 {f1:.3f}")


def _fifth_apart() -> tuple[LabelledSentences, LabelledSentences]:
    """Four fifths of the training sentences' groups, and the others."""
    from sklearn.model_selection import GroupKFold

    sentences = read_training_sentences()
    folds = GroupKFold(5, shuffle=True, random_state=42).split(sentences.labels, groups=sentences.groups)
    kept, held_out = next(folds)
    return sentences.part(kept), sentences.part(held_out)


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
