"""A small network for pictures in a folder, exported once for all tests of what a user does with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nars.export import export_member, timm_name
from nars.images import ImageData, load_images
from nars.network import build
from nars.space import Architecture, Head, Stage, Stem

_STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=1, stride=2, se=True)
_COLOUR = Architecture(
    resolution=20, stem=Stem(channels=8, stride=1), stages=(_STAGE,), head=Head(expand=2, channels=16), classes=3
)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A member's folder with the network that it was exported from."""

    folder: Path
    model: torch.nn.Module
    data: ImageData

    def logits(self, pixels: np.ndarray) -> torch.Tensor:
        """Of uint8 (C, R, R), by the network itself."""
        mean, std = self.data.mean.view(-1, 1, 1), self.data.std.view(-1, 1, 1)
        images = (torch.tensor(pixels)[None].float() / 255 - mean) / std
        with torch.inference_mode():
            return self.model(images)[0]


def _photo(side: tuple[int, int], seed: int) -> Image.Image:
    """A smooth picture with some noise, RGB."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, size=(9, 7, 3), dtype=np.uint8)).resize(side, Image.Resampling.BICUBIC)
    noise = rng.normal(scale=12, size=(side[1], side[0], 3))
    return Image.fromarray(np.clip(np.asarray(rough) + noise, 0, 255).astype(np.uint8))


def _export(architecture: Architecture, data: ImageData, folder: Path, family: str) -> Exported:
    model = build(replace(architecture, classes=len(data.classes)), seed=1).eval()
    with torch.no_grad():
        model.classifier.weight.mul_(40)  # so that a grey level shows
    export_member(
        model,
        folder,
        name=timm_name(family, "1.5M"),
        architecture=architecture,
        recipe={"optimizer": "sgd"},
        data=data,
        accuracy={"validation": 50.0, "test": 50.0},
    )
    return Exported(folder=folder, model=model, data=data)


@pytest.fixture(scope="session")
def of_photos(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of an image folder with classes that are no plain words."""
    home = tmp_path_factory.mktemp("photos")
    for label, name in enumerate(("Füchse", "it's a_b*", "猫")):
        (home / "images" / name).mkdir(parents=True)
        for number in range(8):
            _photo((50, 40), seed=10 * label + number).save(home / "images" / name / f"{number}.jpg")
    data = load_images(f"imagefolder:{home / 'images'}", resolution=20, validation_fraction=0.2, seed=0)
    return _export(_COLOUR, data, home / "My Füchse 1.5M", "My Füchse")


@pytest.fixture(scope="session")
def of_middles(of_photos: Exported, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of the same folder, judged on the middle of each image."""
    name = f"imagefolder:{of_photos.folder.parent / 'images'}"
    data = load_images(name, resolution=20, validation_fraction=0.2, seed=0, streaming=True, evaluation_crop=0.8)
    return _export(_COLOUR, data, tmp_path_factory.mktemp("middles") / "middles", "middles")


@pytest.fixture(scope="session")
def of_digits(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of grey arrays of 8 x 8, resized to 12."""
    data = load_images("digits", resolution=12, validation_fraction=0.2, seed=0, max_train=200)
    grey = replace(_COLOUR, resolution=12, in_channels=1, classes=10)
    return _export(grey, data, tmp_path_factory.mktemp("digits") / "1.5M", "digits")


@pytest.fixture(scope="session")
def photo() -> Callable[[tuple[int, int], int], Image.Image]:
    """Makes a picture of (width, height) from a seed."""
    return _photo
