"""The rivals of the paper's recipe search (appendix A.4) where they train for real: recipes of one network for digits.

Command:  python scripts/bench_rivals.py [--seeds 3] [--out results/rivals]
Cost:     a quarter of an hour of one CPU core
Hardware: CPU
Result:   OUT/table.md: what each finds in the same number of epochs of one network, which are equal training seconds;
          the last line is one JSON object. Each finished search is a line of OUT/searches.jsonl, and a second start
          goes on from there.

What counts is the network of each search that was best on the validation images, on the test images. Nobody is tuned:
 - nars: `open_loop`: four candidates, then expected improvement, refitted after each further two; none stops early;
 - random, TPE, ASHA, Hyperband: Optuna's;
 - PBT: Ray Tune's population based training, which copies a better training (weights, average, the optimizer's moments)
   and goes on by another recipe every three epochs. Its population is as large as the others' number of full trainings.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from nars import load_config, open_loop
from nars.recipe import DivergedError
from nars.studies import RIVALS, optuna_study, suggest
from rivals_population import population
from rivals_trainings import BUDGET, EPOCHS, SPACE, Found, Spent, Training, space
from search_loops import Runs, markdown

Search = Callable[[int], Found]
"""From its seed."""

_FIRST, _REFIT = 4, 2


def ours(seed: int) -> Found:
    """Stage 2 as a user with a loop of one's own has it."""
    spent, trainings = Spent(), BUDGET // EPOCHS
    collect: dict[str, Any] = {
        "rounds": trainings // _FIRST,
        "per_round": _FIRST,
        "epochs": EPOCHS,
        "stop_correlation": None,
    }
    collect |= {"asynchronous": True, "refit_every": _REFIT, "propose": "improvement"}
    config = load_config(
        {
            "name": "rivals",
            "space": str(SPACE),
            "task": {"loop": "digits, 320 images"},
            "metric": {"name": "accuracy", "unit": "%", "low": 0, "high": 100},
            "seed": seed,
            "pretraining": {"pool": 4096},
            "collect": collect,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        loop = open_loop(config, Path(folder) / "run")
        for trial in loop:
            training = Training(trial.record, seed=trial.seed)
            try:
                values = [spent.on(training) for _ in range(trial.epochs)]
            except DivergedError as error:
                loop.fail(trial, str(error), status="diverged")
                continue
            spent.finish(training, values[-1])
            loop.tell(trial, values)
    return spent.found


def by_optuna(sampler: str, pruner: str, seed: int) -> Found:
    """Optuna's, asked and told; a training that it stops early costs the epochs until then, and does not count."""
    spent, among = Spent(), space()
    study = optuna_study((sampler, pruner), length=EPOCHS, seed=seed)
    states = optuna.trial.TrialState
    while spent.epochs < BUDGET:
        trial = study.ask()
        row = among.canonical(np.array([suggest(among, trial)], dtype=np.int64))
        training, stopped, value = Training(among.to_records(row)[0], seed=1000 * seed + trial.number), False, 0.0
        try:
            while training.epochs < EPOCHS and not stopped:
                value = spent.on(training)
                trial.report(value, training.epochs)
                stopped = training.epochs < EPOCHS and trial.should_prune()
        except DivergedError:
            study.tell(trial, state=states.FAIL)
            continue
        if not stopped:
            spent.finish(training, value)
        study.tell(trial, None if stopped else value, state=states.PRUNED if stopped else states.COMPLETE)
    return spent.found


SEARCHES: dict[str, Search] = {
    "nars": ours,
    "random": partial(by_optuna, "random", "none"),
    "TPE": partial(by_optuna, *RIVALS["tpe"]),
    "ASHA": partial(by_optuna, *RIVALS["asha"]),
    "Hyperband": partial(by_optuna, *RIVALS["hyperband"]),
    "PBT": population,
}


def told(found: dict[str, list[Found]]) -> str:
    """The table."""
    head = ["search", "validation, %", "test, %", "each seed's test, %", "trained to the end", "epochs", "CPU s"]
    rows = []
    for name, each in found.items():
        value, test, whole, epochs, seconds = (
            np.array([one[key] for one in each], dtype=np.float64)
            for key in ("value", "test", "whole", "epochs", "seconds")
        )
        spread = f" ± {test.std(ddof=1):.2f}" if len(test) > 1 else ""
        rows.append(
            [
                name,
                f"{value.mean():.2f}",
                f"{test.mean():.2f}{spread}",
                ", ".join(f"{one:.2f}" for one in test),
                f"{whole.mean():.1f}",
                f"{epochs.mean():.0f}",
                f"{seconds.mean():.0f}",
            ]
        )
    return markdown(head, rows)


def main() -> None:
    """Search, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/rivals"))
    options = parser.parse_args()
    done = Runs(options.out / "searches.jsonl")
    for seed in range(options.seeds):
        for name, search in SEARCHES.items():
            done.measure((name, seed), partial(search, seed))
    found = {name: [done[name, seed] for seed in range(options.seeds)] for name in SEARCHES}
    table = told(found)
    (options.out / "table.md").write_text(table + "\n")
    print(table)
    print(json.dumps({name: round(float(np.mean([one["test"] for one in each])), 3) for name, each in found.items()}))


if __name__ == "__main__":
    main()
