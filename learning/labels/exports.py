"""Labelled sentences as JSON that Label Studio's import and Argilla's `dataset.records.from_json` take.

The choices are the labels of the detector's training sentences, "budget+" for what speaks for the deal or "budget-", and
NO_SIGNAL. Label Studio shows what is right as an annotation and what the finder said as a prediction; its project needs a
`Text` named "text" of $text and `Choices` named "signal". Argilla shows what is right as a suggestion; its dataset needs the
text fields "text" and "said" and the label question "signal". Public documentation: labelstud.io/guide/task_format,
docs.argilla.io/latest/reference/argilla/records/records.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learning.labels.labelled import LabelledSentence, LabelledSignal

NO_SIGNAL = "no signal"
FINDER = "signals"  # who predicts
_QUESTION, _TEXT = "signal", "text"


def label_studio_task(label: LabelledSentence) -> dict[str, Any]:
    """One task with the annotation, and the finder's prediction where it said something."""
    known = {
        "label_id": label.label_id,
        "prediction_id": label.prediction_id,
        "created_at": label.created_at.isoformat(),
    }
    task: dict[str, Any] = {
        "data": {_TEXT: label.sentence, **known},
        "annotations": [{"result": [_label_studio_choice(label.should_be)]}],
    }
    if label.said is not None:
        task["predictions"] = [{"model_version": FINDER, "result": [_label_studio_choice(label.said)]}]
    return task


def argilla_record(label: LabelledSentence) -> dict[str, Any]:
    """One record, what is right as a suggestion: a response needs a user of Argilla, which the labelling callers are not."""
    return {
        "id": label.label_id,
        "fields": {_TEXT: label.sentence, "said": _label(label.said)},
        "metadata": {},
        "suggestions": {_QUESTION: {"value": _label(label.should_be), "score": None, "agent": label.caller}},
        "responses": {},
        "vectors": {},
    }


FORMATS: dict[str, Callable[[LabelledSentence], dict[str, Any]]] = {
    "label-studio": label_studio_task,
    "argilla": argilla_record,
}


def _label_studio_choice(signal: LabelledSignal | None) -> dict[str, Any]:
    return {
        "from_name": _QUESTION,
        "to_name": _TEXT,
        "type": "choices",
        "value": {"choices": [_label(signal)]},
    }


def _label(signal: LabelledSignal | None) -> str:
    return NO_SIGNAL if signal is None else signal.label
