"""Weights from elsewhere: timm's FBNetV3 in the networks that are built from the published definitions."""

from dataclasses import replace

import pytest
import timm
import torch

from nars.network import NetworkError, Start, build, start_from
from nars.space import Architecture, published


def whole(name: str) -> Architecture:
    """A published network as timm has it, which pads whole everywhere (`fbnetv3_b` is 518 M there, B 460 M)."""
    architecture = published(name).architecture
    return replace(architecture, stages=tuple(replace(stage, first_padding=None) for stage in architecture.stages))


@pytest.mark.parametrize("name", ["b", "d", "g"])
def test_timms_weights_fit_the_published_networks_and_give_its_outputs(name: str) -> None:
    torch.manual_seed(1)
    theirs = timm.create_model(f"fbnetv3_{name}").eval()
    ours = build(whole(name), seed=None)
    assert start_from(ours, Start(state=theirs.state_dict(), source="timm")) == ()
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours.eval()(images), theirs(images))
    if name != "b":  # these two timm has as they were published
        assert whole(name) == published(name).architecture


def test_other_classes_and_channels_keep_what_fits_and_other_networks_are_refused() -> None:
    state = timm.create_model("fbnetv3_b").state_dict()
    network = build(replace(whole("B"), classes=10, in_channels=1), seed=0)
    fresh = network.state_dict()["classifier.weight"].clone()
    assert start_from(network, Start(state=state, source="a file")) == ("classifier.weight", "classifier.bias")
    taken = network.state_dict()
    assert torch.equal(taken["classifier.weight"], fresh)
    assert torch.equal(taken["blocks.2.0.conv_dw.weight"], state["blocks.2.0.conv_dw.weight"])
    gray = timm.create_model("fbnetv3_b", in_chans=3).state_dict()["conv_stem.weight"].shape
    assert gray[1] == 3
    assert torch.allclose(taken["conv_stem.weight"], state["conv_stem.weight"].sum(dim=1, keepdim=True))
    with pytest.raises(NetworkError, match=r"a file holds the weights of another network .* and \d+ more"):
        start_from(build(whole("D"), seed=None), Start(state=state, source="a file"))
