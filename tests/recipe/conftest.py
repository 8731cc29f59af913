"""Real images, enough for some steps per epoch, and a network to train."""

import pytest
import torch

from nars.images import ImageData, load_images
from nars.network import build
from nars.space import Architecture


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_images("digits", resolution=8, validation_fraction=0.2, seed=0, max_train=320)


@pytest.fixture
def network(architecture: Architecture) -> torch.nn.Module:
    return build(architecture, dropout=0.2, stochastic_depth=0.2, seed=3)
