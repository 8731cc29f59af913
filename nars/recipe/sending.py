"""Numbers on their way to a device, which nobody waits for."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def sent(numbers: NDArray[Any] | Tensor, device: torch.device) -> Tensor:
    """The numbers on the device.

    A copy from pageable memory to a GPU waits until all that was asked of it before is done and, where several
    trainings share one, until the others have had their turns; a policy makes twenty such copies in a step. From
    pinned memory a copy queues behind the rest, as a kernel does.
    """
    tensor = numbers if isinstance(numbers, Tensor) else torch.from_numpy(numbers)
    if device.type != "cuda" or tensor.device.type == "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
