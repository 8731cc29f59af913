"""The engine of many machines: trials as tasks of a Ray cluster (extra `ray`)."""

from __future__ import annotations

import math
import time
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from nars.errors import EvaluationError, require
from nars.evaluate.engine import Limits, OnResult
from nars.evaluate.outcome import evaluate_trial, lost
from nars.files.atomic import machine_at_fault
from nars.parallel import AUTO, DeviceLostError, put_together, take_apart
from nars.store import Sample, Status
from nars.tasks import Task, TaskError, Trial

_ATTEMPTS = 2
"""How often a trial may take its worker down before it counts as the cause."""

_NODE_ATTEMPTS = 10
"""How often a trial is begun anew because a machine went away, which says nothing about the trial."""

_NO_ROOM = 600.0
"""Seconds without a machine that could take a trial, after which the run gives up."""

_LOOK = 1.0
"""Seconds between looks at what the cluster has: machines come and go."""

_PARTS = 10_000
"""Parts of a resource: the smallest share that Ray counts is one of them."""


@dataclass
class _Attempt:
    """A trial under way."""

    trial: Trial
    name: str
    """Its own: a trial that is begun anew waits again, whatever the first attempt took."""
    submitted: float
    overdue: bool = False


class _Clock:
    """How long tasks have been under way, asked on one clock: an actor of the cluster.

    A task may wait in the cluster's queue behind other people's work, which is no time of its own.
    """

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}

    def begin(self, name: str) -> None:
        self._begun[name] = time.monotonic()

    def ages(self, names: Sequence[str]) -> dict[str, float]:
        """Seconds since each of these began; those that wait are left out."""
        now = time.monotonic()
        return {name: now - self._begun[name] for name in names if name in self._begun}


@final
class RayEngine:
    """Gives a trial to every free slot of the cluster; a machine that joins is used, one that dies costs only time.

    The task's data is put into the cluster's object store once and mapped by the workers of a machine. All machines
    need this package installed, in the same version. Plain tasks rather than Ray Tune, which brings searchers,
    schedulers and result folders of its own, and takes a machine that died for a failure of the trial.
    """

    def __init__(
        self,
        task: Task,
        limits: Limits,
        *,
        address: str | None = None,
        workers: int | None = None,
        device: str = "cpu",
        gpu_share: float = 1.0,
    ) -> None:
        """As in `open_engine`, with these differences.

        Args:
            task, limits: The same.
            address: "auto", "host:6379" or "ray://host:10001".
            workers: None is as many as the cluster has room for.
            device: "cpu", "cuda" to give each trial a GPU, or "auto": a GPU if the cluster has any.
            gpu_share: Share of a GPU for each trial, in (0, 1]; below 1, several small candidates share one.

        Raises:
            EvaluationError: Ray is not installed, or cannot give a trial this device.
        """
        try:
            import ray
        except ImportError as error:
            raise EvaluationError(
                "the engine ray needs Ray: pip install 'nars[ray]' here and on every machine of the cluster."
            ) from error
        self._ray: Any = ray
        self._task, self._limits, self._address, self._workers = task, limits, address, workers
        allowed = "auto, cpu or cuda, as Ray chooses among GPUs and knows none of Apple's"
        require(EvaluationError, device in (AUTO, "cpu", "cuda"), "the device on a Ray cluster", allowed, device)
        self._device = device
        # In Ray's own precision, and rounded down: six sixths must fit.
        self._share = math.floor(_PARTS * gpu_share) / _PARTS
        self._context: Any = None
        self._clock: Any = None
        self._own = False
        self._slots, self._looked = 0, 0.0

    def __enter__(self) -> RayEngine:
        """Connect, and send the task.

        Raises:
            EvaluationError: no cluster at the address.
        """
        if not self._ray.is_initialized():
            try:
                self._ray.init(
                    address=self._address,
                    include_dashboard=None if self._address else False,
                    log_to_driver=False,
                    logging_level="warning",
                )
            except (ConnectionError, ValueError) as error:
                raise EvaluationError(
                    f"no Ray cluster at {self._address!r} ({error}). Start one: ray start --head."
                ) from error
            self._own = True
        if self._device == AUTO:  # the cluster's GPUs count, this machine may have none
            self._device = "cuda" if self._ray.cluster_resources().get("GPU", 0) else "cpu"
        tensors, rest = take_apart((self._task, self._limits))
        # Arrays, not tensors: those Ray maps from its store instead of copying them.
        self._context = self._ray.put(([tensor.contiguous().numpy() for tensor in tensors], rest))
        if self._limits.patience is not None:
            self._clock = self._ray.remote(num_cpus=0, max_restarts=-1)(_Clock).remote()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the task, and of the cluster if this engine connected to it."""
        self._context = self._clock = None
        if self._own:
            self._ray.shutdown()
            self._own = False

    def run(self, trials: Iterable[Trial], *, on_result: OnResult) -> None:
        """As in `Engine`.

        Raises:
            EvaluationError: the engine is not open, or the cluster stays without a machine that could take a trial.
        """
        if self._context is None:
            raise EvaluationError("the engine is not open; use it in a with statement.")
        start = self._ray.remote(**self._resources, max_retries=0)(_evaluate).remote
        new, again = iter(trials), list[Trial]()
        deaths: dict[str, dict[str, int]] = {}
        attempts: dict[Any, _Attempt] = {}
        exhausted, roomy = False, time.monotonic()
        try:
            while True:
                while not (exhausted and not again) and len(attempts) < self._room():
                    trial = again.pop(0) if again else next(new, None)
                    if trial is None:
                        exhausted = True
                        break
                    name = uuid.uuid4().hex
                    reference = start([self._context], trial, self._device, self._clock, name)
                    attempts[reference] = _Attempt(trial, name, time.monotonic())
                if not attempts and exhausted and not again:
                    return
                done, _ = self._ray.wait(list(attempts), timeout=_LOOK) if attempts else ([], None)
                for reference in done:
                    attempt = attempts.pop(reference)
                    sample = self._outcome(reference, attempt, deaths.setdefault(attempt.trial.key, {}))
                    if sample is None:
                        again.append(attempt.trial)
                    else:
                        deaths.pop(attempt.trial.key, None)
                        on_result(sample)
                self._cancel_overdue(attempts)
                if self._slots > 0:
                    roomy = time.monotonic()
                elif not attempts and time.monotonic() - roomy > _NO_ROOM:
                    raise EvaluationError(
                        f"for {_NO_ROOM:g} s no machine of the Ray cluster had what a trial needs ({self._resources}). "
                        f"Add one, or ask for less (limits.threads, device)."
                    )
                elif not attempts:
                    time.sleep(_LOOK)
        finally:
            for reference in attempts:  # something raised: nobody will ask for these
                self._ray.cancel(reference, force=True)

    @property
    def _resources(self) -> dict[str, float]:
        """What Ray reserves for each trial."""
        return {"num_cpus": self._limits.threads, "num_gpus": 0.0 if self._device == "cpu" else self._share}

    def _room(self) -> int:
        """Trials that fit on the cluster now."""
        now = time.monotonic()
        if now - self._looked > _LOOK:
            total = self._ray.cluster_resources()
            fits = total.get("CPU", 0) // self._resources["num_cpus"]
            if self._resources["num_gpus"]:
                # In whole numbers: as floats, 1 // 0.2 is 4.
                fits = min(fits, round(_PARTS * total.get("GPU", 0)) // round(_PARTS * self._resources["num_gpus"]))
            self._slots, self._looked = int(fits), now
        return self._slots if self._workers is None else min(self._slots, self._workers)

    def _outcome(self, reference: Any, attempt: _Attempt, deaths: dict[str, int]) -> Sample | None:
        """The sample of a finished attempt; None if it must be begun anew."""
        errors = self._ray.exceptions
        try:
            sample: Sample = self._ray.get(reference)
            return sample
        except errors.RayTaskError as error:  # of the machine or in this package: not the trial's, not to be hidden
            if isinstance(error.cause, TaskError) or machine_at_fault(error.cause):
                raise error.cause from None
            if not isinstance(error.cause, DeviceLostError):
                raise
            kind, allowed, message = "worker", _ATTEMPTS, f"its GPU failed ({error.cause.__cause__}), {_ATTEMPTS} times"
        except errors.OutOfMemoryError as error:
            return self._lost(attempt, "out_of_memory", str(error).splitlines()[0])
        except (errors.NodeDiedError, errors.ObjectLostError) as error:
            kind, allowed, message = "node", _NODE_ATTEMPTS, str(error)
        except errors.RayError as error:
            if attempt.overdue:
                return self._lost(attempt, "timeout", "it did not stop at its time limit and was killed")
            kind, allowed, message = "worker", _ATTEMPTS, f"its worker process died, {_ATTEMPTS} times ({error})"
        deaths[kind] = deaths.get(kind, 0) + 1
        return self._lost(attempt, "error", message) if deaths[kind] >= allowed else None

    def _lost(self, attempt: _Attempt, status: Status, message: str) -> Sample:
        seconds = self._ages([attempt]).get(attempt.name, time.monotonic() - attempt.submitted)
        return lost(attempt.trial, status, message, seconds=seconds, device=self._device)

    def _cancel_overdue(self, attempts: Mapping[Any, _Attempt]) -> None:
        patience = self._limits.patience
        if patience is None:
            return
        past = time.monotonic() - patience
        late = {ref: attempt for ref, attempt in attempts.items() if not attempt.overdue and attempt.submitted < past}
        ages = self._ages(list(late.values()))
        for reference, attempt in late.items():
            if ages.get(attempt.name, 0.0) > patience:
                attempt.overdue = True
                self._ray.cancel(reference, force=True)

    def _ages(self, attempts: Sequence[_Attempt]) -> dict[str, float]:
        """Seconds that these have been under way, by name, as far as that is known."""
        if self._clock is None or not attempts:
            return {}
        try:
            asked = self._clock.ages.remote([attempt.name for attempt in attempts])
            ages: dict[str, float] = self._ray.get(asked, timeout=_LOOK)
        except self._ray.exceptions.RayError:  # its machine died and it starts anew elsewhere: trials keep their limit
            return {}
        return ages


def _evaluate(context: list[Any], trial: Trial, device: str, clock: Any, name: str) -> Sample:
    """What a worker does; the context comes in a list so that Ray hands on the reference, not the data."""
    if clock is not None:
        clock.begin.remote(name)
    task, limits = _received(context[0])
    return evaluate_trial(trial, task, limits, device=device)


@lru_cache(maxsize=1)
def _received(reference: Any) -> tuple[Task, Limits]:
    """The task, taken from the store once for all trials of this worker process, resized copies of images included."""
    import ray

    arrays, rest = ray.get(reference)
    received: tuple[Task, Limits] = put_together([_as_tensor(array) for array in arrays], rest)
    return received


def _as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """A tensor on a read-only array; torch would warn, but a task's data is never written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
