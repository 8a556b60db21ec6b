"""Evaluates every given model beside every baseline on the same labelled conversations, and builds the report.

`evaluate` measures, `write_report` writes final_project_report.json; the table is `evaluation.tables`, the pictures are
`evaluation.pictures.predictions`, each figure's formula is `probability.metrics` or `modelling.embedding_quality`,
which model to use is `evaluation.recommendation`. Nothing is tuned here: the models come trained, the baselines are
fitted on what they learned from. The models are those that serving loads, so what is measured is what is served. Costs
a pass of each model's encoder over the evaluated conversations, one of the frozen encoder over both sets, and about 4 s
a model for latency and memory.
"""

from __future__ import annotations

from evaluation.results import Evaluation
from foundations.artifact_folder import ArtifactFolder
from foundations.atomic_files import write_json


def write_report(evaluation: Evaluation, folder: ArtifactFolder) -> None:
    """Writes final_project_report.json atomically."""
    write_json(folder.report, evaluation.report)
