"""How many threads torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` torch threads inside; None leaves the number as it is.

    Small networks want one: on two they gain little, and on a busy machine threads that wait for each other in every
    operation make them many times slower. One is also what gives equal bits for equal seeds whatever the number of
    cores: sums split over threads round differently.
    """
    before = torch.get_num_threads()
    if count is None or count == before:  # setting it anew costs, and in a worker it never changes
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
