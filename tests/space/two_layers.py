"""A family of a user's own: two convolutions and a linear layer, of any width and odd kernel."""

from nars.space import Flat, Rule


def count(n, in_channels, classes):
    weights = n["kernel"] ** 2 * n["width"] * (in_channels + n["width"])
    last = n["width"] * classes
    params = weights + 4 * n["width"] + last + classes
    return {"flops": weights * n["resolution"] ** 2 + last, "params": params, "resolution": n["resolution"]}


def build(architecture, *, dropout, stochastic_depth):
    from torch import nn  # a question to a predictor does without

    width, kernel = architecture.settings["width"], architecture.settings["kernel"]
    layers = []
    for inputs in (architecture.in_channels, width):
        layers += [nn.Conv2d(inputs, width, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, *pooled, nn.Linear(width, architecture.classes))


FAMILY = Flat(
    settings={"width": Rule(low=1, high=64, whole=True), "kernel": Rule(low=1, high=9, whole=True, odd=True)},
    cost_names=("flops", "params", "resolution"),
    closed_form=count,
    builder="two_layers:build",
)

SPACE = """
name: two-layers
kind: two_layers:FAMILY
architecture:
  classes: 10
  in_channels: 1
  resolution: 8
  width: {low: 4, high: 32, step: 4}
  kernel: [1, 3, 5]
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  optimizer: [sgd, adamw]
  dropout: [0.0, 0.1]
"""
