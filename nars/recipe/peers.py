"""Several processes that train one network together on one global batch (data parallel)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, distributed, nn

from nars.arrays import Ints
from nars.parallel import resolve_device
from nars.recipe.recipe import require


@dataclass(frozen=True)
class Peers:
    """This process's place among those that train together. All sums are over torch's default process group."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def sum_(self, tensor: Tensor) -> Tensor:
        """Sum over the processes, in place."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            distributed.barrier()

    def columns(self, batch_size: int) -> slice | Ints:
        """Which images of a global batch are this process's: everyone the same number, (batch_size / count,).

        Mixup pairs image i with image B - 1 - i. A share is a run of the first half and the run of its partners, so
        that mixing within the share mixes the pairs of the global batch.

        Raises:
            RecipeError: the batch cannot be shared out in pairs.
        """
        if self.count == 1:
            return slice(None)
        shared = f"a multiple of {2 * self.count} to be shared by {self.count} processes"
        require(batch_size % (2 * self.count) == 0, "batch_size", shared, batch_size)
        size = batch_size // (2 * self.count)
        front = np.arange(self.rank * size, (self.rank + 1) * size)
        return np.concatenate([front, batch_size - 1 - front[::-1]])


ALONE = Peers()


@contextmanager
def joined_peers(device: str) -> Iterator[tuple[Peers, str]]:
    """Join the processes that `torchrun` started (environment RANK, WORLD_SIZE, LOCAL_RANK); alone without it.

    Args:
        device: What `resolve_device` takes; several processes are on the CPU (gloo) or on a GPU each (nccl).

    Yields: the peers, and the device of this process.

    Raises:
        DeviceError: there is no such device, or there are fewer GPUs than processes.
    """
    device = resolve_device(device)
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE, device
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo", device_id=torch.device(device) if on_gpu else None)
    try:
        yield Peers(distributed.get_rank(), count), device
    finally:
        distributed.destroy_process_group()


def synchronize_batch_norm(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with every batch norm over the global batch (FBNetV3, final training); names in its state dict stay.

    On a GPU it is torch's `SyncBatchNorm`, by timm's conversion. That refuses the CPU, where two gloo processes are
    what a test can run and what people without a GPU train on; only for them it is written here.
    """
    if device.type == "cuda":
        converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return converted
    for name, child in list(model.named_children()):
        shared = _SharedNorm(child) if isinstance(child, nn.BatchNorm2d) else synchronize_batch_norm(child, device)
        setattr(model, name, shared)
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
