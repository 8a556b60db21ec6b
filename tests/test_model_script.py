"""The scripts of single models: what they show of odd transcripts, and how they end."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

import model_script
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from model_registry import load_model


def test_words_that_look_like_markup_are_shown_as_they_are(trained_artifacts: ArtifactFolder) -> None:
    test = [
        Conversation(transcript="[/b] They agreed [bold]at once[/]", outcome="successful"),
        Conversation(transcript="No [red]budget", outcome="failed"),
    ]
    output = io.StringIO()
    model_script.show(load_model(trained_artifacts, "few_shot"), test, Console(file=output, width=160))
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

    monkeypatch.setattr(sys, "argv", ["few_shot_model.py", "--artifacts", str(folder)])
    monkeypatch.setattr(model_script, "generate", stop)
    assert model_script.main("few_shot") == code
