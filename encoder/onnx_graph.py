"""A DistilBERT as fused ONNX graphs, written node by node from its weights, as fp32 or int8.

The blocks that no model tunes and those above them are two files (`lower_half`, `upper_half`), so that who serves
several models has the lower one once. DistilBERT has one shape, so nothing has to be traced and pattern-matched:
attention, GELU and layer norm are ONNX Runtime's fused operators from the start. The tokens of many texts run as one
matrix without padding; only attention lays them out text by text, and reads of each as many as it has. So a text's
vector is the same, but for rounding, whatever texts run beside it.

int8: weights are quantised by column, and what flows into them by ranges measured beforehand (`InputRange`), so that
quantising one text knows nothing of its neighbours either. Before that, each channel is divided by a smoothing factor
and the weight's row multiplied by it, which evens out the few channels with large values: Xiao et al. 2023,
"SmoothQuant", equation 4. Needs the package onnx, which serving doesn't; takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from encoder.onnx_encoder import COUNTS, GRID, LOWER_INPUTS, OUTPUT, PLACES, SHARES, SLOTS, STATES, TOKENS, UPPER_INPUTS
from encoder.text_encoder import Pooling

Floats = NDArray[np.float32]

SMOOTHING = 0.8  # α of equation 4: how much of the difficulty moves from the activations to the weights
LINEAR_LAYERS = ("qkv", "out", "ff1", "ff2")  # of each block, "0.qkv" to "5.ff2"
_EPSILON = 1e-12  # of DistilBERT's layer norms
_OPSET, _IR_VERSION, _RUNTIME = 24, 11, "com.microsoft"


@dataclass(frozen=True)
class InputRange:
    """The smallest and the largest value that each input channel of a linear layer took, (channels,) each."""

    low: Floats
    high: Floats

    @classmethod
    def of(cls, values: Floats) -> InputRange:
        """values: (rows, channels)."""
        return cls(values.min(axis=0), values.max(axis=0))

    def widened(self, other: InputRange) -> InputRange:
        """The range that holds both."""
        return InputRange(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def smoothing(self, weight: Floats) -> Floats:
        """(channels,): what to divide each channel by before it meets `weight`, (channels, outputs)."""
        largest = np.maximum(np.maximum(-self.low, self.high), 1e-6)
        factors = largest**SMOOTHING / np.maximum(np.abs(weight).max(axis=1), 1e-6) ** (1 - SMOOTHING)
        return np.asarray(factors / np.exp(np.log(factors).mean()), dtype=np.float32)

    def scale_and_zero(self, factors: Floats) -> tuple[np.float32, np.uint8]:
        """The step and the zero of 256 steps from the smallest to the largest smoothed value."""
        low, high = min(float((self.low / factors).min()), 0.0), max(float((self.high / factors).max()), 1e-6)
        scale = (high - low) / 255
        return np.float32(scale), np.uint8(round(-low / scale))


def lower_half(
    weights: Mapping[str, Floats],
    heads: int,
    lower_blocks: int,
    ranges: Mapping[str, InputRange] | None = None,
    watched: bool = False,
) -> bytes:
    """The ONNX file of a DistilBert's embeddings and first blocks; see `encoder.onnx_encoder` for its inputs.

    weights: by parameter name. ranges: of the layers ("0.ff1") that run in int8; the others are fp32. With `watched`,
    what goes into each linear layer is an output as well, in the order of `layer_names`.
    """
    builder = _Builder(weights, heads, ranges or {})
    states, inputs = builder.blocks(range(lower_blocks), builder.embeddings())
    builder.rename(states, STATES)
    return builder.file(LOWER_INPUTS, STATES, inputs if watched else [])


def upper_half(
    weights: Mapping[str, Floats],
    heads: int,
    lower_blocks: int,
    ranges: Mapping[str, InputRange] | None = None,
    pooling: str = Pooling.MEAN,
    watched: bool = False,
) -> bytes:
    """The same of the blocks above `lower_blocks`, with the pooling."""
    builder = _Builder(weights, heads, ranges or {})
    states, inputs = builder.blocks(range(lower_blocks, block_count(weights)), STATES)
    builder.pool(builder.added(states, STATES) if pooling == Pooling.SKIP else states, pooling)
    return builder.file(UPPER_INPUTS, OUTPUT, inputs if watched else [])


def encoder_graph(weights: Mapping[str, Floats], heads: int) -> bytes:
    """The ONNX file of a whole DistilBert in fp32, with the mean of its tokens."""
    builder = _Builder(weights, heads, {})
    states, _ = builder.blocks(range(block_count(weights)), builder.embeddings())
    builder.pool(states, Pooling.MEAN)
    inputs = tuple(name for name in dict.fromkeys((*LOWER_INPUTS, *UPPER_INPUTS)) if name != STATES)
    return builder.file(inputs, OUTPUT, [])


def block_count(weights: Mapping[str, Floats]) -> int:
    """Number of transformer blocks."""
    return sum(name.endswith("ffn.lin1.weight") for name in weights)


def layer_names(weights: Mapping[str, Floats]) -> list[str]:
    """Every linear layer in order: "0.qkv", "0.out", "0.ff1", "0.ff2", "1.qkv" …"""
    return [f"{block}.{layer}" for block in range(block_count(weights)) for layer in LINEAR_LAYERS]


class _Builder:
    def __init__(self, weights: Mapping[str, Floats], heads: int, ranges: Mapping[str, InputRange]) -> None:
        self._weights, self._heads, self._ranges = weights, heads, ranges
        self._dim = int(weights["embeddings.LayerNorm.weight"].shape[0])
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []

    def embeddings(self) -> str:
        """Token states below the first block, (tokens, dim)."""
        words = self._words(self._weights["embeddings.word_embeddings.weight"])
        positions = self._constant("positions", self._weights["embeddings.position_embeddings.weight"])
        places = self._node("Gather", [positions, PLACES], "place_vectors")
        return self._add_and_normalise(words, places, "embeddings.LayerNorm", "embedded")

    def blocks(self, numbers: Iterable[int], states: str) -> tuple[str, list[str]]:
        """The states after these blocks, and what goes into each of their linear layers."""
        inputs_of_layers: list[str] = []
        for number in numbers:
            states, inputs = self._block(number, states)
            inputs_of_layers += inputs
        return states, inputs_of_layers

    def _block(self, number: int, states: str) -> tuple[str, list[str]]:
        name = f"transformer.layer.{number}."
        attended, projected = self._attention(number, states)
        between = self._add_and_normalise(states, projected, name + "sa_layer_norm", f"{number}.between")
        (hidden,) = self._linear(
            f"{number}.ff1", between, self._matrix(name + "ffn.lin1"), self._bias(name + "ffn.lin1")
        )
        active = self._fused("Gelu", [hidden], f"{number}.active")
        (back,) = self._linear(f"{number}.ff2", active, self._matrix(name + "ffn.lin2"), self._bias(name + "ffn.lin2"))
        after = self._add_and_normalise(between, back, name + "output_layer_norm", f"{number}.states")
        return after, [states, attended, between, active]

    def added(self, states: str, others: str) -> str:
        """The sum of two states, token by token."""
        return self._node("Add", [states, others], "with_skip")

    def pool(self, states: str, pooling: str) -> None:
        """One vector a text, (texts, dim): the mean of its tokens, or what stands in its first place."""
        if pooling == Pooling.CLS:
            first = self._node("Gather", [GRID, self._constant("first", np.array(0))], "first_places", axis=1)
            self._node("Gather", [states, first], OUTPUT)
        else:  # SHARES are 1 / length at a text's tokens and 0 in the gaps
            shared = self._node("Mul", [self._node("Gather", [states, GRID], "last"), SHARES], "shared")
            self._node("ReduceSum", [shared, self._constant("token_axis", np.array([1]))], OUTPUT, keepdims=0)

    def rename(self, values: str, name: str) -> None:
        """Gives what a node put out the name of the graph's output."""
        self._node("Identity", [values], name)

    def file(self, inputs: Sequence[str], output: str, watched: Sequence[str]) -> bytes:
        """All nodes so far as an ONNX file that reads `inputs` and gives `output`, and `watched` too."""
        grid: list[str | int] = ["texts", "longest"]
        kinds: dict[str, tuple[int, list[str | int]]] = {
            **dict.fromkeys((TOKENS, PLACES, SLOTS), (TensorProto.INT64, ["tokens"])),
            GRID: (TensorProto.INT64, grid),
            COUNTS: (TensorProto.INT64, ["texts"]),
            SHARES: (TensorProto.FLOAT, [*grid, 1]),
            STATES: (TensorProto.FLOAT, ["tokens", self._dim]),
            OUTPUT: (TensorProto.FLOAT, ["texts", self._dim]),
        }
        infos = [helper.make_tensor_value_info(name, *kinds[name]) for name in (*inputs, output)]
        outputs = infos[len(inputs) :]
        outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in watched]
        graph = helper.make_graph(self._nodes, "encoder", infos[: len(inputs)], outputs, self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_RUNTIME, 1)]
        return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION).SerializeToString())

    def _words(self, table: Floats) -> str:
        """Rows of the table; beside int8 layers it is int8 with a scale a word, as it is most of the file."""
        if not self._ranges:
            return self._node("Gather", [self._constant("words", table), TOKENS], "word_vectors")
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-12) / np.float32(127)
        words = self._constant("words", np.round(table / scales).astype(np.int8))
        steps = self._node("Cast", [self._node("Gather", [words, TOKENS], "word_steps")], "steps", to=TensorProto.FLOAT)
        scale = self._node("Gather", [self._constant("word_scales", scales), TOKENS], "word_scale")
        return self._node("Mul", [steps, scale], "word_vectors")

    def _attention(self, number: int, states: str) -> tuple[str, str]:
        """What the heads give, (tokens, dim), and the same through the output layer."""
        name = f"transformer.layer.{number}.attention."
        weight = np.concatenate([self._matrix(f"{name}{part}_lin") for part in "qkv"], axis=1)
        bias = np.concatenate([self._bias(f"{name}{part}_lin") for part in "qkv"])
        out_weight, out_bias, layer = self._matrix(name + "out_lin"), self._bias(name + "out_lin"), f"{number}.out"
        factors = np.ones(self._dim, dtype=np.float32)
        if (
            layer in self._ranges
        ):  # heads mix tokens, not channels, so the values can be smoothed before them for nothing
            factors = self._ranges[layer].smoothing(out_weight)
            weight[:, 2 * self._dim :] /= factors
            bias[2 * self._dim :] /= factors
        parts = self._linear(f"{number}.qkv", states, weight, bias, parts="qkv")
        by_text = [self._node("Gather", [part, GRID], f"{part}.by_text") for part in parts]
        shared = {"q_num_heads": self._heads, "kv_num_heads": self._heads}
        heads = self._node("Attention", [*by_text, "", "", "", COUNTS], f"{number}.heads", **shared)
        rows = self._node("Reshape", [heads, self._constant("rows", np.array([-1, self._dim]))], f"{number}.rows")
        attended = self._node("Gather", [rows, SLOTS], f"{number}.attended")
        (projected,) = self._linear(layer, attended, out_weight, out_bias, smoothed_by=factors)
        return attended, projected

    def _linear(
        self,
        layer: str,
        inputs: str,
        weight: Floats,
        bias: Floats,
        parts: Sequence[str] = ("sum",),
        smoothed_by: Floats | None = None,
    ) -> list[str]:
        """inputs · weight + bias, the columns in equal parts: cutting what one product gave would copy it.

        `smoothed_by`: the inputs are divided by these factors already.
        """
        product: Callable[[str, str, Floats, Floats], str] = self._product
        if layer in self._ranges:
            inputs, weight = self._smoothed(layer, inputs, weight, smoothed_by)
            product = self._int8_product
        columns = zip(parts, np.split(weight, len(parts), axis=1), np.split(bias, len(parts)), strict=True)
        return [product(f"{layer}.{part}", inputs, of_part, bias_of_part) for part, of_part, bias_of_part in columns]

    def _product(self, name: str, inputs: str, weight: Floats, bias: Floats) -> str:
        product = self._node("MatMul", [inputs, self._constant(f"{name}.weight", weight)], f"{name}.product")
        return self._node("Add", [product, self._constant(f"{name}.bias", bias)], name)

    def _smoothed(self, layer: str, inputs: str, weight: Floats, smoothed_by: Floats | None) -> tuple[str, Floats]:
        """The inputs in 256 steps, and the weight for the smoothed inputs."""
        factors = self._ranges[layer].smoothing(weight) if smoothed_by is None else smoothed_by
        if smoothed_by is None:
            inverse = self._constant(f"{layer}.inverse_factors", 1 / factors)
            inputs = self._node("Mul", [inputs, inverse], f"{layer}.smooth")
        input_step, input_zero = self._ranges[layer].scale_and_zero(factors)
        step, zero = self._constant(f"{layer}.step", input_step), self._constant(f"{layer}.zero", input_zero)
        return self._node("QuantizeLinear", [inputs, step, zero], f"{layer}.rounded"), weight * factors[:, None]

    def _int8_product(self, name: str, rounded: str, weight: Floats, bias: Floats) -> str:
        layer = name.rpartition(".")[0]
        steps = np.maximum(np.abs(weight).max(axis=0), 1e-12) / np.float32(127)
        columns = self._constant(f"{name}.weight", np.round(weight / steps).astype(np.int8))
        column_steps = self._constant(f"{name}.column_steps", steps)
        operands = [rounded, columns, f"{layer}.step", column_steps, f"{layer}.zero"]
        operands += ["", self._constant(f"{name}.bias", bias)]  # "": the weights' zero is 0
        return self._fused("MatMulIntegerToFloat", operands, name)

    def _add_and_normalise(self, skipped: str, added: str, norm: str, output: str) -> str:
        scale, bias = (self._constant(f"{norm}.{part}", self._weights[f"{norm}.{part}"]) for part in ("weight", "bias"))
        together = self._node(
            "Add", [skipped, added], f"{output}.sum"
        )  # takes a seventh of SkipLayerNormalization's time
        return self._node("LayerNormalization", [together, scale, bias], output, axis=-1, epsilon=_EPSILON)

    def _matrix(self, name: str) -> Floats:
        """(inputs, outputs); PyTorch keeps the transpose."""
        return self._weights[f"{name}.weight"].T

    def _bias(self, name: str) -> Floats:
        return self._weights[f"{name}.bias"]

    def _constant(self, name: str, value: Any) -> str:
        if all(constant.name != name for constant in self._constants):
            self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def _fused(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self._node(operator, inputs, output, domain=_RUNTIME, **attributes)

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        return self._nodes_with(operator, inputs, [output], **attributes)[0]

    def _nodes_with(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> list[str]:
        self._nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))
        return outputs
