"""The ONNX file against PyTorch, opened by ONNX's own checker and run by ONNX Runtime."""

from pathlib import Path

import onnx
import pytest
import torch
from timm.models._efficientnet_blocks import SqueezeExcite

from nars.export import OPSET, ParityError, export_onnx, measure_onnx_latency
from nars.network import build
from nars.space import Architecture, Head, Stage, Stem, architecture_costs, parse_document, read_space, sobol

BLOCK = Stage(kernel_first=3, kernel_rest=3, expand_first=3, expand_rest=3, channels=12, depth=1, stride=2, se=True)
ARCHITECTURE = Architecture(
    resolution=16, stem=Stem(channels=8, stride=1), stages=(BLOCK,), head=Head(expand=2, channels=16), classes=10
)


def test_file_is_a_plain_checked_onnx_model(tmp_path: Path) -> None:
    model = build(ARCHITECTURE, seed=0, stochastic_depth=0.2, dropout=0.2)
    images = torch.randn(5, 3, 16, 16)
    path = tmp_path / "models" / "model.onnx"
    assert export_onnx(model, path, images=images) <= 1e-5
    assert model.training
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.opset_import[0].version == OPSET
    for value, name, shape in ((proto.graph.input[0], "images", [3, 16, 16]), (proto.graph.output[0], "logits", [10])):
        batch, *rest = value.type.tensor_type.shape.dim
        assert (value.name, batch.dim_param, [axis.dim_value for axis in rest]) == (name, "batch", shape)
    assert not any(node.op_type in ("BatchNormalization", "Dropout", "Identity") for node in proto.graph.node)
    assert b".py" not in path.read_bytes()  # no traces of the machine that made it
    assert measure_onnx_latency(path, batch=4, seconds=0.05) > 0


CHOICES = """
name: activations
architecture:
  classes: 10
  resolution: 16
  stem: {channels: 8, activation: &activation [hard_swish, relu, relu6, swish, gelu]}
  stages:
    - {kernel: 3, expand: 1, channels: 8, depth: 1, activation: *activation}
    - {kernel: 3, expand: [2, 3], channels: 12, depth: 2, stride: 2, se: [false, true], activation: *activation}
    - {kernel: 3, expand: 2, channels: 16, depth: 1, stride: 2, se: [false, true], activation: *activation}
  head: {expand: 2, channels: 16, activation: *activation}
recipe: {learning_rate: 0.01}
"""


def test_activations_and_gates_of_each_stage_go_from_the_space_into_the_file(tmp_path: Path) -> None:
    space = read_space(parse_document(CHOICES, source="activations.yaml"))
    record = space.to_records(sobol(space, 1, seed=0))[0]
    acts = {"stem": "swish", "stage1": "gelu", "stage2": "relu", "stage3": "hard_swish", "head": "relu6"}
    chosen = {f"{part}.activation": act for part, act in acts.items()} | {"stage2.se": True, "stage3.se": False}
    row = space.from_records([record | chosen])
    (architecture,) = space.architectures(row)
    assert space.row_of(architecture, space.recipes(row)[0]).tolist() == row.tolist()
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    plain = space.from_records([record | chosen | {f"{part}.activation": "relu" for part in acts}])
    assert space.canonical(plain).tolist() != row.tolist()
    counted = {name: int(cost[0]) for name, cost in space.costs(plain).items()}  # activations are not counted
    assert counted == architecture_costs(architecture)

    model = build(architecture, seed=0)
    stages = (model.blocks[0][0].bn1, model.blocks[1][1].bn2, model.blocks[2][0].bn2)
    found = [norm.act for norm in (model.bn1, *stages, model.blocks[-1][0].bn1)]
    assert [type(act).__name__ for act in found] == ["SiLU", "GELU", "ReLU", "Hardswish", "ReLU6"]
    gates = [name for name, module in model.named_modules() if isinstance(module, SqueezeExcite)]
    assert gates == ["blocks.1.0.se", "blocks.1.1.se"]
    path = tmp_path / "model.onnx"
    assert export_onnx(model, path, images=torch.randn(5, 3, 16, 16)) <= 1e-5
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert kinds >= {"Sigmoid", "Erf", "Relu", "HardSwish", "Clip"}


def test_a_difference_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    model = build(ARCHITECTURE, seed=0)
    with torch.no_grad():
        model.classifier.weight.mul_(1e9)
    with pytest.raises(ParityError, match=r"must agree with PyTorch to 0\.0001 in every logit") as caught:
        export_onnx(model, tmp_path / "model.onnx", images=torch.randn(3, 3, 16, 16))
    assert caught.value.difference > 1e-4
    assert list(tmp_path.iterdir()) == []
