"""The scripts of single models: what they show of odd transcripts, and how they end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import main
from conversations.conversation import Conversation
from evaluation.tables import model_tables
from foundations.artifact_folder import ArtifactFolder
from model_registry import load_model


def test_words_that_look_like_markup_are_shown_as_they_are(trained_artifacts: ArtifactFolder) -> None:
    test = [
        Conversation(transcript="[/b] They agreed [bold]at once[/]", outcome="successful"),
        Conversation(transcript="No [red]budget", outcome="failed"),
    ]
    output = io.StringIO()
    Console(file=output, width=160).print(*model_tables(load_model(trained_artifacts, "few_shot"), test))
    shown = output.getvalue()
    assert "[/b] They agreed [bold]at once[/]" in shown
    assert "No [red]budget" in shown
    assert "Few-shot similarity on 2 test" in shown


@pytest.mark.parametrize(("stopped_by", "code"), [(KeyboardInterrupt(), 130), (None, 2)])
def test_how_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped_by: BaseException | None, code: int
) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "artifacts"  # below a file no folder can be made

    def stop(*arguments: object) -> None:
        if stopped_by:
            raise stopped_by

    monkeypatch.setattr(main, "generate", stop)
    assert main.main(["--mode", "try", "--model", "few_shot", "--artifacts", str(folder)]) == code
