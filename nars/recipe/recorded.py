"""A training step recorded once as a CUDA graph and replayed: small networks wait for launches, not for arithmetic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from nars.recipe.batches import Batch
from nars.recipe.generators import generators_of
from nars.recipe.sending import sent
from nars.recipe.settings import TrainingSettings

_BEFORE = 3
"""Steps that are computed before one is recorded: libraries choose their kernels and take their memory in them."""

_KNOWN = {"torch", "timm", "nars"}
"""Packages whose layers launch the same kernels in every step; others may branch in Python."""


def recordable(
    networks: Iterable[nn.Module], settings: TrainingSettings, *, device: torch.device, processes: int
) -> bool:
    """Whether the steps of a training can be recorded: on a CUDA device, each alike, by one process.

    `networks` are all that compute in a step: the one being trained, and its teacher.
    """
    packages = {type(module).__module__.partition(".")[0] for network in networks for module in network.modules()}
    alike = settings.accumulation == 1 and settings.compiler is None and packages <= _KNOWN
    return settings.record and device.type == "cuda" and processes == 1 and alike


@final
class Recorded:
    """Computes on batches of one shape: the first times as told, then by replaying what it recorded of it.

    A network of a search launches a thousand small kernels in a step, each of which a GPU does in less time than a CPU
    takes to ask for it; replayed, the CPU asks once. Random draws follow torch's generators as before. What cannot be
    recorded, for want of memory or because it waits for the GPU in between, is computed as told for good.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._left = _BEFORE
        self._graph: torch.cuda.CUDAGraph | None = None
        self._shown: Batch | None = None

    def __call__(self, compute: Callable[[Batch], None], batch: Batch) -> None:
        """Compute on a batch.

        Args:
            compute: The same in every call. Beside the batch it reads and changes tensors that stay where they are.
            batch: On the device.
        """
        # A number would be recorded as it is.
        share = sent(torch.as_tensor(batch.share, dtype=torch.float32), self._device)
        batch = replace(batch, share=share)
        if self._shown is None or self._graph is None:
            if self._left != 0 or not self._record(compute, batch):
                self._left -= 1
                compute(batch)
                return
        else:
            for place, value in zip(_tensors(self._shown), _tensors(batch), strict=True):
                place.copy_(value)
        assert self._graph is not None
        self._graph.replay()

    def _record(self, compute: Callable[[Batch], None], batch: Batch) -> bool:
        """Whether it worked; nothing is computed in the course of it."""
        graph, generator = torch.cuda.CUDAGraph(), generators_of(self._device)[-1]
        before = generator.clone_state()
        try:
            with torch.cuda.device(self._device), torch.cuda.graph(graph):
                compute(batch)
        except RuntimeError as error:
            logging.getLogger(__name__).info("a training's steps are not recorded: %s", error)
            generator.graphsafe_set_state(before)  # the one that was there thinks that it is still being recorded
            torch.cuda.synchronize(self._device)
            return False
        self._shown, self._graph = batch, graph
        return True


def _tensors(batch: Batch) -> list[Tensor]:
    assert isinstance(batch.share, Tensor)
    more = [tensor for tensor in (batch.clean, batch.answers) if tensor is not None]
    return [batch.images, batch.labels, batch.share, *more]
