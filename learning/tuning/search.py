"""Settings searched honestly: what the search promises is not believed, unseen data decide.

Who tries twenty settings and keeps the best keeps luck as well. So the search is repeated in each of five grouped outer
folds on what is left, and the settings it finds are compared with the defaults on the fold that it never saw. The defaults
stay unless the searched ones are better there by more than one standard error. Within a search a setting counts by the log
loss of grouped cross-validation (the model's own, as training keeps it), and Optuna's TPE sampler proposes the next. Same
data and seed, same result. Costs six searches, a second or less for each trial on frozen vectors of 160 conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray

from conversations.conversation import Conversation, labels_of
from conversations.folds import group_folds, set_aside
from encoder.text_encoder import TextEncoder
from foundations.long_work import Progress
from learning.tuning.spaces import SPACES
from model_registry import model_class
from modelling.conversion_model import ConversionModel

OUTER_FOLDS = 5
MOST_TRIALS = 20  # more find more luck, not better settings
_EDGE = 1e-12  # of a probability

Floats = NDArray[np.float64]


class Search(NamedTuple):
    """What one search over some conversations found; losses by cross-validation within them."""

    default: ConversionModel
    best: ConversionModel  # the default where no trial was better

    @property
    def losses(self) -> tuple[float, float]:
        """Log loss of the default and of the best: what the search promises."""
        default, best = (model.record.cross_validation_metrics["log_loss"] for model in self)
        return default, best


@dataclass(frozen=True)
class Tuned:
    """What a search promised, what unseen data say, and what is chosen; every loss is a mean log loss."""

    name: str
    settings: Any  # the chosen ones, a dataclass of the model's
    defaults_kept: bool
    trials: int
    conversations: int
    promised: tuple[float, float]  # default, searched: by cross-validation, on all conversations
    unseen: tuple[float, float]  # default, searched: on the outer folds
    gain: float  # of the searched settings on the outer folds, positive for better
    standard_error: float  # of the gain


def tune(
    encoder: TextEncoder,
    name: str,
    conversations: Sequence[Conversation],
    seed: int,
    trials: int,
    progress: Progress = lambda share: None,
) -> Tuned:
    """Searches the settings of one model; `encoder` should keep states, so that nothing is encoded twice.

    conversations: closed ones of both outcomes; trials: 1 to MOST_TRIALS for each search. Raises InputError where a fold
    lacks an outcome.
    """
    folds = list(group_folds(conversations, seed, OUTER_FOLDS))
    searches = len(folds) + 1
    labels = labels_of(conversations)
    losses = np.zeros((2, len(labels)))
    for n, (kept, held) in enumerate(folds):
        search = _search(encoder, name, [conversations[i] for i in kept], seed, trials, _part(progress, n, searches))
        for row, model in enumerate(search):
            losses[row, held] = log_losses(labels[held], model.predict_proba([conversations[i] for i in held]))
    found = _search(encoder, name, conversations, seed, trials, _part(progress, len(folds), searches))
    gain, error = mean_and_error(losses[0] - losses[1], [one.group_key for one in conversations])
    is_better = gain > error and found.best is not found.default
    return Tuned(
        name=name,
        settings=(found.best if is_better else found.default).settings,
        defaults_kept=not is_better,
        trials=trials,
        conversations=len(conversations),
        promised=found.losses,
        unseen=(float(losses[0].mean()), float(losses[1].mean())),
        gain=gain,
        standard_error=error,
    )


def log_losses(labels: NDArray[np.int64], probabilities: Floats) -> Floats:
    """(n,): −ln of the probability of what happened."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities)
    return np.asarray(-np.log(np.clip(of_truth, _EDGE, 1)))


def mean_and_error(values: Floats, groups: Sequence[str]) -> tuple[float, float]:
    """The mean of (n,) values and its standard error, where values of one group go together.

    With S the sum of a group's deviations from the mean: √(g / (g − 1) · Σ S²) / n over g groups.
    """
    names, group_of = np.unique(np.array(groups), return_inverse=True)
    sums = np.bincount(group_of, values - values.mean())
    few = len(names) / max(1, len(names) - 1)
    return float(values.mean()), float(np.sqrt(few * (sums**2).sum()) / len(values))


def _search(
    encoder: TextEncoder,
    name: str,
    conversations: Sequence[Conversation],
    seed: int,
    trials: int,
    progress: Progress,
) -> Search:
    parts = set_aside(conversations, seed)
    kind = model_class(name)
    default = best = _fitted(kind(encoder, seed=seed), parts, None)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for n in range(trials):
        progress((n + 1) / (trials + 1))
        trial = study.ask()
        settings = replace(default.settings, **SPACES[name](trial))
        model = _fitted(kind(encoder, settings, seed), parts, default)
        loss = model.record.cross_validation_metrics["log_loss"]
        study.tell(trial, loss)
        if loss < best.record.cross_validation_metrics["log_loss"]:
            best = model
    return Search(default, best)


def _fitted(
    model: ConversionModel, parts: tuple[list[Conversation], list[Conversation]], before: ConversionModel | None
) -> ConversionModel:
    if before is not None:
        model.reuse({before.name: before})  # its vectors, which no setting that is searched changes
    model.fit(*parts)
    return model


def _part(progress: Progress, n: int, of: int) -> Progress:
    return partial(lambda share, start: progress((start + share) / of), start=n)
