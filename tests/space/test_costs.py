"""Closed-form costs against networks: fvcore's counts, the parameters' own sizes, and forward hooks."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn

from nars.network import build
from nars.space import (
    architecture_costs,
    load_space,
    parse_document,
    published,
    read_space,
    sobol,
    space_names,
    uniform,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # fvcore compiles a loss with torch.jit when imported
    from fvcore.nn import FlopCountAnalysis

MBCONV = [name for name in space_names() if load_space(name).kind == "mbconv"]


def counted(architecture):
    """flops, params and weights of the built network, as other people's code counts them."""
    model = build(architecture, seed=None).eval()
    image = torch.zeros(1, architecture.in_channels, architecture.resolution, architecture.resolution)
    analysis = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return {
        "flops": int(by_operator["conv"] + by_operator["linear"]),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "weights": sum(layer.weight.numel() for layer in layers),
        **watched(model, image),
    }


def watched(model, image):
    """Sum of output elements, and the largest working set: input, output, and what waits for them meanwhile."""
    sizes, peaks = [], []
    waiting = []  # (tensor that waits, as id and elements) of the blocks that are running

    def leaf(module, inputs, output):
        sizes.append(output.numel())
        held = {id(x): x.numel() for x in (inputs[0], *waiting)}
        peaks.append(sum(held.values()) + output.numel())

    def enter(module, inputs):
        waiting.append(inputs[0])

    def leave(module, inputs, output):
        waiting.pop()

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            handles.append(module.register_forward_hook(leaf))
        elif getattr(module, "has_skip", False) or name.endswith(".se"):
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    with torch.inference_mode():
        model(image)
    return {"activations": sum(sizes), "peak_activations": max(peaks)}


@pytest.mark.parametrize("name", MBCONV)
def test_random_networks_cost_what_they_are_counted_at(name):
    space = load_space(name)
    X = sobol(space, 2 if "fbnetv3" in name else 4, seed=11)
    costs = space.costs(X)
    for row, architecture in enumerate(space.architectures(X)):
        found = counted(architecture)
        assert {key: int(costs[key][row]) for key in found} == found


def test_unusual_settings_cost_what_they_are_counted_at(listed):
    for architecture in listed.architectures(uniform(listed, 25, rng=np.random.default_rng(2))):
        found = counted(architecture)
        assert {key: architecture_costs(architecture)[key] for key in found} == found


def test_a_published_network_with_short_paddings():
    found = counted(published("B").architecture)
    assert {key: architecture_costs(published("B").architecture)[key] for key in found} == found


GROWING = """
name: growing
architecture:
  resolution: {low: 32, high: 96, step: 8}
  stem: {channels: {low: 8, high: 32, step: 8}}
  stages:
    - {kernel: [3, 5, 7], expand: 1, channels: {low: 8, high: 32, step: 8}, depth: {low: 1, high: 4}}
    - {kernel_first: [3, 5, 7], kernel_rest: [3, 5, 7], expand_first: {low: 2, high: 7}, expand_rest: {low: 2, high: 7},
       channels: {low: 16, high: 64, step: 8}, depth: {low: 1, high: 5}, stride: 2}
    - {kernel_first: [3, 5, 7], kernel_rest: [3, 5, 7], expand_first: {low: 2, high: 7}, expand_rest: {low: 2, high: 7},
       channels: {low: 16, high: 64, step: 8}, depth: {low: 1, high: 5}, stride: 2, se: true}
  head: {expand: {low: 1, high: 6}, channels: {low: 64, high: 256, step: 32}}
"""


@given(st.integers(0, 2**32), st.data())
@settings(max_examples=60, deadline=None)
def test_more_never_costs_less(seed, data):
    space = read_space(parse_document(GROWING, source="growing.yaml"))
    X = uniform(space, 32, rng=np.random.default_rng(seed))
    column = data.draw(st.integers(0, len(space.dimensions) - 1))
    X[:, column] = np.minimum(X[:, column], space.cardinalities[column] - 2)
    more = X.copy()
    more[:, column] += 1
    before, after = space.costs(X), space.costs(more)
    for name in ("flops", "params", "weights", "activations", "resolution"):
        # Squeeze-excite's bottleneck follows the rounded width over the ratio: up to 8 of it go when a ratio grows.
        slack = 0.0
        if "expand" in space.dimensions[column].name and space.dimensions[column].name.startswith("stage3"):
            slack = 8.0 * (2 * 7 * 64 + 1) * 5
        assert (after[name] >= before[name] - slack).all()
    tail = space.dimensions[column].name.rsplit(".", 1)[-1]
    if tail in ("resolution", "depth"):
        assert (after["flops"] > before["flops"]).all()


def test_costs_are_whole_numbers_in_float64():
    space = load_space("fbnetv3")
    for values in space.costs(sobol(space, 100, seed=0)).values():
        assert values.dtype == np.float64
        assert np.array_equal(values, np.round(values))


def test_classes_and_image_channels_of_the_data_count():
    ten, five = load_space("digits", classes=10), load_space("digits", classes=5, in_channels=3)
    X = sobol(ten, 5, seed=0)
    head = {a.head.channels for a in ten.architectures(X)}.pop()
    stems = np.array([a.stem.channels for a in ten.architectures(X)])
    assert np.array_equal(ten.costs(X)["params"] - five.costs(X)["params"], 5.0 * (head + 1) - 18 * stems)
    assert ten.fingerprint != five.fingerprint
