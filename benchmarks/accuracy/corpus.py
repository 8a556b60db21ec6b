"""What the written scenarios teach, measured across their writers: the tables of docs/accuracy.md.

    python -m benchmarks.accuracy.corpus [--markdown] [--sizes N …] [--seeds N]

Words and keywords learn from all writers but one and are tested on that one. The sales encoder was tuned on the knowledge
half, so what it is worth is measured on the writers of the demo half only: the starter as it comes, linear heads on frozen
vectors, learned from the others and tested on one, and how the ensemble learns with and without the starter from ever more
conversations. Last, what the default run makes of conversations by two more people (`benchmarks/accuracy/unseen/`), who read
nothing of the corpus; one of them, `buyer`, was asked for such as no tone and no word gives away. A scenario counts as a
deal where its writer judged it likelier than not; of 205 scenarios a ROC AUC is known to about ±0.02, of 72 to ±0.06. Half
an hour on 2 cores, most of it for the learning curve; `--sizes 0` leaves that out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

import foundations.thread_policy  # noqa: F401 — before the libraries whose threads it governs
from benchmarks.accuracy.tables import markdown
from classification_head_model import ClassificationHeadModel
from conversations.conversation import Conversation
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import Half, Scenario, read_scenarios
from conversations.folds import set_aside
from conversations.reading.record import conversation_from_record
from conversations.split import split_conversations
from data_pipeline import read_conversations
from encoder.text_encoder import BUNDLED
from encoder.torch_encoder import SalesEncoder
from ensemble_model import EnsembleModel, EnsembleSettings
from evaluation.baselines import KeywordBaseline, TfidfLogisticRegression
from foundations.terminal import console, progress_bar, say
from generate_sales_data import generate_conversations
from model_registry import MODEL_CLASSES
from modelling.conversion_model import ConversionModel
from modelling.names import STARTER
from modelling.starter_head import starter_head_for
from probability.metrics import classification_metrics, roc_auc
from starter_model import StarterModel

UNSEEN = Path(__file__).with_name("unseen")
_SEED = 1
SIZES = (20, 40, 80, 160)


class Drawn(NamedTuple):
    """A scenario and the conversation drawn from it, whose outcome is what its writer judged likelier."""

    scenario: Scenario
    conversation: Conversation


def drawn(half: Half) -> list[Drawn]:
    """One conversation a scenario."""
    drawing = Drawing(_SEED)
    found = []
    for scenario in read_scenarios(half):
        outcome = "successful" if scenario.probability > 0.5 else "failed"
        record = {**drawing.record(scenario), "outcome": outcome, "conversation_id": f"{scenario.writer}-{scenario.id}"}
        found.append(Drawn(scenario, conversation_from_record(record, scenario.id)))
    return found


def words_table(everything: Sequence[Drawn]) -> Table:
    """Keywords and TF-IDF, trained on all writers but one and tested on that one."""
    table = Table("tested on", "scenarios", "keywords", "TF-IDF", title="Across writers: ROC AUC / accuracy")
    for writer in sorted({one.scenario.writer for one in everything}):
        kept = [one.conversation for one in everything if one.scenario.writer != writer]
        held = [one.conversation for one in everything if one.scenario.writer == writer]
        cells = []
        for baseline in (KeywordBaseline(), TfidfLogisticRegression()):
            baseline.fit(kept)
            cells.append(figures(held, baseline.predict_proba(held)))
        table.add_row(writer, str(len(held)), *cells)
    return table


def encoder_table(demo: Sequence[Drawn], encoders: dict[str, SalesEncoder]) -> Table:
    """Frozen vectors with a linear head, one demo writer against the other, and the starter, which learned from neither."""
    writers = sorted({one.scenario.writer for one in demo})
    table = Table("", *writers, title="Writers whom the encoder was not tuned on: ROC AUC / accuracy")
    by_writer = {w: [one.conversation for one in demo if one.scenario.writer == w] for w in writers}
    for name, encoder in encoders.items():
        cells = []
        for writer in writers:
            others = [one for other in writers if other != writer for one in by_writer[other]]
            model = ClassificationHeadModel(encoder)
            model.fit(*set_aside(others, _SEED))
            cells.append(figures(by_writer[writer], model.predict_proba(by_writer[writer])))
        table.add_row(f"linear head, encoder {name}", *cells)
    everyone = [one.conversation for one in demo]
    starter = StarterModel(encoders["sales"])
    starter.fit(*set_aside(everyone, _SEED))
    log_odds = dict(zip(map(id, everyone), starter._log_odds(everyone), strict=True))  # as it comes, not calibrated

    def of_starter(some: Sequence[Conversation]) -> str:
        if len({one.label for one in some}) < 2:  # not every writer has every form
            return "–"
        return figures(some, 1 / (1 + np.exp(-np.array([log_odds[id(one)] for one in some]))))

    table.add_row("starter", *(of_starter(by_writer[writer]) for writer in writers))
    for form in ("call", "note", "mail", "chat"):
        own = [[o.conversation for o in demo if (o.scenario.writer, o.scenario.form) == (w, form)] for w in writers]
        table.add_row(f"starter, {form}s", *map(of_starter, own))
    unstated = [[o.conversation for o in demo if o.scenario.writer == w and not o.scenario.stated] for w in writers]
    table.add_row("starter, decision not stated", *map(of_starter, unstated))
    return table


def learning_table(demo: Sequence[Drawn], encoder: SalesEncoder, sizes: Sequence[int], seeds: int) -> Table:
    """The ensemble with and without the starter, learned from some conversations of one writer, tested on the other."""
    table = Table(
        "learned from", "without the starter", "with it", title="Ensemble: ROC AUC, mean of writers and seeds"
    )
    writers = sorted({one.scenario.writer for one in demo})
    with progress_bar("Learning from ever more") as report:
        for step, size in enumerate(sizes):
            cells = []
            for votes in (False, True):
                found = list(_learned(demo, encoder, writers, size, seeds, votes))
                cells.append(f"{np.mean(found):.3f} ± {np.std(found) / np.sqrt(len(found)):.3f}")
                report((2 * step + 1 + votes) / (2 * len(sizes)))
            table.add_row(str(size), *cells)
    return table


def _learned(
    demo: Sequence[Drawn], encoder: SalesEncoder, writers: Sequence[str], size: int, seeds: int, votes: bool
) -> Iterator[float]:
    for writer in writers:
        held = [one.conversation for one in demo if one.scenario.writer == writer]
        others = [one.conversation for one in demo if one.scenario.writer != writer]
        for seed in range(seeds):
            some = _balanced(others, size, np.random.default_rng(seed))
            model = EnsembleModel(encoder, EnsembleSettings(starter=votes), seed=seed)
            model.fit(*set_aside(some, seed))
            yield roc_auc([one.label for one in held], model.predict_proba(held))


def _balanced(some: Sequence[Conversation], size: int, random: np.random.Generator) -> list[Conversation]:
    order = [some[index] for index in random.permutation(len(some))]
    return [one for label in (0, 1) for one in [each for each in order if each.label == label][: size // 2]]


def unseen_table(encoders: dict[str, SalesEncoder]) -> Table:
    """The models of the default 200 conversations, by encoder, on those of people who wrote nothing of the corpus."""
    sets = {name: judged(read_conversations(UNSEEN / f"{name}.jsonl")) for name in ("buyer", "field")}
    table = Table("", *sets, title="The default run on conversations by two others: ROC AUC / accuracy / ECE")
    records = generate_conversations(seed=42)
    splits = split_conversations([conversation_from_record(record, "generated") for record in records], 42)
    words = TfidfLogisticRegression()
    words.fit([*splits.train, *splits.validation])
    table.add_row("TF-IDF", *(figures(of_one, words.predict_proba(of_one), ece=True) for of_one in sets.values()))
    for encoder_name, encoder in encoders.items():
        fitted: dict[str, ConversionModel] = {}
        for name, model_class in MODEL_CLASSES.items():
            if name == STARTER and starter_head_for(encoder) is None:
                continue
            fitted[name] = model_class(encoder, seed=42)
            fitted[name].reuse(fitted)
            fitted[name].fit(splits.train, splits.validation)
            cells = (figures(of_one, fitted[name].predict_proba(of_one), ece=True) for of_one in sets.values())
            table.add_row(f"{name}, encoder {encoder_name}", *cells)
    return table


def judged(conversations: Sequence[Conversation]) -> list[Conversation]:
    """With the outcome that the writer thought likelier, so that chance has no part in it."""
    return [
        one.model_copy(update={"outcome": "successful" if (one.true_probability or 0.0) > 0.5 else "failed"})
        for one in conversations
    ]


def figures(conversations: Sequence[Conversation], probabilities: NDArray[np.float64], ece: bool = False) -> str:
    """ROC AUC / accuracy, and / ECE where asked for, to three digits."""
    figures = classification_metrics([one.label for one in conversations], probabilities)
    shown = ["roc_auc", "accuracy", *(["ece"] if ece else [])]
    return " / ".join(f"{figures[name]:.3f}" for name in shown)


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy.corpus", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown, too")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="of the learning curve; 0: none")
    parser.add_argument("--seeds", type=int, default=2, help="of the learning curve (default 2)")
    options = parser.parse_args()
    demo = drawn("demo")
    encoders = {name: SalesEncoder.load(name, keep_states=True) for name in (BUNDLED, "sales")}
    sizes = [size for size in options.sizes if size]

    def tables() -> Iterator[Table]:
        yield words_table([*demo, *drawn("knowledge")])
        yield encoder_table(demo, encoders)
        yield unseen_table(encoders)
        if sizes:
            yield learning_table(demo, encoders["sales"], sizes, options.seeds)

    for table in tables():  # each is shown as soon as it is there
        console.print(table)
        if options.markdown:
            say(markdown(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
