"""A search space: N candidates with D choices each are one integer matrix X (N, D) of choice indices.

Every operation here is vectorized over the rows of X. Columns are ordered architecture first, then recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Floats32, Ints
from nars.errors import suggestion
from nars.files import Value
from nars.space import counting
from nars.space.bounds import Bounds
from nars.space.dimension import CostTable, Dimension, Fixed, Group, Population, Setting
from nars.space.errors import SpaceError, UnlistedError
from nars.space.families.family import AnyArchitecture, Family, family_of
from nars.space.files.document import Document
from nars.space.reading import ABSENT, Cells, one_message


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """Dimensions, the settings that read them, and the costs that follow."""

    document: Document
    """The file that it was read from."""
    name: str
    kind: str
    """Which family it is of (`nars.space.families.family.FAMILIES`)."""
    about: str
    dimensions: tuple[Dimension, ...]
    settings: Mapping[str, Setting]
    """Every setting by its full name ("stage2.channels", "recipe.optimizer"), fixed ones included."""
    in_channels: int = 3
    classes: int = 1000
    table: CostTable | None = None
    range: Bounds = field(default_factory=Bounds)
    """Where a run looks that names no range of its own."""
    budgets: tuple[Bounds, ...] = ()
    """What it answers if it names none."""

    def __repr__(self) -> str:
        sizes = f"{self.size('architecture'):.3g} architectures x {self.size('recipe'):.3g} recipes"
        return f"<Space {self.name}: {sizes}, {len(self.dimensions)} dimensions, fingerprint {self.fingerprint}>"

    @property
    def family(self) -> Family:
        """What it has in common with the other spaces of its kind."""
        return family_of(self.kind)

    @property
    def computes_costs(self) -> bool:
        """Whether costs follow from the choices; otherwise they are those of a table, which is part of what it is."""
        return bool(self.family.cost_names)

    # -- shape --------------------------------------------------------------------------------------------------------

    @cached_property
    def cardinalities(self) -> Population:
        """Number of choices of each dimension, (D,)."""
        return np.array([len(dimension.values) for dimension in self.dimensions], dtype=np.int64)

    @cached_property
    def index(self) -> dict[str, int]:
        """Column of each dimension by name."""
        return {dimension.name: column for column, dimension in enumerate(self.dimensions)}

    def columns_of(self, group: Group) -> Ints:
        """Columns of X that belong to the architecture or to the recipe."""
        return np.array([d for d, dim in enumerate(self.dimensions) if dim.group == group], dtype=np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that gives a row of X its meaning: equal fingerprints, equal candidates and costs."""
        table = self.free.table
        document = {
            "kind": self.kind,
            "dimensions": [
                [
                    d.name,
                    list(d.values),
                    d.group,
                    d.ordinal,
                    d.log,
                    [[c.dimension, sorted(c.choices)] for c in d.active_when],
                    [[e.choice, e.same_as, e.when.dimension, sorted(e.when.choices)] for e in d.equivalences],
                    *([[d.slide.choice, d.slide.next]] if d.slide else []),
                ]
                for d in self.dimensions
            ],
            "settings": {
                name: ["fixed", s.value] if isinstance(s, Fixed) else ["choice", s.dimension]
                for name, s in sorted(self.settings.items())
            },
            "in_channels": self.in_channels,
            "classes": self.classes,
            # Measured costs (latency) beside the closed-form ones say nothing about what a row means.
            "table": table.fingerprint if table and not self.computes_costs else None,
        }
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]

    # -- rows ---------------------------------------------------------------------------------------------------------

    def check(self, X: Population) -> Population:
        """X as an int64 matrix of this space.

        Raises:
            SpaceError: the shape or a choice is outside the space.
        """
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.dimensions) or not np.issubdtype(X.dtype, np.integer):
            raise SpaceError(
                f"a population of {self.name} is an integer matrix (N, {len(self.dimensions)}), got shape {X.shape} of "
                f"{X.dtype}; take rows from sobol() or from_records()"
            )
        outside = (X < 0) | (self.cardinalities <= X)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            dimension = self.dimensions[column]
            raise SpaceError(
                f"{dimension.name} has {len(dimension.values)} choices, row {row} asks for number {X[row, column]}; "
                f"indices run from 0 to {len(dimension.values) - 1}"
            )
        return X.astype(np.int64, copy=False)

    def canonical(self, X: Population) -> Population:
        """The same networks with choices of no effect at 0 and what slides moved back: equal networks, equal rows."""
        return counting.canonical(self.dimensions, X)

    # -- encoding -----------------------------------------------------------------------------------------------------

    @cached_property
    def architecture_width(self) -> int:
        """Columns of the encoding that describe the architecture; they come first."""
        return sum(dimension.width for dimension in self.dimensions if dimension.group == "architecture")

    @cached_property
    def recipe_width(self) -> int:
        """Columns of the encoding that describe the recipe."""
        return sum(dimension.width for dimension in self.dimensions if dimension.group == "recipe")

    def encode(self, X: Population) -> Floats32:
        """One-hot for categorical choices, min-max normalized numbers for ordinal ones (paper, section 3.2), (N, E)."""
        columns, begins, codes = self._codes
        return codes.take(self.canonical(self.check(X)).take(columns, axis=1) + begins)

    @cached_property
    def _codes(self) -> tuple[Ints, Ints, Floats32]:
        """For each column of the encoding, the column of X it shows and where its code begins (E,); all codes."""
        parts = [(column, code) for column, dim in enumerate(self.dimensions) for code in dim.code.T]
        begins = np.cumsum([0, *(len(code) for _, code in parts[:-1])])
        return np.array([column for column, _ in parts]), begins, np.concatenate([code for _, code in parts])

    def decode(self, encoding: NDArray[np.floating[Any]]) -> Population:
        """The rows whose encoding is nearest, (N, D); the exact reverse of `encode` on canonical rows."""
        encoding = np.asarray(encoding)
        X = np.empty((len(encoding), len(self.dimensions)), dtype=np.int64)
        at = 0
        for column, dimension in enumerate(self.dimensions):
            part = encoding[:, at : at + dimension.width]
            if dimension.ordinal:
                middles = (dimension.code[1:, 0] + dimension.code[:-1, 0]) / 2
                X[:, column] = np.searchsorted(middles, part[:, 0])
            else:
                X[:, column] = part.argmax(axis=1)
            at += dimension.width
        return X

    # -- costs --------------------------------------------------------------------------------------------------------

    def with_table(self, table: CostTable) -> Space:
        """The same space with costs that are looked up: all of a generic space's, or latency beside the others."""
        return replace(self, table=table)

    @property
    def free(self) -> Space:
        """The same space without costs that are learned from trainings."""
        return self.table.space if isinstance(self.table, LearnedCosts) else self

    @property
    def cost_names(self) -> tuple[str, ...]:
        """Names of the costs that `costs` returns; none for a generic space without a table."""
        return self.family.cost_names + (self.table.names if self.table else ())

    def costs(self, X: Population) -> dict[str, Floats]:
        """Every cost of every candidate, {name: float64 (N,)}; none where there is neither closed form nor table.

        Raises:
            SpaceError: the table lacks a candidate.
        """
        computed = self.family.costs(self, X)
        if self.table is None:
            return computed
        try:
            return computed | self.table.lookup(self.canonical(X))
        except UnlistedError as error:
            choices = [f"{d.name} {d.values[i]}" for d, i in zip(self.dimensions, error.row, strict=True)]
            raise SpaceError(f"{self.name}: {error.message(', '.join(choices))}") from None

    def quick_costs(self, X: Population) -> dict[str, Floats]:
        """Equal to `costs` in every number; faster for who asks many times, after a while of preparing."""
        return self.family.quick_costs(self)(X)

    def values(self, setting: str) -> tuple[Any, ...]:
        """What a setting can be: its choices, or the one value that is fixed."""
        found = self.settings[setting]
        return (found.value,) if isinstance(found, Fixed) else self.dimensions[found.dimension].values

    def numbers(self, X: Population) -> dict[str, NDArray[Any]]:
        """The settings of the architecture as numbers (`Rule.numbers`), {setting: (N,)}; (1,) where it is fixed."""
        found = {}
        for name, setting in self.settings.items():
            if not name.startswith("recipe."):
                values = self.family.rule(name).numbers(self.values(name))
                found[name] = values if isinstance(setting, Fixed) else values[X[:, setting.dimension]]
        return found

    # -- people -------------------------------------------------------------------------------------------------------

    def to_records(self, X: Population) -> list[dict[str, Value]]:
        """Each candidate as {setting: value}, fixed settings included."""
        X, columns = self.canonical(self.check(X)), []
        for name, setting in self.settings.items():
            values = self.values(name)
            chosen = [0] * len(X) if isinstance(setting, Fixed) else X[:, setting.dimension].tolist()
            columns.append([values[choice] for choice in chosen])
        return [dict(zip(self.settings, row, strict=True)) for row in zip(*columns, strict=True)]

    def from_records(self, records: Sequence[Mapping[str, Value]]) -> Population:
        """The rows of readable candidates; settings that are fixed or without effect may be left out.

        Raises:
            SpaceError: settings are missing, unknown, or have values that are none of the choices; all are listed.
        """
        for row, record in enumerate(records):
            if unknown := sorted(set(record) - set(self.settings)):
                raise SpaceError(
                    f"{self.name} has no setting {unknown[0]!r} (candidate {row}); it has {', '.join(self.settings)}"
                    f"{suggestion(unknown[0], self.settings)}"
                )
        columns = {key: [record.get(key, ABSENT) for record in records] for key in self.settings}
        X, faults, _ = self.cells(columns, rows=len(records), literal=True).read()
        if faults:
            lines = [f"candidate {fault.row}: {fault.setting} {fault.text}" for fault in faults]
            raise SpaceError(one_message(f"values that {self.name} does not have", lines))
        return self.canonical(X)

    def cells(
        self,
        columns: Mapping[str, Sequence[Any]],
        *,
        rows: int,
        literal: bool,
        nearest: bool = False,
        tolerance: Mapping[str, float] = MappingProxyType({}),
    ) -> Cells:
        """What candidates say, {setting: (rows,) cells}, to be read; the arguments are those of `Cells`."""
        return Cells(
            dimensions=self.dimensions,
            settings=self.settings,
            columns=columns,
            rows=rows,
            literal=literal,
            nearest=nearest,
            tolerance=tolerance,
            rule=self.family.rule,
        )

    def architectures(self, X: Population) -> list[Any]:
        """The networks of X, written out: an `AnyArchitecture` of its family each, `Architecture` where that is mbconv.

        Raises:
            SpaceError: there is no network behind the choices.
        """
        return self.family.architectures(self, X)

    def recipes(self, X: Population) -> list[dict[str, Value]]:
        """The training recipes of X as {setting: value}, without the "recipe." prefix."""
        return [
            {name.removeprefix("recipe."): value for name, value in record.items() if name.startswith("recipe.")}
            for record in self.to_records(X)
        ]

    def row_of(self, architecture: AnyArchitecture, recipe: Mapping[str, Value]) -> Population:
        """The row (1, D) of a written-out network with a recipe; recipe settings that are fixed may be left out.

        Raises:
            SpaceError: it is not a member of the space; the text names the setting that lies outside.
        """
        return self.from_records([architecture.record() | {f"recipe.{key}": value for key, value in recipe.items()}])

    # -- size ---------------------------------------------------------------------------------------------------------

    def size(self, group: Group) -> int:
        """Number of distinct architectures or recipes (choices without effect are not counted twice)."""
        return counting.size(self.dimensions, group)


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedCosts:
    """A `CostTable` that has learned from trainings: any choice may count, and nobody knows the ends of its costs."""

    space: Space
    """Without these costs."""
