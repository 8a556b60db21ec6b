"""What is searched of each model's settings; each range holds the default, and little else is known to matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from modelling.names import CLASSIFICATION_HEAD, CONTRASTIVE, FEW_SHOT


class Trial(Protocol):
    """What Optuna's trials offer of which this makes use."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """A number of a range."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """A whole number of a range, the ends among them."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of several."""


def _few_shot(trial: Trial) -> dict[str, Any]:
    """One way to vote, where the default lets cross-validation choose among eight."""
    return {
        "temperatures": (trial.suggest_float("temperature", 0.01, 3.0, log=True),),
        "neighbours": (trial.suggest_categorical("neighbours", (0, 5, 15, 30, 60)),),
    }


def _classification_head(trial: Trial) -> dict[str, Any]:
    return {
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
        "fewest_epochs": trial.suggest_int("fewest_epochs", 1, 20),
    }


def _contrastive(trial: Trial) -> dict[str, Any]:
    return {
        "epochs": trial.suggest_int("epochs", 1, 4),
        "block_learning_rate": trial.suggest_float("block_learning_rate", 3e-6, 1e-4, log=True),
        "head_learning_rate": trial.suggest_float("head_learning_rate", 3e-5, 1e-3, log=True),
        "temperature": trial.suggest_float("temperature", 0.05, 1.0, log=True),
    }


SPACES: Mapping[str, Callable[[Trial], dict[str, Any]]] = {
    FEW_SHOT: _few_shot,
    CLASSIFICATION_HEAD: _classification_head,
    CONTRASTIVE: _contrastive,
}
QUICK = (FEW_SHOT, CLASSIFICATION_HEAD)  # on frozen vectors: a second a trial
