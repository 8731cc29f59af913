"""Batch norm over the global batch of several processes (FBNetV3, final training), on any device.

On a GPU it is torch's `SyncBatchNorm`, by timm's conversion. That refuses the CPU, where two gloo processes are what a
test can run and what people without a GPU train on; only for them it is written here.
"""

from __future__ import annotations

from typing import Any, final

import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, distributed, nn


def synchronize_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with every batch norm over all processes; the names in its state dict stay the same."""
    if device.type == "cuda":
        converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted
    for name, child in list(model.named_children()):
        setattr(
            model,
            name,
            _SharedNorm(child) if isinstance(child, nn.BatchNorm2d) else synchronize_batch_norm(child, device),
        )
    return model


@final
class _SharedNorm(nn.Module):
    """What a batch norm does (timm's with dropping and activation behind it too), with statistics of all processes."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self._eps, self._momentum = norm.eps, norm.momentum or 0.1
        after: list[Any] = [getattr(norm, name, None) for name in ("drop", "act")]
        self._after = nn.Sequential(*(module for module in after if module is not None))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        mean, variance = self.get_buffer("running_mean"), self.get_buffer("running_var")
        if self.training:
            count = x.numel() // x.shape[1] * distributed.get_world_size()
            sums = _Sum.apply(torch.stack([x.sum(dim=(0, 2, 3)), (x * x).sum(dim=(0, 2, 3))]))
            batch_mean = sums[0] / count
            batch_variance = sums[1] / count - batch_mean.square()
            with torch.no_grad():
                mean.lerp_(batch_mean, self._momentum)
                variance.lerp_(batch_variance * (count / (count - 1)), self._momentum)
                self.get_buffer("num_batches_tracked").add_(1)
            mean, variance = batch_mean, batch_variance
        scale = self.weight * (variance + self._eps).rsqrt()
        shift = self.bias - mean * scale
        y: Tensor = self._after(x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1))
        return y


class _Sum(torch.autograd.Function):
    """Sum over processes; so is its gradient."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        distributed.all_reduce(total)
        return total
