"""Wall-clock times: only what holds on any machine, however busy."""

import time

import torch

from nars.network import measure_latency
from nars.network.timing import median_milliseconds


class Sleeper(torch.nn.Module):
    """Takes 2 ms per image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert torch.get_num_threads() == 1
        time.sleep(0.002 * len(images))
        return images


def test_median_of_a_known_time() -> None:
    model = Sleeper()
    threads = torch.get_num_threads()
    one = measure_latency(model, 4, 1, seconds=0.1)
    three = measure_latency(model, 4, 1, batch=3, seconds=0.1)
    assert 2.0 <= one < 50.0  # a sleep is never shorter than asked, and longer on a busy machine
    assert 6.0 <= three < 80.0
    assert model.training
    assert torch.get_num_threads() == threads


def test_at_least_ten_calls() -> None:
    calls: list[int] = []
    median_milliseconds(lambda: calls.append(1), seconds=0.0, warmup=2)
    assert len(calls) == 12
