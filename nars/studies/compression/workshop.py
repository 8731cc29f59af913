"""Everything that one compression works with: network, stages, images, folder. Its files are those of one network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from nars.errors import ConfigError
from nars.export import calibration_images
from nars.files.sealed import read_sealed, write_sealed
from nars.metric import ACCURACY
from nars.network import NetworkStage, network_stages, prunable_channels
from nars.run import Reporter
from nars.space import Space
from nars.studies.compression.choices import choices_space, distinct_shares
from nars.studies.compression.source import Source

_ABOUT = "compress.json"
AGAIN = "Delete it to measure it again"
"""What helps where a file of a compression is damaged, for messages."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A compression in its folder."""

    source: Source
    folder: Path
    epochs: int
    """Of each fine-tuning."""
    device: str
    reporter: Reporter = field(repr=False)

    @cached_property
    def example(self) -> torch.Tensor:
        """A normalized image, float32 (1, C, R, R)."""
        side, channels = self.source.architecture.resolution, self.source.architecture.in_channels
        return torch.zeros(1, channels, side, side)

    @cached_property
    def stages(self) -> tuple[NetworkStage, ...]:
        """Of the network."""
        return network_stages(self.source.network, self.example)

    @cached_property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Of the channels of each that may be taken out, from 0 on."""
        groups = prunable_channels(self.source.network, self.stages, self.example)
        return tuple(map(distinct_shares, groups))

    @cached_property
    def space(self) -> Space:
        """What may be chosen, without costs."""
        return choices_space(self.stages, self.shares)

    @cached_property
    def calibration(self) -> torch.Tensor:
        """Normalized training images, float32 (N, C, R, R)."""
        return self.source.config.normalize(calibration_images(self.source.images))

    def training(self, pruning: str) -> Path:
        """Folder of a fine-tuning."""
        return self.folder / "trained" / pruning

    def measured(self, name: str) -> Path:
        """Folder of a candidate that has been measured."""
        return self.folder / "measured" / name

    @property
    def front(self) -> Path:
        """Folder of the models that no other beats."""
        return self.folder / "front"

    def done(self) -> Iterator[Path]:
        """Cards of what has been measured."""
        yield from sorted((self.folder / "measured").glob("*/card.json"))


def settle(workshop: Workshop) -> None:
    """Begin in an empty folder, or see that what is there is of this network, images and epochs.

    Raises:
        ConfigError: it is of others.
    """
    source = workshop.source
    about: dict[str, Any] = {
        "network": source.name,
        "weights": hashlib.sha256(save(dict(source.network.state_dict()))).hexdigest()[:32],
        "images": source.images.fingerprint,
        "recipe": source.recipe.to_dict(),
        "epochs": workshop.epochs,
        "space": workshop.space.fingerprint,
        # Accuracy goes without saying: by it earlier versions judged all networks.
        **({} if source.metric == ACCURACY else {"metric": source.metric.name}),
        **({"changed": dict(source.changed)} if source.changed else {}),
    }
    file = workshop.folder / _ABOUT
    if not file.is_file():
        if workshop.folder.is_dir() and any(not path.name.startswith(".") for path in workshop.folder.iterdir()):
            raise ConfigError(f"{workshop.folder} is not empty and holds no compression; give another folder (--out)")
        write_sealed(file, about)
        return
    kept = read_sealed(file, error=ConfigError, what="JSON file", again=AGAIN)
    if others := sorted(key for key in {**about, **kept} if kept.get(key) != about.get(key)):
        said = "; ".join(f"{key}: {kept.get(key)} there, {about.get(key)} now" for key in others)
        raise ConfigError(
            f"{workshop.folder} holds a compression that began otherwise ({said}). Ask as it began, or give another "
            f"folder (--out)"
        )
