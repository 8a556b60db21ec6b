"""The layout of what a run produces, declared once: artifacts/data, artifacts/models, artifacts/reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_ARTIFACTS = Path("artifacts")


@dataclass(frozen=True)
class ArtifactFolder:
    """`--artifacts DIR`; nothing a run produces lies elsewhere."""

    root: Path = DEFAULT_ARTIFACTS

    @property
    def data(self) -> Path:
        """train_data.json, val_data.json, test_data.json and the generated conversations."""
        return self.root / "data"

    @property
    def generated_data(self) -> Path:
        """The synthetic conversations that a run without `--data` trains on."""
        return self.data / "generated_conversations.json"

    @property
    def models(self) -> Path:
        """Trained models, each with its manifest."""
        return self.root / "models"

    @property
    def added_conversations(self) -> Path:
        """Closed conversations that `--mode add` brought in after training."""
        return self.data / "added_conversations.json"

    @property
    def similar_index(self) -> Path:
        """The folder of the index in which similar conversations are found."""
        return self.models / "similar_conversations"

    @property
    def signals(self) -> Path:
        """What finds signals in sentences: the frozen encoder and the head on it."""
        return self.models / "signals"

    @property
    def reports(self) -> Path:
        """final_project_report.json and the pictures."""
        return self.root / "reports"

    @property
    def report(self) -> Path:
        """The JSON report of the last evaluation."""
        return self.reports / "final_project_report.json"

    @property
    def model_card(self) -> Path:
        """What the last evaluation says to a person who decides whether to use the models."""
        return self.reports / "model_card.md"

    @property
    def signals_by_outcome(self) -> Path:
        """Which signals went with success in the last evaluation; its picture lies beside it."""
        return self.reports / "signals_by_outcome.json"

    @property
    def learning_curve(self) -> Path:
        """What the models make of less data; its picture lies beside it."""
        return self.reports / "learning_curve.json"

    @property
    def cache(self) -> Path:
        """What the encoder made of each segment, unless SALES_CACHE names another folder."""
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        """What a training that is not finished has learned so far."""
        return self.root / "checkpoints"

    @property
    def parts(self) -> tuple[Path, ...]:
        """The folders in it that hold conversations, or what was learned from them."""
        return self.data, self.models, self.reports, self.cache, self.checkpoints

    @property
    def stage_records(self) -> Path:
        """What each stage last worked on, so that unchanged stages are skipped."""
        return self.root / "stages.json"
