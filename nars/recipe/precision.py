"""Sixteen bits where a training may use them: bfloat16, or float16 with scaled gradients on GPUs that lack it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import final

import torch
from torch import Tensor, nn

from nars.parallel import has_bfloat16


@final
class Precision:
    """How a training on `device` computes: in float32, or where torch's autocast does so in sixteen bits."""

    def __init__(self, device: torch.device, *, amp: bool) -> None:
        self._device, self._amp = device, amp
        self._type = torch.bfloat16 if has_bfloat16(str(device)) else torch.float16
        self.scaled = amp and self._type == torch.float16
        """Whether the smallest gradients would be 0 as they are."""
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.scaled)
        """Scales the loss, and skips steps whose gradients overflowed; does nothing where none is needed."""

    def computing(self) -> AbstractContextManager[object]:
        """Networks inside compute so."""
        return torch.autocast(self._device.type, self._type, enabled=self._amp)

    def of(self, network: nn.Module) -> nn.Module:
        """A network that is not trained, such as a teacher, computing so; its answers are float32."""
        return _Computing(network, self) if self._amp else network


@final
class _Computing(nn.Module):
    def __init__(self, network: nn.Module, precision: Precision) -> None:
        super().__init__()
        self._network, self._precision = network, precision

    def forward(self, images: Tensor) -> Tensor:
        with self._precision.computing():
            answers: Tensor = self._network(images)
        return answers.float()
