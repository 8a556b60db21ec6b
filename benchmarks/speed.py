"""Speed and memory on this machine: training on the default data, and one prediction of a 40-word note.

    python -m benchmarks.speed

Each training run is a fresh process, so its peak memory is its own. Takes about two minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from api_schemas import PredictionRequest
from artifact_folder import ArtifactFolder
from conversation import Conversation
from model_registry import MODEL_CLASSES, load_model
from model_server import ModelServer
from prediction_answer import answer
from settings import available_cores

ROOT = Path(__file__).parent.parent
NOTE = (
    "Spoke with the head of operations about replacing their reporting tool. She liked the dashboard, asked how long the "
    "migration takes, and said the budget is approved for this quarter. Legal still has to read the contract before Friday."
)
TRAIN_SECONDS, TRAIN_MIB, PREDICT_MS, ANSWER_MS = 60, 2048, 12, 25
_PEAK = "import resource, runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, '.')\n"
_PEAK += "try:\n    runpy.run_path('main.py', run_name='__main__')\n"
_PEAK += "except SystemExit as end:\n    code = end.code\n"
_PEAK += "print('PEAK_KIB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"


def main() -> None:
    """Measures and prints the table."""
    console = Console()
    table = Table("what", "measured", "target", title=f"Speed and memory, {available_cores()} cores")
    with tempfile.TemporaryDirectory() as scratch:
        with console.status("Training all three models on 200 conversations …"):
            seconds, mebibytes = measure_training(Path(scratch))
        table.add_row("--mode train, three models, 200 conversations", f"{seconds:.1f} s", f"≤ {TRAIN_SECONDS} s")
        table.add_row("    its peak memory", f"{mebibytes:.0f} MiB", f"< {TRAIN_MIB} MiB")
        for name in MODEL_CLASSES:
            p50, p95 = measure_prediction(ArtifactFolder(Path(scratch)), name)
            measured = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"
            table.add_row(f"one {len(NOTE.split())}-word note, {name}", measured, f"p50 ≤ {PREDICT_MS} ms")
        for name in MODEL_CLASSES:
            p50, p95 = measure_answer(ArtifactFolder(Path(scratch)), name)
            measured = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms"
            table.add_row(f"    with analysis and similar ones, {name}", measured, f"p50 ≤ {ANSWER_MS} ms")
    console.print(table)


def measure_training(artifacts: Path) -> tuple[float, float]:
    """(seconds, peak MiB) of `python main.py --mode train` in a fresh process, start-up and data generation included."""
    command = [sys.executable, "-c", _PEAK, "main.py", "--mode", "train", "--artifacts", str(artifacts)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    return seconds, float(done.stdout.rsplit("PEAK_KIB", 1)[1]) / 1024


def measure_prediction(folder: ArtifactFolder, name: str, repeats: int = 100) -> tuple[float, float]:
    """(p50, p95) in milliseconds of one prediction of NOTE, after a warm-up, with all cores."""
    model = load_model(folder, name, available_cores())
    note = [Conversation(transcript=NOTE)]
    return _percentiles(lambda: model.predict_proba(note), repeats)


def measure_answer(folder: ArtifactFolder, name: str, repeats: int = 100) -> tuple[float, float]:
    """The same of the whole answer to a request: prediction, analysis and similar conversations."""
    server = ModelServer(folder, available_cores())
    request = PredictionRequest(transcript=NOTE, model_type=name, include_analysis=True, include_similar=True)
    return _percentiles(lambda: answer(server, request), repeats)


def _percentiles(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    milliseconds = []
    for _ in range(repeats + 10):
        start = time.perf_counter()
        call()
        milliseconds.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.percentile(milliseconds[10:], [50, 95])
    return float(p50), float(p95)


if __name__ == "__main__":
    main()
