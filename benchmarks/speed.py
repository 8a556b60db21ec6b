"""Speed and memory on this machine: training on the default data, one prediction of a 40-word note, encoder sizes.

    python -m benchmarks.speed

Each training run is a fresh process, so its peak memory is its own. Takes about two minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from transformers import DistilBertConfig, DistilBertModel

from artifact_folder import ArtifactFolder
from conversation import Conversation
from data_pipeline import split_sentences
from encoder_source import load_encoder
from model_registry import MODEL_CLASSES, load_model
from onnx_encoder import OnnxTextEncoder
from onnx_export import export_encoder
from sales_encoder import SalesEncoder
from settings import available_cores

ROOT = Path(__file__).parent.parent
NOTE = (
    "Spoke with the head of operations about replacing their reporting tool. She liked the dashboard, asked how long the "
    "migration takes, and said the budget is approved for this quarter. Legal still has to read the contract before Friday."
)
ENCODER_SHAPES = {  # title: words of the vocabulary
    "bundled encoder": None,
    "DistilBERT-base (English)": 30_522,
    "DistilBERT-base (multilingual)": 119_547,
}
TRAIN_SECONDS, TRAIN_MIB, PREDICT_MS = 60, 2048, 12
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
    for title, vocabulary in ENCODER_SHAPES.items():
        p50, p95, mebibytes = measure_encoder(vocabulary)
        table.add_row(f"the note's sentences, fp32, {title}", f"p50 {p50:.1f} ms, p95 {p95:.1f} ms", "")
        table.add_row("    its ONNX file", f"{mebibytes:.0f} MiB", "")
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
    milliseconds = []
    for _ in range(repeats + 10):
        start = time.perf_counter()
        model.predict_proba(note)
        milliseconds.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.percentile(milliseconds[10:], [50, 95])
    return float(p50), float(p95)


def measure_encoder(vocabulary: int | None, repeats: int = 50) -> tuple[float, float, float]:
    """(p50, p95, MiB of the ONNX file): the encoder alone in fp32 with all cores; None is the bundled one.

    Others have the shape of DistilBERT-base, `vocabulary` words and random weights, which cost the same as trained ones.
    """
    bundled = load_encoder()
    loaded = bundled if vocabulary is None else replace(bundled, model=_random_distilbert_base(vocabulary))
    encoder = SalesEncoder(loaded)
    data = export_encoder(encoder).file("fp32")
    served = OnnxTextEncoder(data, encoder.tokenizer, encoder.identity, encoder.max_tokens, False, available_cores())
    sentences = split_sentences(NOTE)
    milliseconds = []
    for _ in range(repeats + 5):
        start = time.perf_counter()
        served.embed_texts(sentences)
        milliseconds.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.percentile(milliseconds[5:], [50, 95])
    return float(p50), float(p95), len(data) / 1024**2


def _random_distilbert_base(vocabulary: int) -> DistilBertModel:
    return DistilBertModel(DistilBertConfig(vocab_size=vocabulary)).eval()


if __name__ == "__main__":
    main()
