"""Costs looked up block by block: the same numbers as `space.costs`, many times as fast.

A block's costs depend on few choices: its own, the width it is handed, and what decides the side of the feature map.
All combinations of those are computed once; after that the costs of a network are one look-up per block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from nars.space.families.mbconv.architecture import read_by
from nars.space.families.mbconv.blocks import blocks, columns_of
from nars.space.families.mbconv.chain import stage_count
from nars.space.families.mbconv.costs import block_costs
from nars.space.settings import Choice, Fixed, FloatArray, Population
from nars.space.space import Space

_ADDED = ("flops", "params", "weights", "activations")
_LARGEST = "peak_activations"
_MOST_COMBINATIONS = 400_000
"""Of all blocks together: beyond, tables would take longer to make than they save."""
_ROWS_AT_ONCE = 4096


@lru_cache(maxsize=4)
def quick_costs(space: Space) -> Callable[[Population], dict[str, FloatArray]]:
    """Equal to `space.costs` in every number; `space.costs` itself where tables do not help."""
    read = _read_by_block(space)
    if sum(int(np.prod(space.cardinalities[list(columns)])) for columns in read) > _MOST_COMBINATIONS:
        return space.costs
    return _Tables.of(space, read)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    space: Space
    multipliers: FloatArray
    """(D, blocks): a row's key into each table is X @ multipliers; whole numbers, exact in float64."""
    table: FloatArray
    """(5, combinations of the first block, of the second, ...): what is added up, then the working set."""
    begins: NDArray[np.int64]
    """(blocks, 1): where each block's combinations are in it."""

    @staticmethod
    def of(space: Space, read: list[tuple[int, ...]]) -> _Tables:
        multipliers = np.zeros((len(space.dimensions), len(read)))
        tables = []
        for number, columns in enumerate(read):
            shape = tuple(int(count) for count in space.cardinalities[list(columns)])
            n = int(np.prod(shape, dtype=np.int64))
            X = np.zeros((n, len(space.dimensions)), dtype=np.int64)
            if columns:
                X[:, columns] = np.stack(np.unravel_index(np.arange(n), shape), axis=1)
            multipliers[list(columns), number] = [int(np.prod(shape[at + 1 :])) for at in range(len(shape))]
            part = block_costs(next(islice(blocks(columns_of(space, X)), number, None)))
            table = np.empty((len(_ADDED) + 1, n))
            for at, name in enumerate(_ADDED):
                table[at] = part.times * getattr(part, name)
            table[-1] = np.where(np.greater(part.times, 0), part.peak, 0)
            tables.append(table)
        begins = np.cumsum([0, *(table.shape[1] for table in tables[:-1])])[:, None]
        return _Tables(space=space, multipliers=multipliers, table=np.concatenate(tables, axis=1), begins=begins)

    def __call__(self, X: Population) -> dict[str, FloatArray]:
        total = np.empty((len(_ADDED) + 1, len(X)))
        for at in range(0, len(X), _ROWS_AT_ONCE):
            here = slice(at, at + _ROWS_AT_ONCE)
            keys = (self.multipliers.T @ X[here].T.astype(np.float64)).astype(np.int64) + self.begins
            for number, values in enumerate(self.table[:-1]):
                values.take(keys).sum(axis=0, out=total[number, here])
            self.table[-1].take(keys).max(axis=0, out=total[-1, here])
        costs = dict(zip((*_ADDED, _LARGEST), total, strict=True))
        costs["resolution"] = self._resolution(X)
        measured = self.space.table
        return costs if measured is None else costs | measured.lookup(self.space.canonical(X))

    def _resolution(self, X: Population) -> FloatArray:
        setting = self.space.settings["resolution"]
        if isinstance(setting, Fixed):
            return np.full(len(X), float(setting.value))  # type: ignore[arg-type]
        values = np.array(self.space.dimensions[setting.dimension].values, dtype=np.float64)
        return values[X[:, setting.dimension]]


def _read_by_block(space: Space) -> list[tuple[int, ...]]:
    """The columns of X that each block's costs depend on, in the order of `nars.space.blocks.blocks`."""
    side, width = {"resolution"}, {"stem.channels"}
    named = [{"stem.channels", "stem.stride"} | side]
    side |= {"stem.stride"}
    for number in range(1, stage_count(space) + 1):
        stage = f"stage{number}."
        named.append({stage + name for name in read_by("first") if name != "activation"} | width | side)
        # With its usual padding a convolution of any odd kernel leaves the same side.
        side |= {stage + "stride"}
        if not _usual_padding(space, stage):
            side |= {stage + "kernel_first", stage + "first_padding"}
        named.append({stage + name for name in (*read_by("rest"), "channels") if name != "activation"} | side)
        width = {stage + "channels"}
    named.append({"head.expand", "head.channels"} | width | side)
    return [_columns(space, names) for names in named]


def _usual_padding(space: Space, stage: str) -> bool:
    kernel = space.settings[stage + "kernel_first"]
    kernels = (kernel.value,) if isinstance(kernel, Fixed) else space.dimensions[kernel.dimension].values
    odd = all(isinstance(value, int) and value % 2 == 1 for value in kernels)
    return odd and space.settings[stage + "first_padding"] == Fixed(None)


def _columns(space: Space, names: set[str]) -> tuple[int, ...]:
    settings = [space.settings[name] for name in names]
    return tuple(sorted({setting.dimension for setting in settings if isinstance(setting, Choice)}))
