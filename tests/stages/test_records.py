"""A stage is skipped exactly while its inputs, its outputs and the code behind it are what they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from foundations.atomic_files import file_sha256
from stages import records as stage_records
from stages.records import StageRecords, code_sha256

INPUTS = {"seed": 42, "data": None, "code": {"main.py": "abc"}}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "model.pth"
    path.write_text("weights")
    return path


@pytest.fixture
def records(tmp_path: Path, output: Path) -> StageRecords:
    records = StageRecords(tmp_path / "stages.json")
    records.remember("train", INPUTS, [output])
    return records


def test_a_stage_is_current_also_for_the_next_process(tmp_path: Path, records: StageRecords) -> None:
    assert records.is_current("train", INPUTS)
    assert StageRecords(tmp_path / "stages.json").is_current("train", INPUTS)


def test_an_unknown_stage_and_changed_inputs_are_not_current(records: StageRecords) -> None:
    assert not records.is_current("evaluate", INPUTS)
    assert not records.is_current("train", {**INPUTS, "seed": 43})
    assert not records.is_current("train", {**INPUTS, "more": 1})


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("edited")])
def test_a_missing_or_edited_output_is_not_current(
    records: StageRecords, output: Path, change: Callable[[Path], object]
) -> None:
    change(output)
    assert not records.is_current("train", INPUTS)


def test_stages_do_not_forget_each_other(records: StageRecords, output: Path) -> None:
    records.remember("evaluate", {"x": 1}, [output])
    records.remember("evaluate", {"x": 2}, [output])
    assert records.is_current("train", INPUTS)
    assert records.is_current("evaluate", {"x": 2})
    assert not records.is_current("evaluate", {"x": 1})


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "\x00", '{"train": 3}', '{"train": {}}', '{"train": {"outputs": 1}}']
)
def test_damaged_records_make_the_stage_run_and_are_replaced(tmp_path: Path, output: Path, content: str) -> None:
    path = tmp_path / "stages.json"
    path.write_text(content)
    records = StageRecords(path)
    assert not records.is_current("train", INPUTS)
    records.remember("train", INPUTS, [output])
    assert records.is_current("train", INPUTS)
    assert json.loads(path.read_text())["train"]["inputs"] == INPUTS


def test_code_counts_with_all_that_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {
        "model.py": "import json\nfrom room.encoder import vector\nfrom house import corner\n",
        "room/__init__.py": "",
        "room/encoder.py": "import room.inner.files\nimport model\n",  # a circle must not hang
        "room/inner/__init__.py": "import words\n",
        "room/inner/files.py": "def read():\n    import torch\n    import late\n\n\n"
        'if __name__ == "__main__":\n    import script\n',
        "house/corner.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.types import Kind\n",
        "house/types.py": "",
        "house/unused.py": "",
        "words.py": "",
        "late.py": "",
        "script.py": "",
        "room/words.json": "{}",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(stage_records, "_CODE", tmp_path)
    hashes = code_sha256(["model", Path("room/words.json")])
    assert hashes == {name: file_sha256(tmp_path / name) for name in sources.keys() - {"house/unused.py", "script.py"}}
    for name in ("room/inner/files.py", "late.py", "house/types.py", "room/words.json"):
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text(before + " ")
        assert code_sha256(["model", Path("room/words.json")]) != hashes, name
        (tmp_path / name).write_text(before)


def test_code_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_records, "_CODE", tmp_path)
    with pytest.raises(ValueError, match="'modle' is no module"):
        code_sha256(["modle"])


def test_a_training_depends_on_the_reading_of_data_and_on_the_encoder() -> None:
    needed = {"conversations/model_text.py", "conversations/conversation.py", "encoder/text_encoder.py"}
    for model in ("few_shot_model", "classification_head_model", "contrastive_learning_model"):
        assert {f"{model}.py", *needed} <= code_sha256([model]).keys()
