"""Costs looked up block by block: the same numbers as `space.costs`, many times as fast.

A block's costs depend on few choices: its own, the width it is handed, and what decides the side of the feature map.
All combinations of those are computed once; after that the costs of a network are one look-up per block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import final

import numpy as np

from nars.arrays import Floats, Ints
from nars.space.counting import grid
from nars.space.dimension import Choice, Fixed, Population
from nars.space.families.mbconv.architecture import read_by
from nars.space.families.mbconv.blocks import blocks, columns_of
from nars.space.families.mbconv.chain import stage_count
from nars.space.families.mbconv.costs import ADDED, PEAK, block_costs
from nars.space.space import Space

_MOST_COMBINATIONS = 400_000
"""Most combinations of all blocks together; larger tables would take longer to make than they save."""
_ROWS_AT_ONCE = 4096


@lru_cache(maxsize=4)
def quick_costs(space: Space) -> Callable[[Population], dict[str, Floats]]:
    """Equal to `space.costs` in every number; `space.costs` itself where tables do not help."""
    read = _read_by_block(space)
    if sum(int(np.prod(space.cardinalities[list(columns)])) for columns in read) > _MOST_COMBINATIONS:
        return space.costs
    return _Tables.of(space, read)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Tables:
    space: Space
    multipliers: Floats
    """(D, blocks): a row's key into each table is X @ multipliers; whole numbers, exact in float64."""
    table: Floats
    """(5, combinations of the first block, of the second, ...): what is added up, then the working set."""
    begins: Ints
    """(blocks, 1): where each block's combinations are in it."""

    @staticmethod
    def of(space: Space, read: list[tuple[int, ...]]) -> _Tables:
        multipliers = np.zeros((len(space.dimensions), len(read)))
        tables = []
        for number, columns in enumerate(read):
            shape = tuple(int(count) for count in space.cardinalities[list(columns)])
            n = math.prod(shape)
            X = np.zeros((n, len(space.dimensions)), dtype=np.int64)
            X[:, columns] = grid(shape)
            multipliers[list(columns), number] = [math.prod(shape[at + 1 :]) for at in range(len(shape))]
            part = block_costs(next(islice(blocks(columns_of(space, X)), number, None)))
            tables.append(np.stack([np.broadcast_to(part.adds(name), (n,)) for name in (*ADDED, PEAK)]).astype(float))
        begins = np.cumsum([0, *(table.shape[1] for table in tables[:-1])])[:, None]
        return _Tables(space=space, multipliers=multipliers, table=np.concatenate(tables, axis=1), begins=begins)

    def __call__(self, X: Population) -> dict[str, Floats]:
        total = np.empty((len(self.table), len(X)))
        for at in range(0, len(X), _ROWS_AT_ONCE):
            here = slice(at, at + _ROWS_AT_ONCE)
            keys = (self.multipliers.T @ X[here].T.astype(np.float64)).astype(np.int64) + self.begins
            for number, values in enumerate(self.table[:-1]):
                values.take(keys).sum(axis=0, out=total[number, here])
            self.table[-1].take(keys).max(axis=0, out=total[-1, here])
        costs = dict(zip((*ADDED, PEAK), total, strict=True))
        setting, sides = self.space.settings["resolution"], np.array(self.space.values("resolution"), dtype=np.float64)
        costs["resolution"] = sides[X[:, setting.dimension]] if isinstance(setting, Choice) else sides.repeat(len(X))
        measured = self.space.table
        return costs if measured is None else costs | measured.lookup(self.space.canonical(X))


def _read_by_block(space: Space) -> list[tuple[int, ...]]:
    """The columns of X that each block's costs depend on, in the order of `blocks`."""
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
    read = [[space.settings[name] for name in names] for names in named]
    return [tuple(sorted({choice.dimension for choice in block if isinstance(choice, Choice)})) for block in read]


def _usual_padding(space: Space, stage: str) -> bool:
    odd = all(isinstance(kernel, int) and kernel % 2 == 1 for kernel in space.values(stage + "kernel_first"))
    return odd and space.settings[stage + "first_padding"] == Fixed(None)
