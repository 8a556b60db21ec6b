"""The accuracy benchmark: who sees what, and the figures of its tables by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.accuracy.cross_validation import (
    FoldResult,
    balanced_sample,
    cross_validate,
    differences,
    first_half,
    mean_and_error,
    pooled_figures,
)
from benchmarks.accuracy.seeds import Task, run
from benchmarks.accuracy.tables import cross_validation_table, markdown, synthetic_table, titles
from conversations.conversation import Conversation, Turn, labels_of
from encoder.torch_encoder import SalesEncoder
from foundations.errors import InputError
from modelling.names import AUTO, MODEL_NAMES
from probability.metrics import classification_metrics

pytestmark = pytest.mark.seconds(10)


def result(fold: int, labels: list[int], **probabilities: list[float]) -> FoldResult:
    """A fold in which every row of the table says 0.5 unless told otherwise."""
    said = {name: [0.5] * len(labels) for name in titles()} | probabilities
    return FoldResult(0, fold, labels, said, "few_shot", {"few_shot": 2.0}, [0.9] * len(labels))


def test_every_conversation_is_predicted_once_by_everyone(
    tiny_encoder: SalesEncoder, conversations: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.accuracy.cross_validation.FOLDS", 2)  # quicker
    some = balanced_sample(conversations, 20, seed=0)
    results = list(cross_validate(tiny_encoder, some, 3, "small"))
    assert sum(len(fold.labels) for fold in results) == len(some)
    assert sum(map(sum, (fold.labels for fold in results))) == labels_of(some).sum()
    for fold in results:
        assert fold.probabilities.keys() == titles().keys()
        assert all(len(said) == len(fold.labels) for said in fold.probabilities.values())
        assert fold.probabilities[AUTO] == fold.probabilities[fold.chosen]
        assert fold.chosen in MODEL_NAMES


def test_half_of_a_conversation_is_its_first_turns() -> None:
    turns = [Turn(speaker="seller", text=str(number)) for number in range(5)]
    assert first_half(Conversation(turns=turns)).turns == turns[:2]
    assert first_half(Conversation(turns=turns[:1])).turns == turns[:1]
    note = Conversation(transcript="One. Two.")
    assert first_half(note) is note


def test_a_balanced_sample_has_as_many_of_each(conversations: list[Conversation]) -> None:
    sample = balanced_sample(conversations, 7, seed=1)
    assert labels_of(sample).sum() == 7
    assert len({c.conversation_id for c in sample}) == 14
    assert len(balanced_sample(conversations, 1000, seed=1)) == len(conversations)


def test_means_errors_and_paired_differences_by_hand() -> None:
    # 0.2 and 0.4: mean 0.3, standard deviation 0.1414, error of the mean 0.1.
    assert mean_and_error([0.2, 0.4]) == pytest.approx((0.3, 0.1))
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    folds = [
        result(0, [1, 0], few_shot=right, contrastive=right),
        result(1, [1, 0], few_shot=right, contrastive=wrong),
    ]
    assert differences(folds, "few_shot", "contrastive") == pytest.approx((0.5, 0.5))


def test_calibration_is_measured_on_all_folds_together() -> None:
    folds = [result(0, [1, 1], few_shot=[0.75, 0.75]), result(1, [1, 0], few_shot=[0.75, 0.75])]
    assert pooled_figures(folds, "few_shot")["ece"] == pytest.approx(0.0)
    assert classification_metrics([1, 1], [0.75, 0.75])["ece"] == pytest.approx(0.25)


def test_tables_have_a_row_for_everyone() -> None:
    folds = [result(0, [1, 0], few_shot=[0.9, 0.1]), result(1, [1, 0])]
    table = cross_validation_table(folds, "Title")
    assert table.row_count == len(titles())
    shown = markdown(table)
    assert "| Few-shot similarity | 0.750 ± 0.250 | +0.250 ± 0.250 | +0.250 ± 0.250 |" in shown
    assert "auto was few_shot 2 times" in shown
    assert "| Bayes limit | 0.900 ± 0.000 |" in markdown(synthetic_table(folds, "Title"))


def test_finished_seeds_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "deals.jsonl"
    data.write_text("{}")
    task = Task(data, "full", 0, 1)
    monkeypatch.setattr("benchmarks.accuracy.seeds.code_sha256", lambda modules: {"code": "same"})
    from foundations.atomic_files import file_sha256

    inputs = {"data": file_sha256(data), "condition": "full", "seed": 0, "code": {"code": "same"}}
    rows = [result(0, [1, 0])._asdict()]
    (tmp_path / "deals-full-0.json").write_text(json.dumps({"inputs": inputs, "results": rows}))
    assert run([task], tmp_path, 1)[task] == [result(0, [1, 0])]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read .*nothing.jsonl"):
        run([Task(tmp_path / "nothing.jsonl", "full", 0, 1)], tmp_path, 1)


def test_one_fold_has_no_standard_error() -> None:
    assert mean_and_error([0.5]) == (0.5, 0.0)
