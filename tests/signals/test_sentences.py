"""The labelled sentences: balanced, and none repeated where it would flatter a measurement."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.accuracy.signal_conversations import read_labelled_conversations
from conversations.corpus.scenarios import read_scenarios
from conversations.near_duplicates import alike
from signals.sentences import (
    SIGNAL_LABELS,
    SIGNAL_NAMES,
    SPOKEN_SENTENCES,
    read_test_sentences,
    read_training_sentences,
)

TEST_FILE = Path(__file__).parents[1] / "data" / "signal_test_sentences.json"
DEVELOPMENT_FILE = Path(__file__).parents[1] / "data" / "signal_development_sentences.json"  # for choices
MEASURED_ON = pytest.mark.parametrize("path", [TEST_FILE, DEVELOPMENT_FILE], ids=["test", "development"])


def words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[\w']+", text.lower()))


def four_word_runs(text: str) -> set[tuple[str, ...]]:
    in_order = re.findall(r"[\w']+", text.lower())
    return {tuple(in_order[n : n + 4]) for n in range(len(in_order) - 3)}


def test_enough_sentences_for_every_signal_and_polarity() -> None:
    training, test = read_training_sentences(), read_test_sentences(TEST_FILE)
    assert len(test.texts) >= 300
    assert len(set(training.texts)) == len(training.texts)
    assert training.labels.sum(axis=0).min() >= 100
    assert test.labels.sum(axis=0).min() >= 10
    assert test.labels.sum(axis=0).max() <= 20
    assert (~test.labels.any(axis=1)).sum() >= 60  # sentences that say nothing


def test_enough_development_sentences() -> None:
    development = read_test_sentences(DEVELOPMENT_FILE)
    assert len(development.texts) >= 300
    assert development.labels.sum(axis=0).min() >= 7
    assert (~development.labels.any(axis=1)).sum() >= 60


@MEASURED_ON
def test_what_is_measured_on_is_in_other_words_than_the_training_sentences(path: Path) -> None:
    training = [words(text) for text in read_training_sentences().texts]
    measured_on = read_test_sentences(path).texts
    assert [measured_on[n] for n, _ in alike([words(text) for text in measured_on], training)] == []


@MEASURED_ON
def test_no_four_words_in_a_row_are_in_both(path: Path) -> None:
    in_training = set().union(*map(four_word_runs, read_training_sentences().texts))
    measured_on = read_test_sentences(path).texts
    assert [text for text in measured_on if four_word_runs(text) & in_training] == []
    whole = {tuple(re.findall(r"[\w']+", text.lower())) for text in read_training_sentences().texts}
    assert [text for text in measured_on if tuple(re.findall(r"[\w']+", text.lower())) in whole] == []


def test_the_spoken_sentences_share_no_four_words_in_a_row_with_what_is_measured_on() -> None:
    spoken = read_training_sentences(SPOKEN_SENTENCES)
    assert len(spoken.texts) == len(set(spoken.texts)) >= 500
    assert not set(spoken.texts) & set(read_training_sentences().texts)
    measured_on = [text for path in (TEST_FILE, DEVELOPMENT_FILE) for text in read_test_sentences(path).texts]
    talks = read_labelled_conversations(TEST_FILE.with_name("signal_test_conversations.json"))
    measured_on += [words for talk in talks for _, words in talk.sentences]
    shared = set().union(*map(four_word_runs, measured_on))
    assert [text for text in spoken.texts if four_word_runs(text) & shared] == []


@pytest.mark.parametrize(("kind", "fewest"), [("test", 800), ("development", 150)])
def test_every_labelled_sentence_stands_in_its_conversation(kind: str, fewest: int) -> None:
    talks = read_labelled_conversations(TEST_FILE.with_name(f"signal_{kind}_conversations.json"))
    assert sum(len(talk.sentences) for talk in talks) >= fewest
    for talk in talks:
        turns = talk.conversation.turns
        texts = {None: talk.conversation.transcript or ""} | {n: turn.text for n, turn in enumerate(turns or [])}
        assert [words for turn, words in talk.sentences if words not in texts[turn]] == []
        assert talk.sentiment in ("positive", "neutral", "negative")


def test_the_development_sentences_are_in_other_words_than_the_test_sentences() -> None:
    tests, development = (read_test_sentences(path).texts for path in (TEST_FILE, DEVELOPMENT_FILE))
    in_tests = set().union(*map(four_word_runs, tests))
    assert [text for text in development if four_word_runs(text) & in_tests] == []
    assert list(alike([words(text) for text in development], [words(text) for text in tests])) == []


def test_none_repeats_the_wordings_of_the_written_scenarios() -> None:
    texts = [one.text for half in ("demo", "knowledge") for one in read_scenarios(half)]  # type: ignore[arg-type]
    sentences = {part for text in texts for part in re.split(r"(?<=[.!?])\s+|\n(?:[SC]\d?:)?", text)}
    assert len(sentences) > 10_000
    measured_on = [words(text) for path in (TEST_FILE, DEVELOPMENT_FILE) for text in read_test_sentences(path).texts]
    longer = [text for text in measured_on if len(text) > 4]
    repeated = {n for n, _ in alike(longer, [words(text) for text in sentences])}
    assert len(repeated) <= 0.002 * len(measured_on), "everyday questions coincide"


def test_labels_are_places_in_the_list_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "sentences.json"
    path.write_text('[{"signals": ["need-", "budget+"], "sentences": ["a", "b"]}, {"signals": [], "sentences": ["c"]}]')
    sentences = read_training_sentences(path)
    assert sentences.groups.tolist() == [0, 0, 1]
    assert [[SIGNAL_LABELS[n] for n in row.nonzero()[0]] for row in sentences.labels] == [["budget+", "need-"]] * 2 + [
        []
    ]
    assert len(SIGNAL_LABELS) == 2 * len(SIGNAL_NAMES) == 26
    path.write_text('[{"signals": ["budget"], "sentences": ["a"]}]')
    with pytest.raises(KeyError, match="budget"):
        read_training_sentences(path)
