"""One block as an ONNX graph, written directly: timing needs the operators, not the weights.

Exporting takes a second per block, this a millisecond. The operators are those that exporting the network and ONNX
Runtime's folding of batch norm lead to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nars.network.errors import LatencyError
from nars.network.timing import onnx_session
from nars.space import Architecture, BlockShape, block_shapes
from nars.space.families.mbconv.costs import round_to_eight

_OPSET = 18

_MISSING = "the onnxruntime runtime needs the packages onnx and onnxruntime: pip install 'nars[onnx]'"


class _Graph:
    """Nodes in the order they are added; each takes the output of the one before unless told otherwise."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise LatencyError(_MISSING) from error
        self.onnx: Any = onnx
        self.nodes: list[Any] = []
        self.weights: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any, name: str = "") -> str:
        """An input that is always the same; one with a name is added once."""
        name = name or f"constant{len(self.weights)}"
        self.weights[name] = self.onnx.numpy_helper.from_array(values, name)
        return name

    def weight(self, *shape: int) -> str:
        return self.constant(np.full(shape, 0.01, dtype=np.float32))

    def mean(self, x: str) -> str:
        return self.add("ReduceMean", x, self.constant(np.array([2, 3], dtype=np.int64), "axes"))

    def convolution(
        self, x: str, inputs: int, outputs: int, *, kernel: int = 1, padding: int = 0, stride: int = 1, groups: int = 1
    ) -> str:
        weight, bias = self.weight(outputs, inputs // groups, kernel, kernel), self.weight(outputs)
        shape = {"kernel_shape": [kernel] * 2, "pads": [padding] * 4, "strides": [stride] * 2}
        return self.add("Conv", x, weight, bias, group=groups, **shape)

    def activation(self, x: str, name: str) -> str:
        if name == "hard_swish":
            return self.add("HardSwish", x)
        if name == "swish":
            return self.add("Mul", x, self.add("Sigmoid", x))
        if name == "gelu":
            half, one = self.constant(np.float32(0.5), "half"), self.constant(np.float32(1.0), "one")
            inner = self.add("Add", self.add("Erf", self.add("Mul", x, half)), one)
            return self.add("Mul", self.add("Mul", x, inner), half)
        x = self.add("Relu", x)
        return self.add("Min", x, self.constant(np.float32(6.0), "six")) if name == "relu6" else x

    def finish(self, output: str, in_shape: tuple[int, ...], out_rank: int) -> bytes:
        make, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        graph = make.make_graph(
            self.nodes,
            "block",
            [make.make_tensor_value_info("x", kind, in_shape)],
            [make.make_tensor_value_info(output, kind, [None] * out_rank)],
            list(self.weights.values()),
        )
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=8)
        data: bytes = model.SerializeToString()
        return data


def empty_graph() -> bytes:
    """A graph that does nothing to one number: what starting a session's run costs."""
    graph = _Graph()
    return graph.finish(graph.add("Relu", "x"), (1, 1, 1, 1), 4)


def chained_graph(shapes: Sequence[BlockShape], *, batch: int) -> bytes:
    """Blocks one after the other, a single one or a whole network, as a serialized ONNX model.

    Input: float x (batch, channels, side, side) of the first block.
    """
    graph, x = _Graph(), "x"
    for shape in shapes:
        x = {"stem": _stem, "mbconv": _mbconv, "head": _head}[shape.kind](graph, x, shape.to_dict())
    first = shapes[0].to_dict()
    channels = first["in_channels" if shapes[0].kind == "stem" else "c_in"]
    rank = 2 if shapes[-1].kind == "head" else 4
    return graph.finish(x, (batch, channels, first["side"], first["side"]), rank)


def network_graph(architecture: Architecture, *, batch: int) -> bytes:
    """A whole network, as a serialized ONNX model."""
    return chained_graph(block_shapes(architecture), batch=batch)


def _stem(graph: _Graph, x: str, named: dict[str, Any]) -> str:
    x = graph.convolution(x, named["in_channels"], named["channels"], kernel=3, padding=1, stride=named["stride"])
    return graph.activation(x, named["activation"])


def _head(graph: _Graph, x: str, named: dict[str, Any]) -> str:
    c, channels, classes, act = (named[key] for key in ("c_in", "channels", "classes", "activation"))
    wide = named["expand"] * c
    x = graph.activation(graph.convolution(x, c, wide), act)
    x = graph.activation(graph.convolution(graph.mean(x), wide, channels), act)
    return graph.add("Gemm", graph.add("Flatten", x), graph.weight(channels, classes), graph.weight(classes))


def _mbconv(graph: _Graph, x: str, named: dict[str, Any]) -> str:
    c, c_out, kernel, padding, stride = (named[key] for key in ("c_in", "c_out", "kernel", "padding", "stride"))
    block_input, mid = x, c
    if named["expand"] != 1:
        mid = round_width(c * named["expand"], keep=0.9)
        x = graph.activation(graph.convolution(x, c, mid), named["activation"])
    x = graph.convolution(x, mid, mid, kernel=kernel, padding=padding, stride=stride, groups=mid)
    x = graph.activation(x, named["activation"])
    if named["se"]:
        squeeze = round_width(mid * (0.25 / named["expand"]), keep=0.95)
        gate = graph.convolution(graph.mean(x), mid, squeeze)
        gate = graph.convolution(graph.activation(gate, named["activation"]), squeeze, mid)
        x = graph.add("Mul", x, graph.add("HardSigmoid", gate, alpha=1 / 6, beta=0.5))
    x = graph.convolution(x, mid, c_out)
    return graph.add("Add", x, block_input) if c == c_out and stride == 1 and padding == kernel // 2 else x


def round_width(width: float, *, keep: float) -> int:
    """`nars.space`'s rule for one width."""
    return int(round_to_eight(np.array([width]), keep=keep)[0])


def session_runner(model: bytes, *, threads: int) -> Callable[[], object]:
    """A call that runs the model once on zeros, on the CPU."""
    try:
        session = onnx_session(model, threads=threads)
    except ImportError as error:
        raise LatencyError(_MISSING) from error
    (entry,) = session.get_inputs()
    feed = {entry.name: np.zeros(entry.shape, dtype=np.float32)}
    return lambda: session.run(None, feed)
