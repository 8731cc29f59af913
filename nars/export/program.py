"""The network as a `torch.export` program: what `model.pt2` holds and what the ONNX file is made from."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from nars.recipe import right


def reference(model: nn.Module) -> nn.Module:
    """A copy of `model` on the CPU, float32, in eval mode: what every exported form is compared with."""
    twin = copy.deepcopy(model).cpu().float().eval()
    for module in twin.modules():
        if hasattr(module, "inplace"):
            # The ONNX exporter would spend two thirds of its time on taking in-place activations apart.
            module.inplace = False  # type: ignore[assignment]  # a plain flag
    return twin


def logits(model: nn.Module, images: torch.Tensor, *, batch: int = 256) -> torch.Tensor:
    """float32 (N, classes) of float32 images (N, C, R, R), `batch` at a time, without gradients."""
    with torch.inference_mode():
        return torch.cat([model(part) for part in torch.split(images, batch)])


def capture(model: nn.Module, images: torch.Tensor) -> ExportedProgram:
    """The program of a `reference` model for any number of images of this size, float32 (N, C, R, R)."""
    # An example of two, as torch.export takes a batch of one for a constant; of zeros, as the file holds the example.
    example = torch.zeros(2, *images.shape[1:])
    program = torch.export.export(model, (example,), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        # It names the files of the machine that exports, and is most of the file's size.
        node.meta.pop("stack_trace", None)
    return program


def largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """max |one - other| over all logits."""
    return float((one - other).abs().max())


def top1(computed: torch.Tensor, labels: torch.Tensor) -> float:
    """Accuracy in percent of logits (N, classes) against labels, (N,) or of several labels (N, classes)."""
    return 100 * float(right(computed, labels).double().mean())


ABOUT = "metadata.json"
"""Extra file of a .pt2 file: what it says of itself, as the ONNX file does."""


def encode_program(program: ExportedProgram, metadata: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """`program` as a .pt2 file; `torch.export.load` reads it, and its metadata as the extra file `ABOUT`."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={ABOUT: json.dumps(dict(metadata), ensure_ascii=False)})
    return buffer.getvalue()


def decode_program(source: str | Path | bytes) -> nn.Module:
    """The network in a .pt2 file, or in such a file's content."""
    loaded: nn.Module = torch.export.load(io.BytesIO(source) if isinstance(source, bytes) else source).module()
    return loaded
