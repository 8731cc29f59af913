"""Narrow strided 1 x 1 convolutions: the right gradient, in a process that survives it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nars.recipe.narrow import order_narrow

TRAINED = """
import torch
from torch import nn
from nars.recipe.narrow import order_narrow

torch.manual_seed(0)
for channels in range(1, 17):
    layer = nn.Conv2d(channels, 8, 1, 2, bias=False)
    x = torch.randn(24, channels, 8, 8)
    (truth,) = torch.autograd.grad(
        torch.einsum("bchw,oc->bohw", x[:, :, ::2, ::2], w := layer.weight[:, :, 0, 0]).square().sum(), layer.weight
    )
    order_narrow(layer, torch.device("cpu"))
    innermost = torch.empty_strided(x.shape, (64 * channels, 1, 8 * channels, channels)).copy_(x)
    layer(innermost).square().sum().backward()
    assert torch.allclose(layer.weight.grad, truth, rtol=1e-3, atol=1e-3), channels
"""


def test_gradients_are_right_where_the_channels_lie_innermost() -> None:
    """In a process of its own, whose heap the C library watches: a wrong hook would end it."""
    preload = "libc_malloc_debug.so.0" if sys.platform == "linux" else ""
    environment = os.environ | {"LD_PRELOAD": preload, "GLIBC_TUNABLES": "glibc.malloc.check=3", "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TRAINED], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("layer", "hooked"),
    [
        (nn.Conv2d(5, 8, 1, 2), True),
        (nn.Conv2d(32, 32, 1, 2, groups=4), True),
        (nn.Conv2d(16, 8, 1, 2), False),
        (nn.Conv2d(5, 8, 1), False),
        (nn.Conv2d(5, 8, 3, 2), False),
    ],
)
def test_only_convolutions_that_are_computed_wrongly_are_hooked(layer: nn.Conv2d, hooked: bool) -> None:
    for device, expected in (("cpu", hooked), ("meta", False)):
        model = nn.Sequential(layer)
        order_narrow(model, torch.device(device))
        assert bool(layer._forward_pre_hooks) == expected
        layer._forward_pre_hooks.clear()
