"""Is the default predictor ahead of its rivals where a model can go wrong? Made-up tables, one for each way.

    python scripts/predictor_tables.py                             # all tables, 3 splits
    python scripts/predictor_tables.py --tables cells noisy --splits 10

What the default preset is made of was decided on these, so that `scripts/bench_predictor.py` measures it elsewhere:
    categorical    16 layers of nine kinds, effects that fade with depth, some pairs
    inert          thirty choices, of which six matter
    interactions   products, equalities and differences of choices, hardly an effect alone
    misleading     eight statistics that say nothing; waves along the choices do
    mbconv         space/fbnetv3-cifar10.yaml with its statistics; accuracy saturates in size
    recipes        six numbers with a valley; the noise grows where it is bad
    cells          28 operations of which the counts matter, and a recipe
    noisy          eight choices and mostly noise of heavy tails

Cost: one core, no GPU, five minutes. Result: Kendall's tau on 1,500 others at n = 25, 100 and 200 samples, a table in
OUT/made-up.md; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nars.arrays import Floats
from nars.files.atomic import write_text
from nars.predictors import RIVALS, contenders, free_statistics, kendall, random_split
from nars.space import Population, Space, load_space, parse_document, read_space, sobol
from nars.trials import TrialTable, with_costs

_SAMPLES = (25, 100, 200)
_HELD_OUT = 1500
_CANDIDATES = 4000
_RIVALS = tuple(name + end for name in RIVALS for end in ("", "+statistics"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "results" / "predictor")
    arguments = parser.parse_args()
    document: dict[str, Any] = {"splits": arguments.splits, "tau": {}, "best_rival": {}}
    lines = ["| table | n | default | best rival | |", "|---|---|---|---|---|"]
    with threadpool_limits(1):
        torch.set_num_threads(1)
        for name in arguments.tables:
            for n, (own, rival, best) in _measured(TABLES[name](np.random.default_rng(0)), arguments.splits).items():
                document["tau"].setdefault(name, {})[n], document["best_rival"].setdefault(name, {})[n] = own, rival
                lines.append(f"| {name} | {n} | {own:.3f} | {rival:.3f} | {best} |")
                print(lines[-1], flush=True)
    ahead = [own >= document["best_rival"][name][n] for name, of in document["tau"].items() for n, own in of.items()]
    document["ahead"], document["of"] = sum(ahead), len(ahead)
    write_text(
        arguments.out / "made-up.md",
        f"# Made-up tables\n\n**The default is ahead of the best rival in {sum(ahead)} of {len(ahead)} cells.**\n\n"
        f"Made by `python scripts/predictor_tables.py`, which says what they are. Kendall's tau on {_HELD_OUT:,}\n"
        f"others, mean over {arguments.splits} splits; of {len(_RIVALS)} rivals the best at each n is shown.\n\n"
        + "\n".join(lines)
        + "\n",
    )
    print(json.dumps(document))
    return 0


def _measured(table: TrialTable, splits: int) -> dict[int, tuple[float, float, str]]:
    """By n: tau of the default preset and of the best rival, and its name."""
    made = contenders(table.space, table.X, ("pretrained", *_RIVALS), seed=0)
    found = {}
    for n in _SAMPLES:
        taus: dict[str, list[float]] = {name: [] for name in made}
        for split in range(splits):
            train, held_out = random_split(len(table.X), n, split=split, held_out=_HELD_OUT)
            for name, model in made.items():
                said = model.predict(train, held_out, table.mean, seed=split).mean
                taus[name].append(kendall(said, table.mean[held_out]))
        means = {name: round(float(np.mean(values)), 4) for name, values in taus.items()}
        best = max(_RIVALS, key=means.__getitem__)
        found[n] = (means["pretrained"], means[best], best)
    return found


def _table(
    name: str,
    rng: np.random.Generator,
    architecture: Mapping[str, int],
    recipe: Mapping[str, int],
    accuracy: Callable[[Population], Floats],
    statistics: Callable[[Population], Mapping[str, NDArray[Any]]],
) -> TrialTable:
    """Choices by name with their number; those whose name begins with "k" are kinds, the others numbers."""

    def choices(names: Mapping[str, int]) -> dict[str, list[Any]]:
        return {
            one: [f"v{at}" for at in range(count)] if one[0] == "k" else list(range(1, count + 1))
            for one, count in names.items()
        }

    text = {
        "name": name,
        "kind": "generic",
        "architecture": choices(architecture) or {"fixed": [1]},
        "recipe": choices(recipe),
    }
    space = read_space(parse_document(json.dumps(text), source=name))
    ours = [
        next(at for at, d in enumerate(space.dimensions) if d.name.split(".")[-1] == one)
        for one in (*architecture, *recipe)
    ]
    X = np.unique(rng.integers(0, space.cardinalities, size=(_CANDIDATES, len(space.dimensions))), axis=0)
    rows = X[:, ours]
    columns = statistics(rows)
    space = with_costs(space, X, columns) if columns else space
    return TrialTable(name=name, space=space, X=X, values=accuracy(rows)[:, None])


def _percent(
    quality: Floats, rng: np.random.Generator, noise: float, *, top: float = 94.0, span: float = 20.0
) -> Floats:
    """Accuracies that crowd below a ceiling."""
    scaled = (quality - quality.mean()) / quality.std()
    return np.asarray(top - span / 2 * np.log1p(np.exp(-(scaled + 1.0))) + noise * rng.normal(size=len(quality)))


def _categorical(rng: np.random.Generator) -> TrialTable:
    kinds, own = rng.normal(size=9), rng.normal(size=(16, 9))
    pairs = [(*rng.choice(16, 2, replace=False), rng.normal(size=(9, 9))) for _ in range(12)]
    rate, size = rng.normal(size=5), rng.uniform(0.2, 2, size=9)

    def accuracy(X: Population) -> Floats:
        layers = sum(0.6 * (kinds + own[at])[X[:, at]] * np.exp(-at / 8) for at in range(16))
        together = sum(0.35 * table[X[:, a], X[:, b]] for a, b, table in pairs)
        return _percent(np.asarray(layers + together + 1.2 * rate[X[:, 16]]), rng, 0.8)

    def statistics(X: Population) -> dict[str, Floats]:
        return {"params": np.stack([size[X[:, at]] * 2 ** (at / 6) for at in range(16)]).sum(axis=0)}

    return _table("categorical", rng, {f"k{at}": 9 for at in range(16)}, {"krate": 5}, accuracy, statistics)


def _inert(rng: np.random.Generator) -> TrialTable:
    def accuracy(X: Population) -> Floats:
        u = X / 3.0
        kinds = np.array([0, 1, 0.3, -1])[X[:, 20]] + np.array([0, 0.2, 1.2, 0.1])[X[:, 27]]
        return _percent(2 * u[:, 0] - 3 * (u[:, 4] - 0.6) ** 2 + 2 * u[:, 7] * u[:, 11] + kinds, rng, 0.4)

    def statistics(X: Population) -> dict[str, Floats]:
        u = X / 3.0
        return {"flops": np.exp(u[:, :12].sum(axis=1) / 4), "params": np.exp(u[:, 6:18].sum(axis=1) / 4)}

    names = {f"n{at}": 4 for at in range(20)} | {f"k{at}": 4 for at in range(20, 24)}
    return _table("inert", rng, names, {f"k{at}": 4 for at in range(24, 30)}, accuracy, statistics)


def _interactions(rng: np.random.Generator) -> TrialTable:
    both = rng.normal(size=(5, 5))

    def accuracy(X: Population) -> Floats:
        u = X / 4.0
        quality = 2 * np.sin(4 * u[:, 0] * u[:, 1]) + 1.5 * (X[:, 5] == X[:, 6]) + 1.2 * both[X[:, 7], X[:, 2]]
        return _percent(quality + 2 * np.abs(u[:, 3] - u[:, 4]), rng, 0.4)

    def statistics(X: Population) -> dict[str, Floats]:
        u = X / 4.0
        return {"flops": np.exp(u[:, 0] + u[:, 3]), "params": np.exp(u[:, 1] + u[:, 2])}

    names = {f"n{at}": 5 for at in range(5)} | {f"k{at}": 5 for at in range(5, 7)}
    return _table("interactions", rng, names, {f"k{at}": 5 for at in range(7, 10)}, accuracy, statistics)


def _misleading(rng: np.random.Generator) -> TrialTable:
    weights = rng.normal(size=(8, 12))

    def accuracy(X: Population) -> Floats:
        u = X / 5.0
        waves = sum(np.sin(6 * u[:, at] + at) * (1 if at % 3 == 0 else 0.3) for at in range(12))
        return _percent(np.asarray(waves), rng, 0.5)

    def statistics(X: Population) -> dict[str, Floats]:
        return {f"s{at}": np.exp(np.tanh(2 * (X / 5.0) @ weights[at])) for at in range(8)}

    return _table("misleading", rng, {f"n{at}": 6 for at in range(10)}, {"n10": 6, "n11": 6}, accuracy, statistics)


def _mbconv(rng: np.random.Generator) -> TrialTable:
    space: Space = load_space("fbnetv3-cifar10")
    X = sobol(space, _CANDIDATES, seed=0)
    logs = {
        name: np.log(np.asarray(v, dtype=np.float64)) for name, v in free_statistics(space, X).items() if min(v) > 0
    }
    flops, params = ((logs[name] - logs[name].mean()) / logs[name].std() for name in ("flops", "params"))
    architecture, recipe = np.split(space.encode(X).astype(np.float64), [space.architecture_width], axis=1)
    details = architecture @ rng.normal(size=architecture.shape[1]) / np.sqrt(0.15 * architecture.shape[1])
    trained = np.sin(1.5 * recipe @ rng.normal(size=recipe.shape[1]))
    quality = 1.2 * flops + 0.6 * params - 0.4 * (flops - params) ** 2 + 0.5 * details + trained
    return TrialTable(name="mbconv", space=space, X=X, values=_percent(quality, rng, 0.3)[:, None])


def _recipes(rng: np.random.Generator) -> TrialTable:
    counts = (8, 6, 5, 5, 4)

    def accuracy(X: Population) -> Floats:
        u = X[:, :5] / (np.array(counts) - 1)
        rate = u[:, 0] - 0.6 + 0.25 * (u[:, 1] - 0.5)
        kind = 0.4 * np.array([0, 1, 0.5])[X[:, 5]]
        y = _percent(-6 * rate**2 - 1.5 * (u[:, 2] - 0.4) ** 2 - u[:, 3] * u[:, 4] + kind, rng, 0.0, span=14.0)
        return np.asarray(y + rng.normal(size=len(y)) * (0.15 + 0.06 * (94 - y)))

    names = {f"n{at}": count for at, count in enumerate(counts)} | {"k5": 3}
    return _table("recipes", rng, {}, names, accuracy, lambda X: {})


def _cells(rng: np.random.Generator) -> TrialTable:
    worth, place = np.array([-1, 0.1, 0.5, 1.0, -0.2]), 1 + 0.3 * rng.normal(size=28)

    def accuracy(X: Population) -> Floats:
        u = X[:, 28:30] / 3.0
        counts = 0.25 * (worth[X[:, :28]] * place).sum(axis=1)
        return _percent(
            counts - 4 * (u[:, 0] - 0.7) ** 2 + 0.6 * u[:, 1] + np.array([0, 0.4, -0.5])[X[:, 30]], rng, 0.4
        )

    def statistics(X: Population) -> dict[str, NDArray[Any]]:
        large, small, pools = ((X[:, :28] == kind).sum(axis=1) for kind in (3, 2, 4))
        return {"params": 1 + 9.0 * large + small, "flops": 2 + 9.0 * large + small + 0.5 * pools}

    return _table("cells", rng, {f"k{at}": 5 for at in range(28)}, {"n28": 4, "n29": 4, "k30": 3}, accuracy, statistics)


def _noisy(rng: np.random.Generator) -> TrialTable:
    kinds = 0.4 * rng.normal(size=6)

    def accuracy(X: Population) -> Floats:
        u = X / 5.0
        y = _percent(u[:, 0] - u[:, 1] + 0.5 * u[:, 2] + 0.3 * u[:, 5] + kinds[X[:, 6]], rng, 0.0, span=6.0)
        return np.asarray(y + 0.8 * rng.standard_t(3, size=len(y)))

    def statistics(X: Population) -> dict[str, Floats]:
        return {"flops": np.exp(X[:, :3].sum(axis=1) / 5.0)}

    return _table("noisy", rng, {f"n{at}": 6 for at in range(6)}, {"k6": 6, "k7": 6}, accuracy, statistics)


TABLES: Mapping[str, Callable[[np.random.Generator], TrialTable]] = {
    "categorical": _categorical,
    "inert": _inert,
    "interactions": _interactions,
    "misleading": _misleading,
    "mbconv": _mbconv,
    "recipes": _recipes,
    "cells": _cells,
    "noisy": _noisy,
}

if __name__ == "__main__":
    raise SystemExit(main())
