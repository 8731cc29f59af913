"""Families whose settings are a flat list of names: `GENERIC`, where any will do, and those that users fill in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from nars.files import Value
from nars.space import counting
from nars.space.describe import summary
from nars.space.dimension import Group, Population
from nars.space.errors import SpaceError
from nars.space.extremes import LISTED_BY_FUNCTION, list_rows, listed_whole
from nars.space.families.family import Costs
from nars.space.families.generic.functions import FunctionCosts
from nars.space.families.generic.tables import AdditiveCostTable, ListedCostTable
from nars.space.families.rules import ANYTHING, RESOLUTION, Rule
from nars.space.files.entries import Entries
from nars.space.recipe import RECIPE_SETTINGS
from nars.space.space import Space

ClosedForm = Callable[[Mapping[str, NDArray[Any]], int, int], Mapping[str, NDArray[Any]]]
"""(settings as numbers {name: (N,) or (1,)}, image channels, classes) -> {cost: (N,) or (1,)}."""


@dataclass(frozen=True, kw_only=True)
class FlatArchitecture:
    """A network, written out."""

    family: str
    resolution: int
    """Side of the images, pixels."""
    settings: Mapping[str, Value]
    """All others."""
    in_channels: int
    classes: int

    @property
    def normalization(self) -> None:
        """As the training images are."""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return asdict(self)

    def record(self) -> dict[str, Value]:
        """Every setting by its name."""
        return {"resolution": self.resolution, **self.settings}


@final
@dataclass(frozen=True, kw_only=True)
class Flat:
    """A `Family` of named choices.

    Example, in a module of the user's own that space files name by `kind: my_networks:FAMILY`:

        >>> FAMILY = Flat(
        ...     settings={"width": Rule(low=1, high=256, whole=True), "kernel": Rule(low=1, high=9, whole=True)},
        ...     cost_names=("flops", "params", "resolution"),
        ...     closed_form=count,
        ...     builder="my_networks:build",
        ... )
    """

    settings: Mapping[str, Rule] | None = None
    """What a space file has to say, beside the resolution; None: whatever it says, and nothing has limits."""
    cost_names: tuple[str, ...] = ()
    """What `closed_form` gives; none where costs are listed in a table."""
    closed_form: ClosedForm | None = None
    builder: str | None = None
    """As in `Family`."""

    @property
    def initializer(self) -> None:
        """Training starts from random weights."""

    @property
    def standalone(self) -> bool:
        """No."""
        return False

    def rule(self, setting: str) -> Rule:
        """What holds for a setting."""
        return ANYTHING if self.settings is None else (self._own | _RECIPE).get(setting, ANYTHING)

    @property
    def _own(self) -> dict[str, Rule]:
        return {"resolution": RESOLUTION, **(self.settings or {})}

    def read(self, entries: Entries, architecture: Mapping[str, Any]) -> Sequence[str]:
        """Named choices."""
        if self.settings is not None:
            entries.keys(("architecture",), architecture, required=tuple(self._own))
        for name, entry in architecture.items():
            if name.startswith("recipe."):
                entries.problem(("architecture", name), "names that start with recipe. belong under recipe; rename it")
            elif self.settings is None or name in self._own:
                entries.add(name, entry, ("architecture", name))
        return [name for name in architecture if name in entries.settings]

    def check(self, entries: Entries, space: Space) -> None:
        """Nothing depends on anything."""

    def relocated(self, space: Space) -> dict[str, Any]:
        """Nothing."""
        return {}

    def costs(self, space: Space, X: Population) -> Costs:
        """As `closed_form` computes them."""
        if self.closed_form is None:
            return {}
        found = self.closed_form(space.numbers(X), space.in_channels, space.classes)
        return {name: np.broadcast_to(found[name], (len(X),)).astype(np.float64) for name in self.cost_names}

    def quick_costs(self, space: Space) -> Callable[[Population], Costs]:
        """The space's own."""
        return space.costs

    def extremes(self, space: Space) -> dict[str, Population]:
        """By listing what the costs can tell apart; the best found where a function computes those of too many."""
        return _extremes(space)

    def statistics(self, space: Space, X: Population) -> Costs:
        """Over dimensions with the same choices, how often each is taken, or (numbers) the sum of their ranks."""
        alike: dict[tuple[Value, ...], list[int]] = {}
        for column in space.columns_of("architecture"):
            alike.setdefault(space.dimensions[column].values, []).append(int(column))
        X = space.canonical(X)
        found = {}
        for values, columns in alike.items():
            if len(columns) < 2:
                continue
            first = space.dimensions[columns[0]]
            if first.ordinal:
                found[f"sum.{first.name}"] = X[:, columns].sum(axis=1).astype(np.float64)
            else:
                for choice, value in enumerate(values):
                    count = (X[:, columns] == choice).sum(axis=1).astype(np.float64)
                    short = f"count.{value}"
                    found[short if short not in found else f"count.{first.name}.{value}"] = count
        return found

    def architectures(self, space: Space, X: Population) -> list[FlatArchitecture]:
        """The settings of each network.

        Raises:
            SpaceError: there is nothing that builds networks.
        """
        if self.builder is None:
            raise SpaceError(f"{space.name} is a {space.kind} space: its choices have no network behind them to build")
        names = [name for name in space.settings if name != "resolution" and not name.startswith("recipe.")]
        return [
            FlatArchitecture(
                family=space.kind,
                resolution=cast(int, record["resolution"]),  # by its rule
                settings={name: record[name] for name in names},
                in_channels=space.in_channels,
                classes=space.classes,
            )
            for record in space.to_records(X)
        ]

    def read_architecture(self, document: Mapping[str, Any]) -> FlatArchitecture:
        """Read what `FlatArchitecture.to_dict` wrote.

        Raises:
            ValueError: a key is missing or unknown.
        """
        try:
            return FlatArchitecture(**document)
        except TypeError as error:
            raise ValueError(
                f"a network needs family, resolution, settings, in_channels and classes ({error})"
            ) from error

    def architecture_costs(self, architecture: FlatArchitecture) -> dict[str, int]:
        """The same, of one network."""
        if self.closed_form is None:
            return {}
        own = {name: self.rule(name).numbers([value]) for name, value in architecture.record().items()}
        found = self.closed_form(own, architecture.in_channels, architecture.classes)
        return {name: int(np.asarray(found[name]).item()) for name in self.cost_names}

    def layout(self, space: Space) -> None:
        """A list of settings says it all."""

    def line(self, space: Space, record: Mapping[str, Value]) -> str:
        """Every setting by its name."""
        return summary([name for name in space.settings if not name.startswith("recipe.")], record)


_SAMPLE = 8192
"""Candidates from which the ends of a function are looked for."""

_RECIPE = {f"recipe.{name}": rule for name, rule in RECIPE_SETTINGS.items()}

GENERIC = Flat()
"""The kind of space whose choices are only names and numbers, and whose costs, if any, are listed."""


def _extremes(space: Space) -> dict[str, Population]:
    """A row with the smallest and one with the largest value of each cost, {name: (2, D)}.

    Raises:
        SpaceError: the space is too large to list.
    """
    table = space.table
    if isinstance(table, AdditiveCostTable):
        return _summed(space, table)
    if isinstance(table, ListedCostTable):
        return _known(space, table)
    if isinstance(table, FunctionCosts) and not listed_whole(space):
        return _climbed(space)
    groups: tuple[Group, ...] = ("architecture",) if space.computes_costs else ("architecture", "recipe")
    X = list_rows(space, *groups, limit=LISTED_BY_FUNCTION if isinstance(table, FunctionCosts) else 5_000_000)
    return {name: X[[values.argmin(), values.argmax()]] for name, values in space.costs(X).items()}


def _climbed(space: Space) -> dict[str, Population]:
    """The ends that single changes lead to from the best of a sample."""
    X = space.canonical(np.random.default_rng(0).integers(space.cardinalities, size=(_SAMPLE, len(space.dimensions))))
    costs = space.costs(X)
    return {
        name: np.stack([_climb(space, X[(sign * values).argmax()], name, sign) for sign in (-1.0, 1.0)])
        for name, values in costs.items()
    }


def _climb(space: Space, row: Population, cost: str, sign: float) -> Population:
    """The row (D,) at which no single change makes sign * cost larger."""
    columns = np.repeat(np.arange(len(row)), space.cardinalities)
    choices = np.concatenate([np.arange(size) for size in space.cardinalities])
    while True:
        near = np.repeat(row[None], len(columns) + 1, axis=0)  # the last is the row itself
        near[np.arange(len(columns)), columns] = choices
        near = space.canonical(near)
        values = sign * space.costs(near)[cost]
        if values.max() <= values[-1]:
            return row
        row = near[values.argmax()]


def _known(space: Space, table: ListedCostTable) -> dict[str, Population]:
    """The ends among the listed candidates, which are all that is known."""
    listed = table.rows
    X = np.zeros((len(listed), len(space.dimensions)), dtype=np.int64)
    X[:, range(X.shape[1]) if table.columns is None else table.columns] = listed
    return {name: X[[np.nanargmin(values), np.nanargmax(values)]] for name, values in table.costs.items()}


def _summed(space: Space, table: AdditiveCostTable) -> dict[str, Population]:
    """The ends of sums: the best of each group of interdependent choices by itself."""
    groups: tuple[Group, ...] = ("architecture", "recipe")
    ends = {name: np.zeros((2, len(space.dimensions)), dtype=np.int64) for name in table.names}
    for columns, listed in (part for group in groups for part in counting.settings(space.dimensions, group)):
        X = np.zeros((len(listed), len(space.dimensions)), dtype=np.int64)
        X[:, columns] = listed
        for name, values in table.lookup(X).items():
            ends[name][:, columns] = listed[[values.argmin(), values.argmax()]]
    return ends
