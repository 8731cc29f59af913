"""A device whose time is known: half a millisecond, and one for each million multiply-accumulates of the graph.

As a function for tests in process, and as a command: python macs.py model.onnx
"""

import math
import sys
from pathlib import Path

import onnx

CONSTANT, PER_MAC = 0.5, 1e-6


def milliseconds(path: Path) -> list[float]:
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    weights = {entry.name: list(entry.dims) for entry in graph.initializer}
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    macs = 0
    for node in graph.node:
        if node.op_type == "Conv":
            macs += math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            macs += math.prod(weights[node.input[1]])
    value = CONSTANT + PER_MAC * macs
    return [0.99 * value, value, 1.01 * value]


if __name__ == "__main__":
    print("ms:", *milliseconds(Path(sys.argv[1])))
