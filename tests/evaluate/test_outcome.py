"""How a trial ended, whatever its task: a task of this file that does as it is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from nars.errors import EvaluationError
from nars.evaluate import Limits, evaluate_trial
from nars.evaluate.outcome import lost
from nars.metric import Metric
from nars.parallel import DeviceLostError
from nars.tasks import Measured, Task, Trial


@dataclass(frozen=True)
class Scripted:
    """A metric to be minimized, such as a user's own command would print."""

    script: tuple[float | BaseException, ...]
    metric = Metric(name="loss", goal="minimize", low=0.0)
    data = "nothing"

    def fidelity(self, epochs: int) -> str:
        return f"{epochs} lines"

    def set_up(self, trial: Trial, *, device: str) -> None:
        pass

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        for line in self.script:
            check()
            if isinstance(line, BaseException):
                raise line
            yield Measured(value=line)


def run(*script: float | BaseException, task: type[Scripted] = Scripted, device: str = "cpu", **limits: Any) -> Any:
    task_: Task = task(script)
    fields: dict[str, Any] = {"choices": (0,), "record": {"a": 1}, "costs": {}, "recipe": {}, "architecture": None}
    trial = Trial(
        **fields, space="s", data="nothing", metric=task_.metric, fidelity=task_.fidelity(2), epochs=2, seed=0
    )
    return evaluate_trial(trial, task_, Limits(**limits), device=device)


def test_any_metric_makes_a_sample() -> None:
    sample = run(700.0, 0.5)
    assert (sample.status, sample.curve, sample.value, sample.averaged) == ("ok", (700.0, 0.5), 0.5, None)
    assert (sample.data, sample.fidelity, sample.averaged_curve) == ("nothing", "2 lines", ())


@pytest.mark.parametrize(
    ("script", "status", "says"),
    [
        ((0.5, float("nan")), "diverged", "the loss after epoch 2 is nan"),
        ((0.5, float("inf")), "diverged", "inf"),
        ((0.5, -1.0), "error", "must be between 0 and inf; got -1"),
        ((0.5,), "error", "each of its 2 epochs; got 1"),
        ((0.5, 0.4, 0.3), "error", "must end after its 2 epochs"),
        ((0.5, MemoryError()), "out_of_memory", "out of memory"),
        ((0.5, RuntimeError("DefaultCPUAllocator: can't allocate memory")), "out_of_memory", "allocate"),
        ((0.5, RuntimeError("shapes differ")), "error", "RuntimeError: shapes differ"),
        ((0.5, FileNotFoundError(2, "no such file", "weights")), "error", "weights"),
    ],
)
def test_what_goes_wrong_is_a_status_and_keeps_the_curve_so_far(script: Any, status: str, says: str) -> None:
    sample = run(*script)
    assert (sample.status, sample.value) == (status, None)
    assert says in sample.message
    assert sample.curve[:1] == (0.5,)


def test_a_fault_of_the_machine_is_nobodys_result() -> None:
    with pytest.raises(OSError, match="No space"):
        run(0.5, OSError(28, "No space left on device"))


def test_a_gpu_that_failed_is_nobodys_result(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("CUDA error: device-side assert triggered")
    assert run(0.5, error, device="cuda:0").status == "error"
    monkeypatch.setattr("nars.parallel.devices._still_works", lambda _: False)
    with pytest.raises(DeviceLostError, match="cuda:0 failed"):
        run(0.5, error, device="cuda:0")


@dataclass(frozen=True)
class Starting(Scripted):
    """It needs what takes long and is large, as the context of a GPU is."""

    started: list[bytearray] = field(default_factory=list)

    def set_up(self, trial: Trial, *, device: str) -> None:
        self.started.append(bytearray(2**30))
        time.sleep(3.1)

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        self.started.append(bytearray(2**28))
        yield from super().train(trial, device=device, check=check)


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_what_trials_share_is_none_of_their_memory_and_time() -> None:
    assert run(0.5, 0.4, task=Starting, seconds=3.0, gigabytes=0.5).status == "ok"
    assert run(0.5, 0.4, task=Starting, seconds=3.0, gigabytes=0.05).status == "out_of_memory"


def test_the_next_candidate_gets_the_memory_that_torch_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[None] = []
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: given_back.append(None))
    monkeypatch.setattr("nars.parallel.devices._still_works", lambda _: True)
    for script in ((0.5, 0.4), (0.5, RuntimeError("CUDA out of memory"))):
        run(*script, device="cuda:0")
    run(0.5, 0.4, device="cpu")
    assert len(given_back) == 2


def test_time_is_up_at_the_next_check() -> None:
    sample = run(0.5, 0.4, seconds=1e-9)
    assert (sample.status, sample.message) == ("timeout", "stopped after 1e-09 s, in epoch 1 of 2")


def test_what_a_lost_worker_had_to_do_is_a_row(make_trial: Callable[..., Trial]) -> None:
    trial = make_trial(3)
    statuses = ("timeout", "out_of_memory", "error")
    found = [lost(trial, status, "gone", seconds=2.0, device="cpu") for status in statuses]
    assert tuple(sample.status for sample in found) == statuses
    assert {(s.key, s.message, s.value, s.epochs, s.seconds) for s in found} == {(trial.key, "gone", None, 0, 2.0)}


def test_the_number_of_threads_is_put_back() -> None:
    torch.set_num_threads(2)
    run(0.5, 0.4)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"seconds": 0.0}, {"gigabytes": -1.0}])
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(EvaluationError, match=f"{next(iter(wrong))} must be > ?=? ?.*; got"):
        Limits(**wrong)
