"""What a built network costs, counted from the network itself: the second opinion on `nars.space`'s closed form."""

from __future__ import annotations

import warnings
from collections import Counter

import torch
from torch import nn


def count(model: nn.Module, resolution: int, in_channels: int) -> dict[str, int]:
    """Count with fvcore, which traces one image through the network.

    Args:
        model: Any network of images; it is given back in the mode it came in.
        resolution: Side of the square input, pixels.
        in_channels: Channels of the input.

    Returns:
        "flops": multiply-accumulates of convolutions and linear layers for one image (no biases, normalization,
        activation or pooling); "params": all parameters; "weights": those of convolutions and linear layers alone,
        without biases.
    """
    by_operator = _by_operator("FlopCountAnalysis", model, resolution, in_channels)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return {
        "flops": int(by_operator["conv"] + by_operator["linear"]),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "weights": sum(layer.weight.numel() for layer in layers),
    }


def count_activations(model: nn.Module, resolution: int, in_channels: int) -> int:
    """Output elements of every convolution and linear layer for one image, counted likewise."""
    by_operator = _by_operator("ActivationCountAnalysis", model, resolution, in_channels)
    return int(by_operator["conv"] + by_operator["linear"])


def _by_operator(analysis: str, model: nn.Module, resolution: int, in_channels: int) -> Counter[str]:
    device = next(model.parameters()).device
    images = torch.zeros(1, in_channels, resolution, resolution, device=device)
    mode = model.training
    with warnings.catch_warnings():
        # fvcore counts by torch.jit.trace and scripts a loss at import, both of which torch has deprecated.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
        from fvcore import nn as counters

        try:
            counting = getattr(counters, analysis)(model.eval(), images)
            # It would list all it does not count: additions, activations, the drop-path modules that eval mode skips.
            found: Counter[str] = (
                counting.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
            )
        finally:
            model.train(mode)
    return found
