"""How a trial ended: decided here, for every engine and every task."""

from __future__ import annotations

import math
import platform
import time
from datetime import datetime, timezone
from importlib import metadata

from nars import parallel, recipe
from nars.errors import EvaluationError, require
from nars.evaluate.engine import NO_LIMITS, Limits
from nars.files.atomic import machine_at_fault
from nars.printing import counted
from nars.store import Sample, Status
from nars.tasks import Measured, Task, TaskError, Trial

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch's allocators say it in a plain RuntimeError."""

_ONEDNN = "could not create a "
"""What oneDNN says, without the reason, when its allocations fail; under a limit that is why."""


class _TimeLimitError(Exception):
    """The training took longer than it may."""


def evaluate_trial(trial: Trial, task: Task, limits: Limits = NO_LIMITS, *, device: str = "cpu") -> Sample:
    """Train a candidate and measure it after every epoch, whatever happens.

    The outcome depends on the arguments only (on the CPU to the last bit, with the same number of threads): not on the
    engine, the order, or what ran before in this process.

    Returns:
        A sample with status "ok" and its curve, or with the status that says what went wrong, a message and the curve
        so far. A bad candidate never raises.

    Raises:
        TaskError: nothing can be trained here: the user's program is not there, or cannot be imported.
        DeviceLostError: the device computes nothing more for this process.
        OSError: the machine is at fault: disk, permissions, too many open files.
    """
    assert (trial.data, trial.metric) == (task.data, task.metric), "a trial is of the task that it names"
    task.set_up(trial, device=device)
    start = time.perf_counter()
    done: list[Measured] = []
    status: Status = "ok"
    message = ""

    def check() -> None:
        if limits.seconds is not None and time.perf_counter() > start + limits.seconds:
            raise _TimeLimitError

    try:
        with (
            parallel.torch_threads(limits.threads),
            parallel.memory_limit(limits.gigabytes),
            parallel.device_watched(device),
        ):
            for measured in task.train(trial, device=device, check=check):
                _refuse(measured, task, trial, epoch=len(done) + 1)
                done.append(measured)
        if len(done) < trial.epochs:
            raise EvaluationError(
                f"a training must be measured in each of its {counted(trial.epochs, 'epoch')}; got {len(done)}."
            )
    except (TaskError, parallel.DeviceLostError):
        raise  # no candidate could be trained
    except recipe.DivergedError as error:
        status, message = "diverged", str(error)
    except _TimeLimitError:
        status = "timeout"
        message = f"stopped after {limits.seconds:g} s, in epoch {len(done) + 1} of {trial.epochs}"
    except MemoryError as error:
        status, message = "out_of_memory", str(error) or "out of memory"
    except Exception as error:  # what a candidate can fail of is open-ended; the search goes on
        if machine_at_fault(error):
            raise  # no fault of the candidate's; a full disk must not count against what happened to be trained
        signs = _OUT_OF_MEMORY if limits.gigabytes is None else (*_OUT_OF_MEMORY, _ONEDNN)
        out_of_memory = isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
        status = "out_of_memory" if out_of_memory else "error"
        message = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    parallel.release_memory(device)
    return _sample(trial, done, status, message, seconds=seconds, device=device)


def lost(trial: Trial, status: Status, message: str, *, seconds: float, device: str) -> Sample:
    """The sample of a trial whose worker is gone, and with it whatever it had measured.

    Args:
        trial: The one under way.
        status: "timeout" or "out_of_memory" if the worker was killed for that, "error" if it died each time.
        message: What happened, for people.
        seconds: Wall time of the last try.
        device: The worker's.
    """
    return _sample(trial, [], status, message, seconds=seconds, device=device)


def _refuse(measured: Measured, task: Task, trial: Trial, *, epoch: int) -> None:
    """Raises: DivergedError, or EvaluationError if the task has measured something else than it says."""
    for value in (measured.value, measured.averaged):
        if value is not None and not math.isfinite(value):
            raise recipe.DivergedError(f"the {task.metric.name} after epoch {epoch} is {value}.")
        allowed = f"between {task.metric.low:g} and {task.metric.high:g}"
        require(EvaluationError, value is None or value in task.metric, f"the {task.metric.name}", allowed, value)
    if epoch > trial.epochs:
        raise EvaluationError(f"a training must end after its {counted(trial.epochs, 'epoch')}; it goes on.")


def _sample(trial: Trial, done: list[Measured], status: Status, message: str, *, seconds: float, device: str) -> Sample:
    curve = tuple(measured.value for measured in done)
    averaged = tuple(measured.averaged for measured in done if measured.averaged is not None)
    ok = status == "ok"
    return Sample(
        key=trial.key,
        record=trial.record,
        choices=trial.choices,
        costs=trial.costs,
        status=status,
        message=message,
        metric=trial.metric,
        value=curve[-1] if ok else None,
        averaged=averaged[-1] if ok and averaged else None,
        curve=curve,
        averaged_curve=averaged,
        also=done[-1].also if done else {},
        epochs=len(curve),
        planned_epochs=trial.epochs,
        seconds=seconds,
        seed=trial.seed,
        space=trial.space,
        data=trial.data,
        fidelity=trial.fidelity,
        round=trial.round,
        host=platform.node(),
        device=device,
        versions={name: metadata.version(name) for name in ("torch", "timm")},
        finished=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    )
