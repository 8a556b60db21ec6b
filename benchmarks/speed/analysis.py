"""Speed of a whole answer: probability, signals, evidence, recommendations and similar conversations.

    python -m benchmarks.speed.analysis --artifacts artifacts

Needs trained models; `measure_answers` is what benchmarks.speed calls. Takes some seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from answers.answer import answer
from answers.requests import PredictionRequest
from answers.sources import Sources
from benchmarks.texts import NOTE
from conversations.conversation import Conversation
from foundations.artifact_folder import ArtifactFolder
from foundations.machine import available_cores
from model_registry import trained_models

CONTEXT = {"industry": "technology", "urgency": "high", "budget_authority": "decision_maker"}
_SAID = (
    ("seller", "Thanks for making the time. How are reports made today?"),
    ("customer", "By hand, every Friday. Two people copy figures from one sheet into the next."),
    ("seller", "What does that cost you?"),
    ("customer", "About a day each week, and the mistakes on top. Last month one of them reached a client."),
    ("seller", "I'm sorry to hear that. May I show you how others do it?"),
    ("customer", "Please do. I've seen your dashboard, and it looks like what we need."),
    ("seller", "The import takes an hour. After that the report is there each morning."),
    ("customer", "And our old data? Our concern is the migration, as it went wrong the last time."),
    ("seller", "We move it for you and check every figure. You pay nothing until both agree."),
    ("customer", "That settles it for me. Legal will want to read the contract, though."),
    ("seller", "Of course. Who else has a say?"),
    ("customer", "The finance director signs. I bring her the proposal, and she usually follows it."),
    ("seller", "Is there a budget for this year?"),
    ("customer", "We have $50,000 set aside. Anything above that has to wait until January."),
    ("seller", "Then the standard plan fits. Are you looking at anyone else?"),
    ("customer", "We saw one other vendor. They were cheaper, but nobody answered our questions."),
    ("seller", "When should it be running?"),
    ("customer", "Before the audit in June. After that it would be too late to matter."),
    ("seller", "Shall I send the proposal today, and we speak on Thursday?"),
    ("customer", "Thursday at ten works. Send it to me and to the finance director."),
)
REQUESTS = (
    (f"{len(NOTE.split())}-word note", 25, PredictionRequest.model_validate({"transcript": NOTE, "context": CONTEXT})),
    (
        f"{len(_SAID)}-turn dialogue",
        150,
        PredictionRequest.model_validate(
            {"turns": [{"speaker": speaker, "text": text} for speaker, text in _SAID], "context": CONTEXT}
        ),
    ),
)


class AnswerTime(NamedTuple):
    """What one model takes for one request with analysis and similar conversations."""

    what: str
    p50: float  # milliseconds
    p95: float
    target: int  # that p50 should not exceed, on 2 cores


def measure_answers(
    folder: ArtifactFolder, name: str, repeats: int = 50, threads: int | None = None
) -> list[AnswerTime]:
    """The note and the dialogue with everything asked for, after a warm-up. `threads`: all cores if None."""
    sources = Sources.of(folder, threads or available_cores())
    rows = []
    for what, target, request in REQUESTS:
        asked = request.model_copy(update={"model_type": name, "include_analysis": True, "include_similar": True})
        milliseconds = []
        for _ in range(repeats + 5):
            start = time.perf_counter()
            answer(sources, asked.conversation(), asked)
            milliseconds.append(1000 * (time.perf_counter() - start))
        p50, p95 = np.percentile(milliseconds[5:], [50, 95])
        rows.append(AnswerTime(f"{what} with analysis and similar ones, {name}", float(p50), float(p95), target))
    return rows


def measure_call(
    folder: ArtifactFolder, name: str, calls: Sequence[Conversation], threads: int | None = None
) -> tuple[float, float]:
    """Seconds for one of these calls, a prediction and a whole answer: medians but for the first call, a warm-up.

    No call is read twice alike: a prediction and an answer each encode it anew.
    """
    sources = Sources.of(folder, threads or available_cores())
    model = sources.models.model(sources.models.resolve(name))
    predicted, answered = [], []
    for conversation in calls:
        turns = [turn.model_dump() for turn in conversation.turns or []]
        wanted = {"turns": turns, "model_type": name, "include_analysis": True, "include_similar": True}
        request = PredictionRequest.model_validate(wanted)
        start = time.perf_counter()
        model.predict_proba([conversation])
        between = time.perf_counter()
        answer(sources, request.conversation(), request)
        predicted.append(between - start)
        answered.append(time.perf_counter() - between)
    return float(np.median(predicted[1:])), float(np.median(answered[1:]))


def main() -> None:
    """Measures every trained model and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.analysis", description="Speed of a whole answer.")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), metavar="DIR", help="trained models")
    folder = ArtifactFolder(parser.parse_args().artifacts)
    table = Table("what", "measured", "target", title=f"Answers with analysis, {available_cores()} cores")
    for name in trained_models(folder):
        for row in measure_answers(folder, name):
            table.add_row(row.what, f"p50 {row.p50:.1f} ms, p95 {row.p95:.1f} ms", f"p50 ≤ {row.target} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
