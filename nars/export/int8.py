"""Static quantisation of a member's ONNX file to 8-bit integers."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from nars.arrays import Floats32
from nars.export.card import Card, Int8, read_card, sha256
from nars.export.errors import ExportError
from nars.export.layout import INT8, ONNX, read_config
from nars.export.onnx import INPUT, measure_onnx_latency, onnx_logits, open_onnx, require_onnx, with_metadata
from nars.export.program import top1
from nars.export.readme import write_card
from nars.files.atomic import write_bytes
from nars.images import Split

_BATCH = 64


def encode_int8(path: str | Path, calibration: torch.Tensor) -> bytes:
    """The int8 form of a float32 ONNX file, with the same metadata.

    Activations are unsigned and weights signed 8-bit numbers, weights with one scale per output channel, because the
    ranges of depthwise convolutions differ by orders of magnitude. Weights keep to 7 of the 8 bits: CPUs without VNNI
    add products in 16 bits and would saturate, and the file is to give the same answers everywhere.

    Args:
        path: The float32 file.
        calibration: Normalised images, float32 (N, C, R, R), whose activations set the ranges.
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
        prepared, quantized = Path(scratch) / "prepared.onnx", Path(scratch) / "int8.onnx"
        quantization.quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
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
        )
        told = {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
        return with_metadata(onnx.load(quantized), told)


def quantize_member(folder: str | Path, *, calibration: torch.Tensor, evaluation: Split) -> Card:
    """Add `model.int8.onnx` to a member's folder and its accuracy and latency, beside float32, to the card.

    Args:
        folder: The folder of an exported member.
        calibration: Training images, uint8 (N, C, R, R); a few hundred are enough.
        evaluation: Images that the accuracies are measured on.

    Returns:
        The card, as written.

    Raises:
        ExportError: the folder holds no complete export, or there are no images to calibrate on.
    """
    folder = Path(folder)
    card, config = read_card(folder), read_config(folder)
    if len(calibration) == 0:
        raise ExportError("Quantisation needs images to calibrate on; got none. Pass a few hundred training images.")
    write_bytes(folder / INT8, encode_int8(folder / ONNX, config.normalize(calibration)))
    images = config.normalize(evaluation.images)

    def accuracy(file: str) -> float:
        return top1(onnx_logits(open_onnx(folder / file), images), evaluation.labels)

    report = Int8(
        images=len(images),
        accuracy=accuracy(INT8),
        accuracy_float32=accuracy(ONNX),
        latency_ms=measure_onnx_latency(folder / INT8),
        latency_ms_float32=measure_onnx_latency(folder / ONNX),
        calibration_images=len(calibration),
    )
    card = replace(card, int8=report, files={**card.files, INT8: sha256(folder / INT8)})
    write_card(card, config, folder)
    return card
