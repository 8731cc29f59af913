"""Real images and small networks for the tests of training."""

from collections.abc import Iterator

import pytest
import torch

from nars.data import ImageData, load_images
from nars.network import build
from nars.space import Architecture, Head, Stage, Stem

TINY = Architecture(
    resolution=8,
    stem=Stem(channels=8, stride=1),
    stages=(
        Stage(
            kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=2, stride=2, se=True,
        ),
    ),
    head=Head(expand=2, channels=16),
    in_channels=1,
    classes=10,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=320)


@pytest.fixture
def architecture() -> Architecture:
    return TINY


@pytest.fixture
def network() -> torch.nn.Module:
    return build(TINY, dropout=0.2, stochastic_depth=0.2, seed=3)
