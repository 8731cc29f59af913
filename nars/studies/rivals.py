"""The rivals of the paper's recipe search (appendix A.4), replayed on learning curves that are measured already.

TPE, ASHA and Hyperband are Optuna's. Population based training (Ray Tune's, syne-tune's) cannot be replayed: see
`UNANSWERABLE`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nars.arrays import Floats
from nars.errors import ConfigError
from nars.space import Population, Space
from nars.store import SampleStore
from nars.studies.replay import Measured, Replay, check_trainings

if TYPE_CHECKING:
    import optuna

Rival = tuple[str, str]
"""Optuna's sampler ("tpe" or "random") and pruner ("none", "asha" or "hyperband")."""

RIVALS: Mapping[str, Rival] = {
    "tpe": ("tpe", "none"),
    "asha": ("random", "asha"),
    "hyperband": ("random", "hyperband"),
    "tpe-asha": ("tpe", "asha"),
}
"""By the name that `nars store replay --strategies` takes."""

UNANSWERABLE: Mapping[str, str] = {
    "pbt": "population based training copies the weights of better trainings and goes on with other settings in the "
    "middle; a store has curves of settings that stay, and none of what it would see (scripts/bench_rivals.py lets "
    "Ray Tune's train for real)"
}
"""Rivals that no store can answer, and why."""

_FIRST_RUNG, _REDUCTION = 2, 3
"""Epochs before anything is stopped, and the share 1 / 3 that goes on from rung to rung."""


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """A rival that a store says nothing about."""

    name: str
    reason: str


def curves_of(store: SampleStore, table: Measured) -> tuple[Floats, ...]:
    """The values after each epoch of N measured candidates, as far as `table` has their epochs; empty where the
    training failed or kept none. Several seeds of the longest trainings are averaged."""
    known: dict[bytes, list[Floats]] = {}
    for sample in store.samples():
        if sample.status == "ok" and sample.result_curve:
            curve = np.array(sample.result_curve, dtype=np.float64)
            known.setdefault(np.array(sample.choices, dtype=np.int64).tobytes(), []).append(curve)
    found = []
    for row, epochs in zip(table.choices, table.epochs, strict=True):
        curves = [curve[:epochs] for curve in known.get(row.tobytes(), ()) if len(curve) >= epochs]
        found.append(np.mean(curves, axis=0) if curves else np.zeros(0))
    return tuple(found)


def replay_rival(
    name: str, table: Measured, curves: Sequence[Floats], space: Space, *, trainings: int, rng: np.random.Generator
) -> Replay | Unanswered:
    """Let a rival spend as many epochs as so many trainings take on average, on measured candidates.

    A training that it stops early costs the epochs until then, and its value does not count.

    Args:
        name: of `RIVALS` or `UNANSWERABLE`.
        table: N candidates.
        curves: (N,) as `curves_of` has them.
        space: of the candidates.
        trainings: how many.
        rng: for its sampler.

    Raises:
        ConfigError: Optuna is not installed.
        StoreError: more trainings than candidates.
    """
    if name in UNANSWERABLE:
        return Unanswered(name=name, reason=UNANSWERABLE[name])
    check_trainings(table, trainings, 1)
    stops = RIVALS[name][1] != "none"
    if stops and any(len(curve) < 2 for curve, value in zip(curves, table.values, strict=True) if not np.isnan(value)):
        return Unanswered(name=name, reason="it stops trainings early, and not every one in the store has its curve")
    scores = table.metric.score(table.values)
    shown = [
        table.metric.score(curve) if len(curve) else np.array([score])
        for curve, score in zip(curves, scores.tolist(), strict=True)
    ]
    budget = trainings * float(table.epochs.mean())
    asked, epochs, seconds, values = [], [], [], []
    for place, steps in searched_by_optuna(space, table.choices, shown, rival=RIVALS[name], rng=rng):
        share = steps / len(shown[place])
        asked.append(place)
        epochs.append(share * table.epochs[place])
        seconds.append(share * table.seconds[place])
        values.append(scores[place] if share == 1.0 else np.nan)
        if sum(epochs) >= budget:
            break
    best = np.fmax.accumulate(np.array(values))
    return Replay(
        asked=np.array(asked, dtype=np.int64),
        best=table.metric.score(best),
        epochs=np.rint(np.cumsum(epochs)).astype(np.int64),
        seconds=np.cumsum(seconds),
        regret=float(np.nanmax(scores)) - best,
    )


def searched_by_optuna(
    space: Space, X: Population, curves: Sequence[Floats], *, rival: Rival, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Optuna's sampler and pruner over all settings, each candidate at most once.

    Trained is the one, of those left, with the most like settings; where that is another than was proposed, Optuna
    hears of the settings that were trained. A curve that ends in NaN is a failed training.

    Args:
        space: of the candidates.
        X: (N, D), canonical.
        curves: (N,) scores after each step, more is better, one at least.
        rival: sampler and pruner.
        rng: seeds the sampler.

    Yields: which candidate, and after how many steps it ended.

    Raises:
        ConfigError: Optuna is not installed.
    """
    study = optuna_study(rival, length=max(map(len, curves)), seed=int(rng.integers(2**31)))
    from optuna.trial import TrialState as states  # noqa: N813  # there by now

    left = np.arange(len(X))
    while len(left):
        trial = study.ask()
        row = space.canonical(np.array([suggest(space, trial)], dtype=np.int64))[0]
        place = int(left[nearest(space, X[left], row)])
        if not np.array_equal(X[place], row):
            study.tell(trial, state=states.FAIL)
            names = [dimension.name for dimension in space.dimensions]
            study.enqueue_trial(dict(zip(names, X[place].tolist(), strict=True)))
            trial = study.ask()
            suggest(space, trial)
        left = left[left != place]
        curve, steps, stopped = curves[place], 0, False
        failed = bool(np.isnan(curve[-1]))
        while steps < len(curve) and not stopped:
            steps += 1
            if not failed:
                trial.report(float(curve[steps - 1]), steps)
                stopped = steps < len(curve) and trial.should_prune()
        yield place, steps
        if failed:
            study.tell(trial, state=states.FAIL)
        else:
            state = states.PRUNED if stopped else states.COMPLETE
            study.tell(trial, None if stopped else float(curve[-1]), state=state)


def suggest(space: Space, trial: optuna.Trial) -> list[int]:
    """A row (D,) of choices as Optuna proposes them: numbers where they are ordered, categories else."""
    return [
        trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
        if dimension.ordinal
        else trial.suggest_categorical(dimension.name, tuple(range(len(dimension.values))))
        for dimension in space.dimensions
    ]


def nearest(space: Space, X: Population, row: Population) -> int:
    """Which of the rows X differs from a row (D,) in the fewest settings, ordered ones by how far they are apart."""
    ordinal = np.array([dimension.ordinal for dimension in space.dimensions])
    apart = np.abs(X - row)
    spread = np.maximum(space.cardinalities - 1, 1)
    return int(np.where(ordinal, apart / spread, apart > 0).sum(axis=1).argmin())


def optuna_study(rival: Rival, *, length: int, seed: int) -> optuna.Study:
    """Optuna's search for the largest score, to be asked and told.

    Args:
        rival: sampler and pruner.
        length: epochs of a whole training.
        seed: for the sampler.

    Raises:
        ConfigError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            f"the strategies {', '.join(RIVALS)} are Optuna's, which is not installed: pip install optuna"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sampler, pruner = rival
    samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
    rungs: dict[str, Any] = {"min_resource": _FIRST_RUNG, "reduction_factor": _REDUCTION}
    pruners: dict[str, Callable[[], Any]] = {
        "none": optuna.pruners.NopPruner,
        "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(**rungs),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(**rungs, max_resource=max(length, _FIRST_RUNG)),
    }
    return optuna.create_study(
        study_name=str(seed),  # Hyperband chooses brackets by it, and a name of Optuna's own is another every time
        direction="maximize",
        sampler=samplers[sampler](seed=seed),
        pruner=pruners[pruner](),
    )
