"""What one prediction costs: latency at batch 1 after warm-up and peak memory, measured in a process of its own.

    python -m evaluation.cost --artifacts DIR --model NAME --data FILE

prints one JSON object. A fresh process holds the interpreter, the libraries, the encoder and one model and nothing of
the trainer, so its peak memory is what serving that model needs. Costs about 5 s a model, most of it for loading.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from conversations.conversation import Conversation
from conversations.reading.files import read_conversations
from foundations.artifact_folder import DEFAULT_ARTIFACTS, ArtifactFolder
from foundations.errors import InputError
from foundations.machine import available_cores

MOST_CONVERSATIONS = 40
WARM_UP_PREDICTIONS = 5
TIMED_PREDICTIONS = 30
_LONGEST_SECONDS = 600
_BAD_INPUT = 2
_PROGRAM = Path(__file__).resolve().parents[1]


def measure_cost(folder: ArtifactFolder, name: str, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """{"latency_ms": {"p50", "p95"}, "memory_mb", "threads"} of a trained model, one conversation a call.

    Milliseconds and MiB; `memory_mb` is None on a system that doesn't tell. At most 40 conversations are used. Raises
    InputError with the child process's own words, for example because the model isn't trained; RuntimeError where that
    process breaks.
    """
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "conversations.json"
        records = [c.model_dump(exclude_none=True) for c in islice(conversations, MOST_CONVERSATIONS)]
        data.write_text(json.dumps(records), encoding="utf-8")
        command = [sys.executable, "-m", "evaluation.cost"]
        command += ["--artifacts", str(folder.root.resolve()), "--model", name, "--data", str(data)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_LONGEST_SECONDS, cwd=_PROGRAM
        )
    if done.returncode == _BAD_INPUT:
        raise InputError(done.stderr.strip().splitlines()[-1])
    if done.returncode != 0:
        raise RuntimeError(f"measuring the model {name!r} ended with {done.returncode}:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def cost_in_this_process(folder: ArtifactFolder, name: str, conversations: Sequence[Conversation]) -> dict[str, Any]:
    """What `measure_cost` returns, measured here: `memory_mb` is then the peak of this whole process."""
    from model_registry import load_model  # not needed by who only calls measure_cost

    threads = available_cores()
    model = load_model(folder, name, threads)
    one_at_a_time = [[conversations[n % len(conversations)]] for n in range(WARM_UP_PREDICTIONS + TIMED_PREDICTIONS)]
    milliseconds = []
    for conversation in one_at_a_time:
        start = time.perf_counter()
        model.predict_proba(conversation)
        milliseconds.append((time.perf_counter() - start) * 1000)
    p50, p95 = np.percentile(milliseconds[WARM_UP_PREDICTIONS:], [50, 95])
    return {
        "latency_ms": {"p50": round(float(p50), 2), "p95": round(float(p95), 2)},
        "memory_mb": peak_memory_mb(),
        "threads": threads,
    }


def peak_memory_mb() -> float | None:
    """The most memory this process has held, in MiB; None where the system doesn't tell (Windows)."""
    try:
        # Linux. getrusage's ru_maxrss won't do: it keeps the parent's peak through fork and exec, so a child of a
        # trainer of 2 GB would report 2 GB. VmHWM starts anew with the program.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        kibibytes = next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        return math.ceil(kibibytes / 1024)
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    return math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)  # macOS counts in bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 with one sentence on stderr for bad input."""
    parser = argparse.ArgumentParser(description="Measures latency and peak memory of one trained model.")
    parser.add_argument("--artifacts", type=Path, default=DEFAULT_ARTIFACTS, metavar="DIR")
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        conversations = read_conversations(given.data)[:MOST_CONVERSATIONS]
        cost = cost_in_this_process(ArtifactFolder(given.artifacts), given.model, conversations)
    except InputError as error:
        print(error, file=sys.stderr)
        return _BAD_INPUT
    print(json.dumps(cost))
    return 0


if __name__ == "__main__":
    sys.exit(main())
