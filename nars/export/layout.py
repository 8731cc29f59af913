"""Names of the files in a member's folder, and the two of them that others are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

import nars
from nars.export.card import read_part
from nars.export.errors import ExportError
from nars.images import evaluation_side
from nars.network import GENERIC, build
from nars.network.building import timm_config
from nars.network.mbconv.models import LAYERS
from nars.printing import brief_repr
from nars.space import AnyArchitecture, family_of, read_architecture

WEIGHTS = "model.safetensors"
ONNX = "model.onnx"
INT8 = "model.int8.onnx"
PROGRAM = "model.pt2"
STANDALONE = "model.py"
CONFIG = "config.json"
ARCHITECTURE = "architecture.yaml"
RECIPE = "recipe.yaml"
README = "README.md"


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """What a program must know to use the weights: timm's `config.json`."""

    __repr__ = brief_repr

    name: str
    """As timm will know it, `nars_<family>_<budget>`."""
    architecture: AnyArchitecture
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """Mean of the training images, per channel; a pixel of 255 counts as 1."""
    std: tuple[float, ...]
    array_side: int | None = None
    """Side of the arrays that its images were stored as, pixels; None where they were files of any size."""
    evaluation_crop: float = 1.0
    """Share of an image's middle square, by its side, that the network was judged on."""
    multi_label: bool = False
    """Whether an image may have several labels: then each logit's sigmoid is the probability of a label by itself."""

    @property
    def resized(self) -> int:
        """Side that the middle square of an image is resized to, pixels."""
        return evaluation_side(self.architecture.resolution, self.evaluation_crop)

    @property
    def standalone(self) -> bool:
        """Whether its family has the forms that do without its builder: the standalone file, and timm's model."""
        return family_of(self.architecture.family).standalone

    @property
    def mode(self) -> str:
        """Pillow's mode of the images: "L" or "RGB"."""
        return "L" if self.architecture.in_channels == 1 else "RGB"

    @property
    def preprocessing(self) -> str:
        """From an image to what the network takes, in words."""
        side, mode = self.resized, self.mode
        how = (
            f"decode a JPEG file at the smallest of its sizes that is no smaller than {2 * side} px (Pillow: "
            f"draft(None, ({2 * side}, {2 * side}))), turn it upright (exif_transpose), convert it to {mode}, "
            f"cut out the middle square and resize it to {side} x {side} (ImageOps.fit, BILINEAR)"
            if self.array_side is None
            else f"convert it to {mode}, cut out the middle square and resize it to {side} x {side} (bilinear with "
            f"antialiasing; of images of {self.array_side} x {self.array_side} in float32 and rounded once, of others "
            f"by Pillow's ImageOps.fit)"
        )
        if side != self.architecture.resolution:
            how += f", cut out the middle {self.architecture.resolution} x {self.architecture.resolution}"
        how += "; what is transparent lies over white, gray of 16 bits is scaled linearly to 8"
        return f"{how}; then (pixels / 255 - mean) / std, channels first"

    def metadata(self) -> dict[str, str]:
        """What an ONNX file says of itself: texts as they are, numbers and lists as JSON."""
        seen = self.timm()
        texts = {"name": self.name, "version": nars.__version__, "preprocessing": self.preprocessing}
        texts |= {key: seen[key] for key in ("interpolation", "crop_mode")} | {"color": self.mode}
        numbers = {key: json.dumps(seen[key]) for key in ("input_size", "mean", "std", "crop_pct")}
        numbers |= {"classes": json.dumps(self.classes, ensure_ascii=False)}
        return texts | numbers | ({"multi_label": "true", "activation": "sigmoid"} if self.multi_label else {})

    def normalize(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 (N, C, R, R) -> the float32 that the network was trained on."""
        mean, std = torch.tensor(self.mean).view(-1, 1, 1), torch.tensor(self.std).view(-1, 1, 1)
        return (images.float() / 255 - mean) / std

    def timm(self) -> dict[str, Any]:
        """timm's `pretrained_cfg`."""
        layers = LAYERS if self.standalone else {}
        seen = {"mean": list(self.mean), "std": list(self.std), "crop_pct": self.evaluation_crop}
        return timm_config(self.architecture) | seen | layers | {"label_names": list(self.classes)}

    def to_dict(self) -> dict[str, Any]:
        """The content of `config.json`: timm's "local-dir:" scheme reads all but the name and `array_side`."""
        return {
            "architecture": GENERIC if self.standalone else self.architecture.family,
            "name": self.name,
            "array_side": self.array_side,
            **({"multi_label": True} if self.multi_label else {}),
            "num_classes": self.architecture.classes,
            "model_args": {"network": self.architecture.to_dict()},
            "pretrained_cfg": self.timm(),
        }

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> MemberConfig:
        """Read what `to_dict` wrote."""
        seen = document["pretrained_cfg"]
        return MemberConfig(
            name=document["name"],
            architecture=read_architecture(document["model_args"]["network"]),
            classes=tuple(seen["label_names"]),
            mean=tuple(seen["mean"]),
            std=tuple(seen["std"]),
            array_side=document.get("array_side"),
            multi_label=document.get("multi_label", False),
            evaluation_crop=seen.get("crop_pct", 1.0),
        )


def read_config(folder: str | Path) -> MemberConfig:
    """Read a member's `config.json`.

    Raises:
        ExportError: the folder holds no exported member, or its config.json is damaged.
    """
    return read_part(folder, CONFIG, MemberConfig.from_dict)


def load_member(folder: str | Path) -> nn.Module:
    """The trained network of a member's folder in eval mode; of the family mbconv, a timm model.

    Raises:
        ExportError: the folder holds no exported member, or the weights are missing, damaged or of another network.
    """
    config = read_config(folder)
    path = Path(folder) / WEIGHTS
    model = build(config.architecture, seed=None)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ExportError(
            f"{path} must hold the weights of {config.name}: {error}. Export the member again."
        ) from error
    return model.eval()
