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
          or 0 %; or are left out and, as `nars.stages.avoiding` learns who fails, avoided. Failures of rounds 2 to 5
          are trainings wasted. The regret is that of the family: the best measured below each of three FLOPs limits
          against the best there is in the pool that does not fail.
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
from nars.stages import CandidatePool, Rounds, RoundSettings, pretrain, sample_pool
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
        pool = sample_pool(run)
        pretrained = pretrain(run, pool)
        for kind in FAILURES:
            found[kind] = {}
            for label in LABELS:
                runs = [
                    collect(run, pool, pretrained, kind, label, np.random.default_rng(seed))
                    for seed in range(arguments.seeds)
                ]
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


def collect(
    run: Run, pool: CandidatePool, pretrained: Predictor, kind: str, label: str, rng: np.random.Generator
) -> tuple[int, float]:
    """Stage 2 from the first round to the last; failed trainings of rounds 2 to 5, and the family's regret."""
    config, space = run.config.collect, run.space
    accuracy, fails = outcomes(run, pool, kind, rng)
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
        avoid=label == "avoided",
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
    return int(fails[later].sum()), regret(run, pool, accuracy, fails, tried)


def outcomes(
    run: Run, pool: CandidatePool, kind: str, rng: np.random.Generator
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
