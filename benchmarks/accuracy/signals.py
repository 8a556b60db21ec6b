"""How well signals are found, in conversations and in single sentences, beside the phrase lists that the encoder replaces.

    python -m benchmarks.accuracy.signals [--keep] [--development | --held-out]

F1 counts a signal as found only with its right polarity; "either polarity" asks only whether the sentence speaks of it,
and the polarity's accuracy is then the share of those that came out on the right side. All averages are over the 13
signals; sentences that say nothing count through the false alarms they raise. The first table is of the head alone. Then
comes what users get, from the folder that is served: the whole finder over the old set, each sentence a note of its own,
and over the new set, 70 conversations by another writer (`signal_conversations`).

The detector is the one that comes with the program for the encoder, or is trained where that is out of date. --keep trains
teachers and their student (`signals.distillation`) for the bundled encoder and writes the file that comes with the
program: about an hour on one core.

The test sentences tune nothing; no words in a row and no near duplicates of theirs are in signal_sentences.json. For
choices there are the development sentences, kept apart in the same way, and --held-out, which trains a single detector,
without teachers, on four fifths of the training sentences' groups, measures on the rest and shows what other thresholds
would give.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before torch
from benchmarks.accuracy.signal_conversations import (
    LabelledConversation,
    as_notes,
    conversation_table,
    read_by,
    read_labelled_conversations,
)
from benchmarks.accuracy.signal_phrases import find_phrases
from encoder.text_encoder import BUNDLED, SALES
from encoder.torch_encoder import SalesEncoder
from foundations.terminal import console, progress_bar
from modelling.saved.serving_folder import read_serving_artifact
from signals.artifact import load_signal_finder, save_signal_finder
from signals.distillation import train_distilled_detector
from signals.head import found_labels, macro_f1, mention_figures, polarity_accuracy, signal_figures
from signals.sentences import SIGNAL_NAMES, LabelledSentences, read_test_sentences, read_training_sentences
from signals.trained import read_trained_signals, write_trained_signals
from signals.training import SignalDetector, train_signal_detector

_DATA = Path(__file__).parents[2] / "tests" / "data"
TEST_CONVERSATIONS = _DATA / "signal_test_conversations.json"
DEVELOPMENT_CONVERSATIONS = _DATA / "signal_development_conversations.json"
TEST_SENTENCES = _DATA / "signal_test_sentences.json"
DEVELOPMENT_SENTENCES = _DATA / "signal_development_sentences.json"
_THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy.signals", description="How well signals are found in single sentences."
    )
    parser.add_argument("--keep", action="store_true", help="train, and write the detector that comes with the program")
    parser.add_argument("--encoder", choices=[SALES, BUNDLED], default=SALES)
    measured_on = parser.add_mutually_exclusive_group()
    measured_on.add_argument("--development", action="store_true", help="measure on the development sentences instead")
    measured_on.add_argument("--held-out", action="store_true", help="train without a fifth, and measure on that")
    options = parser.parse_args()
    if options.keep and options.held_out:
        parser.error("--keep needs all training sentences, so it can't go with --held-out.")
    encoder = SalesEncoder.load(BUNDLED if options.keep else options.encoder, keep_states=True)
    test = read_test_sentences(DEVELOPMENT_SENTENCES if options.development else TEST_SENTENCES)
    talks = DEVELOPMENT_CONVERSATIONS if options.development else TEST_CONVERSATIONS
    detector = None if options.keep or options.held_out else read_trained_signals(encoder)
    if detector is None:
        train = read_training_sentences()
        if options.held_out:
            train, test = _fifth_apart(train)
        learn = train_distilled_detector if options.keep else train_signal_detector
        with progress_bar("Training the signal detector") as report:
            detector = learn(encoder, sentences=train, progress=report)
    if options.keep:
        write_trained_signals(detector)
    scores = detector.head.scores(detector.encoder.embed_texts(test.texts))
    found, phrases = found_labels(scores), find_phrases(test.texts)
    console.print(_table(test, found, phrases))
    accuracies = (polarity_accuracy(test.labels, of) for of in (found, phrases))
    console.print("Right polarity where the signal was found: {:.2f}; phrase lists {:.2f}".format(*accuracies))
    if not options.held_out:
        _print_served(detector, {"Old set": as_notes(test), "New set": read_labelled_conversations(talks)})
    else:
        for threshold in _THRESHOLDS:
            f1 = macro_f1(signal_figures(test.labels, found_labels(scores, threshold)))
            console.print(f"Threshold {threshold:.2f}: macro F1 {f1:.3f}")


def _print_served(detector: SignalDetector, sets: dict[str, list[LabelledConversation]]) -> None:
    """What the files that are served find in conversations."""
    with TemporaryDirectory() as folder:
        save_signal_finder(detector.head, detector.encoder, Path(folder))
        served = load_signal_finder(Path(folder))
        precision = read_serving_artifact(Path(folder)).manifest["serving"]["precision"]
        for name, conversations in sets.items():
            reading = read_by(served, conversations)
            console.print(conversation_table(f"{name}, as served in {precision}", reading))
            if reading.sentiments:
                console.print(
                    f"Sentiment right in {reading.sentiment_accuracy:.3f} of {len(reading.sentiments)} conversations"
                )


def _fifth_apart(sentences: LabelledSentences) -> tuple[LabelledSentences, LabelledSentences]:
    """Four fifths of the sentences' groups, and the others."""
    from sklearn.model_selection import GroupKFold

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
