"""The texts that everybody reads in the speed benchmark: notes of about forty words and calls of any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from conversation import Conversation, Turn
from data_pipeline import split_sentences
from generate_sales_data import generate_conversations

WORDS_A_NOTE, WORDS_AN_HOUR = 40, 9000
NOTE = (
    "Spoke with the head of operations about replacing their reporting tool. She liked the dashboard, asked how long the "
    "migration takes, and said the budget is approved for this quarter. Legal still has to read the contract before Friday."
)


def notes(count: int, distinct: bool = True, seed: int = 0) -> list[str]:
    """Notes of generated sentences. `distinct`: no sentence comes twice, as each ends with a number of its own."""
    sentences = _sentences()
    random = np.random.default_rng(seed)
    number = itertools.count(1000)
    found = []
    for _ in range(count):
        chosen: list[str] = []
        while sum(len(sentence.split()) for sentence in chosen) < WORDS_A_NOTE - 4:
            sentence = sentences[random.integers(len(sentences))]
            chosen.append(f"{sentence[:-1]}, {next(number)}." if distinct else sentence)
        found.append(" ".join(chosen))
    return found


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
