"""What a built network costs, counted from the network itself: the second opinion on `nars.space`'s closed form."""

from __future__ import annotations

import warnings

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
    device = next(model.parameters()).device
    images = torch.zeros(1, in_channels, resolution, resolution, device=device)
    mode = model.training
    with warnings.catch_warnings():
        # fvcore counts by torch.jit.trace and scripts a loss at import, both of which torch has deprecated.
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.", category=DeprecationWarning)
        from fvcore.nn import FlopCountAnalysis

        try:
            analysis = FlopCountAnalysis(model.eval(), images)
            # It would list all it does not count: additions, activations, the drop-path modules that eval mode skips.
            by_operator = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
        finally:
            model.train(mode)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return {
        "flops": int(by_operator["conv"] + by_operator["linear"]),
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "weights": sum(layer.weight.numel() for layer in layers),
    }
