"""FBNetV2-L2 against its published figures and fvcore's count of what is built."""

import numpy as np
import pytest
import torch

from nars.network import build, count
from nars.space import load_space, sobol
from nars.space.families.fbnetv2 import costs_of


def test_it_has_the_published_figures() -> None:
    """8.49652 M weights, 423.912768 M multiply-accumulates by the publication's convention: pools and head included."""
    found = {name: int(values[0]) for name, values in costs_of(np.array([256])).items()}
    assert found["weights"] == 8_496_520
    assert found["flops"] + found["pooled"] + 1984 == 423_912_768


@pytest.mark.parametrize("resolution", [64, 97])
def test_arithmetic_and_network_agree(resolution: int) -> None:
    space = load_space("fbnetv2-l2-recipe")
    (architecture,) = space.architectures(sobol(space, 1, seed=0))
    model = build(architecture, dropout=0.1, stochastic_depth=0.1, seed=0)
    counted = count(model, resolution, 3)
    assert counted == {name: int(costs_of(np.array([resolution]))[name][0]) for name in counted}
    assert model.eval()(torch.zeros(1, 3, resolution, resolution)).shape == (1, 1000)


def test_the_space_is_the_papers_recipe_space_on_one_network() -> None:
    space, other = load_space("fbnetv2-l2-recipe"), load_space("fbnetv3-recipe")
    assert [(d.name, d.values) for d in space.dimensions] == [(d.name, d.values) for d in other.dimensions]
    X = sobol(space, 20, seed=0)
    assert set(space.costs(X)["flops"]) == {422_610_304.0}
    assert space.architecture_width == 0
