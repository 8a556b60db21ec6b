"""The parts of the speed table: each yields rows, from models that were trained before."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.speed.timing import alternating_seconds
from benchmarks.tables import Row, in_words, timed_row
from benchmarks.texts import WORDS_A_NOTE, WORDS_AN_HOUR, call, notes
from conversations.conversation import Conversation
from encoder.text_encoder import TextEncoder
from foundations.artifact_folder import ArtifactFolder
from modelling.conversion_model import ConversionModel

ROOT = Path(__file__).parents[2]
_START_UPS = {
    "serving (ONNX Runtime)": "import model_registry",
    "PyTorch and transformers": "import torch; from transformers import DistilBertModel",
    "sentence-transformers": "import sentence_transformers",
}


@dataclass(frozen=True)
class Bench:
    """What every section of the table needs."""

    folder: ArtifactFolder  # models trained on the default data
    threads: int
    repeats: int
    rates: dict[str, float]
    scale: float  # share of the texts that a full run reads

    def least(self, model: ConversionModel, texts: list[str]) -> float:
        """Seconds of arithmetic alone for our pass over these notes, cut into sentences, at the measured int8 rate."""
        from modelling.segments import segment_conversations

        segments = segment_conversations(model.encoder, [Conversation(transcript=text) for text in texts]).texts
        return self.least_of(model.encoder, segments, "int8")

    def least_of(self, encoder: TextEncoder, texts: list[str], precision: str) -> float:
        """The same for texts that are read as they are, in any precision, by an encoder of six blocks."""
        from benchmarks.speed.machine_rates import operations_per_token

        tokens = sum(map(len, encoder.token_ids(texts)))
        return tokens * operations_per_token(encoder.dim, 4 * encoder.dim, blocks=6) / self.rates[precision]

    def least_of_peer(self, model: ConversionModel, texts: list[str], peer: str) -> float | None:
        """That of a peer, which reads each note whole; None for one without an encoder."""
        if peer == "TF-IDF + LR":
            return None
        return self.least_of(model.encoder, texts, "bf16" if "bf16" in peer else "fp32")


Section = Callable[[Bench], Iterator[Row]]


def _one_prediction(bench: Bench) -> Iterator[Row]:
    """Another note each time, as in life."""
    from benchmarks.peers import loaded_peers
    from model_registry import load_model, trained_models

    texts = notes(max(4, int(60 * bench.scale)), seed=1)
    models = {name: load_model(bench.folder, name, bench.threads) for name in trained_models(bench.folder)}
    head = models["classification_head"]
    least = bench.least(head, texts) / len(texts)
    runs = {name: partial(_predict_each, model, texts) for name, model in models.items()}
    peers, problems = loaded_peers(bench.folder, bench.threads)
    runs |= {name: partial(_run_each, run, texts) for name, run in peers.items()}
    seconds = {name: s / len(texts) for name, s in alternating_seconds(runs, bench.repeats).items()}
    for name in models:
        target = "≤ 3 ms" if name != "ensemble" else ""
        yield timed_row(f"one {WORDS_A_NOTE}-word note, {name}", seconds[name], least, target)
    for name in peers:
        target = {"PyTorch fp32, the same model": "≥ 4 ×", "sentence-transformers + LR": "≥ 3 ×"}.get(name, "")
        alone = bench.least_of_peer(head, texts, name)
        alone = alone / len(texts) if alone else None
        yield timed_row(f"one note, {name}", seconds[name], alone, target, seconds["classification_head"])
    for name, problem in problems.items():
        yield Row(f"one note, {name}", f"does not load ({problem})")


def _where_it_goes(bench: Bench) -> Iterator[Row]:
    """On one thread, so that nobody waits for anybody."""
    from benchmarks.speed.operator_times import seconds_by_kind
    from model_registry import artifact_path, load_model
    from modelling.saved.saved_model import ENCODER
    from modelling.saved.serving_folder import read_serving_artifact, serving_folder

    model = load_model(bench.folder, "classification_head", 1)
    served = read_serving_artifact(serving_folder(artifact_path(bench.folder, model.name)))
    found = seconds_by_kind(model, served.encoders[ENCODER], notes(max(4, int(60 * bench.scale)), seed=1))
    whole = sum(found.values())
    yield timed_row(f"one {WORDS_A_NOTE}-word note on one thread", whole)
    for kind, seconds in found.items():
        yield timed_row(f"of it, {kind} ({seconds / whole:.0%})", seconds)


def _predict_each(model: ConversionModel, texts: list[str]) -> None:
    for text in texts:
        model.predict_proba([Conversation(transcript=text)])


def _run_each(run: Callable[[list[str]], object], texts: list[str]) -> None:
    for text in texts:
        run([text])


def _throughput(bench: Bench) -> Iterator[Row]:
    from benchmarks.peers import loaded_peers
    from model_registry import load_model

    model = load_model(bench.folder, "classification_head", bench.threads)
    common = notes(int(10_000 * bench.scale), seed=2)
    peers, _ = loaded_peers(bench.folder, bench.threads)
    wanted = {
        "sentence-transformers + LR": "≥ 6 ×",
        "ONNX Runtime fp32, padded": "≥ 2 ×",
        "OpenVINO": "",
        "TF-IDF + LR": "",
    }
    runs: dict[str, Callable[[], object]] = {"ours": partial(_score, model, common)}
    runs |= {name: partial(peers[name], common) for name in wanted if name in peers}
    seconds = alternating_seconds(runs, repeats=1, warm_up=0)  # minutes each: long enough for one to tell
    yield timed_row(f"{len(common):,} notes, no sentence twice", seconds["ours"], bench.least(model, common))
    for name, target in wanted.items():
        if name in seconds:
            alone = bench.least_of_peer(model, common, name)
            yield timed_row(f"{len(common):,} notes, {name}", seconds[name], alone, target, seconds["ours"])


def _growth(bench: Bench) -> Iterator[Row]:
    from model_registry import load_model

    model = load_model(bench.folder, "classification_head", bench.threads)
    for thousands in (1, 10, 100):
        texts = notes(int(1000 * thousands * bench.scale), seed=thousands)
        start = time.perf_counter()
        _score(model, texts)
        yield timed_row(f"scoring {len(texts):,} notes", time.perf_counter() - start, bench.least(model, texts))


def _score(model: ConversionModel, texts: list[str]) -> None:
    from scoring.scores import score_conversations

    score_conversations(model, [Conversation(transcript=text) for text in texts])


def _long_calls(bench: Bench) -> Iterator[Row]:
    from model_registry import load_model

    model = load_model(bench.folder, "classification_head", bench.threads)
    window = int(0.7 * model.encoder.max_tokens)  # words that fill one window
    lengths = {f"a call of {n} windows": n * window for n in (1, 2, 4, 8)}
    lengths[f"a one-hour call, {WORDS_AN_HOUR:,} words"] = WORDS_AN_HOUR
    for what, words in lengths.items():
        calls = [call(words, seed=seed) for seed in range(bench.repeats + 1)]
        seconds = []
        for conversation in calls:
            start = time.perf_counter()
            model.predict_proba([conversation])
            seconds.append(time.perf_counter() - start)
        text = " ".join(turn.text for turn in calls[0].turns or [])
        target = "≤ 1.5 s" if words == WORDS_AN_HOUR else ""
        yield timed_row(f"{what}", statistics.median(seconds[1:]), bench.least(model, [text]), target)
    yield from _hour_with_everything(bench)


def _hour_with_everything(bench: Bench) -> Iterator[Row]:
    """A one-hour call by the ensemble, where it is trained: its probability, and the whole answer of the service."""
    from benchmarks.speed.analysis import measure_call
    from model_registry import trained_models

    if "ensemble" not in trained_models(bench.folder):
        return
    calls = [call(WORDS_AN_HOUR, seed=100 + seed) for seed in range(min(3, bench.repeats) + 1)]
    predicted, answered = measure_call(bench.folder, "ensemble", calls, bench.threads)
    yield timed_row("a one-hour call, ensemble", predicted)
    yield timed_row("a one-hour call with analysis and similar ones, ensemble", answered)


def _whole_answers(bench: Bench) -> Iterator[Row]:
    """Probability, signals, evidence, recommendations and similar conversations, as the service gives them."""
    from benchmarks.accuracy.evidence import MOST_COST, relative_cost
    from benchmarks.speed.analysis import measure_answers
    from benchmarks.texts import NOTE
    from model_registry import load_model, trained_models

    for name in trained_models(bench.folder):
        for found in measure_answers(bench.folder, name, max(2, int(50 * bench.scale)), bench.threads):
            yield timed_row(found.what, found.p50 / 1000, target=f"≤ {found.target} ms")
        _, times = relative_cost(load_model(bench.folder, name, bench.threads), Conversation(transcript=NOTE))
        what = f"evidence of a {len(NOTE.split())}-word note, as a multiple of a plain prediction, {name}"
        yield Row(what, f"{times:.1f} ×", target=f"≤ {MOST_COST:g} ×")


def _distilbert_base(bench: Bench) -> Iterator[Row]:
    """Its shape with random weights, which are as fast as trained ones."""
    from benchmarks.peers import pytorch
    from encoder.distilbert import DistilBert, DistilBertShape
    from encoder.onnx_export import export_encoder
    from encoder.source import LoadedEncoder, load_encoder
    from encoder.torch_encoder import SalesEncoder

    bundled = load_encoder()
    loaded = LoadedEncoder(DistilBert(DistilBertShape()).eval(), bundled.tokenizer, bundled.identity)
    texts = notes(8, seed=3)
    encoder = export_encoder(SalesEncoder(loaded), texts).encoder("int8")
    in_torch, in_bfloat16 = pytorch(loaded), pytorch(loaded, bfloat16=True)
    seconds = alternating_seconds(
        {
            "int8": lambda: [encoder.embed_texts(text.split(". ")) for text in texts],
            "fp32": lambda: _run_each(in_torch, texts),
            "bf16": lambda: _run_each(in_bfloat16, texts),
        },
        bench.repeats,
    )
    ours = seconds["int8"] / len(texts)
    parts = [part for text in texts for part in text.split(". ")]
    least = {name: bench.least_of(encoder, parts if name == "int8" else texts, name) / len(texts) for name in seconds}
    yield timed_row("DistilBERT-base shape, one note, ours int8", ours, least["int8"])
    for name, target in (("fp32", "≥ 5 ×"), ("bf16", "")):
        what = f"DistilBERT-base shape, PyTorch {name}"
        yield timed_row(what, seconds[name] / len(texts), least[name], target, ours)


def _service(bench: Bench) -> Iterator[Row]:
    from benchmarks.speed.service import measure_service

    found = measure_service(bench.folder.root, notes(max(4, int(100 * bench.scale)), seed=4), "classification_head")
    yield timed_row(f"one note over HTTP on loopback, {WORDS_A_NOTE} words", found.request, target="≤ 6 ms")
    yield timed_row("a server worker until it is ready", found.ready, target="≤ 2 s")
    yield Row("a server worker's peak memory", f"{found.memory:.0f} MiB", target="≤ 300 MB")


def _start_up(bench: Bench) -> Iterator[Row]:
    for what, code in _START_UPS.items():
        program = f"{code}; from evaluation import cost; print(cost.peak_memory_mb())"
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            measured = f"{in_words(time.perf_counter() - start)}, {done.stdout.strip()} MiB"
            yield Row(f"a process that imports {what}", measured)


def _reading(bench: Bench) -> Iterator[Row]:
    from benchmarks.speed.reading import reading_rows

    return reading_rows(2 * bench.scale)


SECTIONS: dict[str, Section] = {
    "reading": _reading,
    "prediction": _one_prediction,
    "operators": _where_it_goes,
    "answers": _whole_answers,
    "service": _service,
    "throughput": _throughput,
    "growth": _growth,
    "calls": _long_calls,
    "base": _distilbert_base,
    "start": _start_up,
}
