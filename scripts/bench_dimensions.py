"""Which dimensions of architecture and recipe decide accuracy, and what is gained by choosing each well?

Command:  python scripts/bench_dimensions.py                 (--data FOLDER: another campaign's, with sample/)
Cost:     about a minute on one CPU core; it trains nothing, campaign_pairs.py has
Result:   a table, and one line of JSON at the end of the output: `share[dimension]` of the variance of accuracy between
          random pairs, `gain[dimension]` in percent of its best choice over its default, `noise` of one training
Method:   functional ANOVA of scikit-learn's random forest on random pairs: a dimension's share is the variance of the
          forest's prediction when all others are averaged over, a part of the variance of the prediction. The gain is
          the difference of two such averages, of the choice best on half of the pairs and the default, on the other
          half, both ways around; its error is the standard deviation over resampled pairs. What is less than two of its
          errors is said to be none. Noise is the deviation between seeds of the pairs trained three times.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import RandomForestRegressor

from nars.arrays import Floats, Ints
from nars.space import Population, Space, load_space, sobol
from nars.store import Sample, SampleStore

_ROOT = Path(__file__).parents[1]
_TREES, _POINTS, _RESAMPLES = 200, 1024, 20

DEFAULTS: Mapping[str, Any] = {
    "recipe.optimizer": "sgd",
    "recipe.warmup": 0.1,
    "recipe.augment": "none",
    "recipe.crop": 0.125,
    "recipe.erasing": 0.0,
    "recipe.color": 0.0,
    "recipe.mixup": 0.0,
    "recipe.cutmix": 0.0,
    "recipe.loss": "cross_entropy",
    "recipe.label_smoothing": 0.0,
    "recipe.dropout": 0.0,
    "recipe.stochastic_depth": 0.0,
    "recipe.regularizer": "none",
}
"""What a dimension is without a search; the middle choice where nothing is said."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=_ROOT / "data" / "campaign")
    parser.add_argument("--resamples", type=int, default=_RESAMPLES)
    arguments = parser.parse_args()
    space = load_space("campaign", classes=10, in_channels=3)
    samples = [s for s in SampleStore(arguments.data / "sample", must_exist=True).samples() if s.result is not None]
    found = measured(space, samples, resamples=arguments.resamples)
    Console(width=100).print(shown(found))
    print(json.dumps(found))
    return 0


def measured(space: Space, samples: list[Sample], *, resamples: int) -> dict[str, Any]:
    """Shares, gains with their errors, and what the forest is worth."""
    of_pair: dict[tuple[int, ...], list[float]] = {}
    for sample in samples:
        of_pair.setdefault(sample.choices, []).append(float(sample.result or 0.0))
    X = np.array(list(of_pair), dtype=np.int64)
    y = np.array([np.mean(values) for values in of_pair.values()])
    again = [values for values in of_pair.values() if len(values) > 1]
    noise = float(np.sqrt(np.mean([np.var(values, ddof=1) for values in again]))) if again else None
    forest = RandomForestRegressor(_TREES, oob_score=True, min_samples_leaf=2, random_state=0, n_jobs=1).fit(X, y)
    at = sobol(space, _POINTS, seed=1)
    total = float(forest.predict(at).var())
    rng = np.random.default_rng(0)
    share, gain, error = dict[str, float](), dict[str, float](), dict[str, float]()
    halves = [_halves(X, y, rng) for _ in range(resamples)]
    for column, dimension in enumerate(space.dimensions):
        if len(dimension.values) < 2:
            continue
        means = effect(forest, space, at, column)
        share[dimension.name] = float(means.var()) / total
        gains = [_gain(parts, space, at, column) for parts in halves]
        gain[dimension.name], error[dimension.name] = float(np.mean(gains)), float(np.std(gains, ddof=1))
    return {
        "pairs": len(X),
        "trainings": len(samples),
        "variance_explained": round(float(forest.oob_score_), 3),
        "deviation": round(float(y.std()), 2),
        "noise": None if noise is None else round(noise, 2),
        "share": {name: round(value, 4) for name, value in sorted(share.items(), key=lambda pair: -pair[1])},
        "gain": {name: round(value, 2) for name, value in gain.items()},
        "gain_error": {name: round(value, 2) for name, value in error.items()},
    }


def effect(forest: RandomForestRegressor, space: Space, at: Population, column: int) -> Floats:
    """The mean prediction over the points, for each choice of a dimension; points at which it does not count stay."""
    means = []
    for choice in range(len(space.dimensions[column].values)):
        moved = at.copy()
        moved[:, column] = choice
        means.append(float(forest.predict(space.canonical(moved)).mean()))
    return np.array(means)


Halves = tuple[RandomForestRegressor, RandomForestRegressor]


def _halves(X: Population, y: Floats, rng: np.random.Generator) -> Halves:
    """Forests of two random halves of the pairs."""
    order: Ints = rng.permutation(len(X))
    first, second = (
        RandomForestRegressor(50, min_samples_leaf=2, random_state=0, n_jobs=1).fit(X[part], y[part])
        for part in np.array_split(order, 2)
    )
    return first, second


def _gain(parts: Halves, space: Space, at: Population, column: int) -> float:
    """What the best choice of one half is ahead of the default by the other half, mean of both ways around."""
    some = at[:128]
    one, other = (effect(forest, space, some, column) for forest in parts)
    default = default_of(space, column)
    return float(np.mean([judge[chooser.argmax()] - judge[default] for chooser, judge in ((one, other), (other, one))]))


def default_of(space: Space, column: int) -> int:
    """The choice that is taken without a search."""
    dimension = space.dimensions[column]
    wanted = DEFAULTS.get(dimension.name)
    if wanted is None:
        return (len(dimension.values) - 1) // 2
    if isinstance(wanted, str):
        return dimension.values.index(wanted)
    return int(np.abs(np.array(dimension.values, dtype=np.float64) - wanted).argmin())


def shown(found: dict[str, Any]) -> Table:
    """The dimensions by their share; below two errors a gain is none."""
    title = f"{found['pairs']} pairs, {100 * found['variance_explained']:.0f} % of their variance explained"
    table = Table("dimension", "share of variance", "gain over default", title=f"{title}, noise {found['noise']}")
    for name, share in found["share"].items():
        gain, error = found["gain"][name], found["gain_error"][name]
        says = f"{gain:+.2f} ± {error:.2f}" if abs(gain) > 2 * error else f"none ({gain:+.2f} ± {error:.2f})"
        table.add_row(name, f"{100 * share:.1f} %", says)
    return table


if __name__ == "__main__":
    sys.exit(main())
