"""The standalone file's own PyTorch code against timm's blocks, on networks drawn from the shipped spaces."""

import ast
from dataclasses import replace

import pytest
import torch

from nars.export import MemberConfig
from nars.export.network_file import Network, round_to_eight
from nars.export.standalone import standalone_source
from nars.network import build
from nars.space import load_space, sobol


@pytest.mark.parametrize(("space", "n"), [("digits", 12), ("fbnetv3", 2)])
def test_same_names_same_numbers(space: str, n: int) -> None:
    chosen = load_space(space)
    for number, architecture in enumerate(chosen.architectures(sobol(chosen, n, seed=3))):
        theirs = build(architecture, seed=number).eval()
        ours = Network(architecture.to_dict()).eval()
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict(theirs.state_dict(), strict=True)
        side = min(architecture.resolution, 64)
        images = torch.randn(2, architecture.in_channels, side, side, generator=torch.Generator().manual_seed(number))
        with torch.inference_mode():
            torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_rounding_is_timms() -> None:
    from timm.layers import make_divisible

    for tenths in range(10, 4000):
        width = tenths / 10
        assert round_to_eight(width, keep=0.9) == make_divisible(width)
        assert round_to_eight(width, keep=0.95) == make_divisible(width, round_limit=0.95)


def test_generated_source_holds_the_settings_as_literals() -> None:
    chosen = load_space("digits")
    (architecture,) = chosen.architectures(sobol(chosen, 1, seed=0))
    classes = ["a 'quoted' \\1 class", "naïve", *"12345678"]
    config = MemberConfig(
        name="nars_x_1M", architecture=architecture, classes=tuple(classes), mean=(0.25,), std=(0.5,), array_side=8
    )
    config = replace(config, evaluation_crop=0.5)
    source = standalone_source(config)
    wanted = ("ARCHITECTURE", "CLASSES", "MEAN", "STD", "ARRAY_SIDE", "RESIZED")
    settings = {
        node.target.id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and node.target.id in wanted
    }
    expected = {"ARCHITECTURE": architecture.to_dict(), "CLASSES": classes, "MEAN": [0.25], "STD": [0.5]}
    assert settings == expected | {"ARRAY_SIDE": 8, "RESIZED": 2 * architecture.resolution}
    assert "<settings>" not in source
