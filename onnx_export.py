"""Turns a trained encoder into ONNX: fused for the CPU as fp32, and quantised to int8.

Runs in training only and needs PyTorch. The exported graph takes token ids without padding, so it has no mask. Costs
about six seconds for the bundled encoder in all precisions.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model
from torch import Tensor, nn

from onnx_encoder import INPUT, OUTPUT
from sales_encoder import SalesEncoder, TunedEncoder
from text_encoder import Pooling, TextEncoder

# Fastest first. "int8_mixed" leaves each block's second feed-forward layer as it is: its input, behind the activation
# function, has the few large values that quantise worst.
PRECISIONS = ("int8", "int8_mixed", "fp32")
_OPSET = 17
_exported: WeakKeyDictionary[TextEncoder, ExportedEncoder] = WeakKeyDictionary()


class ExportedEncoder:
    """An encoder as ONNX files in a temporary folder, each precision made when it is asked for."""

    def __init__(self, encoder: TextEncoder) -> None:
        if not isinstance(encoder, SalesEncoder | TunedEncoder):
            raise TypeError(f"only an encoder in PyTorch can be exported, not {type(encoder).__name__}")
        self._folder = tempfile.TemporaryDirectory()
        self._fused = Path(self._folder.name) / "fp32.onnx"
        with _quiet():
            _export_fused(encoder, self._fused)

    def file(self, precision: str) -> bytes:
        """The ONNX file, as `onnx_encoder.OnnxTextEncoder` reads it, of one of PRECISIONS."""
        path = self._fused.with_name(f"{precision}.onnx")
        if not path.exists():
            excluded = _second_feed_forward_nodes(self._fused) if precision == "int8_mixed" else []
            with _quiet():
                quantize_dynamic(
                    str(self._fused),
                    str(path),
                    weight_type=QuantType.QInt8,
                    per_channel=True,
                    nodes_to_exclude=excluded,
                    extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # fused nodes have no inferred type
                )
        return path.read_bytes()


def export_encoder(encoder: TextEncoder) -> ExportedEncoder:
    """Exports an encoder; the pre-trained one, which models share, only once. Raises TypeError unless in PyTorch."""
    if encoder not in _exported:
        _exported[encoder] = ExportedEncoder(encoder)
    return _exported[encoder]


def _export_fused(encoder: SalesEncoder | TunedEncoder, path: Path) -> None:
    base = encoder if isinstance(encoder, SalesEncoder) else encoder.base
    plain = path.with_name("plain.onnx")
    torch.onnx.export(
        _WithoutPadding(base, encoder.upper_blocks).eval(),
        (torch.ones(2, 8, dtype=torch.long),),
        str(plain),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes={INPUT: {0: "texts", 1: "tokens"}, OUTPUT: {0: "texts"}},
        opset_version=_OPSET,
        dynamo=False,  # the older exporter's graph is the one that the fusions below know
    )
    optimize_model(str(plain), "bert", base.model.config.n_heads, base.dim, opt_level=0).save_model_to_file(str(path))
    plain.unlink()


def _second_feed_forward_nodes(model: Path) -> list[str]:
    return [node.name for node in onnx.load(model).graph.node if node.op_type == "MatMul" and "lin2" in node.name]


class _WithoutPadding(nn.Module):
    """Token ids of texts of one length → pooled vectors."""

    def __init__(self, base: SalesEncoder, upper_blocks: nn.ModuleList) -> None:
        super().__init__()
        self.first_token = base.identity.pooling == Pooling.CLS
        self.embeddings = base.model.embeddings
        self.blocks = nn.ModuleList([*base.copy_blocks(base.lower_blocks), *base.copy_blocks(upper_blocks)])

    def forward(self, input_ids: Tensor) -> Tensor:
        """(n, tokens) → (n, dim)."""
        states = self.embeddings(input_ids)
        for block in self.blocks:
            states = block(states)
        return states[:, 0] if self.first_token else states.mean(dim=1)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter and the optimiser talk to their developers; a user of this program can do nothing about it."""
    loggers = [logging.getLogger(name) for name in ("onnxruntime.transformers", "root", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
