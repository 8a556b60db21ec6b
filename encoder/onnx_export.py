"""Turns a trained encoder into ONNX: fp32, and int8 by ranges measured on texts like those it will read.

Runs in training only and needs PyTorch's weights, not PyTorch's exporter: the graph is `encoder.onnx_graph`. Costs about a
second for the bundled encoder in all precisions, most of it for the ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from encoder.onnx_encoder import STATES, EncoderFiles, Inputs, OnnxTextEncoder, graph_inputs, inference_session, packs
from encoder.onnx_graph import LINEAR_LAYERS, InputRange, layer_names, lower_half, upper_half
from encoder.text_encoder import TextEncoder
from encoder.torch_encoder import SalesEncoder, TunedEncoder, pretrained
from foundations.machine import available_cores

# Fastest first. "int8_mixed" leaves each block's second feed-forward layer as it is: its input, behind the activation
# function, has the few large values that quantise worst.
PRECISIONS = ("int8", "int8_mixed", "fp32")
RANGE_TEXTS = (
    128  # of each kind of text that ranges are measured on; more of them catch more extremes, which costs steps
)
_FP32_LAYERS = {"int8": (), "int8_mixed": ("ff2",)}
# See `export_encoder`, the one function that reads and fills it.
_exported: WeakKeyDictionary[TextEncoder, dict[str, ExportedEncoder]] = WeakKeyDictionary()


class ExportedEncoder:
    """An encoder as ONNX files, each precision made when it is asked for, and kept."""

    def __init__(self, encoder: TextEncoder, texts: list[str]) -> None:
        base = pretrained(encoder)
        self._encoder = encoder
        self._base = self if base is encoder else _measured_on(base, texts)  # its lower blocks are everybody's
        self._lower_blocks, self._heads, self._weights = encoder_weights(encoder)
        self._texts = texts
        self._lower_files: dict[str, bytes] = {}
        self._files: dict[str, EncoderFiles] = {}

    def files(self, precision: str) -> EncoderFiles:
        """The ONNX files, as `encoder.onnx_encoder.OnnxTextEncoder` reads them, of one of PRECISIONS."""
        if precision not in self._files:
            upper = self._upper_file({} if precision == "fp32" else _in_int8(self._upper_ranges, precision))
            self._files[precision] = EncoderFiles(self._base._lower_file(precision), upper)
        return self._files[precision]

    def encoder(self, precision: str) -> OnnxTextEncoder:
        """The same in memory, ready to run on all cores."""
        like = self._encoder
        return OnnxTextEncoder(self.files(precision), like.tokenizer, like.identity, like.max_tokens, available_cores())

    def _lower_file(self, precision: str) -> bytes:
        if precision not in self._lower_files:
            ranges = {} if precision == "fp32" else _in_int8(self._lower_pass.ranges, precision)
            self._lower_files[precision] = lower_half(self._weights, self._heads, self._lower_blocks, ranges)
        return self._lower_files[precision]

    def _upper_file(self, ranges: Mapping[str, InputRange], watched: bool = False) -> bytes:
        pooling = self._encoder.identity.pooling
        return upper_half(self._weights, self._heads, self._lower_blocks, ranges, pooling, watched)

    @cached_property
    def _lower_pass(self) -> _LowerPass:
        file = lower_half(self._weights, self._heads, self._lower_blocks, watched=True)
        watch = _Watch(file, layer_names(self._weights)[: self._lower_blocks * len(LINEAR_LAYERS)])
        token_ids = self._encoder.token_ids(self._texts)
        for_upper: list[Inputs] = []
        for pack in packs([len(ids) for ids in token_ids], threads=1):
            inputs = graph_inputs([token_ids[index] for index in pack])
            for_upper.append({**inputs, STATES: watch.run(inputs)})
        return _LowerPass(watch.found, for_upper)

    @cached_property
    def _upper_ranges(self) -> dict[str, InputRange]:
        below = self._base._lower_pass
        watch = _Watch(self._upper_file({}, watched=True), layer_names(self._weights)[len(below.ranges) :])
        for inputs in below.for_upper:
            watch.run(inputs)
        return watch.found


def _in_int8(ranges: Mapping[str, InputRange], precision: str) -> dict[str, InputRange]:
    """Those of the layers that this precision quantises."""
    return {name: of for name, of in ranges.items() if not name.endswith(_FP32_LAYERS[precision])}


class _LowerPass(NamedTuple):
    """What the lower blocks made of the texts: the ranges of their layers' inputs, and what the upper blocks read."""

    ranges: dict[str, InputRange]
    for_upper: list[Inputs]  # of each pack


class _Watch:
    """A watched file as it runs, and the ranges that it has seen so far."""

    def __init__(self, file: bytes, layers: Sequence[str]) -> None:
        self.found: dict[str, InputRange] = {}
        self._layers = layers
        self._session = inference_session(file, available_cores())

    def run(self, inputs: Inputs) -> NDArray[np.float32]:
        """inputs: all that either half reads. Gives the half's own output."""
        wanted = [one.name for one in self._session.get_inputs()]
        output, *values = self._session.run(None, {name: inputs[name] for name in wanted})
        for layer, of_layer in zip(self._layers, values, strict=True):
            seen = InputRange.of(of_layer)
            self.found[layer] = self.found[layer].widened(seen) if layer in self.found else seen
        return np.asarray(output, dtype=np.float32)


def export_encoder(encoder: TextEncoder, texts: Sequence[str], also_read: Sequence[str] = ()) -> ExportedEncoder:
    """Exports an encoder; the pre-trained one, which models share, only once. Raises TypeError unless in PyTorch.

    texts: what the encoder reads in training; also_read: what others read that share its lower blocks. Ranges are
    measured on RANGE_TEXTS of either. What was exported is remembered by the encoder and these texts, for as long as the
    encoder lives: the result is the same, and a run that saves four models and the signals measures once.
    """
    drawn = [*_evenly_drawn(texts), *_evenly_drawn(also_read)]
    return _measured_on(encoder, list(dict.fromkeys(drawn)))


def _measured_on(encoder: TextEncoder, texts: list[str]) -> ExportedEncoder:
    key = hashlib.sha256("\x00".join(texts).encode()).hexdigest()
    of_encoder = _exported.setdefault(encoder, {})
    if key not in of_encoder:
        of_encoder[key] = ExportedEncoder(encoder, texts)
    return of_encoder[key]


def _evenly_drawn(texts: Sequence[str]) -> list[str]:
    """RANGE_TEXTS different ones, or all."""
    different = list(dict.fromkeys(texts))
    places = np.linspace(0, len(different) - 1, min(RANGE_TEXTS, len(different))).astype(int)
    return [different[place] for place in places]


def encoder_weights(encoder: TextEncoder) -> tuple[int, int, Mapping[str, NDArray[np.float32]]]:
    """Numbers of lower blocks and of attention heads, and the weights by DistilBert's names.

    Fine-tuned blocks stand in their place. Raises TypeError unless the encoder is one in PyTorch.
    """
    if not isinstance(encoder, SalesEncoder | TunedEncoder):
        raise TypeError(f"only an encoder in PyTorch can be exported, not {type(encoder).__name__}")
    base = pretrained(encoder)
    weights = {f"embeddings.{name}": value for name, value in base.model.embeddings.state_dict().items()}
    for number, block in enumerate([*base.lower_blocks, *encoder.upper_blocks]):
        weights |= {f"transformer.layer.{number}.{name}": value for name, value in block.state_dict().items()}
    arrays = {name: value.float().cpu().numpy() for name, value in weights.items()}
    return len(base.lower_blocks), base.model.shape.n_heads, arrays
