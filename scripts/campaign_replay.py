"""Searches replayed exactly on the campaign's complete table: a training is looked up, its curve and seconds too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nars.arrays import Floats, Ints
from nars.predictors import Predictor
from nars.search import AmongGiven, RandomSearch, RegularizedEvolution
from nars.space import Population, Space, load_space, sobol
from nars.store import Sample, SampleStore
from nars.studies import RIVALS, searched_by_optuna
from nars.trials import TrialTable
from search_loops import ByPredictor

_FIRST, _BATCH = 12, 6
"""Trainings of our first round, and of each later one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """A complete table: A architectures x R recipes, C = A R cells, S seeds, E epochs."""

    space: Space
    X: Population
    """(C, D), architecture by architecture."""
    architectures: int
    recipes: int
    values: Floats
    """(C, S) accuracy at the end, percent; a training that failed counts as a guess."""
    curves: Floats
    """(C, S, E) accuracy after each epoch on a part of the validation images; the last is that of `values`."""
    seconds: Floats
    """(C, S) of CPU."""

    @property
    def cube(self) -> Floats:
        """(A, R, S)"""
        return self.values.reshape(self.architectures, self.recipes, -1)

    @property
    def flops(self) -> Floats:
        """(C,)"""
        return self.space.costs(self.X)["flops"]

    def among(self, rows: Ints) -> Cells:
        """Some cells only, no longer a rectangle."""
        parts = {name: getattr(self, name)[rows] for name in ("X", "values", "curves", "seconds")}
        return Cells(space=self.space, architectures=len(rows), recipes=1, **parts)


def load_cells(folder: Path) -> Cells:
    """The largest square of `campaign_pairs.py FOLDER` that is complete.

    Raises:
        SystemExit: not even the smallest is.
    """
    design = json.loads((folder / "design.json").read_text())
    gray = design["regime"]["image_set"] == "digits"
    space = load_space("campaign", classes=10, in_channels=1 if gray else 3)
    rows = {name: np.array(design[name], dtype=np.int64) for name in ("architectures", "recipes")}
    found: dict[tuple[int, ...], dict[int, Sample]] = {}
    for sample in SampleStore(folder / "table", must_exist=True).samples():
        found.setdefault(sample.choices, {})[sample.seed] = sample
    columns = space.columns_of("recipe")
    for side in range(max(map(len, rows.values())), 1, -1):
        some = {name: X[:side] for name, X in rows.items()}
        X = np.repeat(some["architectures"], len(some["recipes"]), axis=0)
        X[:, columns] = np.tile(some["recipes"][:, columns], (len(some["architectures"]), 1))
        X = space.canonical(X)
        cells = [found.get(tuple(row), {}) for row in X.tolist()]
        if all(len(cell) >= 2 for cell in cells):
            return _cells(space, X, cells, side=tuple(map(len, some.values())))
    raise SystemExit(f"no square of {folder} is complete yet; campaign_pairs.py goes on")


def _cells(space: Space, X: Population, cells: list[dict[int, Sample]], *, side: tuple[int, ...]) -> Cells:
    samples = [[cell[0], cell[1]] for cell in cells]
    length = max(len(sample.curve) for pair in samples for sample in pair)
    guess = 100 / 10

    def curve(sample: Sample) -> list[float]:
        known = list(sample.curve) if sample.status == "ok" else [guess] * length
        return known + [known[-1]] * (length - len(known))

    curves = np.array([[curve(sample) for sample in pair] for pair in samples])
    seconds = np.array([[float(str(sample.also.get("cpu_seconds", sample.seconds))) for sample in p] for p in samples])
    return Cells(
        space=space,
        X=X,
        architectures=side[0],
        recipes=side[1],
        values=curves[:, :, -1],
        curves=curves,
        seconds=seconds,
    )


# A search trains cells one after another: (cell, epochs it was trained for). The cells that it sees have one seed each.

Trained = Iterator[tuple[int, int]]
Search = Callable[[Cells, np.random.Generator], Trained]


def by(strategy: Callable[[Cells, np.random.Generator], AmongGiven]) -> Search:
    """A strategy that trains in full."""

    def search(cells: Cells, rng: np.random.Generator) -> Trained:
        among, at = strategy(cells, rng), {row.tobytes(): number for number, row in enumerate(cells.X)}
        while len(X := among.ask(1)):
            cell = at[X[0].tobytes()]
            yield cell, cells.curves.shape[2]
            among.tell(X, cells.values[[cell], 0])

    return search


def ours(pretrained: Predictor) -> Search:
    """Stage 2 of the method: bins first, then by expected improvement of the predictor."""

    def strategy(cells: Cells, rng: np.random.Generator) -> AmongGiven:
        table = TrialTable(name="campaign", space=cells.space, X=cells.X, values=cells.values)
        return ByPredictor(table, pretrained, first=min(_FIRST, len(cells.X)), batch=_BATCH, rng=rng)

    return by(strategy)


def pretrained_on_space(space: Space, *, size: int = 2048) -> Predictor:
    """The default predictor, pretrained on the space's free statistics."""
    return Predictor.pretrained(space, sobol(space, size, seed=0), seed=0)


def random_search(cells: Cells, rng: np.random.Generator) -> AmongGiven:
    return RandomSearch(cells.X, rng=rng)


def evolution(cells: Cells, rng: np.random.Generator) -> AmongGiven:
    return RegularizedEvolution(cells.X, rng=rng)


def with_optuna(name: str) -> Search:
    """One of Optuna's over all settings; trained is the cell, of those left, with the most like settings."""

    def search(cells: Cells, rng: np.random.Generator) -> Trained:
        return searched_by_optuna(cells.space, cells.X, list(cells.curves[:, 0]), rival=RIVALS[name], rng=rng)

    return search


def fixed(cells: Cells, *, architecture: int | None = None, recipe: int | None = None) -> Ints:
    """The cells with this architecture, or with this recipe."""
    number = np.arange(len(cells.X)).reshape(cells.architectures, cells.recipes)
    return number[architecture] if architecture is not None else number[:, recipe]


def chosen(search: Search, cells: Cells, spendings: Floats, *, rng: np.random.Generator) -> Ints:
    """The cell that looked best after so many seconds of training (ascending), -1 before one was trained.

    Pairs are compared by what their own training gave; one that was stopped early does not count.
    """
    which = np.arange(len(cells.X)), rng.integers(cells.values.shape[1], size=len(cells.X))
    parts = {name: getattr(cells, name)[which][:, None] for name in ("values", "curves", "seconds")}
    spent, best, at, found = 0.0, -np.inf, -1, np.full(len(spendings), -2)
    for cell, epochs in search(replace(cells, **parts), rng):
        spent += float(cells.seconds[cell].mean()) * epochs / cells.curves.shape[2]
        found[(found == -2) & (spent > spendings)] = at
        if spent > spendings[-1]:
            break
        seen = float(parts["values"][cell, 0])
        if epochs == cells.curves.shape[2] and seen > best:
            best, at = seen, cell
    return np.where(found == -2, at, found)


def replayed(search: Search, cells: Cells, *, seconds: float, checkpoints: Floats, rng: np.random.Generator) -> Floats:
    """True accuracy (mean of the seeds) of the pair that looked best after these shares of `seconds` of training."""
    found = chosen(search, cells, checkpoints * seconds, rng=rng)
    return np.where(found < 0, np.nan, cells.values.mean(axis=1)[found])


def searches(pretrained: Predictor) -> Mapping[str, Search]:
    """Those that choose among all cells."""
    return {
        "joint (ours)": ours(pretrained),
        "random": by(random_search),
        "evolution": by(evolution),
        "TPE": with_optuna("tpe"),
        "ASHA": with_optuna("asha"),
        "TPE + ASHA": with_optuna("tpe-asha"),
        "Hyperband": with_optuna("hyperband"),
    }
