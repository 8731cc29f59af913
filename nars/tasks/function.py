"""A user's own function as a task: nars gives it settings, it gives the metric after each epoch."""

from __future__ import annotations

import inspect
import os
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final

import numpy as np

from nars.errors import EvaluationError, suggestion
from nars.loading import load_place
from nars.metric import Metric
from nars.tasks.said import digest, read_said, spell_epochs
from nars.tasks.task import Measured, TaskError
from nars.tasks.trial import Trial

_GIVEN = ("settings", "epochs", "seed", "device")


@final
@dataclass(frozen=True, kw_only=True)
class TrainerFunction:
    """A function `f(settings, epochs, seed, device)`, all by name and only those that it takes.

    It yields the metric after each epoch, or returns a list with all of them (or the number itself, of one epoch): a
    float, or a mapping with it, `{"f1": 81.2, "loss": 0.4}`, whose other numbers and texts are kept beside it. One that
    yields can be stopped early. An exception that it raises is a failure of the candidate.

        >>> def f1(settings, epochs, seed):
        ...     model = MLPClassifier(settings["units"], random_state=seed)
        ...     for _ in range(epochs):
        ...         model.partial_fit(X, y, classes=CLASSES)
        ...         yield 100 * f1_score(y_test, model.predict(X_test), average="macro")

    Global random numbers (`random`, NumPy, torch) are seeded before it begins, and as they were afterwards.

    Raises:
        TaskError: `epochs` is no number of epochs.
    """

    place: str
    """ "package.module:name": other processes and machines import it anew."""
    metric: Metric
    data_name: str = ""
    """What it is trained on, in the user's words: another name, samples that do not mix."""
    epochs: int | None = None
    """Of a whole training, which the function is told, also where a trial stops before; None: the trial's."""
    folder: str = field(default_factory=os.getcwd, compare=False)
    """Where its module may be, beside what is installed."""

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise TaskError(f"a training has 1 epoch or more; got {self.epochs}")

    @property
    def data(self) -> str:
        """Fingerprint of the place and the data's name."""
        return digest("function", self.place, self.data_name)

    def fidelity(self, epochs: int) -> str:
        """As in `Task`: "f1 of train:f1, 10 epochs"."""
        return f"{self.metric.name} of {self.place}, {spell_epochs(epochs, self.epochs or epochs)}"

    def prepare(self) -> None:
        """Load the function, to see that it can be used.

        Raises:
            TaskError: it cannot be imported, is none, or wants other arguments.
        """
        _loaded(self.place, self.folder)

    def set_up(self, trial: Trial, *, device: str) -> None:
        """As in `Task`: the function is loaded."""
        self.prepare()

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`; `check` is called between epochs.

        Raises:
            TaskError: it cannot be loaded.
            EvaluationError: it says something else than the metric.
        """
        function, takes = _loaded(self.place, self.folder)
        whole = self.epochs or trial.epochs
        given = {"settings": Settings(trial.record), "epochs": whole, "seed": trial.seed, "device": device}
        with _alone(trial.seed):
            said = _each(_begin(function, {name: given[name] for name in takes}), whole, self.metric)
            try:
                for epoch in range(1, trial.epochs + 1):
                    check()
                    measured = _next(said)
                    if measured is _END:
                        return
                    yield read_said(measured, self.metric, epoch=epoch)
            finally:
                _close(said)


class Settings(dict[str, Any]):
    """What a trainer is given of a candidate: a plain dictionary that knows what was probably meant."""

    def __missing__(self, key: object) -> Any:
        """Say which settings there are.

        Raises:
            UnknownSettingError: always; a KeyError, as a dictionary raises it.
        """
        raise UnknownSettingError(f"no setting {key!r}; the space has {', '.join(self)}{suggestion(key, self)}")


class UnknownSettingError(EvaluationError, KeyError):
    """A trainer asks for a setting that its space does not have."""

    def __str__(self) -> str:  # a KeyError's is the repr of its text
        return str(self.args[0])


_END = object()


def _begin(function: Callable[..., Any], given: Mapping[str, Any]) -> object:
    with _no_exit():
        return function(**given)


def _each(said: object, whole: int, metric: Metric) -> Iterator[object]:
    """What a function has returned as one value per epoch.

    Raises:
        EvaluationError: there are not as many as epochs.
    """
    if isinstance(said, Iterator):
        return said
    several = isinstance(said, (list, tuple)) or len(getattr(said, "shape", ())) == 1
    values: list[object] = list(said) if several else [said]  # type: ignore[call-overload]  # arrays are iterable
    if said is None:
        raise EvaluationError(f"a trainer gives the {metric.name} after each epoch, got None: return or yield it.")
    if len(values) != whole:
        raise EvaluationError(
            f"a trainer gives the {metric.name} after each of its {whole} epochs, got {len(values)} of them: yield "
            f"each, or return them all as a list."
        )
    return iter(values)


def _next(said: Iterator[object]) -> object:
    with _no_exit():
        return next(said, _END)


def _close(said: object) -> None:
    """Stop a generator; what it says to that is of no interest, it has been measured."""
    if hasattr(said, "close"):
        with suppress(Exception, SystemExit):
            said.close()


@contextmanager
def _no_exit() -> Iterator[None]:
    """A script's own way to end is no end of the search."""
    try:
        yield
    except SystemExit as end:
        raise EvaluationError(
            f"the function ended the program (exit code {end.code}); raise an error instead."
        ) from end


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Random numbers that the seed alone decides, and as many threads as torch may use in all libraries.

    What comes out then depends neither on what ran here before nor on the number of cores, and trainings side by side
    do not crowd.
    """
    import torch
    from threadpoolctl import threadpool_limits

    state, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002  # users' functions draw from it
    with torch.random.fork_rng(devices=[]), threadpool_limits(limits=torch.get_num_threads()):
        try:
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numbers)  # noqa: NPY002


@lru_cache(maxsize=64)
def _loaded(place: str, folder: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """The function, and what it takes of what it is given."""
    function = load_place(place, what="the function", error=TaskError, folders=[folder])
    if not callable(function):
        raise TaskError(f"the trainer {place!r} must be a function, got {type(function).__name__} {function!r:.100}")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TaskError(f"the trainer {place!r} must be a plain function, got an async one; drop async")
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some of those written in C do not say
        return function, _GIVEN
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes = _GIVEN if any(p.kind is p.VAR_KEYWORD for p in parameters) else tuple(n for n in _GIVEN if n in named)
    if other := [name for name in needed if name not in takes or name not in named]:
        raise TaskError(
            f"the trainer {place!r} is given {', '.join(_GIVEN)}, by name, but needs {other[0]!r}; give it a default"
        )
    if "settings" not in takes:
        raise TaskError(f"the trainer {place!r} must take settings, what is to be trained; it takes {', '.join(named)}")
    return function, takes
