"""What models that learned from English make of German and Spanish: the tables of docs/languages.md.

    python -m benchmarks.accuracy.languages [--encoders NAME …] [--markdown]

First, for 20 sentences (sentence_pairs.json), how often the nearest in another language is the translation. Then the models:
they learn from the default English data, 200 conversations with the seed 42, once with each encoder, and are asked about
conversations and notes by people who wrote none of it (`benchmarks/accuracy/unseen/`): `field` in English, `german` and
`spanish`. One counts as a deal where its writer thought that likelier; of 60 a ROC AUC is known to about ± 0.07. TF-IDF
stands beside them. Then what the signals' heads find in 63 translated test sentences (signal_translations.json), and the
processor time of a note. Encoders run in int8, as most are served. Needs requirements/multilingual.txt; about three minutes of
processor time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.corpus import UNSEEN, figures, judged
from benchmarks.accuracy.tables import markdown
from classification_head_model import ClassificationHeadModel
from conversations.conversation import Conversation
from conversations.model_text import spoken_text
from conversations.reading.record import conversation_from_record
from conversations.split import split_conversations
from data_pipeline import read_conversations
from encoder.onnx_encoder import OnnxTextEncoder
from encoder.onnx_export import export_encoder
from encoder.text_encoder import BUNDLED, MULTILINGUAL, SALES, TextEncoder, remembered_texts
from encoder.torch_encoder import SalesEncoder
from evaluation.baselines import TfidfLogisticRegression
from few_shot_model import FewShotModel
from foundations.errors import InputError
from foundations.terminal import console, progress_bar, say
from generate_sales_data import generate_conversations
from modelling.conversion_model import ConversionModel
from modelling.segments import segment_conversations
from modelling.starter_head import starter_head_for
from modelling.whitening import normalised
from probability.metrics import precision_recall_f1
from signals.head import found_labels
from signals.sentences import SIGNAL_LABELS
from signals.trained import read_trained_signals
from starter_model import StarterModel

_HERE = Path(__file__).parent
SETS = {"field (English)": "field", "German": "german", "Spanish": "spanish"}
PAIRS, TRANSLATIONS = _HERE / "sentence_pairs.json", _HERE / "signal_translations.json"
_COUNT, _SEED = 200, 42
_TIMED = 30  # notes
_SHORT = 100  # words: what surely fits into the window of every encoder


class Measured(NamedTuple):
    """An encoder in both forms."""

    trained: SalesEncoder
    served: OnnxTextEncoder  # int8
    megabytes: float  # of its files


def measured(name: str, texts: Sequence[str]) -> Measured:
    """texts: what int8 ranges are measured on. Raises InputError where the encoder can't be loaded."""
    trained = SalesEncoder.load(name)
    exported = export_encoder(trained, texts)
    return Measured(trained, exported.encoder("int8"), sum(map(len, exported.files("int8"))) / 1e6)


def pairs_table(encoders: dict[str, Measured]) -> Table:
    """Of 20 sentences, how many have their translation as the nearest in the other language, both ways' mean."""
    rows = json.loads(PAIRS.read_text(encoding="utf-8"))
    others = [language for language in rows[0] if language != "English"]
    table = Table("encoder", *(f"English–{language}" for language in others), title=f"Pairs found, of {len(rows)}")
    for name, encoder in encoders.items():
        english = normalised(encoder.served.embed_texts([row["English"] for row in rows]))
        cells = []
        for language in others:
            cosines = english @ normalised(encoder.served.embed_texts([row[language] for row in rows])).T
            found = [(cosines.argmax(axis=axis) == np.arange(len(rows))).sum() for axis in (0, 1)]
            cells.append(f"{np.mean(found):g}")
        table.add_row(name, *cells)
    return table


def models_table(encoders: dict[str, Measured]) -> Table:
    """ROC AUC / accuracy of each model on each set, and how like each other its conversations are."""
    splits = split_conversations(_english(), seed=_SEED)
    unseen = {title: judged(read_conversations(UNSEEN / f"{name}.jsonl")) for title, name in SETS.items()}
    columns = ("encoder", "model", *unseen, "pairs' cosine", "nearest's")
    table = Table(*columns, title="Learned from English: ROC AUC / accuracy")
    words = TfidfLogisticRegression()
    words.fit(splits.learned_from)
    table.add_row("–", "TF-IDF", *(figures(some, words.predict_proba(some)) for some in unseen.values()))
    with progress_bar("Training") as report:
        for done, (name, encoder) in enumerate(encoders.items(), start=1):
            with remembered_texts():  # all models of an encoder read the same
                for model in _models(encoder.served):
                    model.fit(splits.train, splits.validation)
                    cells = [figures(some, model.predict_proba(some)) for some in unseen.values()]
                    table.add_row(name, model.title, *cells, *_cosines(model, splits.test, splits.learned_from))
            report(done / len(encoders))
    return table


def _cosines(model: ConversionModel, some: Sequence[Conversation], known: Sequence[Conversation]) -> tuple[str, str]:
    """Of what `similar_conversations` compares: the median of all pairs, and of each one's nearest."""
    cosines = model.embed(some) @ model.embed(known).T
    return f"{np.median(cosines):.2f}", f"{np.median(cosines.max(axis=1)):.2f}"


def _models(encoder: TextEncoder) -> list[ConversionModel]:
    frozen: list[ConversionModel] = [FewShotModel(encoder), ClassificationHeadModel(encoder)]
    return [StarterModel(encoder), *frozen] if starter_head_for(encoder) else frozen


def signals_table(encoders: dict[str, Measured]) -> Table:
    """Recall, precision and F1 of all signals together; one of the wrong polarity is not found."""
    rows = json.loads(TRANSLATIONS.read_text(encoding="utf-8"))
    labels = np.array([[label in row["signals"] for label in SIGNAL_LABELS] for row in rows])
    languages = [key for key in rows[0] if key != "signals"]
    title = f"{labels.sum()} signals in {len(rows)} single sentences, the head alone: recall / precision / F1"
    table = Table("encoder", *languages, title=title)
    for name, encoder in encoders.items():
        detector = read_trained_signals(encoder.trained)
        if detector is None:
            continue
        cells = []
        for language in languages:
            found = found_labels(detector.head.scores(detector.encoder.embed_texts([row[language] for row in rows])))
            precision, recall, f1 = precision_recall_f1(labels.ravel(), found.ravel())
            cells.append(f"{recall:.2f} / {precision:.2f} / {f1:.2f}")
        table.add_row(name, *cells)
    return table


def times_table(encoders: dict[str, Measured]) -> Table:
    """Processor time of a note's vectors."""
    notes = read_conversations(UNSEEN / "field.jsonl")[:_TIMED]
    table = Table("encoder", "ms a conversation", "MB", title=f"Encoding {_TIMED} of field, int8, processor time")
    for name, encoder in encoders.items():
        table.add_row(name, f"{_seconds(encoder.served, notes) * 1000:.1f}", f"{encoder.megabytes:.0f}")
    return table


def _seconds(encoder: TextEncoder, notes: Sequence[Conversation]) -> float:
    started = time.process_time()
    for note in notes:
        encoder.embed_texts(segment_conversations(encoder, [note]).texts)
    return (time.process_time() - started) / len(notes)


def _english() -> list[Conversation]:
    return [conversation_from_record(one, "generated") for one in generate_conversations(count=_COUNT, seed=_SEED)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; 0, or 2 after one sentence where an encoder can't be loaded."""
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy.languages", description=description)
    parser.add_argument("--encoders", nargs="+", default=[SALES, BUNDLED, MULTILINGUAL], metavar="NAME")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown, too")
    options = parser.parse_args(arguments)
    texts = [line for one in _english() for line in spoken_text(one).split("\n") if len(line.split()) < _SHORT]
    try:
        encoders = {name: measured(name, texts) for name in options.encoders}
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    for make in (pairs_table, models_table, signals_table, times_table):
        table = make(encoders)
        console.print(table)
        if options.markdown:
            say(markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
