"""Learns which words tell a sale from other talk, from written sales and from written texts in which nobody sells.

    python -m knowledge.sale_topic [--output FILE]

A logistic regression on the terms of pieces of PIECE words: the corpus and the dialogues of who_sells/ on one side, those of
`conversations/corpus/no_sale/`, a file a writer, on the other. Prints for each writer, read by what was learned without
them, how many texts are called no sale beside demo conversations. Takes a minute or two.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from conversations.conversation import Conversation
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import CORPUS, Half, read_scenarios
from conversations.formats.recordings.plain_text import plain_text_records
from conversations.model_text import spoken_text
from conversations.terms import TermWeights, written_weights
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import say
from knowledge.who_sells import terms_of, unit_rows, written_dialogues
from probability.reliability import RARE
from probability.sale_topic import NO_SALE_WORDS, PIECE, SaleTopic

NO_SALE = CORPUS / "no_sale"
MOST_TERMS = 8000
INVERSE_PENALTY = 10.0  # C of scikit-learn
LONG = 6  # texts after each other are as long as a short meeting
_BETWEEN = "\n===\n"


def no_sale_texts(folder: Path = NO_SALE) -> dict[str, list[str]]:
    """What was said, by writer. Raises InputError where there is none."""
    found = {path.stem: _texts(path) for path in sorted(folder.glob("*.txt"))}
    if not found:
        raise InputError(f"There are no texts in {str(folder)!r}; restore the folder.")
    return found


def _texts(path: Path) -> list[str]:
    texts = path.read_text(encoding="utf-8").strip().split(_BETWEEN)
    records = [record for text in texts for _, record in plain_text_records(text, path)]
    return [spoken_text(Conversation.model_validate(record)) for record in records]


def sale_texts(half: Half, seed: int = 0) -> list[str]:
    """What was said in a half of the corpus, with drawn names and sums."""
    drawing = Drawing(seed)
    return [spoken_text(Conversation.model_validate(drawing.record(one))) for one in read_scenarios(half)]


def learned_words(sales: Sequence[str], others: Sequence[str]) -> TermWeights:
    """Log-odds of being no sale."""
    pieces = [_pieces(texts) for texts in (sales, others)]
    counter = CountVectorizer(analyzer=terms_of, max_features=MOST_TERMS)
    rows = unit_rows(counter.fit_transform([[piece] for of_kind in pieces for piece in of_kind]))
    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=2000)
    model.fit(rows, np.repeat([0, 1], [len(of_kind) for of_kind in pieces]))
    terms = counter.get_feature_names_out().tolist()
    return TermWeights(dict(zip(terms, model.coef_[0].tolist(), strict=True)), float(model.intercept_[0]))


def _pieces(texts: Sequence[str]) -> list[str]:
    split = [text.split() for text in texts]
    return [
        " ".join(words[start : start + PIECE])
        for words in split
        for start in range(0, max(1, len(words) - PIECE // 2), PIECE)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.sale_topic", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=NO_SALE_WORDS, metavar="FILE", help="default: where it is read")
    given = parser.parse_args(arguments)
    try:
        others = no_sale_texts()
        sales = [*sale_texts("knowledge"), *(" ".join(text for _, text in one.said) for one in written_dialogues())]
        demo = sale_texts("demo")
        for writer, held in others.items():
            words = learned_words(sales, [text for name, texts in others.items() if name != writer for text in texts])
            topic = SaleTopic.fit(demo[::2], RARE, words)
            long = [" ".join(held[start : start + LONG]) for start in range(0, len(held), LONG)]
            found, of_long, wrongly = (
                np.mean([topic.is_far(text) for text in texts]) for texts in (held, long, demo[1::2])
            )
            say(
                f"{writer}, held out: {found:.2f} of texts called no sale, {of_long:.2f} of {LONG} after each other, "
                f"{wrongly:.3f} of sales"
            )
        words = learned_words(sales, [text for texts in others.values() for text in texts])
        write_json(given.output, written_weights(words.weights, bias=words.bias))
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"{len(words.weights):,} terms, saved {given.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
