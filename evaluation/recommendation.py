"""Which trained model to use: cross-validation chooses it, and the evaluated conversations say whether it was worth it.

The choice is that of `auto` (`model_registry.best_of`). Costs two paired bootstraps for each model and baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.baselines import BASELINE_TITLES, REFERENCE_BASELINE
from evaluation.results import Evaluation
from model_registry import CHANCE, best_of
from modelling.conversion_model import ConversionModel
from probability.confidence import paired_bootstrap_difference


def recommendation(evaluation: Evaluation, models: Mapping[str, ConversionModel]) -> dict[str, Any]:
    """The report's part on it: the model and its encoder, why, and how far each model is above each baseline.

    ROC AUC and accuracy, as {"difference", "confidence_interval"}; {} where the metric needs both outcomes.
    """
    losses = {name: model.record.cross_validation_metrics["log_loss"] for name, model in models.items()}
    best = best_of({name: model.record.cross_validation_metrics for name, model in models.items()})
    above = {name: _above_baselines(evaluation, name, "roc_auc") for name in models}
    encoder = models[best].encoder
    return {
        "recommended_model": best,
        "why": f"{_how_chosen(best, losses)} {_verdict(best, above[best], len(evaluation.labels))}",
        "roc_auc_above_baselines": above,
        "accuracy_above_baselines": {name: _above_baselines(evaluation, name, "accuracy") for name in models},
        "encoder": {**encoder.identity.as_dict(), "dim": encoder.dim},
    }


def _how_chosen(best: str, losses: Mapping[str, float]) -> str:
    lowest = "the lowest cross-validated log loss"
    how = f"has {lowest}" if losses[best] == min(losses.values()) else f"is within {CHANCE:g} of {lowest}"
    others = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items() if name != best)
    return f"{best} {how} ({losses[best]:.3f}; {others or 'the only model'})."


def _above_baselines(evaluation: Evaluation, name: str, metric: str) -> dict[str, Any]:
    """The model's metric minus each baseline's, with the paired bootstrap's interval; {} where it needs both outcomes."""
    scores = evaluation.probabilities
    pairs = {
        baseline: paired_bootstrap_difference(
            evaluation.labels, scores[name], scores[baseline], metric, evaluation.groups
        )
        for baseline in BASELINE_TITLES
    }
    return {
        baseline: {"difference": found[0], "confidence_interval": list(found[1:])}
        for baseline, found in pairs.items()
        if found is not None
    }


def _verdict(best: str, above: dict[str, Any], n: int) -> str:
    """Whether the model beats TF-IDF, and, should another baseline rank better still, which one."""
    if not above:
        return f"The {n} evaluated conversations ended one way only, so they can't tell whether it beats a baseline."
    sentence = f"On the {n} evaluated conversations {_beats(above, REFERENCE_BASELINE)} (paired bootstrap)."
    strongest = min(above, key=lambda baseline: float(above[baseline]["difference"]))
    if strongest != REFERENCE_BASELINE and above[strongest]["difference"] < 0:
        sentence += f" The strongest baseline there ranks better: {_beats(above, strongest, best)}."
    return sentence


def _beats(above: dict[str, Any], baseline: str, model: str = "it") -> str:
    difference, (low, high) = above[baseline]["difference"], above[baseline]["confidence_interval"]
    title = BASELINE_TITLES[baseline]
    if low > 0:
        verdict = f"{model} beats {title}"
    elif high < 0:
        verdict = f"{title} beats {model}"
    else:
        verdict = f"{model} can't be told apart from {title}"
    return f"{verdict}, ROC AUC {difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
