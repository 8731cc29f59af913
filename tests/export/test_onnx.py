"""The ONNX file against PyTorch, opened by ONNX's own checker and run by ONNX Runtime."""

from pathlib import Path

import onnx
import pytest
import torch

from nars.export import OPSET, ParityError, export_onnx, measure_onnx_latency
from nars.network import build
from nars.space import Architecture, Head, Stage, Stem

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


def test_a_difference_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    model = build(ARCHITECTURE, seed=0)
    with torch.no_grad():
        model.classifier.weight.mul_(1e9)
    with pytest.raises(ParityError, match=r"must agree with PyTorch to 0\.0001 in every logit") as caught:
        export_onnx(model, tmp_path / "model.onnx", images=torch.randn(3, 3, 16, 16))
    assert caught.value.difference > 1e-4
    assert list(tmp_path.iterdir()) == []
