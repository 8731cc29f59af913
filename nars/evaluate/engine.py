"""Running many trials: one small interface, several engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, final

from nars.data import ImageData, Sample
from nars.evaluate.evaluate import evaluate_trial
from nars.evaluate.trial import EvaluationError, EvaluationSettings, Trial
from nars.parallel import usable_cores

ENGINES = ("processes", "in-process", "ray")

OnResult = Callable[[Sample], None]
"""Gets each sample as it is finished, in the caller's thread; what it raises ends the run."""


class Engine(Protocol):
    """Runs trials on some workers. A context manager: workers start with it, serve any number of rounds, end with
    it."""

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """Run all trials; return when the last result is delivered.

        A trial is taken from `trials` when a worker is free for it, after `on_result` has seen everything finished
        until then. So a list is a round as in the paper; a generator that looks at the results and proposes the next
        candidate is an asynchronous search.

        Each trial gives exactly one sample. One whose worker dies is run again once, in another worker; if that dies
        too, it is a row with status "error".
        """

    def __enter__(self) -> Engine:
        """Start the workers."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers, at once if the block raised."""


@final
class InProcess:
    """One trial after another in this process: for debugging, and for machines with one core."""

    def __init__(self, data: ImageData, settings: EvaluationSettings, *, device: str = "cpu") -> None:
        self._data, self._settings, self._device = data, settings, device

    def __enter__(self) -> InProcess:
        """Nothing to start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`, in the order of `trials`."""
        for trial in trials:
            on_result(evaluate_trial(trial, self._data, self._settings, device=self._device))


def open_engine(
    name: str,
    data: ImageData,
    settings: EvaluationSettings,
    *,
    workers: int | None = None,
    device: str = "cpu",
    address: str | None = None,
) -> Engine:
    """The engine of that name, to be used in a `with` statement.

    Args:
        name: One of `ENGINES`.
        data: Trained on by every trial; sent to each worker (or machine) once.
        settings: How to train.
        workers: How many trials at once; None is one per core (or per `settings.threads` cores) or per GPU.
        device: "cpu", or "cuda" for the GPUs of each machine.
        address: Of a running Ray cluster; None starts one on this machine. Only for "ray".

    Raises:
        EvaluationError: no such engine, or it cannot run here.
    """
    if workers is not None and workers < 1:
        raise EvaluationError(f"workers must be >= 1; got {workers}.")
    if name == "in-process":
        return InProcess(data, settings, device=device)
    if name == "processes":
        from nars.evaluate.processes import Processes

        return Processes(data, settings, devices=_devices(workers, device, settings.threads))
    if name == "ray":
        from nars.evaluate.ray_engine import RayEngine

        return RayEngine(data, settings, address=address, workers=workers, device=device)
    raise EvaluationError(f"the engine must be one of {', '.join(ENGINES)}; got {name!r}.")


def _devices(workers: int | None, device: str, threads: int) -> tuple[str, ...]:
    """The device of each worker."""
    if device == "cpu":
        return ("cpu",) * (workers or max(1, len(usable_cores()) // threads))
    import torch

    gpus = torch.cuda.device_count()
    if gpus == 0:
        raise EvaluationError(f"device is {device!r}, but torch sees no GPU here; use device cpu.")
    if device != "cuda":
        return (device,) * (workers or 1)
    return tuple(f"cuda:{i % gpus}" for i in range(workers or gpus))
