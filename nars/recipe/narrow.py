"""Convolutions that oneDNN trains wrongly on CPUs, shown batches in the order of memory in which it does not.

oneDNN writes past its workspace for the weights' gradient of a strided 1 x 1 convolution of fewer input channels than a
vector holds, where the channels lie innermost (uxlfoundation/oneDNN#6035, open in torch 2.14): a wrong gradient in
silence, or the end of the process.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_VECTOR = 16
"""Numbers that the widest vector of a CPU holds."""


def order_narrow(model: nn.Module, device: torch.device) -> None:
    """Hook the network's narrow strided 1 x 1 convolutions to take contiguous maps (B, C, H, W), on CPUs.

    The hooks hold no weights and change results in rounding only.
    """
    if device.type != "cpu":
        return
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and _is_spoilt(module):
            module.register_forward_pre_hook(_contiguous)


def _is_spoilt(convolution: nn.Conv2d) -> bool:
    narrow = convolution.in_channels // convolution.groups < _VECTOR
    return narrow and convolution.kernel_size == (1, 1) and max(convolution.stride) > 1


def _contiguous(_: nn.Module, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # Of one channel, maps are contiguous in either order: only a copy has the strides that oneDNN goes by.
    return tuple(x.clone(memory_format=torch.contiguous_format) if x.shape[1] == 1 else x.contiguous() for x in maps)
