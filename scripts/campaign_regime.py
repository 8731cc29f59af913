"""Looks for a regime in which recipes matter: every architecture with every recipe, twice, and what decides accuracy.

Command:  python scripts/campaign_regime.py FOLDER --regime a --architectures 12 --recipes 12 --workers 2
          python scripts/campaign_regime.py FOLDER [FOLDER ...] --report        what is known so far
          (--regime rehearsal --architectures 3 --recipes 3: the digits images, in a minute)
          Regimes, all of CIFAR-10: a 1,000 images for 45 epochs; b 2,000 for 15; c 4,000 for 8; d 1,000 for 30.
          --images, --epochs, ... change one.
Cost:     10 to 40 s of CPU per training, 288 trainings in a full design; run at the lowest priority
Hardware: 2 CPU cores, no GPU
Result:   FOLDER/samples/ (Parquet, a file per training: stop at any time, start again to go on) and FOLDER/design.json.
          The report is a table and, as its last line, one JSON object. Wanted (of the variance of accuracy): recipe and
          architecture >= 20 % each, interaction >= 10 %, noise <= 10 %; the ranks of two seeds correlate by >= 0.9.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from campaign_trials import say
from nars.arrays import Floats
from nars.files.atomic import write_text
from nars.store import Sample, SampleStore
from nars.tasks import Trial
from regime_trials import REGIMES, Regime, RegimeTask, collect, design

_OPTIONS = {"images": int, "validation": int, "epochs": int, "batch_size": int}


def components(accuracy: Floats) -> dict[str, float]:
    """Unbiased components of the variance (ANOVA of two random factors with replication): MS_cells = E + n AR + ...

    Args:
        accuracy: (A, R, S) architectures x recipes x seeds, at least two of each.

    Returns:
        Variances by name; a small one may come out below 0.
    """
    a, r, n = accuracy.shape
    cell, whole = accuracy.mean(axis=2), accuracy.mean()
    of_a, of_r = cell.mean(axis=1), cell.mean(axis=0)
    ms_a = r * n * ((of_a - whole) ** 2).sum() / (a - 1)
    ms_r = a * n * ((of_r - whole) ** 2).sum() / (r - 1)
    ms_ar = n * ((cell - of_a[:, None] - of_r[None] + whole) ** 2).sum() / ((a - 1) * (r - 1))
    ms_e = ((accuracy - cell[:, :, None]) ** 2).sum() / (a * r * (n - 1))
    return {
        "architecture": float((ms_a - ms_ar) / (r * n)),
        "recipe": float((ms_r - ms_ar) / (a * n)),
        "interaction": float((ms_ar - ms_e) / n),
        "noise": float(ms_e),
    }


def shares(accuracy: Floats) -> dict[str, float]:
    """Each component's share of their sum."""
    found = components(accuracy)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()}


def seeds_agree(accuracy: Floats) -> float:
    """Spearman's rank correlation over all cells between two seeds, mean over pairs of seeds; accuracy (A, R, S)."""
    from scipy.stats import spearmanr

    seeds = accuracy.reshape(-1, accuracy.shape[2]).T
    pairs = [(i, j) for i in range(len(seeds)) for j in range(i)]
    return float(np.mean([spearmanr(seeds[i], seeds[j]).statistic for i, j in pairs]))


def cube(samples: list[Sample], *, classes: int = 10) -> Floats:
    """Accuracies (A, R, S) of the recipes that are complete; a training that diverged counts as a guess."""
    number = {network: i for i, network in enumerate(sorted(set(map(_network, samples))))}
    seeds = sorted({s.seed for s in samples})
    found: dict[int, Floats] = {}
    for sample in samples:
        cells = found.setdefault(sample.round, np.full((len(number), len(seeds)), np.nan))
        result = sample.result
        cells[number[_network(sample)], seeds.index(sample.seed)] = 100 / classes if result is None else result
    complete = [cells for _, cells in sorted(found.items()) if not np.isnan(cells).any()]
    return np.stack(complete, axis=1) if complete else np.zeros((len(number), 0, len(seeds)))


def _network(sample: Sample) -> tuple[float, str]:
    """The multiply-accumulates and the settings of a sample's architecture."""
    own = {name: value for name, value in sample.record.items() if not name.startswith("recipe.")}
    return sample.costs["flops"], json.dumps(own)


def _seconds(sample: Sample) -> float:
    """Of CPU; a failed training does not say."""
    return float(str(sample.also.get("cpu_seconds", sample.seconds)))


def judged(folder: Path) -> dict[str, Any]:
    """What is known of a regime so far."""
    samples = list(SampleStore(folder / "samples", must_exist=True).samples())
    accuracy = cube(samples)
    seconds = np.array([_seconds(sample) for sample in samples])
    known: dict[str, Any] = {
        "trainings": len(samples),
        "failed": sum(sample.status != "ok" for sample in samples),
        "design": list(accuracy.shape),
        "seconds": float(np.median(seconds)),
        "seconds_90": float(np.quantile(seconds, 0.9)),
    }
    if min(accuracy.shape) < 2:
        return known
    # The worst recipes spread the accuracies most, and no search stays with them.
    better = accuracy[:, accuracy.mean(axis=(0, 2)) >= np.median(accuracy.mean(axis=(0, 2)))]
    known |= {
        "best": float(accuracy.mean(axis=2).max()),
        "spread": float(accuracy.mean(axis=2).std()),
        "seeds_agree": seeds_agree(accuracy),
        "shares": shares(accuracy),
    }
    if min(better.shape) >= 2:
        known["better_half_of_recipes"] = {"seeds_agree": seeds_agree(better), "shares": shares(better)}
    return known


def reported(folders: list[Path]) -> Iterator[str]:
    """A row for each regime, and all of it as JSON."""
    found = {folder.name: judged(folder) for folder in folders}
    yield "regime      A x R x S  architecture  recipe  interaction  noise  seeds agree  seconds"
    for name, known in found.items():
        if "shares" not in known:
            yield f"{name:<11} {known['trainings']} trainings; two complete recipes are needed"
            continue
        size, seconds = " x ".join(map(str, known["design"])), f"{known['seconds']:.0f}"
        yield _row(name, size, known, seconds)
        if "better_half_of_recipes" in known:
            yield _row("  better half", "", known["better_half_of_recipes"], "")
    yield json.dumps(found)


def _row(name: str, size: str, known: dict[str, Any], seconds: str) -> str:
    share = [f"{100 * known['shares'][part]:.0f} %" for part in ("architecture", "recipe", "interaction", "noise")]
    return (
        f"{name:<13} {size:>8} {share[0]:>12} {share[1]:>7} {share[2]:>12} {share[3]:>6} "
        f"{known['seeds_agree']:>12.2f} {seconds:>8}"
    )


def collected(folder: Path, regime: Regime, arguments: argparse.Namespace) -> Iterator[str]:
    """Train the design, and say how it goes."""
    os.nice(19)
    data = regime.load()
    size = {name: getattr(arguments, name) for name in ("architectures", "recipes", "seeds")}
    task, plan = RegimeTask(data, regime), design(regime, data, **size)
    write_text(folder / "design.json", json.dumps({"regime": asdict(regime)} | size, indent=1) + "\n")
    yield f"{plan.size} trainings: {' x '.join(f'{number} {name}' for name, number in size.items())}"
    yield repr(data)
    trials = list(plan.trials(task))
    done = len(SampleStore(folder / "samples"))
    for number, sample in enumerate(_collected(task, trials, folder, arguments), start=1):
        value = sample.status if sample.result is None else f"{sample.result:.2f} %"
        place = f"{done + number}/{plan.size}: recipe {sample.round} seed {sample.seed}"
        yield f"{place}: {value}, {_seconds(sample):.0f} s"
    yield from reported([folder])


def _collected(task: RegimeTask, trials: list[Trial], folder: Path, arguments: argparse.Namespace) -> Iterator[Sample]:
    return collect(task, trials, folder / "samples", workers=arguments.workers, device=arguments.device)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--regime", choices=REGIMES, default="a")
    for name, kind in _OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of the regime's")
    for name, default in (("architectures", 12), ("recipes", 12), ("seeds", 2), ("workers", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--report", action="store_true", help="train nothing; say what is known")
    arguments = parser.parse_args()
    if arguments.report:
        return say(reported(arguments.folders))
    changed = {name: value for name in _OPTIONS if (value := getattr(arguments, name)) is not None}
    return say(collected(arguments.folders[0], replace(REGIMES[arguments.regime], **changed), arguments))


if __name__ == "__main__":
    sys.exit(main())
