"""Turns a trained encoder into ONNX: fp32, and int8 by ranges measured on texts like those it will read.

Runs in training only and needs PyTorch's weights, not PyTorch's exporter: the graph is `encoder_graph`. Costs about a
second for the bundled encoder in all precisions, most of it for the ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Sized
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from encoder_graph import LINEAR_LAYERS, InputRange, encoder_halves, layer_names
from onnx_encoder import STATES, TOKENS, EncoderFiles, Inputs, OnnxTextEncoder, grid_inputs, inference_session, packs
from processor_cores import available_cores
from sales_encoder import SalesEncoder, TunedEncoder, pretrained
from signal_sentences import read_training_sentences
from text_encoder import TextEncoder

# Fastest first. "int8_mixed" leaves each block's second feed-forward layer as it is: its input, behind the activation
# function, has the few large values that quantise worst.
PRECISIONS = ("int8", "int8_mixed", "fp32")
RANGE_TEXTS = 384  # of each kind of text that ranges are measured on
_FP32_LAYERS = {"int8": (), "int8_mixed": ("ff2",)}
_exported: WeakKeyDictionary[TextEncoder, dict[str, ExportedEncoder]] = WeakKeyDictionary()


class ExportedEncoder:
    """An encoder as ONNX files, each precision made when it is asked for, and kept."""

    def __init__(self, encoder: TextEncoder, texts: Sequence[str]) -> None:
        self._encoder = encoder
        self._lower_blocks, self._heads, self._weights = encoder_weights(encoder)
        self._texts = list(texts)
        self._ranges: dict[str, InputRange] = {}
        self._files: dict[str, EncoderFiles] = {}

    def files(self, precision: str) -> EncoderFiles:
        """The ONNX files, as `onnx_encoder.OnnxTextEncoder` reads them, of one of PRECISIONS."""
        if precision not in self._files:
            ranges, pooling = self._ranges_for(precision), self._encoder.identity.pooling
            self._files[precision] = encoder_halves(self._weights, self._heads, self._lower_blocks, ranges, pooling)
        return self._files[precision]

    def encoder(self, precision: str) -> OnnxTextEncoder:
        """The same in memory, ready to run on all cores."""
        like = self._encoder
        return OnnxTextEncoder(self.files(precision), like.tokenizer, like.identity, like.max_tokens, available_cores())

    def _ranges_for(self, precision: str) -> dict[str, InputRange]:
        if precision == "fp32":
            return {}
        self._ranges = self._ranges or self._measured()
        return {name: of for name, of in self._ranges.items() if not name.endswith(_FP32_LAYERS[precision])}

    def _measured(self) -> dict[str, InputRange]:
        """The ranges of every linear layer's input over the texts; of lower blocks they are the pre-trained encoder's."""
        base = pretrained(self._encoder)
        lower = self._lower_ranges if base is self._encoder else _measured_on(base, self._texts)._lower_ranges
        watch = _Watch(self._watched.upper, layer_names(self._weights)[len(lower) :])
        for _, states in base.lower_states(self._texts):
            watch.run({STATES: np.concatenate([state.cpu().numpy() for state in states]), **_grid(states)})
        return {**lower, **watch.found}

    @cached_property
    def _lower_ranges(self) -> dict[str, InputRange]:
        watch = _Watch(self._watched.lower, layer_names(self._weights)[: self._lower_blocks * len(LINEAR_LAYERS)])
        token_ids = self._encoder.token_ids(self._texts)
        for pack in packs([len(ids) for ids in token_ids], threads=1):
            of_pack = [token_ids[index] for index in pack]
            watch.run({TOKENS: np.concatenate(of_pack).astype(np.int64), **_grid(of_pack)})
        return watch.found

    @property
    def _watched(self) -> EncoderFiles:
        return encoder_halves(self._weights, self._heads, self._lower_blocks, watched=True)


class _Watch:
    """A watched file as it runs, and the ranges that it has seen so far."""

    def __init__(self, file: bytes, layers: Sequence[str]) -> None:
        self.found: dict[str, InputRange] = {}
        self._layers = layers
        self._session = inference_session(file)

    def run(self, inputs: Inputs) -> None:
        """inputs: all that either half reads."""
        wanted = [one.name for one in self._session.get_inputs()]
        _, *values = self._session.run(None, {name: inputs[name] for name in wanted})  # the half's own output first
        for layer, of_layer in zip(self._layers, values, strict=True):
            seen = InputRange.of(of_layer)
            self.found[layer] = self.found[layer].widened(seen) if layer in self.found else seen


def _grid(texts: Sequence[Sized]) -> Inputs:
    return grid_inputs([len(text) for text in texts])


def export_encoder(encoder: TextEncoder, texts: Sequence[str]) -> ExportedEncoder:
    """Exports an encoder; the pre-trained one, which models share, only once. Raises TypeError unless in PyTorch.

    texts: what the encoder reads in training. Ranges are measured on RANGE_TEXTS of them and on as many of the sentences
    that signals are learned from, since the same lower blocks serve both.
    """
    drawn = [*_evenly_drawn(texts), *_evenly_drawn(read_training_sentences().texts)]
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
    """Numbers of lower blocks and of attention heads, and the weights by DistilBertModel's names.

    Fine-tuned blocks stand in their place. Raises TypeError unless the encoder is one in PyTorch.
    """
    if not isinstance(encoder, SalesEncoder | TunedEncoder):
        raise TypeError(f"only an encoder in PyTorch can be exported, not {type(encoder).__name__}")
    base = pretrained(encoder)
    weights = {f"embeddings.{name}": value for name, value in base.model.embeddings.state_dict().items()}
    for number, block in enumerate([*base.lower_blocks, *encoder.upper_blocks]):
        weights |= {f"transformer.layer.{number}.{name}": value for name, value in block.state_dict().items()}
    arrays = {name: value.float().cpu().numpy() for name, value in weights.items()}
    return len(base.lower_blocks), int(base.model.config.n_heads), arrays
