"""What the folder of one training says of itself, so that it can be exported, and teach, by its folder alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nars.files.atomic import write_json
from nars.printing import brief_repr
from nars.space import read_architecture
from nars.train.result import TrainError

if TYPE_CHECKING:
    from torch import nn

TRAINED = "trained.json"
_RESULT, _WEIGHTS = "result.json", "model.safetensors"
_REASON = 200
"""Characters of torch's reason that an error repeats."""
_BELOW = "training"
"""Folder of the training in that of an answer or a scaled network."""


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """Network, recipe and images of a training; the weights and what they reach are beside it."""

    __repr__ = brief_repr

    name: str
    """As people call it, e.g. "4M" or "timm:resnet18"."""
    architecture: Mapping[str, Any]
    """`to_dict()` of it, with the images' classes, channels and resolution."""
    recipe: Mapping[str, Any]
    """Settings of `nars.recipe.Recipe`."""
    config: Mapping[str, Any]
    """The run configuration by which it is trained: images, seed, final training."""
    images: str
    """Fingerprint of the images."""
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    """Per channel; a pixel of 255 counts as 1."""
    std: tuple[float, ...]
    taught_by: str
    """In words; empty for labels alone."""
    multi_label: bool = False
    """Whether its images may have several labels, or none; trainings of earlier versions do not say it."""

    def save(self, folder: Path) -> None:
        """Write it; `read_trained` reads it back."""
        write_json(folder / TRAINED, asdict(self))


def trained_in(folder: str | Path) -> Path | None:
    """The folder of a training that is there: this one, or the one in that of an answer or of a scaled network."""
    return next((path for path in (Path(folder), Path(folder) / _BELOW) if (path / TRAINED).is_file()), None)


def is_trained(folder: Path) -> bool:
    """Whether the training in a folder is done."""
    return (folder / _RESULT).is_file()


def read_trained(folder: Path) -> TrainedNetwork:
    """What the folder of a training says of it.

    Raises:
        TrainError: it says nothing, or the file is damaged.
    """
    file = folder / TRAINED
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        document |= {name: tuple(document[name]) for name in ("classes", "mean", "std")}
        return TrainedNetwork(**document)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainError(
            f"{file} does not say what the training beside it is of ({error}). Train the network again in this folder: "
            f"what is trained already is not trained again."
        ) from error


def load_trained(folder: Path) -> nn.Module:
    """The trained network of a folder in eval mode.

    Raises:
        TrainError: the training is not done, or the weights are damaged or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from nars.network import build

    about = read_trained(folder)
    if not is_trained(folder):
        raise TrainError(f"the training of {about.name} in {folder} is not done; the command that began it goes on")
    model = build(read_architecture(about.architecture), seed=None)
    try:
        model.load_state_dict(load_file(folder / _WEIGHTS))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:_REASON]
        raise TrainError(
            f"{folder / _WEIGHTS} does not hold the weights of {about.name} ({reason}). Put its own file back, or "
            f"delete {folder} to train it again."
        ) from error
    return model.eval()
