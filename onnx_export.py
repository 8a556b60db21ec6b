"""Turns a trained encoder into ONNX: fp32, and int8 by ranges measured on texts like those it will read.

Runs in training only and needs PyTorch's weights, not PyTorch's exporter: the graph is `encoder_graph`. Costs about a
second for the bundled encoder in all precisions, most of it for the ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from encoder_graph import InputRange, encoder_graph, encoder_halves, layer_names
from onnx_encoder import OUTPUT, EncoderFiles, OnnxTextEncoder, graph_inputs, inference_session, packs
from processor_cores import available_cores
from sales_encoder import SalesEncoder, TunedEncoder
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
        """The ranges of every linear layer's input over the texts."""
        session = inference_session(encoder_graph(self._weights, self._heads, watched=True))
        watched = [output.name for output in session.get_outputs() if output.name != OUTPUT]
        token_ids = self._encoder.token_ids(self._texts)
        found: dict[str, InputRange] = {}
        for pack in packs([len(ids) for ids in token_ids], threads=1):
            values = session.run(watched, graph_inputs([token_ids[index] for index in pack]))
            for name, inputs in zip(layer_names(self._weights), values, strict=True):
                of_pack = InputRange.of(inputs)
                found[name] = found[name].widened(of_pack) if name in found else of_pack
        return found


def export_encoder(encoder: TextEncoder, texts: Sequence[str]) -> ExportedEncoder:
    """Exports an encoder; the pre-trained one, which models share, only once. Raises TypeError unless in PyTorch.

    texts: what the encoder reads in training. Ranges are measured on RANGE_TEXTS of them and on as many of the sentences
    that signals are learned from, since the same lower blocks serve both.
    """
    chosen = list(dict.fromkeys([*_evenly_drawn(texts), *_evenly_drawn(read_training_sentences().texts)]))
    key = hashlib.sha256("\x00".join(chosen).encode()).hexdigest()
    of_encoder = _exported.setdefault(encoder, {})
    if key not in of_encoder:
        of_encoder[key] = ExportedEncoder(encoder, chosen)
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
    base = encoder if isinstance(encoder, SalesEncoder) else encoder.base
    weights = {f"embeddings.{name}": value for name, value in base.model.embeddings.state_dict().items()}
    for number, block in enumerate([*base.lower_blocks, *encoder.upper_blocks]):
        weights |= {f"transformer.layer.{number}.{name}": value for name, value in block.state_dict().items()}
    arrays = {name: value.float().cpu().numpy() for name, value in weights.items()}
    return len(base.lower_blocks), int(base.model.config.n_heads), arrays
