"""Measures every given model beside every baseline on the same labelled conversations, and builds the report.

Each figure's formula is `probability.metrics` or `modelling.embedding_quality`; which model to use is
`evaluation.recommendation`. Nothing is tuned here: the models come trained, the baselines are fitted on what they learned
from. Costs a pass of each model's encoder over the evaluated conversations, one of the frozen encoder over both sets, and
about 4 s a model for latency and memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from conversations.conversation import Conversation, labels_of
from encoder.text_encoder import TextEncoder, remembered_texts
from evaluation.baselines import BASELINE_TITLES, REFERENCE_BASELINE, all_baselines
from evaluation.cost import measure_cost
from evaluation.dataset import Origin, dataset_description
from evaluation.difficulty import leak_warning, leaks, wordless_cues
from evaluation.early import early_prediction, probabilities_by_share
from evaluation.last_conversation import probabilities_before_last, without_last_conversation
from evaluation.model_card import verdict_of
from evaluation.recommendation import recommendation
from evaluation.results import GENERIC, Evaluation
from evaluation.retrieval import retrieval_report
from foundations.artifact_folder import ArtifactFolder
from foundations.errors import InputError
from foundations.long_work import Progress
from modelling.conversation_vectors import mean_segment_vectors
from modelling.conversion_model import ConversionModel
from modelling.embedding_quality import embedding_quality
from probability.confidence import BOOTSTRAP_SAMPLES, bootstrap_intervals, wilson_interval
from probability.metrics import bayes_accuracy, classification_metrics, confusion_matrix
from probability.reliability import Assessment

FEWEST_GROUPS = 20  # from which on drawing whole groups gives intervals that can be relied on
CostOf = Callable[[ArtifactFolder, str, Sequence[Conversation]], dict[str, Any]]


def evaluate(
    models: Mapping[str, ConversionModel],
    training: Sequence[Conversation],
    evaluated: Sequence[Conversation],
    encoder: TextEncoder,
    folder: ArtifactFolder,
    progress: Progress = lambda _: None,
    *,
    cost_of: CostOf = measure_cost,
    origin: Origin | None = None,
) -> Evaluation:
    """Measures trained models and the baselines on `evaluated`; `training` is what the models learned from.

    Open deals in `evaluated` are left out and counted; `origin` is told in the report. `cost_of` measures latency and
    memory of the artifact in `folder`. Raises InputError without a model or without a labelled conversation.
    """
    labelled = [conversation for conversation in evaluated if conversation.outcome is not None]
    if not models:
        raise InputError("There is no trained model to evaluate; train one with: python main.py --mode train")
    if not labelled:
        raise InputError(f"None of the {len(evaluated)} conversations has an outcome; evaluating needs closed deals.")
    fitted_on = [conversation for conversation in training if conversation.outcome is not None]
    evaluation = Evaluation(labelled, labels_of(labelled))
    costs = {}
    _run_models(evaluation, models)
    _run_baselines(evaluation, fitted_on, encoder)
    for done, name in enumerate(models, start=1):
        progress(done / (len(models) + 1))
        costs[name] = cost_of(folder, name, labelled)
    recommended = recommendation(evaluation, models)
    best = recommended["recommended_model"]
    evaluation.report = {
        **recommended,
        **_measured_parts(evaluation, models, costs),
        "similar_conversations": _retrieval_part(evaluation, models, fitted_on, encoder, best),
        "dataset": dataset_description(fitted_on, labelled, len(evaluated) - len(labelled), origin),
        "intervals": _how_intervals_are_drawn(evaluation.groups),
        "early_prediction": early_prediction(labelled, evaluation.labels, evaluation.by_share, best),
        "without_last_conversation": without_last_conversation(
            evaluation.labels, evaluation.probabilities, evaluation.before_last, evaluation.groups
        ),
    }
    _tell_of_leaks(evaluation.report, labelled, best)
    evaluation.report["verdict"] = verdict_of(evaluation.report)._asdict()
    progress(1.0)
    return evaluation


def measured(labels: ArrayLike, probabilities: ArrayLike, groups: Sequence[str] | None = None) -> dict[str, Any]:
    """Every metric, the confusion matrix, and `confidence_interval.<metric>` as [low, high], drawn by `groups`."""
    intervals = bootstrap_intervals(labels, probabilities, groups)
    return {
        **classification_metrics(labels, probabilities),
        "confusion_matrix": confusion_matrix(labels, probabilities),
        "confidence_interval": {metric: list(interval) for metric, interval in intervals.items()},
    }


def reliability_figures(labels: NDArray[np.int64], assessments: Sequence[Assessment]) -> dict[str, Any]:
    """How many predictions are flagged and why, and how good those are that are not ("ok") and those that are ("low").

    `accuracy` and, where both outcomes are there, `roc_auc` of each part; a part without conversations has its count
    only.
    """
    low = np.array([assessed.reliability == "low" for assessed in assessments])
    kinds = Counter[str](reason.kind for assessed in assessments for reason in assessed.reasons)
    probabilities = np.array([assessed.probability for assessed in assessments])
    parts: dict[str, Any] = {}
    for name, inside in (("ok", ~low), ("low", low)):
        figures = classification_metrics(labels[inside], probabilities[inside]) if inside.any() else {}
        kept = {metric: figures[metric] for metric in ("accuracy", "roc_auc") if metric in figures}
        parts[name] = {"conversations": int(inside.sum()), **kept}
    interval = list(wilson_interval(int(low.sum()), len(low)))
    return {"share_low": float(low.mean()), "confidence_interval": interval, "reasons": dict(kinds), **parts}


def _tell_of_leaks(report: dict[str, Any], labelled: Sequence[Conversation], best: str) -> None:
    """Adds what figures that read no word reach, and a warning where they give the outcome away."""
    model, cues = report["models"][best], wordless_cues(labelled)
    found = leaks(cues, model["roc_auc"]) if "roc_auc" in model else []
    report["without_words"] = {
        "roc_auc": {cue.title: cue.roc_auc for cue in cues},
        "give_away": [cue.title for cue in found],
    }
    if found:
        report["dataset"]["warnings"].append(leak_warning(found, model["title"], model["roc_auc"]))


def _run_models(evaluation: Evaluation, models: Mapping[str, ConversionModel]) -> None:
    for name, model in models.items():
        with remembered_texts():
            assessments = model.assess(evaluation.conversations)
            evaluation.assessments[name] = assessments
            evaluation.probabilities[name] = np.array([assessed.probability for assessed in assessments])
            evaluation.embeddings[name] = model.embed(evaluation.conversations)
            evaluation.by_share[name] = probabilities_by_share(model.predict_proba, evaluation.conversations)
            evaluation.before_last[name] = probabilities_before_last(model.predict_proba, evaluation.conversations)
        evaluation.histories[name] = model.record.history


def _run_baselines(evaluation: Evaluation, training: Sequence[Conversation], encoder: TextEncoder) -> None:
    for baseline in all_baselines(encoder):
        baseline.fit(training)
        evaluation.probabilities[baseline.name] = baseline.predict_proba(evaluation.conversations)
        if baseline.name == REFERENCE_BASELINE:
            by_share = probabilities_by_share(baseline.predict_proba, evaluation.conversations)
            evaluation.by_share[baseline.name] = by_share
            before_last = probabilities_before_last(baseline.predict_proba, evaluation.conversations)
            evaluation.before_last[baseline.name] = before_last
    generic = mean_segment_vectors(encoder, evaluation.conversations)
    evaluation.embeddings = {GENERIC: generic, **evaluation.embeddings}


def _measured_parts(
    evaluation: Evaluation, models: Mapping[str, ConversionModel], costs: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    labels, probabilities, groups = evaluation.labels, evaluation.probabilities, evaluation.groups
    return {
        "models": {
            name: {
                "title": model.title,
                **measured(labels, probabilities[name], groups),
                "reliability": reliability_figures(labels, evaluation.assessments[name]),
                **costs[name],
                "validation": model.record.validation_metrics,
                "cross_validation": model.record.cross_validation_metrics,
                "encoder_sha256": model.encoder.identity.sha256,
            }
            for name, model in models.items()
        },
        "baselines": {
            name: {"title": title, **measured(labels, probabilities[name], groups)}
            for name, title in BASELINE_TITLES.items()
        },
        "bayes_limit": _bayes_limit(evaluation.conversations, labels),
        "embeddings": {name: embedding_quality(vectors, labels) for name, vectors in evaluation.embeddings.items()},
    }


def _retrieval_part(
    evaluation: Evaluation,
    models: Mapping[str, ConversionModel],
    training: Sequence[Conversation],
    encoder: TextEncoder,
    best: str,
) -> dict[str, Any]:
    return retrieval_report(
        (mean_segment_vectors(encoder, training), evaluation.embeddings[GENERIC]),
        evaluation.embeddings,
        models,
        training,
        evaluation.conversations,
        searched_with=next((name for name in models if models[name].learns_embedding), best),
    )


def _bayes_limit(conversations: Sequence[Conversation], labels: NDArray[np.int64]) -> dict[str, Any] | None:
    """What a judge reaches who knows the probability each outcome was drawn with; None unless all records tell it."""
    known = [c.true_probability for c in conversations if c.true_probability is not None]
    if len(known) < len(conversations):
        return None
    groups = [conversation.group_key for conversation in conversations]
    return {"title": "Bayes limit", "expected_accuracy": bayes_accuracy(known), **measured(labels, known, groups)}


def _how_intervals_are_drawn(groups: Sequence[str]) -> str:
    count = len(set(groups))
    how = f"95 % percentile bootstrap, {BOOTSTRAP_SAMPLES} draws with replacement of "
    if count == len(groups):
        return f"{how}single conversations"
    rough = "; so few groups make rough intervals" if count < FEWEST_GROUPS else ""
    return (
        f"{how}whole groups, then of conversations within them ({count} groups of {len(groups)} conversations{rough})"
    )
