"""The served encoder: fused, the same as PyTorch's, and blind to a text's neighbours, in every precision."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from conversations.conversation import Conversation
from encoder import torch_encoder
from encoder.onnx_encoder import OnnxTextEncoder, graph_inputs, packs
from encoder.onnx_export import PRECISIONS, ExportedEncoder, encoder_weights, export_encoder
from encoder.onnx_graph import InputRange, encoder_graph, lower_half, upper_half
from encoder.text_encoder import KeptStates, remembered_texts
from encoder.torch_encoder import SalesEncoder, TunedEncoder
from foundations.artifact_folder import ArtifactFolder
from foundations.machine import available_cores
from foundations.settings import load_settings, threads_per_worker
from model_registry import load_model
from modelling.segments import segment_conversations

BLOCKS = 4  # of the tiny encoder
TEXTS = [
    "Yes.",
    "They asked for the price again and again. " * 5,
    "",
    "是的，我们签。 🎉",
    "No budget before the autumn.",
]


@pytest.fixture(scope="module")
def exported(tiny_encoder: SalesEncoder, conversations: list[Conversation]) -> ExportedEncoder:
    return export_encoder(tiny_encoder, [*segment_conversations(tiny_encoder, conversations).texts, *TEXTS])


def test_attention_gelu_and_layer_norm_are_fused(exported: ExportedEncoder) -> None:
    for precision, int8_layers in (("fp32", 0), ("int8_mixed", 5 * BLOCKS), ("int8", 6 * BLOCKS)):
        halves = [onnx.load_from_string(file).graph for file in exported.files(precision)]
        nodes = Counter(node.op_type for graph in halves for node in graph.node)
        assert nodes["Attention"] == nodes["Gelu"] == BLOCKS
        assert nodes["LayerNormalization"] == 2 * BLOCKS + 1
        assert nodes["MatMulIntegerToFloat"] == int8_layers
        assert nodes["MatMul"] == 6 * BLOCKS - int8_layers
        assert not {"Softmax", "Split", "Erf", "ReduceMean", "DynamicQuantizeLinear"} & nodes.keys()


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("int8_mixed", 0.1), ("int8", 0.1)])
def test_onnx_agrees_with_pytorch(
    exported: ExportedEncoder, tiny_encoder: SalesEncoder, precision: str, tolerance: float
) -> None:
    expected = tiny_encoder.embed_texts(TEXTS)
    found = exported.encoder(precision).embed_texts(TEXTS)
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) <= tolerance
    assert np.linalg.norm(expected) > 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_vector_does_not_depend_on_its_neighbours(exported: ExportedEncoder, precision: str) -> None:
    encoder = exported.encoder(precision)
    texts = [*TEXTS, *(f"Sentence {number} of many." for number in range(200)), "word " * 62]
    together = encoder.embed_texts(texts)
    alone = np.concatenate([encoder.embed_texts([text]) for text in texts])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_texts(texts[::-1])[::-1], together, atol=1e-5)
    assert encoder.embed_texts([]).shape == (0, 32)


def test_a_text_that_comes_twice_runs_once(exported: ExportedEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = exported.encoder("fp32")
    read: list[list[str]] = []

    def noted(texts: list[str]) -> list[list[int]]:
        read.append(texts)
        return OnnxTextEncoder.token_ids(encoder, texts)

    monkeypatch.setattr(encoder, "token_ids", noted)
    first = encoder.embed_texts(["one", "two", "one"])
    np.testing.assert_array_equal(first[0], first[2])
    assert read == [["one", "two"]]


def test_encoders_of_one_run_share_their_lower_blocks(
    tiny_encoder: SalesEncoder, exported: ExportedEncoder, conversations: list[Conversation]
) -> None:
    torch.manual_seed(1)
    blocks = tiny_encoder.copy_blocks(tiny_encoder.upper_blocks)
    for parameter in blocks.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    texts = [*segment_conversations(tiny_encoder, conversations).texts, *TEXTS]
    tuned = export_encoder(TunedEncoder(tiny_encoder, blocks), texts).encoder("int8")
    plain = exported.encoder("int8")
    assert tuned._lower is plain._lower
    assert tuned._upper is not plain._upper
    assert exported.encoder("int8").same_vectors == plain.same_vectors != tuned.same_vectors
    expected = plain.embed_texts(TEXTS), tuned.embed_texts([*TEXTS, "And one more."])
    assert np.abs(expected[0] - expected[1][: len(TEXTS)]).max() > 0.01
    plain._lower = tuned._lower = session = CountingSession(plain._lower)
    with remembered_texts():
        found = plain.embed_texts(TEXTS)
        runs = session.runs
        of_tuned = tuned.embed_texts(TEXTS)
        assert session.runs == runs > 0  # the tuned blocks read what is there already
        np.testing.assert_allclose(tuned.embed_texts([*TEXTS, "And one more."]), expected[1], atol=1e-5)
        assert session.runs == runs + 1
    np.testing.assert_allclose(found, expected[0], atol=1e-5)
    np.testing.assert_allclose(of_tuned, expected[1][: len(TEXTS)], atol=1e-5)


def test_no_more_states_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoder.text_encoder.MAX_KEPT_TOKENS", 5)
    states = KeptStates()
    states.add({"a": np.zeros((3, 2), dtype=np.float32)})
    states.add({"b": np.zeros((3, 2), dtype=np.float32)})
    assert list(states) == ["a"]


def test_packs_hold_every_text_once_and_share_the_work() -> None:
    assert packs([], 2) == []
    assert packs([14, 24, 12], 2) == [[1], [2, 0]]  # 24 tokens beside 12 + 14
    assert packs([15, 20, 15, 21], 2) == [[2, 3], [0, 1]]  # 36 tokens beside 35: not the short ones beside the long
    assert packs([3, 2], 8) == [[1, 0]]  # too little to share
    lengths = np.random.default_rng(0).integers(2, 512, size=3000).tolist()
    found = packs(lengths, 4)
    assert sorted(index for pack in found for index in pack) == list(range(3000))
    for pack in found:
        tokens, grid = sum(lengths[i] for i in pack), len(pack) * max(lengths[i] for i in pack)
        assert tokens <= 2 * 512  # the longest alone
        assert grid <= 2 * tokens + 64


def test_graph_inputs_by_hand() -> None:
    inputs = graph_inputs([[5, 6, 7], [8]])
    assert inputs["tokens"].tolist() == [5, 6, 7, 8]
    assert inputs["places"].tolist() == [0, 1, 2, 0]
    assert inputs["grid"].tolist() == [[0, 1, 2], [3, 0, 0]]
    assert inputs["slots"].tolist() == [0, 1, 2, 3]
    assert inputs["counts"].tolist() == [3, 1]
    np.testing.assert_allclose(inputs["shares"][:, :, 0], np.array([[1, 1, 1], [3, 0, 0]]) / 3, rtol=1e-6)


def test_ranges_by_hand() -> None:
    of = InputRange.of(np.array([[-1.0, 0.0], [3.0, 16.0]], dtype=np.float32))
    of = of.widened(InputRange.of(np.array([[0.0, -2.0]], dtype=np.float32)))
    assert (of.low.tolist(), of.high.tolist()) == ([-1, -2], [3, 16])
    weight = np.array([[0.5], [1.0]], dtype=np.float32)
    raw = np.array([3**0.8 / 0.5**0.2, 16**0.8 / 1.0], dtype=np.float64)  # largest input^α / largest weight^(1 − α)
    factors = of.smoothing(weight)
    np.testing.assert_allclose(factors, raw / float(np.sqrt(raw[0] * raw[1])), rtol=1e-5)  # their geometric mean is 1
    scale, zero = of.scale_and_zero(np.ones(2, dtype=np.float32))
    assert scale == pytest.approx(18 / 255)  # from −2 to 16 in 255 steps
    assert zero == round(2 / (18 / 255))


def test_int8_is_smaller_and_its_watched_twin_tells_its_inputs(tiny_encoder: SalesEncoder) -> None:
    lower_blocks, heads, weights = encoder_weights(tiny_encoder)
    files = [half(weights, heads, lower_blocks, watched=True) for half in (lower_half, upper_half)]
    watched = [onnx.load_from_string(file).graph for file in files]
    assert [len(graph.output) for graph in watched] == [1 + 4 * lower_blocks, 1 + 4 * (BLOCKS - lower_blocks)]
    int8 = ExportedEncoder(tiny_encoder, TEXTS).files("int8")
    assert sum(map(len, int8)) < 0.45 * len(encoder_graph(weights, heads))


def test_threads_are_shared_by_workers() -> None:
    assert [threads_per_worker(8, workers) for workers in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    assert all(workers * threads_per_worker(16, workers) <= 16 for workers in range(1, 17))


@pytest.mark.parametrize("threads", [1, 2])
def test_no_more_runs_at_once_than_threads(exported: ExportedEncoder, threads: int) -> None:
    like = exported.encoder("fp32")
    encoder = OnnxTextEncoder(exported.files("fp32"), like.tokenizer, like.identity, like.max_tokens, threads)
    session = CountingSession(encoder._lower)
    encoder._lower = session
    encoder.embed_texts([f"Sentence {number} of very many." for number in range(600)])
    assert session.runs > threads
    assert 1 <= session.most <= threads


class CountingSession:
    """Runs a session and notes how many runs there were, and how many at once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.Lock()
        self.busy = self.most = self.runs = 0

    def run(self, *arguments: Any) -> Any:
        with self._lock:
            self.busy, self.runs = self.busy + 1, self.runs + 1
            self.most = max(self.most, self.busy)
        try:
            return self._session.run(*arguments)
        finally:
            with self._lock:
                self.busy -= 1


def test_workers_share_the_cores_unless_threads_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foundations.settings.available_cores", lambda: 8)
    monkeypatch.setenv("SALES_WORKERS", "4")
    assert load_settings().threads == 2
    monkeypatch.delenv("SALES_WORKERS")
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    assert load_settings().threads == 4
    monkeypatch.setenv("SALES_THREADS", "7")
    assert load_settings().threads == 7


def test_sales_threads_reaches_serving_and_scoring(
    monkeypatch: pytest.MonkeyPatch, trained_artifacts: ArtifactFolder
) -> None:
    assert threads_of_a_model(trained_artifacts) == available_cores()
    monkeypatch.setenv("SALES_THREADS", "3")
    assert load_settings().threads == 3
    assert threads_of_a_model(trained_artifacts) == 3


def threads_of_a_model(folder: ArtifactFolder) -> int:
    encoder = load_model(folder, "few_shot").encoder
    assert isinstance(encoder, OnnxTextEncoder)
    return encoder.threads


def test_a_cuda_device_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_encoder.training_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_encoder.training_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")  # the fourth process of this machine shares the second device
    assert torch_encoder.training_device() == torch.device("cuda", 1)


def test_training_puts_all_of_its_tensors_on_the_encoders_device(tiny_encoder: SalesEncoder) -> None:
    assert tiny_encoder.device == torch_encoder.training_device()
    assert {p.device.type for p in tiny_encoder.model.parameters()} == {tiny_encoder.device.type}
    assert {p.device.type for p in tiny_encoder.copy_blocks(tiny_encoder.upper_blocks).parameters()} == {
        tiny_encoder.device.type
    }
