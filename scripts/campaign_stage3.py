"""Claim 4: a real search of the regime's space, then its stage 3 against the best that its stage 2 has trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from campaign_arms import Arm, Ground, Step, arm_of_pair, hours, trained
from nars.run import Silent, load_config
from nars.space import Bounds, shorten, space_file
from nars.stages import Loop, ask, open_loop
from nars.store import SampleStore
from nars.tasks import Trial, make_trials
from regime_trials import RegimeTask, collect

SEEDS = 10
"""Of each arm: trainings of a pair have a standard deviation of 1.2 %, and the paper's gain is 0.8 %."""

BUDGETS = (0.15e6, 0.4e6, 1.2e6)
"""Multiply-accumulates, over the regime's range."""

ROUNDS, PER_ROUND, POOL = 4, 30, 20_000


def stage3(ground: Ground) -> Iterator[str]:
    """Rounds of the library's own stage 2, then each budget's best sample and the answer with no more FLOPs than it."""
    folder = ground.out / "stage3"
    rounds, each, seeds = (2, 3, 2) if ground.rehearsed else (ROUNDS, PER_ROUND, ground.seeds or SEEDS)
    budgets = BUDGETS[-1:] if ground.rehearsed else BUDGETS
    if ground.plan:
        yield from hours(
            [
                Step(what="stage 2", trainings=rounds * each, folder=folder / "search", seconds=20),
                Step(
                    what="best of stage 2 and stage 3",
                    trainings=2 * len(budgets) * seeds,
                    folder=folder / "samples",
                    seconds=20,
                ),
            ]
        )
        return
    loop = _loop(ground, folder / "run", rounds=rounds, per_round=each)
    yield from _searched(ground, loop, folder / "search")
    loop.search()  # keeps the predictor, which the budgets are asked of
    yield from trained(ground, folder / "samples", _arms(ground, loop, folder / "run", budgets), seeds)


def _loop(ground: Ground, folder: Path, *, rounds: int, per_round: int) -> Loop:
    epochs = ground.regime.epochs
    low, high = ground.regime.flops
    config = {
        "name": "stage3",
        "space": str(space_file(ground.regime.space)),
        "task": {"loop": "regime", "data": ground.task.data},
        "metric": {"name": "accuracy", "unit": "%", "low": 0.0, "high": 100.0},
        "range": {"flops": {"low": low, "high": high}},
        "pretraining": {"pool": 256 if ground.rehearsed else POOL},
        "collect": {
            "rounds": rounds,
            "per_round": per_round,
            "epochs": epochs,
            "stop_correlation": None,
            "propose": "bins",
        },
    }
    return open_loop(load_config(config), folder, reporter=Silent())


def _searched(ground: Ground, loop: Loop, store: Path) -> Iterator[str]:
    """Stage 2: each round asked for, trained as the campaign's pairs are, and told."""
    task = RegimeTask(ground.images, ground.regime)
    while not loop.finished:
        asked = {trial.choices: trial for trial in iter(loop.ask, None)}
        trials = [_as_regime(ground, task, trial) for trial in asked.values()]
        for sample in collect(task, trials, store, workers=ground.workers, device=ground.device):
            value = sample.message if sample.result is None else f"{sample.result:.2f} %"
            yield f"stage 2, round {sample.round}: {value}, {sample.seconds:.0f} s"
        known = {sample.key: sample for sample in SampleStore(store).samples()}
        for trial, regime in zip(asked.values(), trials, strict=True):
            sample = known[regime.key]
            if sample.status == "ok":
                loop.tell(trial, sample.curve, seconds=sample.seconds)
            else:
                loop.fail(trial, sample.message, status=sample.status, seconds=sample.seconds)


def _as_regime(ground: Ground, task: RegimeTask, trial: Trial) -> Trial:
    (made,) = make_trials(
        ground.space,
        np.array([trial.choices]),
        data=task.data,
        fidelity=task.fidelity(trial.epochs),
        epochs=trial.epochs,
        seed=trial.seed,
        number=trial.round,
    )
    return made


def _arms(ground: Ground, loop: Loop, run: Path, budgets: Sequence[float]) -> list[Arm]:
    good = [sample for sample in loop.samples if sample.value is not None]
    best = [max((s for s in good if s.costs["flops"] <= b), key=lambda s: s.value or 0.0) for b in budgets]
    answer = ask(run, [Bounds.at_most(flops=sample.costs["flops"]) for sample in best])
    arms = []
    for budget, sample, found in zip(budgets, best, answer.budgets, strict=True):
        for stage, row in (("2", np.array(sample.choices)), ("3", found.ties.rows[0])):
            arms.append(arm_of_pair(ground, row, {"budget": shorten(budget), "stage": stage}))
    return arms
