"""What should the predictor make of failed trainings: leave them out, learn them as something bad, avoid them?

Command:  python scripts/bench_failures.py            (--seeds 5)
Cost:     about 4 minutes on one CPU core
Result:   results/failures/README.md; the last line is one JSON object
Method:   stage 2 of the digits space as it is, `nars.stages.Rounds` (5 rounds of 24), told of trainings in closed
          form: accuracy grows with FLOPs, learning rate and number of weights, falls with regularisation, and has
          noise. What fails is decided in three ways: `cliff`, the quarter of the pool with the highest learning
          rate that the optimizer sees (divergence; the best candidates are next to it); `size`, the quarter with the
          most weights (a limit on memory, the same); `chance`, one in seven, whoever it is (machines, time limits).
          Failed trainings are left out of what the predictor is fitted to; or have the worst accuracy measured so far;
          or 0 %; or are left out and, as `nars.predictors.Failures` learns who fails, counted at their probability.
          Failures of rounds 2 to 5 are trainings wasted. The regret is that of the family: the best measured below
          each of three FLOPs limits against the best there is in the pool that does not fail. Stage 3 then answers the
          three budgets, with that knowledge and without: the share of members that fail, and the accuracy without
          noise of those that do not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from nars.predictors import Predictor
from nars.recipe import Recipe
from nars.run import Run, load_config, open_run
from nars.search import search_family
from nars.space import Population
from nars.stages import CandidatePool, Rounds, RoundSettings, pretrain, sample_pool, scorer
from nars.studies import answered, unanswered

CONFIG = """
name: failures
space: digits
data: {name: digits}
flops: {low: 0.11M, high: 0.55M}
pretraining: {pool: 4096}
collect: {rounds: 5, per_round: 24}
search: {budgets: [0.15M, 0.25M, 0.5M]}
"""
FAILURES = ("cliff", "size", "chance")
LABELS = ("left out", "the worst", "zero", "foreseen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "failures.yaml").write_text(CONFIG)
        run = open_run(load_config(Path(scratch) / "failures.yaml"), Path(scratch) / "run")
        pool = sample_pool(run)
        pretrained = pretrain(run, pool)
        for kind in FAILURES:
            found[kind] = {}
            for label in LABELS:
                runs = [
                    collect(run, pool, pretrained, kind, label, np.random.default_rng(seed))
                    for seed in range(arguments.seeds)
                ]
                regrets = [one["regret"] for one in runs]
                found[kind][label] = {
                    name: round(float(np.nanmean([one[name] for one in runs])), 3) for name in runs[0]
                }
                found[kind][label]["regret_error"] = round(float(np.std(regrets) / len(runs) ** 0.5), 3)
    table = Table("what fails", "failed trainings are", "wasted of 96", "regret, %", "members fail", "the others, %")
    for kind, by_label in found.items():
        for label, row in by_label.items():
            regret_text = f"{row['regret']:.2f} ± {row['regret_error']:.2f}"
            members = f"{100 * row['failing']:.0f} %", f"{row['survivors']:.1f}"
            table.add_row(kind, label, f"{row['wasted']:.1f}", regret_text, *members)
    Console().print(table)
    print(json.dumps(found))


def collect(
    run: Run, pool: CandidatePool, pretrained: Predictor, kind: str, label: str, rng: np.random.Generator
) -> dict[str, float]:
    """Stages 2 and 3: failed trainings of rounds 2 to 5, the family's regret, and what the answers are worth."""
    config, space = run.config.collect, run.space
    accuracy, fails = outcomes(run, pool.X, pool, kind, rng)
    at = {row.tobytes(): place for place, row in enumerate(pool.X)}
    settings = RoundSettings(
        total=config.rounds * config.per_round,
        first=config.per_round,
        later=config.per_round,
        wait=True,
        epochs=config.epochs,
        bounds=run.config.range,
        keep=config.keep,
        fewest=2,
        avoid=label == "foreseen",
    )
    rounds = Rounds(space, pool, pretrained, settings, trials=partial(unanswered, space), seeds=repeat(0))
    good: list[float] = []
    while not rounds.finished:
        asked = [(sample, at[np.array(sample.choices).tobytes()]) for sample in iter(rounds.ask, None)]
        good += [accuracy[place] for _, place in asked if not fails[place]]
        for sample, place in asked:
            bad = {"the worst": min(good), "zero": 0.0}.get(label)
            rounds.tell(answered(sample, bad if fails[place] else accuracy[place]))
    tried = np.array([at[row.tobytes()] for row in rounds.planned])
    later = tried[config.per_round :]
    found = search_family(
        space, scorer(space, rounds.predictor), run.config.budgets, rng=rng, seed_population=pool.X[:50]
    )
    true, failing = outcomes(run, found.rows, pool, kind, rng, noise=0.0)
    return {
        "wasted": float(fails[later].sum()),
        "regret": regret(run, pool, accuracy, fails, tried),
        "failing": float(failing.mean()),
        "survivors": float(true[~failing].mean()) if not failing.all() else float("nan"),
    }


def outcomes(
    run: Run, X: Population, pool: CandidatePool, kind: str, rng: np.random.Generator, *, noise: float = 0.3
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Accuracy in percent and failure of candidates X (N, D), both (N,), as if all had been trained."""
    rate, weights, spread, flops = causes(run, X)
    rates, sizes, _, _ = causes(run, pool.X)
    accuracy = 80 + 2 * np.log2(flops / 1e5) - 3 * spread + rng.normal(0.0, noise, len(rate))
    accuracy += 0.8 * (rate - rates.mean()) + 1.5 * (weights - sizes.mean())
    if kind == "chance":
        return accuracy, rng.random(len(rate)) < 1 / 7
    cause, known = (rate, rates) if kind == "cliff" else (weights, sizes)
    return accuracy, cause > np.quantile(known, 0.75)


def causes(run: Run, X: Population) -> tuple[NDArray[np.float64], ...]:
    """Learning rate and number of weights, both as powers of two, regularisation, and FLOPs; each (N,)."""
    recipes = [Recipe.from_dict(recipe) for recipe in run.space.recipes(X)]
    costs = run.space.costs(X)
    spread = np.array([recipe.dropout + recipe.stochastic_depth + recipe.mixup for recipe in recipes])
    rate = np.log2([recipe.effective_learning_rate for recipe in recipes])
    return rate, np.log2(costs["weights"]), spread, costs["flops"]


def regret(
    run: Run, pool: CandidatePool, accuracy: NDArray[np.float64], fails: NDArray[np.bool_], tried: NDArray[np.int64]
) -> float:
    """Mean over the budgets, percent."""
    gaps: list[Any] = []
    for budget in run.config.search.budgets:
        within = (pool.costs["flops"] <= budget.high("flops")) & ~fails
        gaps.append(accuracy[within].max() - accuracy[tried][within[tried]].max())
    return float(np.mean(gaps))


if __name__ == "__main__":
    main()
