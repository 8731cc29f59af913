"""Does anything get lost when a search is killed? Small searches, killed with SIGKILL at random moments until done.

Command:  python scripts/drill_crash.py            (--runs 30 --seed 0 --engine in-process)
Cost:     about 8 minutes on 2 CPU cores
Expected: lost_samples 0, repeated_trainings 0, identical_family = runs
Method:   one uninterrupted search is the reference. Every further run is a process of its own that is killed at a
          random moment of its life (writing the store, training, fitting, proposing), and started again until it
          ends by itself. After each kill the store is read: every row must still be there at the end, with the same
          time of measurement. A training in flight has no row yet; it is the only thing that is done again.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from drill_process import ended, start
from nars.data import SampleStore
from nars.data.run_folder import RunFolder
from nars.stages import Execution, Silent, execution, load_config, open_run, search

CONFIG = """
name: drill
space: digits
data: {name: digits, validation: 0.25, flip: false, crop: 0.0625, max_train: 240}
flops: {low: 0.11M, high: 0.4M}
pretraining: {pool: 256}
collect: {rounds: 3, per_round: 4, epochs: 2, warmup_epochs: 0, schedule: cosine, batch_size: 48, ema_decay: 0.9}
search: {budgets: [0.2M, 0.3M]}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="searches to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of killing")
    parser.add_argument("--engine", default="in-process", help="in-process or processes")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: a child must not inherit a pool of threads
    with tempfile.TemporaryDirectory() as scratch:
        figures = drill(
            Path(scratch), arguments.runs, random.Random(arguments.seed), execution(engine=arguments.engine)
        )
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    print(json.dumps(figures))


def drill(scratch: Path, runs: int, chance: random.Random, how: Execution) -> dict[str, Any]:
    """Run, kill, restart, compare."""
    config = scratch / "drill.yaml"
    config.write_text(CONFIG)
    started = time.perf_counter()
    ended(start(partial(once, config, scratch / "reference", how)), None)
    life = time.perf_counter() - started
    reference = family(scratch / "reference")
    kills = lost = repeated = identical = 0
    moments: dict[str, int] = {}
    for number in range(runs):
        folder = scratch / f"run-{number}"
        seen: dict[str, str] = {}
        work = partial(once, config, folder, how)
        while not ended(start(work), chance.uniform(0.02, life) if kills_left(folder, number, kills) else None):
            kills += 1
            moments[moment(folder)] = moments.get(moment(folder), 0) + 1
            seen |= measured(folder)
        now = measured(folder)
        lost += len(seen.keys() - now.keys())
        repeated += sum(now.get(key, finished) != finished for key, finished in seen.items())
        identical += family(folder) == reference
    return {
        "runs": runs,
        "kills": kills,
        "killed_in": moments,
        "lost_samples": lost,
        "repeated_trainings": repeated,
        "identical_family": identical,
        "seconds_uninterrupted": round(life, 2),
    }


def once(config: Path, folder: Path, how: Execution) -> None:
    """One search, from where the folder has it."""
    search(open_run(load_config(config), folder, execution=how, reporter=Silent()))


def kills_left(folder: Path, number: int, kills: int) -> bool:
    """Each run is killed until it has its answer, at most three times on average."""
    return not RunFolder(folder).family_file.is_file() and kills < 3 * (number + 1)


def moment(folder: Path) -> str:
    """What the killed process was about, by what it has left behind."""
    run = RunFolder(folder)
    rounds = len(run.rounds())
    if not (run.encoder / "card.json").is_file():
        return "stage 1"
    if (run.predictor / "card.json").is_file():
        return "stage 3"
    return f"round {rounds + 1}, " + ("training" if run.round_plan(rounds + 1).is_file() else "fit and proposal")


def measured(folder: Path) -> dict[str, str]:
    """When each training in the store was measured, by key."""
    samples = RunFolder(folder).samples
    return {sample.key: sample.finished for sample in SampleStore(samples).samples()} if samples.is_dir() else {}


def family(folder: Path) -> list[dict[str, Any]]:
    """The answer, without the time it took."""
    members = json.loads(RunFolder(folder).family_file.read_text())["members"]
    return [{key: value for key, value in member.items() if key != "seconds"} for member in members]


if __name__ == "__main__":
    main()
