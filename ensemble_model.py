"""Ensemble: the other models and a bag of words vote, each with a weight that held-out predictions gave it.

Words and embeddings know different things. Every member says what it thinks of each training conversation while that was
held out; a penalised logistic regression on those log-odds weighs the members (stacking: Wolpert 1992, "Stacked
Generalization"; without negative weights: Breiman 1996, "Stacked Regressions"). Each member is calibrated first, so that one
that knows little says little; the penalty pulls towards equal weights of the models and none of the words, which a few
hundred conversations praise by chance and thousands rightly (docs/accuracy.md). Members that were fitted on the same
conversations before are taken as they are, so that in a run of all models the ensemble costs a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classification_head_model import ClassificationHeadModel
from contrastive_learning_model import ContrastiveModel
from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder, remembered_texts
from few_shot_model import FewShotModel
from foundations.errors import InputError
from foundations.long_work import Progress
from modelling import starter_head
from modelling.conversation_vectors import Passages
from modelling.conversion_model import ConversionModel, Fitted, Reading
from modelling.names import CONTRASTIVE, ENSEMBLE
from modelling.saved.training_record import TrainingHistory
from modelling.words import WordModel
from probability.calibration import PlattScaling
from starter_model import StarterModel

MEMBERS: tuple[type[ConversionModel], ...] = (StarterModel, FewShotModel, ClassificationHeadModel, ContrastiveModel)
WORDS = "words"
LogOdds = Mapping[str, NDArray[np.float64]]  # by member, (n,) each
_VIEW = CONTRASTIVE  # the member whose embedding is the ensemble's


@dataclass(frozen=True)
class EnsembleSettings:
    """Hyper-parameters; an impossible one is refused where it is made."""

    starter: bool = True  # whether the starter votes and the other members know what it says; it needs its own encoder
    pull: float = 30.0  # towards `expected_weights`: the penalty is pull / 2 · |weights − expected|² / n conversations

    def __post_init__(self) -> None:
        if self.pull < 0:
            raise InputError(f"pull is {self.pull}; it must not be negative.")


class EnsembleModel(ConversionModel):
    """A stacked combination of all other models and TF-IDF."""

    name = ENSEMBLE
    title = "Ensemble"
    artifact_file = "ensemble_sales_model.pth"
    learns_embedding = True  # the contrastive member's

    members: dict[str, ConversionModel]
    words: WordModel
    scalings: dict[str, PlattScaling]  # calibrate each member's log-odds, and the words'
    weights: NDArray[np.float64]  # (members + 1,), in the order of `scalings`, none negative

    @staticmethod
    def default_settings() -> EnsembleSettings:
        """The defaults."""
        return EnsembleSettings()

    @property
    def encoders(self) -> dict[str, TextEncoder]:
        """The pre-trained encoder, and the fine-tuned one of each member that has its own."""
        return {**super().encoders, _VIEW: self.members[_VIEW].encoder}

    def embed(self, conversations: Sequence[Conversation]) -> NDArray[np.float32]:
        """The contrastive member's."""
        return self.members[_VIEW].embed(conversations)

    def embed_passages(self, conversations: Sequence[Conversation]) -> Passages:
        """The contrastive member's passages."""
        return self.members[_VIEW].embed_passages(conversations)

    def _fit(self, train: Sequence[Conversation], validation: Sequence[Conversation], progress: Progress) -> Fitted:
        self.members = {}
        with_starter = self.settings.starter and starter_head.starter_head_for(self.encoder) is not None
        members = [member for member in MEMBERS if member is not StarterModel or with_starter]
        for place, member in enumerate(members):
            self.members[member.name] = self._fitted_member(member, train, validation)
            progress((place + 1) / (len(members) + 1))
        learned_from = [*train, *validation]
        self.words = WordModel.fit(learned_from, self.seed)
        held_out = {name: fit.log_odds for name, member in self.members.items() if (fit := member.last_fit)}
        held_out[WORDS] = self._words_out_of_fold(learned_from)
        labels = labels_of(learned_from)
        self.scalings, self.weights = _stacked(held_out, labels, self.settings.pull)
        rows = [
            {"name": name, "weight": float(weight)} for name, weight in zip(self.scalings, self.weights, strict=True)
        ]
        history = TrainingHistory("member", rows, best=int(np.argmax(self.weights)))
        return Fitted(history, self._stacked_out_of_fold(learned_from, held_out, labels))

    def _fitted_member(
        self, member: type[ConversionModel], train: Sequence[Conversation], validation: Sequence[Conversation]
    ) -> ConversionModel:
        known = self.offered.get(member.name)
        if known is not None and known.was_fitted_on(train, validation, self.seed):
            return known
        model = member(self.encoder, seed=self.seed)
        model.knows_sales = self.settings.starter
        model.reuse({**self.offered, **self.members})
        model.checkpoints = self.checkpoints
        model.fit(train, validation)
        return model

    def _words_out_of_fold(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        from conversations.folds import group_folds  # scikit-learn takes seconds to import, and serving never fits

        log_odds = np.zeros(len(conversations))
        for kept, held in group_folds(conversations, self.seed):
            words = WordModel.fit([conversations[index] for index in kept], self.seed, self.words.penalty)
            log_odds[held] = words.log_odds([conversations[index] for index in held])
        return log_odds

    def _stacked_out_of_fold(
        self, conversations: Sequence[Conversation], log_odds: LogOdds, labels: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(n,): each conversation with weights that the other folds gave, or five of them would be praised for luck."""
        from conversations.folds import group_folds  # as above

        stacked = np.zeros(len(labels))
        for kept, held in group_folds(conversations, self.seed):
            of_kept = {name: values[kept] for name, values in log_odds.items()}
            scalings, weights = _stacked(of_kept, labels[kept], self.settings.pull)
            stacked[held] = _scaled(scalings, {name: values[held] for name, values in log_odds.items()}) @ weights
        return stacked

    def _log_odds(self, conversations: Sequence[Conversation]) -> NDArray[np.float64]:
        return self._read(conversations).log_odds

    def _read(self, conversations: Sequence[Conversation]) -> Reading:
        with remembered_texts():  # two members read the same encoder
            readings = {name: member._read(conversations) for name, member in self.members.items()}
        said = {name: reading.log_odds for name, reading in readings.items()}
        said[WORDS] = self.words.log_odds(conversations)
        log_odds = np.asarray(_scaled(self.scalings, said) @ self.weights)
        return Reading(log_odds, readings[_VIEW].embedding, readings[_VIEW].spoken)

    def _state(self) -> dict[str, Any]:
        return self._state_with({name: member._state() for name, member in self.members.items()})

    def _serving_state(self) -> dict[str, Any]:
        return self._state_with({name: member._serving_state() for name, member in self.members.items()})

    def _state_with(self, members: dict[str, Any]) -> dict[str, Any]:
        scalings = {name: [scaling.slope, scaling.intercept] for name, scaling in self.scalings.items()}
        return {"members": members, "words": self.words.state(), "scalings": scalings, "weights": self.weights}

    def _restore(self, state: dict[str, Any], encoders: Mapping[str, TextEncoder]) -> None:
        self.members = {}
        for member in (one for one in MEMBERS if one.name in state["members"]):
            model = member(encoders.get(member.name, self.encoder), seed=self.seed)
            model._restore(state["members"][member.name], encoders)
            self.members[member.name] = model
        self.words = WordModel.from_state(state["words"])
        self.scalings = {name: PlattScaling(*values) for name, values in state["scalings"].items()}
        self.weights = state["weights"]


def _stacked(
    log_odds: LogOdds, labels: NDArray[np.int64], pull: float
) -> tuple[dict[str, PlattScaling], NDArray[np.float64]]:
    """(scalings, weights) from what each member says of conversations that were held out."""
    scalings = {name: PlattScaling.fit(values, labels) for name, values in log_odds.items()}
    return scalings, stacking_weights(_scaled(scalings, log_odds), labels, pull, expected_weights(list(scalings)))


def _scaled(scalings: Mapping[str, PlattScaling], log_odds: LogOdds) -> NDArray[np.float64]:
    """(n, members + 1): what each says, calibrated."""
    columns = [scaling.slope * log_odds[name] + scaling.intercept for name, scaling in scalings.items()]
    return np.stack(columns, axis=1)


def expected_weights(names: Sequence[str]) -> NDArray[np.float64]:
    """(m,): what is expected before anything was seen: each model alike, in all 1, and nothing of the words."""
    models = np.array([name != WORDS for name in names], dtype=np.float64)
    return models / max(1.0, models.sum())


def stacking_weights(
    log_odds: NDArray[np.float64], labels: NDArray[np.int64], pull: float, expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights w ≥ 0 of least log loss of sigmoid(log_odds · w), plus pull / 2 · |w − expected|² / n; (m,).

    log_odds: (n, m), a column for each member, calibrated; labels: (n,) of 0 and 1; expected: (m,).
    """
    from scipy.optimize import minimize  # half a second to import, and serving never fits

    n, members = log_odds.shape
    sign = np.where(labels == 1, 1.0, -1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sign * (log_odds @ weights)
        away = weights - expected
        gradient = -(log_odds.T @ (sign / (1 + np.exp(np.clip(margins, -500, 500))))) + pull * away
        return float(np.logaddexp(0, -margins).sum() + pull / 2 * away @ away) / n, gradient / n

    found = minimize(loss, expected, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members)
    return np.asarray(found.x, dtype=np.float64)


if __name__ == "__main__":  # as a script it is a command of main.py, and imports nothing from above
    import runpy
    import sys

    sys.argv[1:1] = ["--mode", "try", "--model", ENSEMBLE]
    runpy.run_module("main", run_name="__main__", alter_sys=True)
