"""Learns which words tell who sells, from written dialogues: the corpus's calls, mails and chats, and those of who_sells/.

    python -m knowledge.who_sells [--output FILE]
    python -m knowledge.who_sells --data FILE          how often it is right in conversations of yours that name both sides

A logistic regression on the difference of the two sides' terms, without intercept, so that swapping the sides swaps the
answer. The corpus's customers talk most, as they matter most there; the dialogues of `conversations/corpus/who_sells/`,
a file a writer, hold what it lacks: sellers who lead, private people who haggle. Prints how often each writer's dialogues
are told right by what was learned from all the others. Takes a minute.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from conversations.conversation import SIDES, Conversation
from conversations.corpus.drawing import Drawing
from conversations.corpus.scenarios import CORPUS, read_scenarios
from conversations.reading.files import read_conversations
from conversations.terms import TermWeights, term_counts, written_weights
from conversations.who_sells import ROLE_WORDS, RoleWords, role_words
from foundations.atomic_files import write_json
from foundations.errors import InputError
from foundations.terminal import say

DIALOGUES = CORPUS / "who_sells"
MOST_TERMS = 6000
INVERSE_PENALTY = 1.0  # C of scikit-learn, for dialogues that weigh 1 in the mean
HALF = 0.5  # of all weight that the dialogues of who_sells/ have beside the corpus
TOLD_WHO_BEGINS = frozenset(  # these writers were told to let customers begin in a good part
    "callback crossing doorstep fieldbook haggle hotline notebook openings pinboard postbox practice screenshare threads"
    " undertow workshop".split()
)
_LINE = re.compile(r"([SC]):[ \t]*(\S.*)")
_SIDES = {"S": "seller", "C": "customer"}

Said = list[tuple[str, str]]  # (side, text) in order


class Dialogue(NamedTuple):
    """What was said, by whom, and who wrote it."""

    writer: str
    said: Said

    def of(self, side: str) -> list[str]:
        """The texts of a side."""
        return [text for speaker, text in self.said if speaker == side]


def written_dialogues(folder: Path = DIALOGUES) -> list[Dialogue]:
    """Those of who_sells/: lines that begin with S: or C:, a blank line between dialogues.

    Raises InputError that quotes a line that is neither.
    """
    return [dialogue for path in sorted(folder.glob("*.txt")) for dialogue in _read(path)]


def _read(path: Path) -> Iterator[Dialogue]:
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        said = []
        for line in filter(None, block.split("\n")):
            found = _LINE.fullmatch(line.strip())
            if found is None:
                raise InputError(f"{path}: the line {line[:60]!r} begins with neither 'S: ' nor 'C: '; correct it.")
            said.append((_SIDES[found[1]], found[2]))
        if said:
            yield Dialogue(path.stem, said)


def corpus_dialogues(seed: int = 0) -> list[Dialogue]:
    """The knowledge half of the corpus with drawn names and sums, without notes and mails of one text."""
    drawing = Drawing(seed)
    found = []
    for scenario in read_scenarios("knowledge"):
        turns = drawing.record(scenario).get("turns", [])
        if len({turn["speaker"] for turn in turns}) == 2:
            found.append(Dialogue(scenario.writer, [(turn["speaker"], turn["text"]) for turn in turns]))
    return found


def learned_words(corpus: Sequence[Dialogue], written: Sequence[Dialogue]) -> RoleWords:
    """The weights of the commonest terms; both kinds of dialogue weigh alike in all, and within them each writer does."""
    dialogues = [*corpus, *written]
    counter = CountVectorizer(analyzer=terms_of, max_features=MOST_TERMS)
    counter.fit([dialogue.of(side) for dialogue in dialogues for side in _SIDES.values()])
    sides = [unit_rows(counter.transform(dialogue.of(side) for dialogue in dialogues)) for side in _SIDES.values()]
    rows = hstack([sides[0] - sides[1], csr_matrix([[_first(dialogue)] for dialogue in dialogues])]).tocsr()
    model = LogisticRegression(C=INVERSE_PENALTY, fit_intercept=False, max_iter=1000)
    weights = np.concatenate([(1 - HALF) * _weights(corpus), HALF * _weights(written)]) * len(dialogues)
    labels = np.repeat([1, 0], len(dialogues))
    model.fit(vstack([rows, -rows]), labels, sample_weight=np.tile(weights, 2))
    terms, values = counter.get_feature_names_out().tolist(), model.coef_[0]
    return RoleWords(TermWeights(dict(zip(terms, values[:-1].tolist(), strict=True))), 2 * float(values[-1]))


def _first(dialogue: Dialogue) -> float:
    """1 where the seller begins, -1 where the customer does, 0 where that was the writer's task and tells nothing."""
    if dialogue.writer in TOLD_WHO_BEGINS:
        return 0.0
    return 1.0 if dialogue.said[0][0] == "seller" else -1.0


def _weights(dialogues: Sequence[Dialogue]) -> NDArray[np.float64]:
    """(dialogues,) sum 1, each writer's the same: how many a writer wrote says nothing about how people talk."""
    of_writer = Counter(dialogue.writer for dialogue in dialogues)
    return np.array([1 / (of_writer[dialogue.writer] * len(of_writer)) for dialogue in dialogues])


def terms_of(texts: Sequence[str]) -> list[str]:
    """Every term as often as it occurs: what a CountVectorizer calls an analyzer."""
    return list(term_counts(texts).elements())


def unit_rows(counts: csr_matrix) -> csr_matrix:
    """Counts (n, terms) as unit vectors of 1 + ln count, as `TermWeights` makes them."""
    damped = counts.astype(np.float64)
    damped.data = 1.0 + np.log(damped.data)
    return normalize(damped)


def told_right(words: RoleWords, dialogues: Sequence[Dialogue]) -> NDArray[np.float64]:
    """(right, wrong, not told) shares of dialogues whose sides are hidden behind two names."""
    names = {"seller": "a", "customer": "b"}
    found = [words.sides([(names[side], text) for side, text in dialogue.said]) for dialogue in dialogues]
    right = sum(sides.get("a") == "seller" for sides in found)
    told = sum(bool(sides) for sides in found)
    return np.array([right, told - right, len(found) - told]) / max(1, len(found))


def _said(conversation: Conversation) -> Said:
    given = [] if conversation.sides_inferred else conversation.turns or []
    return [(turn.speaker, turn.text) for turn in given if turn.speaker in SIDES]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code (2: bad input)."""
    parser = argparse.ArgumentParser(prog="python -m knowledge.who_sells", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROLE_WORDS, metavar="FILE", help="default: where it is read")
    parser.add_argument("--data", type=Path, metavar="FILE", help="learn nothing; hide the sides of these and ask")
    given = parser.parse_args(arguments)
    try:
        if given.data:
            dialogues = [
                Dialogue("", said) for said in map(_said, read_conversations(given.data)) if len(dict(said)) == 2
            ]
            right, wrong, untold = told_right(role_words(), dialogues)
            say(f"{right:.3f} right, {wrong:.3f} wrong, {untold:.3f} not told, of {len(dialogues):,} with two sides")
            return 0
        corpus, written = corpus_dialogues(), written_dialogues()
        for writer in sorted({dialogue.writer for dialogue in written}):
            held = [dialogue for dialogue in written if dialogue.writer == writer]
            words = learned_words(corpus, [dialogue for dialogue in written if dialogue.writer != writer])
            right, wrong, untold = told_right(words, held)
            say(f"{writer}, held out: {right:.3f} right, {wrong:.3f} wrong, {untold:.3f} not told, of {len(held)}")
        words = learned_words(corpus, written)
        write_json(given.output, written_weights(words.terms.weights, first=words.first))
    except InputError as error:
        say(f"Error: {error}", style="red")
        return 2
    say(f"{len(words.terms.weights):,} terms of {len(corpus) + len(written):,} dialogues, saved {given.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
