"""Initial weights from a seed, without a trace in the global generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` inside, leave every global generator as it was.

    Only the CPU generator is seeded: networks are built on the CPU, and `torch.manual_seed` would touch all devices.
    """
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield
