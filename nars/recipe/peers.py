"""Several processes that train one network together on one global batch (data parallel)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

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

    def columns(self, batch_size: int) -> slice | NDArray[np.int64]:
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
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Peers(distributed.get_rank(), count), device
    finally:
        distributed.destroy_process_group()
