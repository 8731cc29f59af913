"""Claim 8: our family against networks that people made, each scaled properly, with usual, searched and own recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from campaign_arms import Arm, Ground, Step, arm_of_pair, hours, kept, trained, validation_means
from campaign_pairs import USUAL_RECIPES, usual_recipe
from campaign_scaled import PEOPLES, shapes
from campaign_searched import BUDGETS, measured, searched
from nars.space import AnyArchitecture, Population, shorten

SHAPES = 4
"""Depths and resolutions that each kind of network is tried with for each budget, by one training with SGD."""

TABLE_RECIPES = 6
"""Recipes of the table, best mean first, that a kind of network is tried with beside the usual ones."""

SEEDS = 3
_CHOOSING = 50
"""Seed of the trainings that choose; others judge."""
_SECONDS = 18

Settings = Mapping[str, Any]


def families(ground: Ground) -> Iterator[str]:
    """Shapes, then recipes, then all that is compared."""
    folder = ground.out / "families"
    names = ("ResNet",) if ground.rehearsed else PEOPLES
    budgets = BUDGETS[:1] if ground.rehearsed else BUDGETS
    count, seeds = (1, 2) if ground.rehearsed else (SHAPES, ground.seeds or SEEDS)
    recipes = 1 if ground.rehearsed else TABLE_RECIPES
    if ground.plan:
        sizes = {
            "shapes": len(names) * len(budgets) * count,
            "recipes": len(names) * (len(USUAL_RECIPES) + recipes),
            "samples": (3 * len(names) + 2) * len(budgets) * seeds,
        }
        yield from hours([Step(what=w, trainings=n, folder=folder / w, seconds=_SECONDS) for w, n in sizes.items()])
        return
    usual = _settings(ground, usual_recipe(ground.space, USUAL_RECIPES["sgd"]))
    best: dict[tuple[str, float], AnyArchitecture] = {}
    tried = [
        (name, budget, shape, network)
        for name in names
        for budget in budgets
        for shape, network in shapes(name, ground.space, flops=budget, count=count)
    ]
    arms = [
        _choosing(ground, network, usual, {"model": name, "budget": shorten(budget), "shape": shape})
        for name, budget, shape, network in tried
    ]
    yield from trained(ground, folder / "shapes", arms, 1)
    values = validation_means(folder / "shapes", "model", "budget", "shape")
    for name, budget, _, network in sorted(tried, key=lambda one: values[one[0], shorten(one[1]), one[2]]):
        best[name, budget] = network  # the last is the best
    yield from _with_recipes(ground, folder / "recipes", names, best, budgets[len(budgets) // 2], recipes)
    tuned = _best_recipes(ground, folder / "recipes", recipes)
    yield from trained(ground, folder / "samples", _compared(ground, best, usual, tuned), seeds)


def _with_recipes(
    ground: Ground,
    folder: Path,
    names: tuple[str, ...],
    best: Mapping[tuple[str, float], AnyArchitecture],
    budget: float,
    count: int,
) -> Iterator[str]:
    """Each kind of network at one budget with each recipe that it may choose."""
    arms = [
        _choosing(ground, best[name, budget], settings, {"model": name, "by": label})
        for label, settings in _recipes(ground, count).items()
        for name in names
    ]
    yield from trained(ground, folder, arms, 1)


def _best_recipes(ground: Ground, folder: Path, count: int) -> dict[str, Settings]:
    """{kind of network: its own recipe}."""
    values, recipes = validation_means(folder, "model", "by"), _recipes(ground, count)
    found: dict[str, Settings] = {}
    for name, label in sorted(values, key=values.__getitem__):
        found[str(name)] = recipes[str(label)]  # the last is the best
    return found


def _compared(
    ground: Ground, best: Mapping[tuple[str, float], AnyArchitecture], usual: Settings, tuned: Mapping[str, Settings]
) -> list[Arm]:
    ours = {member.budget: member.row for member in searched(ground)}
    arms = []
    for (name, budget), network in best.items():
        own = _settings(ground, ours[budget])
        for by, settings in {"usual": usual, "searched": own, "tuned": tuned[name]}.items():
            labels = {"model": name, "budget": shorten(budget), "by": by}
            arms.append(Arm(labels=labels, network=network, recipe=settings, task=ground.task))
    for budget in dict.fromkeys(budget for _, budget in best):
        member = arm_of_pair(ground, ours[budget], {"model": "ours", "budget": shorten(budget), "by": "searched"})
        with_usual = {"labels": {**member.labels, "by": "usual"}, "recipe": usual}
        arms += [member, Arm(network=member.network, task=member.task, **with_usual)]  # type: ignore[arg-type]
    return arms


def _recipes(ground: Ground, count: int) -> dict[str, Settings]:
    """{what it is called: settings}: the usual ones, and those of the table that are best over all its networks."""
    found = {name: _settings(ground, usual_recipe(ground.space, named)) for name, named in USUAL_RECIPES.items()}
    columns = ground.space.columns_of("recipe")
    X, y = measured(ground)
    values: dict[tuple[int, ...], list[float]] = {}
    for row, value in zip(X[:, columns], y, strict=True):
        values.setdefault(tuple(row.tolist()), []).append(float(value))
    table = np.array(ground.design["recipes"], dtype=np.int64)[len(USUAL_RECIPES) :]
    means = [np.mean(values.get(tuple(ground.space.canonical(row[None])[0, columns].tolist()), 0.0)) for row in table]
    best = np.argsort(-np.array(means), kind="stable")[:count]
    for number in kept(ground.out / "families" / "recipes.json", best.tolist):
        found[f"table {number}"] = _settings(ground, table[number])
    return found


def _settings(ground: Ground, row: Population) -> Settings:
    (settings,) = ground.space.recipes(ground.space.canonical(row[None]))
    return settings


def _choosing(ground: Ground, network: AnyArchitecture, recipe: Settings, labels: Mapping[str, str]) -> Arm:
    return Arm(labels=labels, network=network, recipe=recipe, task=ground.task, first_seed=_CHOOSING)
