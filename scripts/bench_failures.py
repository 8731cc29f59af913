"""What should the predictor make of failed trainings: leave them out, learn them as something bad, avoid them?

Command:  python scripts/bench_failures.py            (--seeds 5)
Cost:     about 4 minutes on one CPU core
Result:   results/failures/README.md; the last line is one JSON object
Method:   stage 2 of the digits space as it is (pool, predictor, proposals, shrinking; 5 rounds of 24), with trainings
          in closed form: accuracy grows with FLOPs, learning rate and number of weights, falls with regularisation,
          and has noise. What fails is decided in three ways: `cliff`, the quarter of the pool with the highest learning
          rate that the optimiser sees (divergence; the best candidates are next to it); `size`, the quarter with the
          most weights (a limit on memory, the same); `chance`, one in seven, whoever it is (machines, time limits).
          Failed trainings are left out of what the predictor is fitted to; or have the worst accuracy measured so far;
          or 0 %; or are left out and, as `nars.stages.avoiding` learns who fails, avoided. Failures of rounds 2 to 5
          are trainings wasted. The regret is that of the family: the best measured below each of three FLOPs limits
          against the best there is in the pool that does not fail.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from nars.recipe import Recipe
from nars.run import Run, load_config
from nars.search import shrink_pool
from nars.stages import Plan, Pool, open_run, pretrain, sample_pool
from nars.stages.avoiding import described, failures_last
from nars.stages.measuring import choose

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
LABELS = ("left out", "the worst", "zero", "avoided")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "failures.yaml").write_text(CONFIG)
        run = open_run(load_config(Path(scratch) / "failures.yaml"), Path(scratch) / "run")
        for kind in FAILURES:
            found[kind] = {}
            for label in LABELS:
                runs = [collect(run, kind, label, np.random.default_rng(seed)) for seed in range(arguments.seeds)]
                found[kind][label] = {
                    "wasted": round(float(np.mean([wasted for wasted, _ in runs])), 1),
                    "regret": round(float(np.mean([regret for _, regret in runs])), 3),
                    "regret_error": round(float(np.std([regret for _, regret in runs]) / len(runs) ** 0.5), 3),
                }
    table = Table("what fails", "failed trainings are", "wasted of 96", "regret, %")
    for kind, by_label in found.items():
        for label, row in by_label.items():
            table.add_row(kind, label, f"{row['wasted']:.1f}", f"{row['regret']:.2f} ± {row['regret_error']:.2f}")
    Console().print(table)
    print(json.dumps(found))


def collect(run: Run, kind: str, label: str, rng: np.random.Generator) -> tuple[int, float]:
    """Stage 2 from the first round to the last; failed trainings of rounds 2 to 5, and the family's regret."""
    pool, predictor, config = sample_pool(run), pretrain(run), run.config.collect
    accuracy, fails = outcomes(run, pool, kind, rng)
    encoded, alive = run.space.encode(pool.X), np.arange(len(pool.X))
    told = described(run.space, pool.X)
    plans: list[Plan] = []
    trained: list[int] = []
    scores = None
    for _ in range(config.rounds):
        plan = choose(
            run,
            pool,
            alive,
            plans,
            count=config.per_round,
            predictor=predictor if plans else None,
            scores=scores,
            epochs=config.epochs,
        )
        plans.append(plan)
        trained += [int(np.flatnonzero((row == pool.X).all(axis=1))[0]) for row in plan.X]
        tried = np.array(trained)
        failed = fails[tried]
        learned = tried if label in ("the worst", "zero") else tried[~failed]
        bad = 0.0 if label == "zero" else accuracy[tried[~failed]].min()
        predictor = predictor.fit(encoded[learned], np.where(fails[learned], bad, accuracy[learned]), seed=0)
        scores = predictor.predict_mean(encoded[alive])
        if label == "avoided":
            scores = failures_last(scores, told[alive], told[tried], failed)
        costs = {name: cost[alive] for name, cost in pool.costs.items()}
        kept = shrink_pool(costs, run.flops_range, scores, bins=config.per_round, keep=config.keep)
        alive, scores = alive[kept], scores[kept]
    tried = np.array(trained)
    later = tried[config.per_round :]
    return int(fails[later].sum()), regret(run, pool, accuracy, fails, tried)


def outcomes(
    run: Run, pool: Pool, kind: str, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Accuracy in percent and failure of each pool member, both (N,), as if all had been trained."""
    recipes = [Recipe.from_dict(recipe) for recipe in run.space.recipes(pool.X)]
    rate = np.log2([recipe.effective_learning_rate for recipe in recipes])
    weights = np.log2(pool.costs["weights"])
    spread = np.array([recipe.dropout + recipe.stochastic_depth + recipe.mixup for recipe in recipes])
    accuracy = 80 + 2 * np.log2(pool.costs["flops"] / 1e5) - 3 * spread + rng.normal(0.0, 0.3, len(rate))
    accuracy += 0.8 * (rate - rate.mean()) + 1.5 * (weights - weights.mean())
    if kind == "chance":
        return accuracy, rng.random(len(rate)) < 1 / 7
    cause = rate if kind == "cliff" else weights
    return accuracy, cause > np.quantile(cause, 0.75)


def regret(
    run: Run, pool: Pool, accuracy: NDArray[np.float64], fails: NDArray[np.bool_], tried: NDArray[np.int64]
) -> float:
    """Mean over the budgets, percent."""
    gaps: list[Any] = []
    for budget in run.config.search.budgets:
        within = (pool.costs["flops"] <= budget) & ~fails
        gaps.append(accuracy[within].max() - accuracy[tried][within[tried]].max())
    return float(np.mean(gaps))


if __name__ == "__main__":
    main()
