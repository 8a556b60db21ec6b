"""Turns a trained encoder into ONNX: fused for the CPU as fp32, and quantised to int8.

Runs in training only and needs PyTorch. The exported graph takes token ids without padding, so it has no mask. Costs
about two seconds for the bundled encoder.
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
from text_encoder import TextEncoder

_OPSET = 17
_exported: WeakKeyDictionary[TextEncoder, dict[str, bytes]] = WeakKeyDictionary()  # models share the frozen one


def export_encoder(encoder: TextEncoder) -> dict[str, bytes]:
    """ONNX files of an encoder by precision, fastest first: "int8", "int8_mixed", "fp32".

    "int8_mixed" leaves each block's second feed-forward layer as it is: its input, behind the activation function, has
    the few large values that quantise worst.
    """
    if not isinstance(encoder, SalesEncoder | TunedEncoder):
        raise TypeError(f"only an encoder in PyTorch can be exported, not {type(encoder).__name__}")
    if encoder not in _exported:
        _exported[encoder] = _export(encoder)
    return _exported[encoder]


def _export(encoder: SalesEncoder | TunedEncoder) -> dict[str, bytes]:
    base = encoder if isinstance(encoder, SalesEncoder) else encoder.base
    module = _WithoutPadding(base, encoder.upper_blocks).eval()
    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, fused = (Path(folder) / name for name in ("plain.onnx", "fused.onnx"))
        torch.onnx.export(
            module,
            (torch.ones(2, 8, dtype=torch.long),),
            str(plain),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "texts", 1: "tokens"}, OUTPUT: {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,  # the older exporter's graph is the one that the fusions below know
        )
        heads, dim = base.model.config.n_heads, base.dim
        optimize_model(str(plain), "bert", heads, dim, opt_level=1).save_model_to_file(str(fused))
        return {
            "int8": _quantised(fused, []),
            "int8_mixed": _quantised(fused, _second_feed_forward_nodes(fused)),
            "fp32": fused.read_bytes(),
        }


def _quantised(model: Path, excluded: list[str]) -> bytes:
    output = model.with_suffix(".int8.onnx")
    quantize_dynamic(
        str(model),
        str(output),
        weight_type=QuantType.QInt8,
        per_channel=True,
        nodes_to_exclude=excluded,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # fused nodes have no inferred type
    )
    return output.read_bytes()


def _second_feed_forward_nodes(model: Path) -> list[str]:
    return [node.name for node in onnx.load(model).graph.node if node.op_type == "MatMul" and "lin2" in node.name]


class _WithoutPadding(nn.Module):
    """Token ids of texts of one length → mean-pooled vectors."""

    def __init__(self, base: SalesEncoder, upper_blocks: nn.ModuleList) -> None:
        super().__init__()
        self.embeddings = base.model.embeddings
        self.blocks = nn.ModuleList([*base.copy_blocks(base.lower_blocks), *base.copy_blocks(upper_blocks)])

    def forward(self, input_ids: Tensor) -> Tensor:
        """(n, tokens) → (n, dim)."""
        states = self.embeddings(input_ids)
        for block in self.blocks:
            states = block(states)
        return states.mean(dim=1)


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
