"""Static quantisation of a member's ONNX file to 8-bit integers."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nars.arrays import Floats32
from nars.export.card import Card, Int8, read_card, sha256
from nars.export.compact import compact
from nars.export.errors import ExportError
from nars.export.layout import INT8, ONNX, read_config
from nars.export.onnx import INPUT, measure_onnx_latency, onnx_outputs, open_onnx, require_onnx, with_metadata
from nars.export.program import top1
from nars.export.readme import write_card
from nars.files.atomic import machine_at_fault, write_bytes
from nars.images import ImageData, Split, StreamedSplit, spread_over

_BATCH = 64
_CALIBRATION = 256
"""Training images that the ranges of activations are taken of."""
_REASON = 200
"""Characters of the runtime's reason that an error repeats."""


def calibration_images(data: ImageData) -> torch.Tensor:
    """A few hundred training images, uint8 (N, C, R, R), from all of the split: a folder has class after class."""
    return data.train.some(spread_over(data.train, _CALIBRATION))


def encode_int8(onnx_file: bytes, calibration: torch.Tensor, *, in_float: Collection[str] = ()) -> bytes:
    """The int8 form of a float32 ONNX file, with the same metadata.

    Activations are unsigned and weights signed 8-bit numbers, weights with one scale per output channel, because the
    ranges of depthwise convolutions differ by orders of magnitude. Weights keep to 7 of the 8 bits: CPUs without VNNI
    add products in 16 bits and would saturate, and the file is to give the same answers everywhere.

    Args:
        onnx_file: The content of the float32 file, as `encode_onnx` makes it.
        calibration: Normalised images, float32 (N, C, R, R), whose activations set the ranges.
        in_float: Convolution and linear layers, by the names of their modules, that stay in float32 with all that
            comes between each and the next layer.
    """
    require_onnx()
    import onnx
    from onnxruntime import quantization

    class Batches(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped base
        def __init__(self) -> None:
            self._batches = ({INPUT: part.numpy()} for part in torch.split(calibration, _BATCH))

        def get_next(self) -> dict[str, Floats32] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as scratch:
        given, prepared, quantized = (Path(scratch) / name for name in ("given.onnx", "prepared.onnx", "int8.onnx"))
        given.write_bytes(onnx_file)
        quantization.quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(quantized),
            Batches(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={
                "QuantizeBias": False
            },  # ONNX Runtime does it as it loads the file, which is a tenth smaller
            nodes_to_exclude=_nodes_of(onnx.load(prepared), in_float) if in_float else None,
        )
        proto = onnx.load(quantized)
    compact(proto)
    return with_metadata(proto, {entry.key: entry.value for entry in onnx.load_from_string(onnx_file).metadata_props})


def _nodes_of(proto: Any, layers: Collection[str]) -> list[str]:
    """The nodes of these layers, each with those that come between it and the next layer."""
    weights = {f"{layer}.weight" for layer in layers}
    constants = {tensor.name for tensor in proto.graph.initializer}
    found, inside = [], False
    for node in proto.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and (own := constants & {*node.input[1:2]}):
            inside = bool(own & weights)
        if inside:
            found.append(node.name)
    return found


def quantize_member(folder: str | Path, *, calibration: torch.Tensor, evaluation: Split | StreamedSplit) -> Card:
    """Add `model.int8.onnx` to a member's folder and its accuracy and latency, beside float32, to the card.

    Args:
        folder: The folder of an exported member.
        calibration: Training images, uint8 (N, C, R, R); a few hundred are enough (`calibration_images`).
        evaluation: Images that the accuracies are measured on.

    Returns:
        The card, as written.

    Raises:
        ExportError: the folder holds no complete export, there are no images to calibrate on, or ONNX Runtime cannot
            quantise the network.
    """
    folder = Path(folder)
    card, config = read_card(folder), read_config(folder)
    if len(calibration) == 0:
        raise ExportError("Quantisation needs images to calibrate on; got none. Pass a few hundred training images.")
    try:
        encoded = encode_int8((folder / ONNX).read_bytes(), config.normalize(calibration))
        computed = onnx_outputs(open_onnx(encoded), evaluation, config.normalize)
    except Exception as error:  # it raises what it likes about operators that it cannot take
        if machine_at_fault(error):
            raise
        reason = " ".join(str(error).split())[:_REASON]
        raise ExportError(f"ONNX Runtime cannot quantise {config.name} ({reason}): ship {ONNX} instead.") from error
    write_bytes(folder / INT8, encoded)

    report = Int8(
        images=len(evaluation),
        accuracy=top1(computed, evaluation.labels),
        accuracy_float32=top1(onnx_outputs(open_onnx(folder / ONNX), evaluation, config.normalize), evaluation.labels),
        latency_ms=measure_onnx_latency(folder / INT8),
        latency_ms_float32=measure_onnx_latency(folder / ONNX),
        calibration_images=len(calibration),
        bytes=(folder / INT8).stat().st_size,
        bytes_float32=(folder / ONNX).stat().st_size,
    )
    card = replace(card, int8=report, files={**card.files, INT8: sha256(folder / INT8)})
    write_card(card, config, folder)
    return card
