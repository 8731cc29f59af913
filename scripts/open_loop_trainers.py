"""Real trainers of a user's own: stage 2 against random search and Optuna's TPE, at equal trainings.

Each method has the same number of trainings of the same length, one after the other, with seeds of its own; trainings
are never cut short. What counts is the best validation value; stage 2 looks for one candidate, as the rivals do: after
`FIRST` trainings it refits its predictor after each further `REFIT`, while TPE sees each result before it proposes the
next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from nars.evaluate import Limits, open_engine
from nars.run import Run, execution, load_config, open_run
from nars.run.config import RunConfig
from nars.space import Population, distinct, uniform
from nars.stages import collect, load_pool, load_pretrained, pretrain, sample_pool
from nars.stages.measuring import task_of
from nars.store import Sample
from nars.tasks import make_trials
from search_loops import Runs

EXAMPLES = ("sklearn-digits", "pytorch-command")
FIRST, REFIT = 10, 5


def trainers(examples: Sequence[str], *, trainings: int, seeds: int, out: Path) -> dict[str, Any]:
    """Best values by example, method and budget, with their spread over seeds.

    Each finished search is a line in OUT/trainers.jsonl; a second start goes on from there.
    """
    done = Runs(out.absolute() / "trainers.jsonl")
    found: dict[str, Any] = {}
    methods = {"nars": _ours, "random": _random, "TPE": _tpe}
    with Progress(console=Console(stderr=True)) as bar:
        step = bar.add_task("trainings", total=len(examples) * len(methods) * seeds * trainings)
        for example in examples:
            home = Path(__file__).resolve().parents[1] / "examples" / example
            os.chdir(home)

            def best(method: Callable[[Run, int], list[Sample]], seed: int, home: Path = home) -> float:
                with tempfile.TemporaryDirectory() as folder:
                    run = _run(home, Path(folder), seed, trainings)
                    samples = method(run, trainings)
                assert len(samples) == trainings, len(samples)
                return _best(run, samples)

            for seed in range(seeds):
                for name, method in methods.items():
                    done.measure((example, name, trainings, seed), partial(best, method, seed))
                    bar.advance(step, trainings)
            values = {name: [done[example, name, trainings, seed] for seed in range(seeds)] for name in methods}
            found[example] = _told(load_config(home / "run.yaml"), values)
    return found


def _run(home: Path, folder: Path, seed: int, trainings: int) -> Run:
    overrides = {
        "seed": seed,
        "collect.rounds": trainings // FIRST,
        "collect.per_round": FIRST,
        "collect.asynchronous": True,
        "collect.refit_every": REFIT,
        "collect.stop_correlation": 1.0,
        "collect.propose": "improvement",
    }
    config = load_config(home / "run.yaml", overrides)
    return open_run(config, folder / "run", execution=execution(engine="processes", workers=1, device="cpu"))


def _ours(run: Run, trainings: int) -> list[Sample]:
    pool = load_pool(run) or sample_pool(run)
    collect(run, pool, load_pretrained(run) or pretrain(run, pool))
    from nars.store import SampleStore

    return list(SampleStore(run.folder.samples).samples())


def _random(run: Run, trainings: int) -> list[Sample]:
    rng = np.random.default_rng([run.config.seed, 77])
    X = uniform(run.space, 20 * trainings, rng=rng)
    X = distinct(X[run.config.range.admits(run.space.costs(X), rows=len(X))])
    return _train(run, rng.permutation(X)[:trainings])


def _tpe(run: Run, trainings: int) -> list[Sample]:
    """Choices with an order are integers, others categories; outside the range a candidate is pruned, not paid for."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=run.config.seed, multivariate=True, group=True)
    study = optuna.create_study(direction=run.metric.goal, sampler=sampler)
    samples: list[Sample] = []
    while len(samples) < trainings:
        trial = study.ask()
        row = [
            trial.suggest_int(d.name, 0, len(d.values) - 1)
            if d.ordinal
            else trial.suggest_categorical(d.name, list(range(len(d.values))))
            for d in run.space.dimensions
        ]
        X = run.space.canonical(np.array([row], dtype=np.int64))
        if not run.config.range.admits(run.space.costs(X), rows=1)[0]:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        (sample,) = _train(run, X, number=len(samples))
        samples.append(sample)
        if sample.value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, sample.value)
    return samples


def _train(run: Run, X: Population, *, number: int = 0) -> list[Sample]:
    task, epochs = task_of(run), run.config.collect.epochs
    trials = make_trials(
        run.space,
        X,
        data=task.data,
        fidelity=task.fidelity(epochs),
        epochs=epochs,
        seed=run.config.seed,
        number=number,
        metric=task.metric,
    )
    found: list[Sample] = []
    with open_engine("in-process" if len(X) == 1 else "processes", task, Limits(), workers=1) as engine:
        engine.run(trials, on_result=found.append)
    return found


def _best(run: Run, samples: Sequence[Sample]) -> float:
    good = (run.metric.score(sample.value) for sample in samples if sample.value is not None)
    return run.metric.score(max(good))


def _told(config: RunConfig, values: dict[str, list[float]]) -> dict[str, Any]:
    metric = config.measured
    table = Table("method", f"best {metric.title}", title=f"{config.name}: {metric.best_word} is best")
    told: dict[str, Any] = {}
    ours = metric.score(np.array(values["nars"]))
    for name, best in values.items():
        numbers = np.array(best)
        mean, std = float(numbers.mean()), float(numbers.std(ddof=1)) if len(best) > 1 else 0.0
        table.add_row(name, metric.spell(mean, std))
        better, worse = (int((sign * ours > sign * metric.score(numbers)).sum()) for sign in (1, -1))
        told[name] = {"mean": round(mean, 5), "std": round(std, 5), "ours_better": better, "ours_worse": worse}
    Console().print(table)
    return told
