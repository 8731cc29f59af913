"""The engines by name, and the simplest of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from nars import parallel
from nars.errors import EvaluationError, require
from nars.evaluate.engine import NO_LIMITS, Engine, Limits, OnResult
from nars.evaluate.outcome import evaluate_trial
from nars.tasks import Task, Trial

ENGINES = ("processes", "in-process", "ray")


@final
class InProcess:
    """One trial after another in this process: for debugging, and for machines with one core."""

    def __init__(self, task: Task, limits: Limits, *, device: str) -> None:
        self._task, self._limits, self._device = task, limits, device

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`, in the order of `trials`."""
        for trial in trials:
            on_result(evaluate_trial(trial, self._task, self._limits, device=self._device))


def open_engine(
    name: str,
    task: Task,
    limits: Limits = NO_LIMITS,
    *,
    workers: int | None = None,
    per_gpu: int = 1,
    device: str = "cpu",
    address: str | None = None,
) -> Engine:
    """The engine of that name, to be used in a `with` statement.

    Args:
        name: One of `ENGINES`.
        task: What every trial is for; sent to each worker (or machine) once.
        limits: What a training may take.
        workers: How many trials at once; None is one per core (or per `limits.threads` cores), or `per_gpu` per GPU.
        per_gpu: Trials at once on one GPU, >= 1: small networks leave most of one idle.
        device: "auto" (a GPU where there is one), "cpu", "cuda" (all GPUs of each machine), "cuda:N" or "mps".
        address: Address of a running Ray cluster; None starts one on this machine. Only for "ray".

    Raises:
        EvaluationError: no such engine, or it cannot run here.
        DeviceError: no such device.
    """
    require(EvaluationError, name in ENGINES, "the engine", f"one of {', '.join(ENGINES)}", name)
    require(EvaluationError, workers is None or workers >= 1, "workers", ">= 1", workers)
    require(EvaluationError, per_gpu >= 1, "per_gpu, trials at once on one GPU,", ">= 1", per_gpu)
    # Each engine brings packages of its own, which the others are opened without.
    if name == "ray":
        from nars.evaluate.ray_engine import RayEngine

        return RayEngine(task, limits, address=address, workers=workers, device=device, per_gpu=per_gpu)
    if name == "processes":
        from nars.evaluate.processes import Processes

        devices = parallel.worker_devices(device, workers=workers, per_gpu=per_gpu, threads=limits.threads)
        return Processes(task, limits, devices=devices)
    return InProcess(task, limits, device=parallel.resolve_device(device))
