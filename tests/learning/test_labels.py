"""Labelled sentences: masked as transcripts are, replaced when said again, gone with their prediction; and the exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from learning.labels.exports import argilla_record, label_studio_task
from learning.labels.labelled import (
    LabelFilter,
    LabelledSentence,
    LabelledSignal,
    LabelRequest,
    all_labels,
    label_page,
    store_label,
)
from prediction_log.store import PredictionStore
from signals.sentences import SIGNAL_LABELS, SIGNAL_NAMES
from tests.learning.logged import NOBODY, prediction

DATA = Path(__file__).parents[1] / "data" / "labels"
BUDGET = {"name": "budget", "polarity": "positive"}
PRICE = {"name": "price_objection", "polarity": "negative"}


def request(identifier: str, sentence: str = "That is too much for us.", **changed: Any) -> LabelRequest:
    values = {"prediction_id": identifier, "sentence": sentence, "said": BUDGET, "should_be": PRICE}
    return LabelRequest.model_validate(values | changed)


def stored(store: PredictionStore, asked: LabelRequest, caller: str = "key-1", transcripts: Any = "masked") -> Any:
    return store_label(store, asked, caller, transcripts)


def test_a_sentence_is_stored_masked_with_who_said_what(store: PredictionStore) -> None:
    row = prediction(0.5, conversation_id="c-1")
    store.write([row])
    said = stored(store, request(row["prediction_id"], "Call  me on +44 20 7946 0958\x00, it is too much."))
    assert said.sentence == "Call me on [phone], it is too much."
    assert (said.conversation_id, said.caller, said.right) == ("c-1", "key-1", False)
    assert (said.said.label, said.should_be.label) == ("budget+", "price_objection-")
    assert label_page(store, LabelFilter()).labels == [said]
    full = stored(store, request(row["prediction_id"], "Call +44 20 7946 0958."), transcripts="full")
    assert full.sentence == "Call +44 20 7946 0958."


def test_said_again_by_the_same_caller_it_replaces_and_another_callers_stays(store: PredictionStore) -> None:
    row = prediction(0.5)
    store.write([row])
    stored(store, request(row["prediction_id"]))
    stored(store, request(row["prediction_id"]), caller="key-2")
    stored(store, request(row["prediction_id"], should_be=None))
    stored(store, request(row["prediction_id"], should_be=BUDGET))
    stored(store, request(row["prediction_id"], said=None, should_be=PRICE))
    found = [(one.caller, one.said is None, one.right) for one in all_labels(store)]
    assert found == [("key-1", True, False), ("key-1", False, True), ("key-2", False, False)]


def test_of_a_prediction_that_is_not_stored_nothing_is(store: PredictionStore) -> None:
    assert stored(store, request("0" * 32)) is None
    assert list(all_labels(store)) == []


def test_labels_go_with_their_prediction_however_it_is_deleted(store: PredictionStore) -> None:
    rows = [prediction(0.5, days, conversation_id=name) for name, days in (("a", 1), ("b", 1), ("c", 1), ("d", 90))]
    store.write(rows)
    for row in rows:
        stored(store, request(row["prediction_id"]))
    assert store.remove_conversation("a", NOBODY) == 1
    assert [one.conversation_id for one in all_labels(store)] == ["d", "c", "b"]
    assert store.remove(rows[1]["prediction_id"], NOBODY)
    assert [one.conversation_id for one in all_labels(store)] == ["d", "c"]
    assert store.purge(rows[2]["created_at"]) == 1
    assert [one.conversation_id for one in all_labels(store)] == ["c"]


def test_pages_follow_each_other(store: PredictionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    row = prediction(0.5)
    store.write([row])
    for n in range(5):
        stored(store, request(row["prediction_id"], f"Sentence {'abcde'[n]}."))
    first = label_page(store, LabelFilter(limit=2))
    second = label_page(store, LabelFilter(limit=2, cursor=first.next_cursor))
    last = label_page(store, LabelFilter(limit=2, cursor=second.next_cursor))
    shown = [one.sentence[-2] for page in (first, second, last) for one in page.labels]
    assert (shown, last.next_cursor) == (["e", "d", "c", "b", "a"], None)
    monkeypatch.setattr("learning.labels.labelled.LONGEST_PAGE", 2)
    assert [one.sentence[-2] for one in all_labels(store)] == shown


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sentence": " \u00a0\u3000"}, "is blank"),
        ({"sentence": "x" * 2001}, "at most 2000"),
        (
            {"should_be": {"name": "bugdet", "polarity": "positive"}},
            "There is no signal 'bugdet'; the signals are budget,",
        ),
        ({"should_be": {"name": "budget", "polarity": "good"}}, "'positive' or 'negative'"),
    ],
)
def test_what_says_nothing_is_refused_with_why(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        request("0" * 32, **changed)


def test_every_label_is_one_of_the_detectors() -> None:
    labels = {
        LabelledSignal(name=name, polarity=side).label for name in SIGNAL_NAMES for side in ("positive", "negative")
    }
    assert labels == set(SIGNAL_LABELS)


def label(**changed: Any) -> LabelledSentence:
    values = {
        "label_id": "0192f0c1a2b3c4d5e6f708192a3b4c5d",
        "prediction_id": "0192f0c19999c4d5e6f708192a3b4c5d",
        "conversation_id": "c-1",
        "created_at": "2026-03-31T12:00:00Z",
        "caller": "key-1a2b3c4d",
        "sentence": "That is too much for us.",
        "said": BUDGET,
        "should_be": PRICE,
        "right": False,
    }
    return LabelledSentence.model_validate(values | changed)


def test_label_studio_gets_what_its_documentation_shows() -> None:
    """The sample was written by hand after labelstud.io/guide/task_format and guide/predictions."""
    sample = json.loads((DATA / "label_studio.json").read_text(encoding="utf-8"))
    assert [label_studio_task(label()), label_studio_task(label(said=None, should_be=BUDGET))] == sample


def test_argilla_gets_what_its_documentation_shows() -> None:
    """The sample was written by hand after docs.argilla.io, records: what `to_dict` gives and `from_dict` takes."""
    sample = json.loads((DATA / "argilla.json").read_text(encoding="utf-8"))
    assert [argilla_record(label()), argilla_record(label(should_be=None))] == sample
