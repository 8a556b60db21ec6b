"""Signals: the head by hand, its training, who speaks, clauses, and the detector on disk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from answers.analysis import analyse
from conversations.conversation import Conversation
from encoder.torch_encoder import SalesEncoder
from evaluation.pictures.signals import plot_signals_by_outcome
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from signals import finder as conversation_signals
from signals.artifact import load_signal_finder, save_signal_finder
from signals.finder import Reading, Signal, SignalFinder, find_signals
from signals.head import SCALE, SignalHead, found_labels, macro_f1, mention_figures, polarity_accuracy, signal_figures
from signals.outcomes import read_signal_outcomes, signal_outcomes, signal_rates, write_signal_outcomes
from signals.said import SaidSentence
from signals.sentences import SIGNAL_LABELS, SIGNAL_NAMES, LabelledSentences, Polarity
from signals.training import (
    SignalDetector,
    SignalSettings,
    _average,
    _PairedSentences,
    target_shares,
    train_signal_detector,
)

# What the words of these tests mean, so that order and speakers can be tested without training.
MEANING = {
    "rich": "budget+",
    "broke": "budget-",
    "afraid": "objection-",
    "calm": "objection_resolved+",
    "unsure": "objection_resolved-",
    "dear": "price_objection-",
    "fair": "price_objection+",
}


class WordEncoder(SalesEncoder):
    """A vector for each text with a 1 where a word of MEANING stands for the label."""

    def __init__(self, base: SalesEncoder) -> None:
        self.__dict__.update(base.__dict__)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[float(any(label == MEANING.get(w.strip(".,?")) for w in text.split())) for label in SIGNAL_LABELS]
                for text in texts]  # fmt: skip
        return np.array([[*row, 1e-6] for row in rows], dtype=np.float32)


@pytest.fixture(scope="module")
def finder(tiny_encoder: SalesEncoder) -> SignalFinder:
    """Sure of what MEANING says, and of nothing else."""
    labels = len(SIGNAL_LABELS)
    weights = np.zeros((labels + 1, labels + 1))  # inputs: the labels and a constant; outputs: the labels and nothing
    weights[:labels, :labels] = 8 * np.eye(labels) / SCALE
    bias = np.append(np.zeros(labels), 4.0)
    return SignalFinder(WordEncoder(tiny_encoder), SignalHead(weights.astype(np.float32), bias.astype(np.float32)))


def found(finder: SignalFinder, text: str) -> dict[str, str]:
    return {one.name: one.polarity for one in find_signals(Conversation(transcript=text), finder)}


def dialogue(*turns: tuple[str, str]) -> Conversation:
    return Conversation.model_validate({"turns": [{"speaker": speaker, "text": text} for speaker, text in turns]})


def test_scores_by_hand() -> None:
    labels = len(SIGNAL_LABELS)
    weights, bias = np.zeros((2, labels + 1), np.float32), np.full(labels + 1, -50, np.float32)
    weights[0, 0], weights[1, 1] = 1, 1
    bias[[0, 1, -1]] = 0
    head = SignalHead(weights, bias)
    [row] = scores = head.scores(np.array([[3, 4]], np.float32))
    # (3, 4) becomes 6 · (0.6, 0.8) = (3.6, 4.8) and nothing is 0: e^3.6 = 36.60, e^4.8 = 121.51, e^0 = 1; sum 159.11.
    assert scores.dtype == np.float32 and scores.shape == (1, labels)
    assert row[:3] == pytest.approx([36.60 / 159.11, 121.51 / 159.11, 0], abs=1e-4)
    [[(name, polarity, probability)]] = head.detect(np.array([[3, 4]], np.float32))
    assert (name, polarity) == ("budget", "negative")
    assert probability == pytest.approx(0.7637, abs=1e-4)


def test_of_two_polarities_that_reach_the_threshold_the_likelier_holds() -> None:
    scores = np.zeros((2, len(SIGNAL_LABELS)), np.float32)
    scores[0, :4] = 0.4, 0.3, 0.2, 0.1
    scores[1, :4] = 0.3, 0.4, 0.3, 0.19
    assert found_labels(scores, 0.2)[:, :4].tolist() == [[True, False, True, False], [False, True, True, False]]


def test_figures_by_hand() -> None:
    labels = np.zeros((4, len(SIGNAL_LABELS)), bool)
    guessed = labels.copy()
    labels[:3, 0] = True
    guessed[0, 0] = guessed[1, 1] = guessed[3, 0] = True
    # budget: 3 true, 3 found, 1 hit, as one has the wrong polarity: precision, recall and F1 are 1/3.
    figures = signal_figures(labels, guessed)
    assert figures["budget"] == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert macro_f1(figures) == pytest.approx(1 / 3 / 13)
    # As a mention, 2 of 3 are hits; of those two, one has the right polarity.
    assert mention_figures(labels, guessed)["budget"] == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert polarity_accuracy(labels, guessed) == 0.5
    assert np.isnan(polarity_accuracy(labels, np.zeros_like(labels)))


def test_a_sentence_of_two_labels_gives_each_half() -> None:
    labels = np.zeros((2, len(SIGNAL_LABELS)), bool)
    labels[0, [2, 5]] = True
    targets = target_shares(labels)
    assert targets.shape == (2, len(SIGNAL_LABELS) + 1) and targets.sum(axis=1).tolist() == [1, 1]
    assert targets[0, [2, 5, -1]].tolist() == [0.5, 0.5, 0] and targets[1, -1] == 1


@pytest.fixture(scope="module")
def of_words(tiny_encoder: SalesEncoder) -> tuple[LabelledSentences, SignalDetector]:
    """A detector that has learned what the words of MEANING mean."""
    texts = [f"{word} number {n}" for word in MEANING for n in range(12)] + [f"nothing {n}" for n in range(30)]
    labels = np.array([[MEANING.get(text.split()[0]) == label for label in SIGNAL_LABELS] for text in texts])
    sentences = LabelledSentences(texts, labels, np.arange(len(texts)))
    settings = SignalSettings(epochs=15, block_learning_rate=2e-3, head_learning_rate=2e-2, dropout=0.0)
    return sentences, train_signal_detector(tiny_encoder, 1, sentences, settings)


def test_training_learns_what_words_mean_and_gives_the_same_again(
    tiny_encoder: SalesEncoder, of_words: tuple[LabelledSentences, SignalDetector]
) -> None:
    sentences, detector = of_words
    guessed = found_labels(detector.head.scores(detector.encoder.embed_texts(sentences.texts)))
    assert (guessed == sentences.labels).mean(axis=1).min() > 0.95 and (guessed == sentences.labels).mean() > 0.99
    assert detector.sentences == len(sentences.texts)
    few = LabelledSentences(sentences.texts[::5], sentences.labels[::5], sentences.groups[::5])
    shares: list[float] = []
    one, other = (
        train_signal_detector(tiny_encoder, 3, few, SignalSettings(epochs=2), shares.append) for _ in range(2)
    )
    assert np.array_equal(one.head.weights, other.head.weights)
    assert np.array_equal(one.encoder.embed_texts(few.texts), other.encoder.embed_texts(few.texts))
    assert shares[-1] == 1.0 and min(shares) > 0


def test_sentences_read_as_pairs_give_what_both_say_but_no_contradiction(tiny_encoder: SalesEncoder) -> None:
    words = ["rich", "broke", "afraid", "hello"]
    labels = np.array([[MEANING.get(word) == label for label in SIGNAL_LABELS] for word in words])
    sentences = LabelledSentences(words, labels, np.arange(4))
    examples = _PairedSentences(tiny_encoder, sentences, 1.0, np.random.default_rng(1))
    batch = np.tile(np.arange(4), 50)
    states, targets = examples.draw(batch)
    said = {word: {label} for word, label in MEANING.items()} | {"hello": set[str]()}
    seen = set()
    for index, state, target in zip(batch, states, targets.numpy(), strict=True):
        own, length = said[words[index]], len(examples.states[index])
        found = {SIGNAL_LABELS[n] for n in np.flatnonzero(target[:-1])}
        assert target.sum() == pytest.approx(1) and bool(target[-1]) == (not found)
        assert torch.equal(state[:length], examples.states[index]) and own <= found
        assert found == own or len(state) > length, "only another sentence brings another label"
        assert {"budget+", "budget-"} - found
        seen.add(frozenset(found))
    assert {"budget+", "objection-"} in seen
    alone, targets = _PairedSentences(tiny_encoder, sentences, 0.0, np.random.default_rng(1)).draw(np.arange(4))
    assert [len(state) for state in alone] == examples.lengths
    assert np.array_equal(targets.numpy(), target_shares(labels))


def test_running_means_by_hand() -> None:
    means, parameters = [torch.tensor([1.0, 3.0])], [torch.nn.Parameter(torch.tensor([2.0, -1.0]))]
    _average(means, parameters, 0.75)
    assert means[0].tolist() == [1.25, 2.0]  # 0.75 · 1 + 0.25 · 2 and 0.75 · 3 - 0.25 · 1


def test_the_later_polarity_holds(finder: SignalFinder) -> None:
    assert found(finder, "We are broke. Now we are rich.") == {"budget": "positive"}
    assert found(finder, "We were rich. Now we are broke.") == {"budget": "negative"}


def test_an_objection_settled_later_comes_out_as_resolved(finder: SignalFinder) -> None:
    assert found(finder, "I am afraid. Now I am calm.") == {"objection_resolved": "positive"}
    assert found(finder, "I am calm. Now I am afraid.") == {"objection": "negative", "objection_resolved": "positive"}
    assert found(finder, "I am afraid. I am unsure.") == {"objection": "negative", "objection_resolved": "negative"}


def test_a_resolution_is_about_the_price_where_nothing_else_was_objected_to(finder: SignalFinder) -> None:
    resolved = {"price_objection": "positive", "objection_resolved": "positive"}
    assert found(finder, "That is dear. Now I am calm.") == resolved
    only_the_other = {"price_objection": "negative", "objection_resolved": "positive"}
    assert found(finder, "That is dear. I am afraid. Now I am calm.") == only_the_other
    assert found(finder, "That is dear. Well, it is fair.") == {"price_objection": "positive"}


def test_a_compound_sentence_is_quoted_clause_by_clause(finder: SignalFinder) -> None:
    def quotes(text: str) -> dict[str, str]:
        return {one.name: one.quote for one in find_signals(Conversation(transcript=text), finder)}

    assert quotes("They are rich, but it is dear.") == {"budget": "They are rich", "price_objection": "it is dear."}
    assert quotes("It is dear although they are rich.") == {"budget": "they are rich.", "price_objection": "It is dear"}
    both = "They find it fair and are rich."  # both speak for the deal
    assert quotes(both) == {"budget": both, "price_objection": both}
    one_clause = "Rich people find it dear."
    assert quotes(one_clause) == {"price_objection": one_clause} | quotes(one_clause)
    # An objection and its resolution in one sentence come in the order of their clauses.
    assert quotes("They were afraid, but are calm now.") == {"objection_resolved": "are calm now."}


def test_three_equal_answers_are_three_lines(finder: SignalFinder) -> None:
    talk = dialogue(
        ("seller", "Are you rich?"), ("customer", "Yes."), ("seller", "Are you afraid?"), ("customer", "Yes."),
        ("seller", "Is it dear?"), ("customer", "Yes."),
    )  # fmt: skip
    analysis = analyse(talk, finder.find(talk))
    assert analysis.key_indicators == ["💰 Budget confirmed: “Are you rich? – Yes.”"]
    assert analysis.risk_factors == [
        "💲 Price objection: “Is it dear? – Yes.”",
        "⚠️ Open concern: “Are you afraid? – Yes.”",
    ]


def test_the_seller_gives_no_signals(finder: SignalFinder) -> None:
    talk = dialogue(("seller", "You are rich."), ("customer", "Hello there, nice to meet you all."))
    assert finder.find(talk) == []
    talk = dialogue(("seller", "Hello."), ("customer", "Good morning. We are rich."), ("agent", "Not broke?"))
    [signal] = finder.find(talk)
    assert (signal.quote, signal.speaker, signal.turn) == ("We are rich.", "customer", 1)
    # e^8 for the word, e^4 for nothing, and e^0 for each of the other 25 labels.
    assert signal.strength == pytest.approx(np.exp(8) / (np.exp(8) + np.exp(4) + 25), abs=1e-3)


def test_a_short_answer_is_read_with_its_question_and_quoted_alone(finder: SignalFinder) -> None:
    talk = dialogue(("seller", "Hello. Are you rich?"), ("customer", "Yes. I think so too, as everybody here does."))
    [signal] = finder.find(talk)
    assert (signal.name, signal.quote, signal.question) == ("budget", "Yes.", "Are you rich?")


def test_a_short_answer_must_say_it_more_clearly_than_a_statement(finder: SignalFinder) -> None:
    bias = finder.head.bias.copy()
    bias[-1] = 8.3  # e^8 for the word against e^8.3 for nothing: .42
    unsure = dataclasses.replace(finder, head=dataclasses.replace(finder.head, bias=bias))
    assert [one.name for one in unsure.find(dialogue(("seller", "Hello."), ("customer", "We are rich.")))] == ["budget"]
    assert unsure.find(dialogue(("seller", "Are you rich?"), ("customer", "So so."))) == []
    both = dialogue(("seller", "Are you rich?"), ("customer", "Yes, but afraid."))
    assert {one.name for one in finder.find(both)} == {"budget", "objection"}, "half for each, and together clear"


def test_a_sentence_longer_than_the_window_is_read_in_pieces(finder: SignalFinder) -> None:
    text = "word " * 200 + "rich"
    [signal] = finder.find(Conversation(transcript=text))
    assert signal.quote.endswith("rich") and len(signal.quote) < len(text)


def test_many_conversations_at_once_give_what_each_gives(finder: SignalFinder) -> None:
    talks = [
        Conversation(transcript="We are rich."),
        Conversation(transcript="Hm."),
        Conversation(transcript="So dear."),
    ]
    assert finder.find_many(talks) == [finder.find(talk) for talk in talks]
    assert finder.find_many([]) == []


def test_the_detector_on_disk_is_the_same_and_refuses_what_was_changed(
    of_words: tuple[LabelledSentences, SignalDetector], tmp_path: Path
) -> None:
    sentences, detector = of_words
    save_signal_finder(detector.head, detector.encoder, tmp_path)
    served = load_signal_finder(tmp_path)
    scores = detector.head.scores(detector.encoder.embed_texts(sentences.texts))
    assert np.abs(served.head.scores(served.encoder.embed_texts(sentences.texts)) - scores).mean() < 0.02
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="changed after training"):
        load_signal_finder(tmp_path)
    with pytest.raises(InputError, match="no manifest"):
        load_signal_finder(tmp_path / "elsewhere")


def test_a_head_of_other_labels_is_refused(finder: SignalFinder) -> None:
    state = dataclasses.replace(finder.head, bias=np.zeros(3, np.float32)).state()
    with pytest.raises(ValueError, match="2 labels"):
        SignalHead.from_state(state)


def test_rates_by_hand_and_the_picture(tmp_path: Path) -> None:
    one = Signal("budget", "positive", 0.9, "q", "", None)
    rate = signal_rates([[one], [one], [], []], np.array([1, 0, 1, 1]))[0]
    assert rate == ("budget", "positive", 1, 2, 2, 2)  # 1 of 2 with the signal, 2 of 2 without it
    for name, signals in (("some", [[one], []]), ("none", [[], []])):
        plot_signals_by_outcome(signals, np.array([1, 0]), tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_file_of_rates_by_hand(tmp_path: Path) -> None:
    """Two of four with "no budget", one of them successful; both others are. z = 1.96 = √3.8416, Wilson's score interval."""
    none, sure = (Signal("budget", polarity, 0.9, "secret", "", None) for polarity in ("negative", "positive"))
    folder = ArtifactFolder(tmp_path)
    write_signal_outcomes(signal_outcomes([[none], [none, sure], [], []], np.array([1, 0, 1, 1])), folder)
    text = (tmp_path / "reports" / "signals_by_outcome.json").read_text(encoding="utf-8")
    assert "secret" not in text, "no words of a conversation"
    content = json.loads(text)
    assert (content["conversations"], content["successful"]) == (4, 3)
    assert [(one["name"], one["polarity"]) for one in content["signals"]] == [
        (name, polarity) for name in SIGNAL_NAMES for polarity in ("positive", "negative")
    ]
    positive, negative, never = content["signals"][:3]
    assert negative == {
        "name": "budget",
        "polarity": "negative",
        "title": "no budget",
        "conversations": 2,
        "successful": 1,
        "rate": 0.5,
        # (0.5 + 3.8416 / 4) / (1 + 3.8416 / 2) = 0.5, half-width 1.96 √(0.25 / 2 + 3.8416 / 16) / 2.9208 = 0.4055
        "interval": pytest.approx([0.0945, 0.9055], abs=1e-4),
        "other_conversations": 2,
        "other_successful": 2,
        "other_rate": 1.0,
        # 2 of 2: from 1 / (1 + 3.8416 / 2) = 0.3424
        "other_interval": pytest.approx([0.3424, 1.0], abs=1e-4),
    }
    assert (positive["conversations"], positive["rate"]) == (1, 0.0)
    assert positive["other_rate"] == 1.0
    assert (never["conversations"], never["rate"], never["interval"]) == (0, None, None)
    assert never["other_rate"] == 0.75
    assert read_signal_outcomes(folder).model_dump(mode="json", exclude={"problem"}) == content
    folder.signals_by_outcome.write_text(text[:-9], encoding="utf-8")
    with pytest.raises(InputError, match="can't be read in .*signals_by_outcome.json.*--mode evaluate --artifacts"):
        read_signal_outcomes(folder)


def test_a_long_sentence_is_read_clause_by_clause() -> None:
    text = "They have a budget of $50,000 for this year and want to move forward quickly."
    sentence = SaidSentence(text, "", "", None)
    clauses = ["They have a budget of $50,000 for this year", "want to move forward quickly."]
    assert conversation_signals._readings(sentence) == [text, *clauses]
    short = SaidSentence("Timing is fine.", "", "", None)
    assert conversation_signals._readings(short) == ["Timing is fine."]
    # The clause gives the budget more clearly than the whole; the other is too unsure of the urgency for a clause.
    found: dict[str, list[tuple[str, Polarity, float]]] = {
        text: [("budget", "negative", 0.45), ("need", "positive", 0.4)],
        clauses[0]: [("budget", "positive", 0.95)],
        clauses[1]: [("urgency", "positive", 0.5)],
    }
    read = {of: Reading(one, np.zeros(len(SIGNAL_LABELS), np.float32)) for of, one in found.items()}
    assert conversation_signals._clearest(sentence, read) == {
        "budget": ("positive", 0.95),
        "need": ("positive", 0.4),
    }
