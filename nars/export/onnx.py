"""ONNX: writing it, running it with ONNX Runtime, and how long a batch takes there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from nars.export.errors import ExportError, ParityError
from nars.export.program import capture, largest_difference, logits, reference
from nars.files.atomic import write_bytes
from nars.images import Split, StreamedSplit
from nars.metric import ACCURACY, Metric
from nars.network.building import build
from nars.network.timing import median_milliseconds, onnx_session
from nars.recipe import score
from nars.space import AnyArchitecture

OPSET = 18
"""ONNX operator set of the files: the lowest that PyTorch's exporter writes without converting (ONNX 1.13, 2022)."""

TOLERANCE = 1e-4
"""Largest difference of a float32 logit between two runtimes that still counts as the same network; see `allowed`."""

INPUT, OUTPUT, BATCH = "images", "logits", "batch"
"""Names of the graph's input, float32 (batch, C, R, R), its output, float32 (batch, classes), and that dimension."""


def allowed(expected: torch.Tensor) -> float:
    """The largest difference from these logits (N, classes) that counts as none: `TOLERANCE`; where they are beyond
    10, 1e-5 of the largest, as float32 itself is not more exact there.

    Of EfficientNet-Lite 0 after four epochs of fine-tuning with logits up to 49, PyTorch's own float32 is 1e-4 from
    float64, and a batch of one as far from a batch of 34.
    """
    return TOLERANCE * max(1.0, float(expected.abs().max()) / 10)


def require_onnx() -> None:
    """Raises: ExportError where the extra is not installed, with the command that helps."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExportError(f"ONNX export needs the package {error.name}: pip install 'nars[onnx]'.") from error


def encode_onnx(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    """`program` as one simplified ONNX file (constants folded, batch norm inside the convolutions).

    Args:
        program: A network of images.
        metadata: What the file is to say of itself, e.g. its classes: ONNX Runtime's `get_modelmeta()` gives it back.
    """
    exported = torch.onnx.export(
        program,
        dynamo=True,
        dynamic_shapes=({0: BATCH},),  # names the free dimension that the program already has
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    assert exported is not None  # only the other exporter returns None
    proto: Any = exported.model_proto
    for item in (*proto.graph.node, *proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del item.metadata_props[:]  # PyTorch's debugging notes, stack traces with this machine's paths among them
    return with_metadata(proto, metadata)


def fixed_batch(onnx: bytes, batch: int) -> bytes:
    """The content of an ONNX file whose free dimension is so many images: what tools of many devices need."""
    from onnx import load_from_string

    proto = load_from_string(onnx)
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param == BATCH:
                dimension.dim_value = batch
    return bytes(proto.SerializeToString())


def untrained_onnx(architecture: AnyArchitecture, *, batch: int) -> bytes:
    """A network of any family with the same arbitrary weights each time, as an ONNX file for `batch` images.

    Raises:
        ExportError: the extra `onnx` is not installed.
        NetworkError: no network can be built from the architecture.
    """
    require_onnx()
    images = torch.zeros(2, architecture.in_channels, architecture.resolution, architecture.resolution)
    program = capture(reference(build(architecture, seed=0, pretrained=False)), images)
    return fixed_batch(encode_onnx(program, {}), batch)


def with_metadata(proto: Any, metadata: Mapping[str, str]) -> bytes:
    """The content of an ONNX file that says this of itself, and nothing else."""
    from onnx.helper import set_model_props

    set_model_props(proto, dict(metadata))
    return bytes(proto.SerializeToString())


def open_onnx(model: str | Path | bytes, *, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU with `threads` threads, of a file or a file's content."""
    require_onnx()
    return onnx_session(str(model) if isinstance(model, Path) else model, threads=threads)


def onnx_logits(session: Any, images: torch.Tensor, *, batch: int = 256) -> torch.Tensor:
    """float32 (N, classes) of float32 images (N, C, R, R), computed by an ONNX Runtime session."""
    parts = [session.run([OUTPUT], {INPUT: part.numpy()})[0] for part in torch.split(images, batch)]
    return torch.from_numpy(np.concatenate(parts))


def onnx_outputs(
    session: Any, split: Split | StreamedSplit, normalize: Callable[[torch.Tensor], torch.Tensor], *, batch: int = 256
) -> torch.Tensor:
    """The same of all images of a split that is not empty, of which so many are read at a time."""
    parts = [np.arange(first, min(first + batch, len(split))) for first in range(0, len(split), batch)]
    return torch.cat([onnx_logits(session, normalize(split.some(rows))) for rows in parts])


def export_onnx(model: nn.Module, path: str | Path, *, images: torch.Tensor, tolerance: float = TOLERANCE) -> float:
    """Write `model` as ONNX (opset 18, any batch size) and check the file with ONNX Runtime.

    Args:
        model: Any network of images; it is left as it is.
        path: The file to write.
        images: Real, normalized images, float32 (N, C, R, R), to compare on; their C and R become the file's input.
        tolerance: Largest difference of a logit that is accepted.

    Returns:
        The largest absolute difference of a logit between ONNX Runtime and PyTorch, both in float32 on the CPU.

    Raises:
        ExportError: the extra `onnx` is not installed.
        ParityError: the difference is above `tolerance` or not a number; nothing is written.
    """
    encoded, difference = checked_onnx(model, images, {}, tolerance=tolerance)
    write_bytes(path, encoded)
    return difference


def checked_onnx(
    model: nn.Module, images: torch.Tensor, metadata: Mapping[str, str], *, tolerance: float = TOLERANCE
) -> tuple[bytes, float]:
    """The content of such a file, which says `metadata` of itself, and its difference; the rest as `export_onnx`."""
    require_onnx()
    original = reference(model)
    encoded = encode_onnx(capture(original, images), metadata)
    difference = largest_difference(onnx_logits(open_onnx(encoded), images), logits(original, images))
    if not difference <= tolerance:  # so written that NaN fails
        raise ParityError("The ONNX file", difference, tolerance)
    return encoded, difference


def onnx_accuracy(
    path: Path,
    split: Split | StreamedSplit,
    normalize: Callable[[torch.Tensor], torch.Tensor],
    *,
    metric: Metric = ACCURACY,
    batch: int = 256,
) -> float:
    """How good an ONNX file is on images, as ONNX Runtime runs it.

    Args:
        path: The file.
        split: Not empty.
        normalize: From uint8 (N, C, R, R) to what the file takes.
        metric: One of `nars.metric.IMAGE_METRICS`; accuracy in percent, unless told otherwise.
        batch: Images that are read at a time.
    """
    return score(metric, onnx_outputs(open_onnx(path), split, normalize, batch=batch), split.labels)


def measure_onnx_latency(path: str | Path, *, batch: int = 1, threads: int = 1, seconds: float = 0.5) -> float:
    """Median time of one batch in ONNX Runtime on the CPU, milliseconds; the counterpart of `measure_latency`."""
    session = open_onnx(path, threads=threads)
    shape = session.get_inputs()[0].shape
    images = np.zeros((batch, *shape[1:]), dtype=np.float32)
    return median_milliseconds(lambda: session.run(None, {INPUT: images}), seconds=seconds)
