"""The int8 form of an exported member, layer by layer, as its own graph says it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from PIL import Image

from nars.export import calibration_images, encode_int8, read_config
from nars.export.onnx import onnx_logits, open_onnx
from nars.images import load_images


def test_calibration_sees_all_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder, whose images lie class after class; brightness tells the class."""
    for name, level in (("a", 40), ("b", 120), ("c", 200)):
        (tmp_path / name).mkdir()
        for number in range(20):
            Image.new("L", (8, 8), level + number).save(tmp_path / name / f"{number}.png")
    monkeypatch.setattr("nars.export.int8._CALIBRATION", 9)
    data = load_images(f"imagefolder:{tmp_path}", resolution=8, validation_fraction=0.2, seed=0)
    levels = calibration_images(data)[:, 0, 0, 0]
    assert len(levels) == 9
    assert torch.bincount(levels.int() // 80).tolist() == [3, 3, 3]


LAYERS = ("conv_stem", "blocks.0.0.conv_pw", "blocks.0.0.conv_dw", "blocks.0.0.se.conv_reduce")


def _weights(content: bytes) -> Mapping[int, bool]:
    """Whether the weights of each convolution and linear layer, in order, are unpacked from integers."""
    graph = onnx.load_from_string(content).graph
    made_by = {node.output[0]: node.op_type for node in graph.node}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    return {at: made_by.get(node.input[1]) == "DequantizeLinear" for at, node in enumerate(layers)}


@pytest.mark.parametrize("kept", [(), LAYERS[:1], LAYERS])
def test_layers_left_in_float_are_not_quantised(of_digits: Any, kept: tuple[str, ...]) -> None:
    content = (of_digits.folder / "model.onnx").read_bytes()
    named = [
        tensor.removesuffix(".weight")
        for node in onnx.load_from_string(content).graph.node
        if node.op_type in ("Conv", "Gemm")
        for tensor in node.input[1:2]
    ]
    images = read_config(of_digits.folder).normalize(calibration_images(of_digits.data))
    quantised = encode_int8(content, images, in_float=kept)
    assert _weights(quantised) == {at: name not in kept for at, name in enumerate(named)}
    proto, original = onnx.load_from_string(quantised), onnx.load_from_string(content)
    onnx.checker.check_model(proto)
    assert proto.metadata_props == original.metadata_props
    assert max(len(name) for node in proto.graph.node for name in node.input if name != "images") <= 3
    plain, rounded = (onnx_logits(open_onnx(file), images[:64]) for file in (content, quantised))
    assert torch.nn.functional.cosine_similarity(plain, rounded).min() > 0.9
