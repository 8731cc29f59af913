"""The engine of many machines: trials in actors of a Ray cluster (extra `ray`)."""

from __future__ import annotations

import math
import re
import time
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from nars.errors import EvaluationError, require
from nars.evaluate.engine import Limits, OnResult
from nars.evaluate.outcome import evaluate_trial, lost
from nars.files.atomic import machine_at_fault
from nars.parallel import AUTO, DeviceLostError, put_together, share_device, take_apart
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

_STARTING = 15.0
"""Seconds after which a trial that has not begun waits for room, not for a worker that imports torch."""

_PARTS = 10_000
"""Parts of a resource: the smallest share that Ray counts is one of them."""


_NODE_DIED = re.compile(r"\bnode (has )?died\b|\bnode (was|is) (dead|removed|terminated)", re.IGNORECASE)
_LOW_MEMORY = re.compile(r"running low on memory", re.IGNORECASE)
"""What Ray says of an actor that died with its machine, or for lack of memory."""


@dataclass
class _Attempt:
    """A trial under way."""

    trial: Trial
    actor: Any
    name: str
    """Its own: a trial that is begun anew waits again, whatever the first attempt took."""
    submitted: float
    overdue: bool = False


class _Clock:
    """How long trials have been under way, asked on one clock: an actor of the cluster.

    A trial may wait in the cluster's queue behind other people's work, which is no time of its own.
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
    need this package installed, in the same version. Not Ray Tune, which brings searchers, schedulers and result
    folders of its own, and takes a machine that died for a failure of the trial. Actors, one after another trial each,
    until the engine is closed: Ray gives each task on a GPU a fresh process, which takes seconds to import torch and to
    start the GPU, and would let a process that it uses again go on with another GPU than the one it is given.
    """

    def __init__(
        self,
        task: Task,
        limits: Limits,
        *,
        address: str | None = None,
        workers: int | None = None,
        device: str = "cpu",
        per_gpu: int = 1,
    ) -> None:
        """As in `open_engine`, with these differences.

        Args:
            task, limits: The same.
            address: "auto", "host:6379" or "ray://host:10001".
            workers: None is as many as the cluster has room for.
            device: "cpu", "cuda" to give each trial a GPU, or "auto": a GPU if the cluster has any.
            per_gpu: Trials at once on one GPU, each with its share of the memory.

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
        self._share = math.floor(_PARTS / per_gpu) / _PARTS
        self._per_gpu = per_gpu
        self._idle: list[Any] = []
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
        self._clock = self._ray.remote(num_cpus=0, max_restarts=-1)(_Clock).remote()
        return self

    def __exit__(self, *_: object) -> None:
        """End the actors; let go of the task, and of the cluster if this engine connected to it."""
        self._dismiss_idle()
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
                    name, actor = uuid.uuid4().hex, self._idle.pop() if self._idle else self._new_actor()
                    reference = actor.evaluate.remote(trial, name)
                    attempts[reference] = _Attempt(trial, actor, name, time.monotonic())
                if not attempts and exhausted and not again:
                    return
                self._make_way(attempts)
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
            for attempt in attempts.values():  # something raised: nobody will ask for these
                self._ray.kill(attempt.actor)

    @property
    def _resources(self) -> dict[str, float]:
        """What Ray reserves for each actor."""
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
            self._idle.append(attempt.actor)
            return sample
        except errors.RayTaskError as error:  # of the machine or in this package: not the trial's, not to be hidden
            self._ray.kill(attempt.actor)
            if isinstance(error.cause, TaskError) or machine_at_fault(error.cause):
                raise error.cause from None
            if not isinstance(error.cause, DeviceLostError):
                raise
            kind, message = "worker", f"its GPU failed ({error.cause.__cause__ or error.cause})"
        except errors.RayError as error:
            self._ray.kill(attempt.actor)  # one that cannot be reached may come back, with nobody waiting
            if attempt.overdue:
                return self._lost(attempt, "timeout", "it did not stop at its time limit and was killed")
            if getattr(error, "actor_init_failed", False):
                raise EvaluationError(
                    f"a worker of the Ray cluster could not be set up; every machine needs the same version of this "
                    f"package (pip install 'nars[ray]') and of what the task is made of: {error}"
                ) from error
            if isinstance(error, errors.OutOfMemoryError) or _LOW_MEMORY.search(str(error)):
                return self._lost(attempt, "out_of_memory", _line(error, _LOW_MEMORY))
            gone = (errors.NodeDiedError, errors.ObjectLostError, errors.ActorUnavailableError)
            if isinstance(error, gone) or _NODE_DIED.search(str(error)):
                self._dismiss_idle()  # those of that machine are gone, too
                kind, message = "node", str(error)
            else:
                kind, message = "worker", f"its worker process died ({error})"
        allowed = {"node": _NODE_ATTEMPTS, "worker": _ATTEMPTS}[kind]
        deaths[kind] = deaths.get(kind, 0) + 1
        return self._lost(attempt, "error", f"{message}, {allowed} times") if deaths[kind] >= allowed else None

    def _new_actor(self) -> Any:
        actor = self._ray.remote(**self._resources, max_restarts=0, max_task_retries=0)(_Evaluator)
        return actor.remote([self._context], self._device, self._per_gpu, self._clock)

    def _make_way(self, attempts: Mapping[Any, _Attempt]) -> None:
        """End the idle actors where a trial waits for one of its own, whose place they may have.

        Ray cannot be asked to give a trial that waits to another actor; the cluster has become smaller, or others have
        taken a part of it, since that trial was given out.
        """
        past = time.monotonic() - _STARTING
        waited = [attempt for attempt in attempts.values() if attempt.submitted < past] if self._idle else []
        if len(self._ages(waited)) < len(waited):
            self._dismiss_idle()

    def _dismiss_idle(self) -> None:
        while self._idle:
            self._ray.kill(self._idle.pop())

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
        for attempt in late.values():
            if ages.get(attempt.name, 0.0) > patience:
                attempt.overdue = True
                self._ray.kill(attempt.actor)

    def _ages(self, attempts: Sequence[_Attempt]) -> dict[str, float]:
        """Seconds that these have been under way, by name, as far as that is known."""
        if not attempts:
            return {}
        try:
            asked = self._clock.ages.remote([attempt.name for attempt in attempts])
            ages: dict[str, float] = self._ray.get(asked, timeout=_LOOK)
        except self._ray.exceptions.RayError:  # its machine died and it starts anew elsewhere: trials keep their limit
            return {}
        return ages


class _Evaluator:
    """A worker: it holds the task, and a part of a GPU, for all trials that it is given."""

    def __init__(self, context: list[Any], device: str, per_gpu: int, clock: Any) -> None:
        """The context comes in a list so that Ray hands on the reference, not the data."""
        import ray

        arrays, rest = ray.get(context[0])
        received: tuple[Task, Limits] = put_together([_as_tensor(array) for array in arrays], rest)
        self._task, self._limits = received
        self._device, self._per_gpu, self._clock = device, per_gpu, clock

    def evaluate(self, trial: Trial, name: str) -> Sample:
        self._clock.begin.remote(name)
        share_device(self._per_gpu)
        return evaluate_trial(trial, self._task, self._limits, device=self._device)


def _line(error: Exception, of: re.Pattern[str]) -> str:
    """The line of a long message that says why."""
    lines = str(error).splitlines()
    return next((line for line in lines if of.search(line)), lines[0])


def _as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """A tensor on a read-only array; torch would warn, but a task's data is never written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
