"""What trainers of a user's own cost and find, part by part.

Command:  python scripts/bench_open_loop.py --part overhead [--trials 60] [--rounds 5]
          python scripts/bench_open_loop.py --part trainers [--example sklearn-digits] [--seeds 5] [--trials 60]
          python scripts/bench_open_loop.py --part fcnet [--seeds 5] [--out results/open-loop]
Cost:     overhead: half a minute; trainers: 15 minutes with scikit-learn, two hours with PyTorch; fcnet: an hour; the
          last two go on where they were stopped
Hardware: two cores, free of other programs
Result:   a table; the last line is one JSON object
Method:   overhead: trainers that do nothing, as a function and as a command, on each engine with one worker. Per round,
          the time from the first to the last result over `--trials` trials of one epoch, after a few that start the
          worker; the least of the rounds counts, as other programs only add to it. For a function, all of it is
          overhead. Of a command's time, that of the same program started by `subprocess.run` is taken off: it is the
          user's own.
          trainers: see scripts/open_loop_trainers.py.
          fcnet: see open_loop_fcnet.py.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from nars.evaluate import open_engine
from nars.metric import Metric
from nars.store import Sample
from nars.tasks import Task, TrainerCommand, TrainerFunction, Trial
from open_loop_trainers import EXAMPLES, trainers

SCORE = Metric(name="score")
ENGINES = ("in-process", "processes", "ray")
WARM_UP = 3
"""Trials of each engine that are not counted."""

NOTHING = """\
def train(settings):
    return settings["number"]


if __name__ == "__main__":
    print('{"epoch": 1, "score": 0.5}')
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--example", help="one of examples/ instead of all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/open-loop"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = PARTS[arguments.part](arguments)
    print(json.dumps({"part": arguments.part, **result, "torch": torch.__version__}))


def overhead(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds per trial that each engine and form take of their own."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "nothing.py"
        program.write_text(NOTHING)
        tasks: dict[str, Task] = {
            "function": TrainerFunction(place="nothing:train", metric=SCORE, folder=folder),
            "command": TrainerCommand(command=f"{sys.executable} {program} {{settings}}", metric=SCORE, folder=folder),
        }
        alone = min(_started_alone(program, arguments.trials) for _ in range(arguments.rounds))
        spent = {
            (form, name): _per_trial(task, name, arguments.trials, arguments.rounds)
            for name in ENGINES
            for form, task in tasks.items()
        }
    table = Table("form", "engine", "ms per trial", "of them the program's own", "overhead")
    for (form, name), milliseconds in spent.items():
        own = alone if form == "command" else 0.0
        table.add_row(form, name, f"{milliseconds:.1f}", f"{own:.1f}", f"{milliseconds - own:.1f}")
    Console().print(table)
    return {
        "ms_per_trial": {f"{form} {name}": round(milliseconds, 2) for (form, name), milliseconds in spent.items()},
        "ms_program_alone": round(alone, 2),
        "trials": arguments.trials,
        "rounds": arguments.rounds,
    }


def _per_trial(task: Task, name: str, trials: int, rounds: int) -> float:
    found: list[Sample] = []
    seconds = []
    workers = None if name == "in-process" else 1
    with open_engine(name, task, workers=workers) as engine:
        engine.run([_trial(task, -1 - number) for number in range(WARM_UP)], on_result=found.append)
        for round_ in range(rounds):
            some = [_trial(task, round_ * trials + number) for number in range(trials)]
            start = time.perf_counter()
            engine.run(some, on_result=found.append)
            seconds.append((time.perf_counter() - start) / trials)
    assert {sample.status for sample in found} == {"ok"}, found[0].message
    return 1e3 * min(seconds)


def _started_alone(program: Path, times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        subprocess.run([sys.executable, str(program)], check=True, capture_output=True)
    return 1e3 * (time.perf_counter() - start) / times


def _trial(task: Task, number: int) -> Trial:
    return Trial(
        choices=(0,),
        record={"number": number},
        costs={},
        architecture=None,
        recipe={},
        space="bench",
        data=task.data,
        metric=task.metric,
        fidelity=task.fidelity(1),
        epochs=1,
        seed=0,
    )


def best_found(arguments: argparse.Namespace) -> dict[str, Any]:
    """What stage 2, random search and TPE find with real trainers."""
    examples = (arguments.example,) if arguments.example else EXAMPLES
    return {"best": trainers(examples, trainings=arguments.trials, seeds=arguments.seeds, out=arguments.out)}


def fcnet(arguments: argparse.Namespace) -> dict[str, Any]:
    """Regret of `nars run` on FCNet's tables, each a user's function."""
    from open_loop_fcnet import measured  # which needs optuna and pymoo

    return measured(arguments.out, seeds=arguments.seeds)


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "overhead": overhead,
    "trainers": best_found,
    "fcnet": fcnet,
}

if __name__ == "__main__":
    main()
