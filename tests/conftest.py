"""What the tests share: one torch thread, real images, and a network small enough to train in a test."""

import pytest
import torch

from nars.images import ImageData, load_images
from nars.space import Architecture, Head, Stage, Stem

# Small networks gain nothing from more threads, and a busy machine loses much.
torch.set_num_threads(1)

_STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=2, stride=2, se=True)
_TINY = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(_STAGE,),
    head=Head(expand=2, channels=16),
    in_channels=1,
    classes=10,
)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=160)


@pytest.fixture(scope="session")
def architecture() -> Architecture:
    return _TINY
