"""One network that was searched and trained elsewhere, for other classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nars.files import Value
from nars.space.errors import SpaceError
from nars.space.families.family import AnyArchitecture, read_architecture
from nars.space.families.listed import of_document, to_document

KIND = "members"

CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""Files of an exported member: what it is, and its weights."""


@dataclass(frozen=True, kw_only=True)
class MemberArchitecture:
    """The network of an exported member with other classes, and the weights that its training starts from."""

    member: str
    """What the space calls it."""
    resolution: int
    """Side of the images, pixels."""
    network: Mapping[str, Any]
    """`to_dict()` of the architecture that was searched."""
    weights: str
    """FILE#sha256=DIGEST."""
    mean: tuple[float, ...]
    """Of the images that it was trained on, per channel, a pixel of 255 counting as 1."""
    std: tuple[float, ...]
    in_channels: int
    classes: int

    @property
    def family(self) -> str:
        """members."""
        return KIND

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Of the images that it was trained on; for other channels than theirs that of the new ones."""
        return (self.mean, self.std) if len(self.mean) == self.in_channels else None

    @property
    def searched(self) -> AnyArchitecture:
        """The architecture itself, for these images and classes."""
        own: Any = read_architecture(self.network)
        changed: AnyArchitecture = replace(
            own, resolution=self.resolution, in_channels=self.in_channels, classes=self.classes
        )
        return changed

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return to_document(self, KIND)

    def record(self) -> dict[str, Value]:
        """What is chosen."""
        return {"member": self.member, "resolution": self.resolution}

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> MemberArchitecture:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a key is missing or unknown.
        """
        return of_document(MemberArchitecture, document, "a member needs member, resolution, network and weights")

    def __hash__(self) -> int:
        return hash((self.member, self.resolution, self.weights, self.in_channels, self.classes))


def read_member(folder: Path) -> dict[str, Any]:
    """Network, mean and std of an exported member.

    Raises:
        SpaceError: the folder holds none.
    """
    try:
        document = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        seen = document["pretrained_cfg"]
        network = document["model_args"]["network"]
        read_architecture(network)
        return {"network": network, "mean": tuple(seen["mean"]), "std": tuple(seen["std"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpaceError(
            f"{folder} holds no exported member ({error}); name the folder of one, such as runs/digits/family/500k"
        ) from error
