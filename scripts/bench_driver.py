"""How long the driver of an asynchronous search is busy with each result, when a thousand workers send them.

Command:  python scripts/bench_driver.py [--workers 1000] [--results 5000] [--refit-every 500] [--samples STORE]
Cost:     about a minute and a half
Result:   aim driver_ms_per_result <= 5; the last line is one JSON object
Method:   the driver is the real one, `nars.stages.Rounds`: candidates are proposed from a pool of 20,000 pairs by a
          predictor that is refitted on all results, each outcome is appended to a sample store on the disk, plans and
          rounds are written. Only the workers are simulated: each is busy, in virtual time, for as long as a real
          training was, one of those in `--samples` drawn at random, and has its accuracies. What counts is the time
          spent in the driver. Refitting the predictor is stated apart: it is seconds each time, growing with the number
          of samples, and `--refit-every` says how many results share them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nars.run import Run, Terminal, load_config, open_run
from nars.run.journal import Journal
from nars.stages import pretrain, rounds_of, sample_pool
from nars.store import Sample, SampleStore
from nars.tasks import Trial

ROUND = 500
"""Candidates of the first round."""

EPOCHS = 10
"""Of full trainings."""

CONFIG = f"""
name: driver
space: digits
data: {{name: digits}}
flops: {{low: 0.11M, high: 0.55M}}
pretraining: {{pool: 20000}}
collect: {{asynchronous: true, epochs: {EPOCHS}, keep: 0.9}}
search: {{budgets: [0.25M]}}
"""


@dataclass
class Clock:
    """Wall and processor time spent in the driver, milliseconds each call."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    _wall: float = 0.0
    _processor: float = 0.0

    def __enter__(self) -> None:
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall.append(1e3 * (time.perf_counter() - self._wall))
        self.processor.append(1e3 * (time.process_time() - self._processor))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--results", type=int, default=5000, help=f"rounded down to whole rounds of {ROUND}")
    parser.add_argument("--refit-every", type=int, default=500)
    parser.add_argument("--samples", type=Path, default=Path(__file__).parents[1] / "results/driver/trainings")
    parser.add_argument("--seed", type=int, default=0, help="of who gets which duration")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    recorded = [sample for sample in SampleStore(arguments.samples, must_exist=True).samples() if sample.curve]
    size = {"rounds": arguments.results // ROUND, "per_round": ROUND, "refit_every": arguments.refit_every}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "driver.yaml"
        file.write_text(CONFIG)
        config = load_config(file, {f"collect.{key}": value for key, value in size.items()})
        run = open_run(config, Path(scratch) / "run", reporter=Terminal())
        found = drive(run, recorded, workers=arguments.workers, chance=random.Random(arguments.seed))
    table = Table("figure", "value")
    for name, value in found.items():
        table.add_row(name, str(value))
    Console().print(table)
    print(json.dumps(found))


def drive(run: Run, recorded: Sequence[Sample], *, workers: int, chance: random.Random) -> dict[str, Any]:
    """Simulate the workers, measure the driver."""
    pool = sample_pool(run)
    rounds = rounds_of(run, pool, pretrain(run, pool))
    asking, telling, now, given = Clock(), Clock(), 0.0, 0
    busy: list[tuple[float, int, Sample]] = []
    with run.reporter.bar("results", rounds.settings.total) as advance:
        while True:
            while len(busy) < workers:
                with asking:
                    trial = rounds.ask()
                if trial is None:
                    break
                sample = outcome(trial, recorded, chance)
                heapq.heappush(busy, (now + sample.seconds, given, sample))
                given += 1
            if not busy:
                break
            now, _, sample = heapq.heappop(busy)
            with telling:
                rounds.tell(sample)
            advance(1, "")
    kept = len(SampleStore(run.folder.samples))
    assert kept == given == rounds.settings.total, "each result is in the store, once"
    fits = [1e3 * plan.learning_seconds for plan in Journal(run).plans()]
    fits = [fit for fit in fits if fit > 1.0]  # the others had nothing to learn
    return {
        "workers": workers,
        "results": given,
        "virtual_hours": round(now / 3600, 2),
        "driver_ms_per_result": round((sum(asking.wall) + sum(telling.wall) - sum(fits)) / given, 3),
        "ask_ms_per_result": round((sum(asking.wall) - sum(fits)) / given, 3),
        "tell_ms_per_result": round(sum(telling.wall) / given, 3),
        "tell_ms_median": round(statistics.median(telling.wall), 3),
        "refits": len(fits),
        "refit_seconds": [round(fit / 1e3, 2) for fit in fits],
        "refit_ms_per_result": round(sum(fits) / given, 3),
        "processor_ms_per_result_with_refits": round((sum(asking.processor) + sum(telling.processor)) / given, 3),
    }


def outcome(trial: Trial, recorded: Sequence[Sample], chance: random.Random) -> Sample:
    """The trial with the outcome of a real training at least as long, cut to its length."""
    real = chance.choice([sample for sample in recorded if len(sample.curve) >= trial.epochs])
    curve, ema_curve = real.curve[: trial.epochs], real.averaged_curve[: trial.epochs]
    return replace(
        real,
        key=trial.key,
        record=trial.record,
        choices=trial.choices,
        costs=trial.costs,
        space=trial.space,
        data=trial.data,
        fidelity=trial.fidelity,
        seed=trial.seed,
        round=trial.round,
        curve=curve,
        averaged_curve=ema_curve,
        epochs=trial.epochs,
        planned_epochs=trial.epochs,
        value=curve[-1],
        averaged=ema_curve[-1] if ema_curve else None,
        seconds=real.seconds * trial.epochs / real.epochs,
    )


if __name__ == "__main__":
    main()
