"""What an engine costs beside the training itself: the same trainings in process, in worker processes and on Ray.

Command:  python scripts/bench_engines.py [--trials 12] [--rounds 10] [--workers 1]
Cost:     about eight minutes
Hardware: --workers cores and one more, free of other programs
Result:   aim ray_overhead <= 0.05; the last line is one JSON object
Method:   short real trainings of different networks of the digits space, each engine with the same number of workers.
          Engines take turns, `--rounds` times, every other time in reverse order, each open in its turn only: an idle
          Ray cluster takes time of its own. The first trainings of a turn start its workers and fill its caches; then
          the clock runs from the first of `--trials` trainings to the last result. `ray_overhead` is the mean over
          rounds of Ray's time per training over that of local processes, less one, with its standard error: a virtual
          machine's cores change their speed by 10 % within minutes. `processes_overhead` is that of one local process
          over the same trainings in this process. `ms_between` is what a worker's time has beside the trainings, of
          which each says how long it took itself: where the others are noise, that still says what an engine adds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from nars.evaluate import Engine, open_engine
from nars.images import load_images
from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.space import load_space, sobol
from nars.store import Sample
from nars.tasks import ImageClassification, Trial, make_trials

EPOCHS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    data = load_images("digits", resolution=8, validation_fraction=0.25, seed=0)
    settings = TrainingSettings(
        schedule=Schedule(epochs=EPOCHS, warmup_epochs=1), batch_size=64, augmentation=Augmentation(flip=False)
    )
    task = ImageClassification(data, settings)
    trials = different_trials(task, arguments.trials)
    names = [*(["in-process"] if arguments.workers == 1 else []), "processes", "ray"]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    between: dict[str, list[float]] = {name: [] for name in names}
    curves: dict[str, set[tuple[str, tuple[float, ...]]]] = {}
    for number in range(arguments.rounds):
        for name in names[:: 1 if number % 2 == 0 else -1]:
            workers = None if name == "in-process" else arguments.workers
            with open_engine(name, task, workers=workers) as engine:
                run(engine, trials[: 2 * arguments.workers])
                start = time.perf_counter()
                samples = run(engine, trials)
                spent = arguments.workers * (time.perf_counter() - start) / len(trials)
                seconds[name].append(spent)
                between[name].append(spent - sum(sample.seconds for sample in samples) / len(trials))
                curves[name] = {(sample.key, sample.curve) for sample in samples}
    assert all(found == curves["processes"] for found in curves.values()), "every engine measures the same"
    table = Table("engine", "ms per training and worker, each round", "mean", "least between two")
    for name, values in seconds.items():
        every = ", ".join(f"{1e3 * value:.0f}" for value in values)
        table.add_row(name, every, f"{1e3 * statistics.mean(values):.0f}", f"{1e3 * min(between[name]):.2f}")
    Console().print(table)
    result = {
        **overhead("ray", seconds["ray"], seconds["processes"]),
        **(overhead("processes", seconds["processes"], seconds["in-process"]) if "in-process" in seconds else {}),
        "ms_per_training": {name: round(1e3 * statistics.mean(values), 2) for name, values in seconds.items()},
        "ms_between": {name: round(1e3 * min(values), 2) for name, values in between.items()},
        "workers": arguments.workers,
        "trials": len(trials),
        "rounds": arguments.rounds,
        "torch": torch.__version__,
    }
    print(json.dumps(result))


def overhead(name: str, seconds: list[float], of: list[float]) -> dict[str, float]:
    """Mean and standard error over rounds of the time over that of another engine, less one."""
    ratios = [own / other - 1 for own, other in zip(seconds, of, strict=True)]
    error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else math.nan
    return {f"{name}_overhead": round(statistics.mean(ratios), 4), f"{name}_overhead_error": round(error, 4)}


def run(engine: Engine, trials: list[Trial]) -> list[Sample]:
    """Do the trainings."""
    samples: list[Sample] = []
    engine.run(trials, on_result=samples.append)
    assert len(samples) == len(trials)
    return samples


def different_trials(task: ImageClassification, count: int) -> list[Trial]:
    """Different networks and recipes."""
    space = load_space("digits", classes=len(task.images.classes), in_channels=task.images.in_channels)
    X = sobol(space, count, seed=0)
    return make_trials(space, X, data=task.data, fidelity=task.fidelity(EPOCHS), epochs=EPOCHS, seed=0)


if __name__ == "__main__":
    main()
