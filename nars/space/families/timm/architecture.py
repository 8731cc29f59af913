"""One network of timm, written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nars.files import Value
from nars.space.families.listed import of_document, to_document

KIND = "timm"

NO_WEIGHTS = "none"
"""Training starts from random weights."""

TIMMS = "timm"
"""It starts from timm's own, those of the model's tag ("resnet18.a1_in1k") or timm's choice."""


@dataclass(frozen=True, kw_only=True)
class TimmArchitecture:
    """A model of timm at a resolution, and the weights that its training starts from."""

    model: str
    """As timm names it, such as "resnet18" or "resnet18.a1_in1k"."""
    resolution: int
    """Side of the images, pixels."""
    weights: str = NO_WEIGHTS
    """none, timm, or FILE#sha256=DIGEST."""
    mean: tuple[float, ...] | None = None
    """What the weights expect the images to be normalized by, per channel, a pixel of 255 counting as 1; None: by the
    training images' own."""
    std: tuple[float, ...] | None = None
    in_channels: int
    classes: int

    @property
    def family(self) -> str:
        """timm."""
        return KIND

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and standard deviation that the network was pretrained with; for other channels, the average."""
        if self.mean is None or self.std is None:
            return None
        if len(self.mean) == self.in_channels:
            return self.mean, self.std
        mean, std = (sum(values) / len(values) for values in (self.mean, self.std))
        return (mean,) * self.in_channels, (std,) * self.in_channels

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return to_document(self, KIND)

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> TimmArchitecture:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: a key is missing or unknown.
        """
        return of_document(
            TimmArchitecture, document, "a network of timm needs model, resolution, in_channels and classes"
        )

    def record(self) -> dict[str, Value]:
        """What is chosen."""
        return {"model": self.model, "resolution": self.resolution}
