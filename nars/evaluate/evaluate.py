"""Training one candidate and measuring it, whatever happens."""

from __future__ import annotations

import platform
import time
from datetime import datetime, timezone
from importlib import metadata

from nars.evaluate.trial import EvaluationSettings, Trial
from nars.files.atomic import machine_at_fault
from nars.images import ImageData
from nars.network import build
from nars.parallel import memory_limit, torch_threads
from nars.recipe import DivergedError, Recipe, TrainingLoop
from nars.store import Sample, Status

_STEPS_BETWEEN_CHECKS = 16
"""Steps between looks at the clock."""

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""How torch's allocators say it in a plain RuntimeError."""

_ONEDNN = "could not create a "
"""What oneDNN says, without the reason, when its allocations fail; under a limit that is why."""


class _TimeLimitError(Exception):
    """The training took longer than it may."""


class _Curves:
    """Validation accuracy in percent after each epoch; filled while training, so that a failed one keeps its
    beginning."""

    def __init__(self) -> None:
        self.raw: list[float] = []
        self.ema: list[float] = []


def evaluate_trial(trial: Trial, data: ImageData, settings: EvaluationSettings, *, device: str = "cpu") -> Sample:
    """Train a candidate and measure its validation accuracy after every epoch.

    The outcome depends on the arguments only (on the CPU to the last bit, with the same number of threads): not on the
    engine, the order, or what ran before in this process.

    Args:
        trial: What to train.
        data: At any resolution; the candidate is trained at its own.
        settings: How.
        device: Where: "cpu", "cuda:0", ...

    Returns:
        A sample with status "ok" and its accuracies, or with the status that says what went wrong, a message and the
        curves so far. A bad candidate never raises.

    Raises:
        OSError: the machine is at fault: disk, permissions, too many open files.
    """
    start = time.perf_counter()
    curves = _Curves()
    status: Status = "ok"
    message = ""
    try:
        with torch_threads(settings.threads), memory_limit(settings.memory_limit):
            _train(trial, data, settings, device, curves, deadline=start + (settings.time_limit or float("inf")))
    except DivergedError as error:
        status, message = "diverged", str(error)
    except _TimeLimitError:
        status = "timeout"
        message = f"stopped after {settings.time_limit:g} s, in epoch {len(curves.raw) + 1} of {trial.epochs}"
    except MemoryError as error:
        status, message = "out_of_memory", str(error) or "out of memory"
    except Exception as error:  # what a candidate can fail of is open-ended; the search goes on
        if machine_at_fault(error):
            raise  # no fault of the candidate's; a full disk must not count against what happened to be trained
        signs = _OUT_OF_MEMORY if settings.memory_limit is None else (*_OUT_OF_MEMORY, _ONEDNN)
        out_of_memory = isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
        status = "out_of_memory" if out_of_memory else "error"
        message = f"{type(error).__name__}: {error}"
    return outcome(
        trial,
        data.fingerprint,
        settings,
        status=status,
        message=message,
        curve=tuple(curves.raw),
        ema_curve=tuple(curves.ema),
        seconds=time.perf_counter() - start,
        device=device,
    )


def outcome(
    trial: Trial,
    data_fingerprint: str,
    settings: EvaluationSettings,
    *,
    status: Status,
    message: str,
    seconds: float,
    curve: tuple[float, ...] = (),
    ema_curve: tuple[float, ...] = (),
    device: str = "cpu",
) -> Sample:
    """The sample of a trial that ended like this, here and now."""
    ok = status == "ok"
    return Sample(
        key=trial.key,
        record=trial.record,
        choices=trial.choices,
        costs=trial.costs,
        status=status,
        message=message,
        accuracy=curve[-1] if ok else None,
        ema_accuracy=ema_curve[-1] if ok and ema_curve else None,
        curve=curve,
        ema_curve=ema_curve,
        epochs=len(curve),
        planned_epochs=trial.epochs,
        seconds=seconds,
        seed=trial.seed,
        space=trial.space,
        data=data_fingerprint,
        fidelity=settings.fidelity(trial.epochs),
        round=trial.round,
        host=platform.node(),
        device=device,
        versions={name: metadata.version(name) for name in ("torch", "timm")},
        finished=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    )


def _train(
    trial: Trial, data: ImageData, settings: EvaluationSettings, device: str, curves: _Curves, *, deadline: float
) -> None:
    recipe = Recipe.from_dict(trial.recipe)
    images = data.at(trial.architecture.resolution)
    model = build(trial.architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=trial.seed)
    loop = TrainingLoop(
        model,
        recipe,
        images,
        schedule=settings.schedule,
        batch_size=settings.batch_size,
        seed=trial.seed,
        device=device,
        augmentation=settings.augmentation,
        learning_rate_scale=settings.learning_rate_scale,
        ema_decay=settings.ema_decay,
        amp=settings.amp,
        compiler=settings.compiler,
    )
    for epoch in range(trial.epochs):
        while loop.epoch == epoch:
            loop.train_epoch(max_steps=_STEPS_BETWEEN_CHECKS)
            if time.perf_counter() > deadline:
                raise _TimeLimitError
        raw = loop.accuracy(images.validation)
        ema = loop.accuracy(images.validation, ema=True) if recipe.ema else None
        curves.raw.append(raw)
        if ema is not None:
            curves.ema.append(ema)
