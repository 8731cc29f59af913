"""Does anything get lost when a search is killed? Small searches, killed with SIGKILL at random moments until done.

Command:  python scripts/drill_crash.py            (--runs 30 --seed 0 --engine in-process,processes)
Cost:     about 20 minutes on 2 CPU cores
Expected: lost_samples 0, repeated_trainings 0, identical_family = runs
Method:   an uninterrupted search with each engine is the reference. Every further run is a process of its own that is
          killed at two places and started again until it ends by itself; runs take turns with the engines. Random
          moments of a search would nearly all fall into trainings, so first the place is drawn: writing the store,
          training, fitting the predictor, proposing. The files that a search leaves tell where it is: the drill waits
          until it is there, then for a random part of the time that it was there in the reference, and kills. What it
          hit is judged afterwards, by the files that the dead process left: a place that lasts a few milliseconds is
          often missed, and aimed at once more.
          After each kill the store is read: every row must still be there at the end, with the same time of
          measurement. A training in flight has no row yet; it is the only thing that is done again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from drill_process import kill, running, start
from nars.run import Execution, Silent, execution, load_config, open_run
from nars.run.folder import RunFolder
from nars.stages import collect, load_family, load_fitted, load_pool, load_pretrained, pretrain, sample_pool, search
from nars.store import SampleStore

CONFIG = """
name: drill
space: digits
data: {name: digits, validation: 0.25, flip: false, crop: 0.0625, max_train: 240}
flops: {low: 0.11M, high: 0.4M}
pretraining: {pool: 256}
collect: {rounds: 3, per_round: 4, epochs: 2, warmup_epochs: 0, schedule: cosine, batch_size: 48, ema_decay: 0.9}
search: {budgets: [0.2M, 0.3M]}
"""
ROUNDS = 3

WRITE, TRAINING, FIT, PROPOSAL = PLACES = ("store write", "training", "predictor fit", "proposal")

OCCASIONS = {WRITE: 12, TRAINING: 12, FIT: 3, PROPOSAL: 3}
"""How often a whole search is at each place, at least."""

WITHIN = {WRITE: 0.2, TRAINING: 1.0, FIT: 0.8, PROPOSAL: 0.3}
"""Longest wait there, as a share of a usual stay: where that is a few milliseconds, the kill itself takes its time."""

AIMS = 2
"""Places to kill each run at; one that is over before the second is left in peace."""

LOOK = 0.0002
"""Seconds between looks at the files; a row is written in a few milliseconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help="searches to kill")
    parser.add_argument("--seed", type=int, default=0, help="of places and moments of killing")
    parser.add_argument("--engine", default="in-process,processes", help="taken in turn")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # before the first fork: a child must not inherit a pool of threads
    engines = [execution(engine=name) for name in arguments.engine.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        figures = drill(Path(scratch), arguments.runs, random.Random(arguments.seed), engines)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    print(json.dumps(figures))


def drill(scratch: Path, runs: int, chance: random.Random, engines: list[Execution]) -> dict[str, Any]:
    """Run, kill, restart, compare."""
    config = scratch / "drill.yaml"
    config.write_text(CONFIG)
    stays = {how.engine: observe(config, scratch / f"reference-{how.engine}", how) for how in engines}
    reference = family(scratch / f"reference-{engines[0].engine}")
    assert all(family(scratch / f"reference-{how.engine}") == reference for how in engines)
    hit: Counter[str] = Counter()
    lost = repeated = identical = 0
    for number in range(runs):
        folder, how = scratch / f"run-{number}", engines[number % len(engines)]
        seen: dict[str, str] = {}
        aims = chance.sample(PLACES, AIMS)
        again, times = True, chance.randint(1, OCCASIONS[aims[0]])  # later kills come at the first occasion
        while True:
            aim = aims[0] if aims else None
            place = one_life(config, folder, how, aim=aim, times=times, stays=stays[how.engine], chance=chance)
            if place is None:
                break
            hit[place] += 1
            seen |= measured(folder)
            if place != aim and again:
                again = False
            else:
                aims, again = aims[1:], True
            times = 1
        now = measured(folder)
        lost += len(seen.keys() - now.keys())
        repeated += sum(now.get(key, finished) != finished for key, finished in seen.items())
        identical += family(folder) == reference
    return {
        "runs": runs,
        "kills": hit.total(),
        "killed_in": {place: hit[place] for place in (*PLACES, *sorted(hit.keys() - set(PLACES)))},
        "lost_samples": lost,
        "repeated_trainings": repeated,
        "identical_family": identical,
        "milliseconds_there": {
            name: {place: round(1e3 * took[place], 1) for place in PLACES} for name, took in stays.items()
        },
        "seconds_uninterrupted": {name: round(took["all"], 1) for name, took in stays.items()},
    }


def once(config: Path, folder: Path, how: Execution) -> None:
    """One search, from where the folder has it."""
    run = open_run(load_config(config), folder, execution=how, reporter=Silent())
    pool = load_pool(run) or sample_pool(run)
    pretrained = load_pretrained(run) or pretrain(run, pool)
    fitted = load_fitted(run) or collect(run, pool, pretrained)
    _ = load_family(run) or search(run, fitted)


def observe(config: Path, folder: Path, how: Execution) -> dict[str, float]:
    """An uninterrupted search; how long it is at each place at a time, median seconds, and its whole life as "all"."""
    stays: dict[str, list[float]] = {place: [] for place in PLACES}
    began = since = time.perf_counter()
    process, watch, before = start(partial(once, config, folder, how)), Watch(folder), ""
    while running(process):
        if (place := watch.look()) != before:
            now = time.perf_counter()
            stays.get(before, []).append(now - since)
            before, since = place, now
        time.sleep(LOOK)
    return {place: statistics.median(took) for place, took in stays.items()} | {"all": time.perf_counter() - began}


def one_life(
    config: Path,
    folder: Path,
    how: Execution,
    *,
    aim: str | None,
    times: int,
    stays: dict[str, float],
    chance: random.Random,
) -> str | None:
    """A search from where the folder has it, to be killed when it is at `aim` for the `times`-th time; where it was
    killed, None if it came to its end."""
    process, watch, place, moment = start(partial(once, config, folder, how)), Watch(folder), "", float("inf")
    while running(process):
        before, place = place, watch.look()
        if place == aim != before:
            times -= 1
            if times == 0:
                moment = time.perf_counter() + chance.uniform(0.0, WITHIN[aim] * stays[aim])
        if time.perf_counter() >= moment:
            kill(process)
            return watch.look()
        time.sleep(LOOK)
    return None


class Watch:
    """Where a search is that goes on in a folder, by the files that are new since it was started."""

    def __init__(self, folder: Path) -> None:
        self._run = RunFolder(folder)
        self._files = self._left = self._list()
        self._place = "start"

    def look(self) -> str:
        """Where it is now."""
        before, self._files = self._files, self._list()
        if any(name.startswith("samples/.") for name in self._files - self._left):  # a temporary file
            self._place = WRITE
        elif self._files != before:
            self._place = self._by_files()
        return self._place

    def _by_files(self) -> str:
        if "encoder/card.json" not in self._files:
            return FIT if self._run.pool_file.is_file() else "start"
        plans = sum(name.startswith("rounds/round-") and name.endswith("-plan.json") for name in self._files)
        results = sum(name.startswith("rounds/round-") for name in self._files) - plans
        if results == ROUNDS:
            return "stage 3"
        if plans == results:
            return PROPOSAL
        planned = self._run.round_plan(plans).stat().st_mtime_ns
        joined = [name for name in self._files if name.startswith("samples/joined-")]
        if not any(int(name.split("-")[1], 16) > planned for name in joined):
            return TRAINING
        # All rows of the round are in one file; the files of each may still have to be deleted.
        return WRITE if any(name.startswith("samples/rows-") for name in self._files) else FIT

    def _list(self) -> frozenset[str]:
        run = self._run
        return frozenset(
            f"{folder.name}/{name}"
            for folder in (run.encoder, run.samples, run.path / "rounds")
            if folder.is_dir()
            for name in os.listdir(folder)  # noqa: PTH208  # thousands of times a second
        )


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
