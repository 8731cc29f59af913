"""The model card: what a member is, what it costs and how well it does, for programs (JSON) and people (README)."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from nars.export.errors import ExportError
from nars.export.fixed_input import LogitsHash
from nars.files.atomic import write_json, write_text
from nars.printing import brief_repr

CARD, README = "card.json", "README.md"
"""The two files of a member's folder that tell of it; the others are in `nars.export.layout`."""


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
    """Of all logits of the fixed input."""
    files: Mapping[str, str]
    """SHA-256 of each file of the folder, the card and the README apart."""
    versions: Mapping[str, str]
    int8: Int8 | None = None

    def write(self, folder: str | Path) -> None:
        """Write the README, then `card.json`: the last file of an export, so a folder that has it is complete."""
        from nars.export.layout import read_config  # both bring torch, which whoever reads a card does without
        from nars.export.readme import readme

        write_text(Path(folder) / README, readme(self, read_config(folder)))
        write_json(Path(folder) / CARD, asdict(self))


def read_card(folder: str | Path) -> Card:
    """Read a member's `card.json`.

    Raises:
        ExportError: there is none, or it is damaged.
    """
    path = Path(folder) / CARD
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        document["logits_hash"] = LogitsHash(**document["logits_hash"])
        document["fixed_logits"] = tuple(document["fixed_logits"])
        document["int8"] = None if document.get("int8") is None else Int8(**document["int8"])
        return Card(**document)
    except FileNotFoundError as error:
        raise ExportError(
            f"The export of a member ends with {CARD}; there is none in {folder}: export again."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is not what nars writes ({error!r}): export the member again.") from error


def sha256(path: Path) -> str:
    """Of a file's content, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Of Python and the packages that had a hand in an export."""
    packages = ("nars", "torch", "timm", "onnx", "onnxruntime")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}
