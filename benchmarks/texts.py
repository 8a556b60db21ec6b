"""The texts that everybody reads in the speed benchmark: notes of about forty words and calls of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from conversations.conversation import Conversation, Turn
from conversations.sentences import split_sentences
from generate_sales_data import generate_conversations

WORDS_A_NOTE, WORDS_OFF, WORDS_AN_HOUR = 40, 2, 9000
NOTE = (
    "Spoke with the head of operations about replacing their reporting tool. She liked the dashboard, asked how long the "
    "migration takes, and said the budget is approved for this quarter. Legal still has to read the contract before Friday."
)


def notes(count: int, distinct: bool = True, seed: int = 0) -> list[str]:
    """Notes of generated sentences, WORDS_A_NOTE words long or at most WORDS_OFF more or fewer.

    `distinct`: no sentence comes twice, as each ends with a number of its own.
    """
    sentences = [(sentence, len(sentence.split()) + distinct) for sentence in _sentences()]
    random = np.random.default_rng(seed)
    number = itertools.count(1000)
    found = []
    for _ in range(count):
        chosen = _of_a_note(sentences, random)
        found.append(" ".join(f"{sentence[:-1]}, {next(number)}." if distinct else sentence for sentence in chosen))
    return found


def _of_a_note(sentences: list[tuple[str, int]], random: np.random.Generator) -> list[str]:
    """Drawn again until the number of words fits."""
    while True:
        chosen, words = [], 0
        while words < WORDS_A_NOTE - WORDS_OFF:
            sentence, length = sentences[random.integers(len(sentences))]
            chosen.append(sentence)
            words += length
        if words <= WORDS_A_NOTE + WORDS_OFF:
            return chosen


def call(words: int, seed: int = 0) -> Conversation:
    """A call of about that many words, in turns of a sentence or two, none of them twice."""
    texts = _endless_turns(seed)
    turns: list[Turn] = []
    spoken = 0
    while spoken < words:
        text = next(texts)
        turns.append(Turn(speaker=("customer", "seller")[len(turns) % 2], text=text))
        spoken += len(text.split())
    return Conversation(turns=turns)


def _endless_turns(seed: int) -> Iterator[str]:
    for batch in itertools.count():
        for note in notes(200, seed=seed * 1000 + batch):
            sentences = split_sentences(note)
            yield " ".join(sentences[: 1 + len(note) % 2]) + f" {batch}"


def _sentences() -> list[str]:
    transcripts = [str(record.get("transcript") or "") for record in generate_conversations(count=200, seed=1)]
    found = dict.fromkeys(sentence for text in transcripts for sentence in split_sentences(text))
    return [sentence for sentence in found if 4 <= len(sentence.split()) <= 20]
