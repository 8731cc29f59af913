"""A network as a chain of steps: the stem, the first block and the other blocks of each stage, the head.

What a step adds depends on its own choices and on what it is handed: width and side of the feature map, and choices
that it shares with earlier steps. So states, not networks, have to be listed to know everything a space can contain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from nars.arrays import Ints
from nars.space.counting import grid
from nars.space.dimension import Choice, Population
from nars.space.errors import SpaceError
from nars.space.families.mbconv.architecture import Head, Stem, read_by
from nars.space.families.mbconv.blocks import (
    Block,
    Columns,
    MBConvBlock,
    StemBlock,
    columns_of,
    head_block,
    stage_block,
    stem_block,
)
from nars.space.space import Space

_MOST_WAYS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the chain."""

    block: Callable[[Columns, Ints, Ints], Block]
    """(columns, c, side) -> the block that it adds."""
    fresh: tuple[int, ...]
    """Dimensions that it decides."""
    live: tuple[int, ...]
    """Dimensions decided here or before that later steps read too."""


@dataclass(frozen=True, kw_only=True)
class States:
    """What steps can hand on; S states."""

    c: Ints
    side: Ints
    X: Population
    """(S, D): the live choices, 0 elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """Every state with every choice of one step; W ways."""

    state: Ints
    """(W,) index of the state that each starts from."""
    picks: Population
    """(W, len(step.fresh)) choices made in the step."""
    block: Block
    reached: Ints
    """(W,) index of the state that each ends in."""
    states: States
    """Those that the ways end in."""


def start(space: Space) -> States:
    """The one state before the first step."""
    one = np.zeros(1, dtype=np.int64)
    return States(c=one, side=one, X=np.zeros((1, len(space.dimensions)), dtype=np.int64))


def steps(space: Space, *, activations: bool) -> Iterator[Step]:
    """The steps of a space of networks, in order; activations matter for what is measured, not for what is counted."""

    def of_stage(number: int, which: str) -> tuple[tuple[str, ...], Callable[[Columns, Ints, Ints], Block]]:
        names = tuple(f"stage{number + 1}.{name}" for name in read_by(which))
        return names, lambda columns, c, side: stage_block(columns.stages[number], which, c, side)

    stem = ("resolution", *(f"stem.{setting.name}" for setting in fields(Stem)))
    parts = [
        (stem, lambda columns, c, side: stem_block(columns)),
        *(of_stage(number, which) for number in range(stage_count(space)) for which in ("first", "rest")),
        (tuple(f"head.{setting.name}" for setting in fields(Head)), head_block),
    ]
    read = [
        {
            setting.dimension
            for name in settings
            if isinstance(setting := space.settings[name], Choice) and (activations or not name.endswith("activation"))
        }
        for settings, _ in parts
    ]
    decided: set[int] = set()
    for number, (_, block) in enumerate(parts):
        fresh = read[number] - decided
        decided |= fresh
        later = set().union(*read[number + 1 :])
        yield Step(block=block, fresh=tuple(sorted(fresh)), live=tuple(sorted(decided & later)))


def stage_count(space: Space) -> int:
    """How many stages the networks have."""
    return sum(name.startswith("stage") and name.endswith(".depth") for name in space.settings)


def walk(space: Space, states: States, step: Step) -> Ways:
    """Take one step from every state, in every way.

    Raises:
        SpaceError: there are more than four million ways.
    """
    shape = tuple(int(space.cardinalities[column]) for column in step.fresh)
    count = math.prod(shape)
    n = len(states.c) * count
    if n > _MOST_WAYS:
        names = ", ".join(space.dimensions[column].name for column in (*step.fresh, *step.live))
        raise SpaceError(
            f"{space.name}: {n:,} combinations of {names} with what comes before them, at most {_MOST_WAYS:,} can be "
            f"listed; let fewer stages share choices, or give fewer choices"
        )
    state = np.repeat(np.arange(len(states.c)), count)
    X = states.X[state]
    picks = np.tile(grid(shape), (len(states.c), 1))
    X[:, step.fresh] = picks
    block = step.block(columns_of(space, X), states.c[state], states.side[state])
    c, side = _handed_on(block, n)
    _, first, reached = np.unique(
        np.column_stack([c, side, X[:, step.live]]), axis=0, return_index=True, return_inverse=True
    )
    kept = np.zeros_like(X[first])
    kept[:, step.live] = X[first][:, step.live]
    return Ways(
        state=state,
        picks=picks,
        block=block,
        reached=reached.ravel(),
        states=States(c=c[first], side=side[first], X=kept),
    )


def _handed_on(block: Block, n: int) -> tuple[Ints, Ints]:
    """Width and side after a block, each (n,); nothing comes after the head."""
    if isinstance(block, MBConvBlock):
        c, side = block.c_out, block.out
    elif isinstance(block, StemBlock):
        c, side = block.channels, block.out
    else:
        c = side = np.zeros(1, dtype=np.int64)
    return np.broadcast_to(c, (n,)), np.broadcast_to(side, (n,))
