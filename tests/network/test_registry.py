"""Our networks under timm's own entry point."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from nars.network import NetworkError, build, register_generic, register_network
from nars.space import Architecture, Head, Stage, Stem

BLOCK = Stage(kernel_first=3, kernel_rest=3, expand_first=3, expand_rest=3, channels=12, depth=2, stride=2, se=True)
SMALL = Architecture(
    resolution=16, stem=Stem(channels=8, stride=1), stages=(BLOCK, BLOCK), head=Head(expand=2, channels=16), classes=10
)


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    model = build(SMALL, seed=5)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", model.eval()


def test_create_model_by_name(weights: tuple[Path, torch.nn.Module]) -> None:
    path, original = weights
    register_network("nars_test_small", SMALL, config={"file": str(path)})
    images = torch.randn(2, 3, 16, 16)
    assert "nars_test_small" in timm.list_models("nars_*")
    for options in ({"checkpoint_path": path}, {"pretrained": True}):
        model = timm.create_model("nars_test_small", **options).eval()
        with torch.inference_mode():
            assert torch.equal(model(images), original(images))
    three = timm.create_model("nars_test_small", pretrained=True, num_classes=3, drop_rate=0.1, drop_path_rate=0.1)
    assert three(images).shape == (2, 3)
    assert torch.equal(three.conv_head.weight, original.conv_head.weight)
    grey = timm.create_model("nars_test_small", pretrained=True, in_chans=1)
    assert grey(images[:, :1]).shape == (2, 10)


@pytest.mark.parametrize("how", ["checkpoint_path", "pretrained"])
def test_features_only_with_weights(weights: tuple[Path, torch.nn.Module], how: str) -> None:
    path, original = weights
    register_network("nars_test_small", SMALL, config={"file": str(path)})
    options = {"checkpoint_path": path} if how == "checkpoint_path" else {"pretrained": True}
    images = torch.randn(2, 3, 16, 16)
    backbone = timm.create_model("nars_test_small", features_only=True, **options).eval()
    assert backbone.feature_info.reduction() == [1, 2, 4]
    with torch.inference_mode():
        assert torch.equal(backbone(images)[-1], original.forward_features(images))
    some = timm.create_model("nars_test_small", features_only=True, out_indices=(1,), **options).eval()
    with torch.inference_mode():
        assert [level.shape for level in some(images)] == [(2, 12, 8, 8)]


def test_registering_again_replaces() -> None:
    register_network("nars_test_again", SMALL)
    wide = Architecture(**{**vars(SMALL), "classes": 4})
    register_network("nars_test_again", wide)
    assert timm.create_model("nars_test_again").num_classes == 4


def test_generic_model_takes_the_network() -> None:
    register_generic()
    register_generic()
    model = timm.create_model("nars", network=SMALL.to_dict())
    assert str(model) == str(build(SMALL, seed=0))
    with pytest.raises(NetworkError, match="takes its network as an argument"):
        timm.create_model("nars")


@pytest.mark.parametrize("name", ["resnet18", "nars_", "NARS_digits", "nars_a-b", "nars_1.5M", "nars_my photos"])
def test_names_that_are_not_ours(name: str) -> None:
    with pytest.raises(NetworkError, match="must be nars_ and letters"):
        register_network(name, SMALL)
