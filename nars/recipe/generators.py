"""torch's global generators, which dropout, stochastic depth, policies and regularizers draw from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch


def generators_of(device: torch.device) -> tuple[torch.Generator, ...]:
    """The CPU's generator, and the device's own, whichever device is the current one."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]  # the generators are there afterwards
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.default_generator, torch.cuda.default_generators[index]
    if device.type == "mps":
        return torch.default_generator, torch.mps._get_default_mps_generator()
    return (torch.default_generator,)


@contextmanager
def left_alone(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Afterwards these generators go on as if nothing had been drawn inside."""
    before = [generator.get_state() for generator in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)
