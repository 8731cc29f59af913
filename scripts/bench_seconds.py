"""Is it worth searching how long to train? Limits on seconds of training, with and without epochs as a choice.

Command:  python scripts/bench_seconds.py --work FOLDER                     (again, to go on)
          python scripts/bench_seconds.py --work results/seconds --report   what is committed; trains nothing
Cost:     about 25 minutes on one CPU core, free of other programs; no GPU, no download (the digits images)
Result:   a table; the last line is one JSON object: `gain` in percent of test accuracy at each limit, `kept` (share of
          the trainings within their limit and a tenth), `off` (expected against measured seconds, percent, median)
Method:   per seed one search of the digits space (400 images) with recipe.epochs_share of 1/4, 1/2 and 1 and the batch
          size (72 trainings to their end). Its predictor is then asked for the best pair within limits on seconds:
          a quarter, half and all of what the whole trainings of that search took in the median. `any length` may
          choose all, `full length` only pairs of epochs_share 1, which keep the limit by smaller networks and larger
          batches. Both answers are trained anew, five seeds each; accuracy is on the test images, which nothing else
          has looked at, and the error is that of the mean over searches.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from nars import network
from nars.arrays import Floats
from nars.files.atomic import append_line, write_text
from nars.recipe import Recipe, TrainingLoop
from nars.run import Run, Silent, execution, load_config, open_run
from nars.run.fidelity import search_settings
from nars.search import search_family
from nars.space import Bounds, Population, Space, space_file
from nars.stages import collect, load_fitted, load_pool, load_pretrained, pretrain, sample_pool, scorer
from nars.stages.training_time import with_seconds
from nars.store import SampleStore

POINTS = (0.25, 0.5, 1.0)
"""Limits, as shares of the seconds of a whole training."""
SEEDS = 5
"""Trainings of each answer."""
OVERRIDES = {
    "collect.rounds": 3,
    "collect.per_round": 24,
    "collect.epochs": 12,
    "collect.stop_correlation": None,
    "search.budgets": "550k",
    "data.max_train": 400,
}
_SHARES = "  epochs_share: {choices: [0.25, 0.5, 1.0], scale: log}\n"
_SIZES = "  batch_size: {choices: [16, 32, 64], scale: log}\n"
_REFUSED = -1e3
"""Score of what an arm may not choose, percent."""


def searched(folder: Path, seed: int) -> Run:
    """A run whose stage 2 is done."""
    folder.mkdir(parents=True, exist_ok=True)
    text = space_file("digits").read_text(encoding="utf-8").replace("recipe:\n", f"recipe:\n{_SHARES}{_SIZES}")
    write_text(folder / "space.yaml", text)
    config = load_config("digits", OVERRIDES | {"seed": seed, "space": str(folder / "space.yaml")})
    how = execution(engine="in-process", workers=1, device="cpu")
    run = open_run(config, folder / "run", execution=how, reporter=Silent())
    if load_fitted(run) is None:
        pool = load_pool(run) or sample_pool(run)
        collect(run, pool, load_pretrained(run) or pretrain(run, pool))
    return run


def answers(run: Run, folder: Path) -> tuple[list[float], dict[str, Population], Space]:
    """The limits, the answer of each arm to each (limits, D), and the space with seconds."""
    model = load_fitted(run)
    assert model is not None
    space = with_seconds(run.space, model, folder / "run")
    score, column = scorer(run.space, model), space.index["recipe.epochs_share"]
    last = space.cardinalities[column] - 1
    samples = [one for one in SampleStore(run.folder.samples).samples() if one.status == "ok"]
    whole = float(np.median([one.seconds for one in samples if one.choices[column] == last]))
    limits = [share * whole for share in POINTS]

    def full(X: Population) -> Floats:
        return np.where(X[:, column] == last, score(X), _REFUSED)

    arms: Mapping[str, Callable[[Population], Floats]] = {"any length": score, "full length": full}
    budgets = [Bounds({"seconds": (0.0, limit), "flops": (0.0, 5.5e5)}) for limit in limits]
    found = {
        arm: search_family(space, how, budgets, rng=np.random.default_rng(run.config.seed)).rows
        for arm, how in arms.items()
    }
    return limits, found, space


def trained(run: Run, row: Population, seed: int) -> dict[str, float]:
    """Test accuracy and seconds of a training of the search."""
    (recipe,), (architecture,) = run.space.recipes(row[None]), run.space.architectures(row[None])
    by = Recipe.from_dict(recipe)
    images = run.images.at(architecture.resolution)
    model = network.build(architecture, dropout=by.dropout, stochastic_depth=by.stochastic_depth, seed=seed)
    start = time.perf_counter()
    loop = TrainingLoop(
        model, by, images, search_settings(run.config, images=len(images.train)), seed=seed, device="cpu"
    )
    while loop.epoch < loop.epochs:
        loop.train_epoch()
        loop.accuracy(images.validation)
        loop.accuracy(images.validation, ema=True)
    seconds = time.perf_counter() - start
    return {"test": loop.accuracy(images.test, ema=True), "seconds": seconds, "share": by.epochs_share}


def measure(folder: Path, seed: int, journal: Path) -> None:
    """Whatever the journal lacks of a search."""
    known = {(one["arm"], one["point"], one["repeat"]) for one in lines(journal) if one["seed"] == seed}
    if len(known) == 2 * len(POINTS) * SEEDS:
        return
    run = searched(folder, seed)
    limits, rows, space = answers(run, folder)
    for arm, X in rows.items():
        expected = space.costs(X)["seconds"]
        for point, row, limit, seconds in zip(POINTS, X, limits, expected, strict=True):
            for repeat in range(SEEDS):
                if (arm, point, repeat) in known:
                    continue
                cell = {"seed": seed, "arm": arm, "point": point, "repeat": repeat, "limit": limit}
                flops = float(space.costs(row[None])["flops"][0])
                cell |= {"expected": float(seconds), "flops": flops} | trained(run, row, 1000 + repeat)
                append_line(journal, json.dumps(cell))


def lines(journal: Path) -> list[dict[str, Any]]:
    """What is measured."""
    return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()] if journal.is_file() else []


def summary(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the last line."""
    found: dict[str, Any] = {"searches": len({one["seed"] for one in cells}), "test": {}, "gain": {}}
    for point in POINTS:
        means = {
            arm: {
                seed: statistics.mean(
                    one["test"] for one in cells if (one["arm"], one["point"], one["seed"]) == (arm, point, seed)
                )
                for seed in sorted({one["seed"] for one in cells})
            }
            for arm in ("any length", "full length")
        }
        gains = [means["any length"][seed] - means["full length"][seed] for seed in means["any length"]]
        error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None
        found["test"][point] = {arm: round(statistics.mean(of.values()), 2) for arm, of in means.items()}
        found["gain"][point] = [round(statistics.mean(gains), 2), None if error is None else round(error, 2)]
    found["kept"] = round(statistics.mean(one["seconds"] <= 1.1 * one["limit"] for one in cells), 3)
    off = [abs(one["expected"] / one["seconds"] - 1) for one in cells]
    found["off"] = round(100 * statistics.median(off), 1)
    return found


def table(cells: list[dict[str, Any]]) -> Table:
    """For people."""
    headings = ("limit", "arm", "test, %", "seconds", "of the limit", "expected / measured", "epochs", "FLOPs")
    made = Table(*headings)
    for point in POINTS:
        for arm in ("any length", "full length"):
            some = [one for one in cells if (one["arm"], one["point"]) == (arm, point)]
            mean = {
                name: statistics.mean(one[name] for one in some)
                for name in ("test", "seconds", "limit", "flops", "share")
            }
            ratio = statistics.mean(one["expected"] / one["seconds"] for one in some)
            made.add_row(
                f"{mean['limit']:.1f} s",
                arm,
                f"{mean['test']:.2f}",
                f"{mean['seconds']:.1f}",
                f"{mean['seconds'] / mean['limit']:.2f}",
                f"{ratio:.2f}",
                f"{12 * mean['share']:.1f}",
                f"{mean['flops'] / 1e3:.0f}k",
            )
    return made


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/bench_seconds"))
    parser.add_argument("--seeds", type=int, default=2, help="searches")
    parser.add_argument("--report", action="store_true", help="measure nothing, report what the work folder holds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    journal = arguments.work / "trainings.jsonl"
    for seed in range(0 if arguments.report else arguments.seeds):
        measure(arguments.work / f"seed{seed}", seed, journal)
    cells = lines(journal)
    Console().print(table(cells))
    print(json.dumps(summary(cells)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
