"""Pruned networks against torch's own shapes and fvcore's counts."""

import pytest
import timm
import torch
from torch import nn

from nars.network import Layer, count, kept_channels, network_stages, prunable_channels, prune, renew_statistics
from nars.network.pruning import require_pruning

# Squeeze-excite, depthwise convolutions and shortcuts; plain residual blocks.
NETWORKS = {"mobilenetv3_small_050": 64, "resnet10t": 32}


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_and_costs_of_a_pruned_network(name: str) -> None:
    side = NETWORKS[name]
    model, images = timm.create_model(name, num_classes=10).eval(), torch.zeros(1, 3, side, side)
    stages = network_stages(model, images)
    layers = [layer.name for stage in stages for layer in stage.layers]
    assert sorted(layers) == sorted(n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear))
    groups = prunable_channels(model, stages, images)
    one, two = sorted(range(len(stages)), key=lambda number: -len(groups[number]))[:2]

    def pruned_by(*chosen: int) -> tuple[nn.Module, dict[str, Layer]]:
        shares = [0.5 if number in chosen else 0.0 for number in range(len(stages))]
        pruned = prune(model, stages, shares, images)
        return pruned, {layer.name: layer for stage in network_stages(pruned, images) for layer in stage.layers}

    (_, first), (_, second), (network, both) = pruned_by(one), pruned_by(two), pruned_by(one, two)
    assert (
        sum(torch.Size(layer.shape).numel() * layer.positions for layer in both.values())
        == (count(network, side, 3)["flops"])
    )
    assert count(network, side, 3)["params"] < count(model, side, 3)["params"]
    assert network(torch.rand(2, 3, side, side)).shape == (2, 10)
    for layer in (layer for stage in stages for layer in stage.layers):
        assert both[layer.name].shape[0] in (kept_channels(layer.shape[0], 0.5), layer.shape[0])
        for axis in (0, 1):  # every channel belongs to one stage
            by_one = first[layer.name].shape[axis] * second[layer.name].shape[axis]
            assert both[layer.name].shape[axis] * layer.shape[axis] == by_one
    whole = prune(model, stages, [0.0] * len(stages), images).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in model.state_dict().items())


def test_the_weakest_channels_go() -> None:
    require_pruning()
    model = nn.Sequential(nn.Conv2d(1, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1), nn.Flatten()).eval()
    weak = torch.tensor([1, 4, 6, 7])
    with torch.no_grad():
        for weights in (model[0].weight, model[0].bias):
            weights.normal_()[weak] *= 1e-4
        model[3].weight.normal_()[:, weak] *= 1e-4
        model[1].weight[weak] = 1e-4
    images = torch.rand(1, 1, 4, 4)
    (stage,) = network_stages(model, images)
    pruned = prune(model, [stage], [0.5], images)
    assert pruned[0].out_channels == 4
    torch.testing.assert_close(pruned(images), model(images), atol=1e-3, rtol=0)


def test_statistics_are_those_of_the_images() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3)).eval()
    batches = [torch.rand(16, 1, 5, 5) for _ in range(3)]
    with torch.no_grad():
        values = model[0](torch.cat(batches))
    renew_statistics(model, batches)
    torch.testing.assert_close(model[1].running_mean, values.mean(dim=(0, 2, 3)))
    assert not model.training
    assert model[1].momentum == 0.1
