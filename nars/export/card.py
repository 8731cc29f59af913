"""The model card: what a member is, what it costs and how well it does. Reading one needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nars.export.errors import ExportError
from nars.export.fixed_input import LogitsHash
from nars.printing import brief_repr
from nars.recipe import ClassTable

CARD = "card.json"
"""The last file of an export, so a folder that has it is complete; the others are in `nars.export.layout`."""

_Part = TypeVar("_Part")


@dataclass(frozen=True, kw_only=True)
class Int8:
    """What static quantisation to 8 bits does to a member, both forms run by ONNX Runtime on one CPU thread."""

    images: int
    """Images that the accuracies are measured on."""
    accuracy: float
    """Percent."""
    accuracy_float32: float
    """Percent, of the same images."""
    latency_ms: float
    """Median time of one image, milliseconds."""
    latency_ms_float32: float
    calibration_images: int
    bytes: int | None = None
    """Of the file; None in cards of earlier versions, as is the next."""
    bytes_float32: int | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """The facts about one exported member."""

    __repr__ = brief_repr

    name: str
    architecture: Mapping[str, Any]
    """`Architecture.to_dict()`."""
    recipe: Mapping[str, Any]
    accuracy: Mapping[str, float]
    """Percent, by split ("validation", "test"), of the weights in the folder."""
    data: Mapping[str, Any]
    """Name, fingerprint, classes, mean and std of the images it was trained on."""
    costs: Mapping[str, int]
    """Closed form: "flops" are multiply-accumulates of convolution and linear layers for one image."""
    counted: Mapping[str, int]
    """The same, counted by fvcore from the built network."""
    latency_ms: Mapping[str, float]
    """Median time of one image on one CPU thread, milliseconds: "eager" PyTorch and "onnxruntime"."""
    device: str
    """Where the latency was measured."""
    max_difference: Mapping[str, float]
    """Largest absolute difference of a logit from PyTorch's, by file, on validation images."""
    fixed_logits: tuple[float, ...]
    """First ten logits of the fixed input (pixel i is 37 i mod 256, scaled to -1..1)."""
    logits_hash: LogitsHash
    """Hash of all logits of the fixed input."""
    files: Mapping[str, str]
    """SHA-256 of each file of the folder, the card and the README apart."""
    versions: Mapping[str, str]
    int8: Int8 | None = None
    test_scores: Mapping[str, float] = field(default_factory=dict)
    """The test images by each metric of `nars.metric.IMAGE_METRICS`, in its unit; none of earlier exports."""
    test_classes: ClassTable | None = None
    """The classes one by one on the test images; None as above."""


def read_card(folder: str | Path) -> Card:
    """Read a member's `card.json`.

    Raises:
        ExportError: there is none, or it is damaged.
    """

    def parse(document: dict[str, Any]) -> Card:
        document["logits_hash"] = LogitsHash(**document["logits_hash"])
        document["fixed_logits"] = tuple(document["fixed_logits"])
        document["int8"] = None if document.get("int8") is None else Int8(**document["int8"])
        if document.get("test_classes") is not None:
            document["test_classes"] = ClassTable.read(document["test_classes"])
        return Card(**document)

    return read_part(folder, CARD, parse)


def read_part(folder: str | Path, file: str, parse: Callable[[dict[str, Any]], _Part]) -> _Part:
    """What a JSON file of a member's folder holds.

    Raises:
        ExportError: there is no such file, or `parse` finds it damaged.
    """
    path = Path(folder) / file
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ExportError(
            f"The folder of an exported member has a {file}; there is none in {folder}: export again."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is not what nars writes ({error!r}): export the member again.") from error


def sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
