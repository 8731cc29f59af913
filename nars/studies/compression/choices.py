"""What may be chosen for each stage of a network, as a space of named choices: a candidate is a row of choice indices.

4-bit weights are no choice: ONNX Runtime (1.32) has no 4-bit convolution. It unpacks such weights to floats at every
call, which took four times as long as float32 (`results/compress/README.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Ints
from nars.network import NetworkStage, kept_channels
from nars.space import CostTable, Population, Space, dump_yaml, parse_document, read_space

BITS = ("float", "int8")
SHARES = (0.0, 0.25, 0.5, 0.75)
"""Of the channels of a stage that are taken out."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is done to a network; a value for each of its stages."""

    int8: tuple[bool, ...]
    """Whether a stage computes in 8-bit integers."""
    pruned: tuple[float, ...]
    """Share of its channels that are taken out."""

    @property
    def name(self) -> str:
        """A letter for each stage, f (float32) or q (int8), and the percent of its channels that are taken out."""
        return ".".join(
            f"{'q' if quantised else 'f'}{round(100 * share)}"
            for quantised, share in zip(self.int8, self.pruned, strict=True)
        )

    @property
    def pruning(self) -> str:
        """The second part of it: what has one is fine-tuned once."""
        return "-".join(str(round(100 * share)) for share in self.pruned)


def distinct_shares(groups: Sequence[int]) -> tuple[float, ...]:
    """Those of `SHARES` that leave something else than those before, of groups of so many channels."""
    left: dict[tuple[int, ...], float] = {}
    for share in SHARES:
        left.setdefault(tuple(kept_channels(channels, share) for channels in groups), share)
    return tuple(left.values())


def choices_space(
    stages: Sequence[NetworkStage], shares: Sequence[Sequence[float]], table: CostTable | None = None
) -> Space:
    """The space of all candidates.

    Args:
        stages: Of the network.
        shares: Of its channels that may be taken out of each; 0 alone where nothing can.
        table: What candidates cost.
    """
    bits = {f"{stage.name}.bits": list(BITS) for stage in stages}
    pruned = {f"{stage.name}.pruned": list(own) for stage, own in zip(stages, shares, strict=True) if len(own) > 1}
    content = {"name": "compress", "kind": "generic", "architecture": bits | pruned}
    return read_space(parse_document(dump_yaml(content), source="nars compress"), table=table)


def spelled(stages: Sequence[NetworkStage], space: Space, X: Population) -> tuple[NDArray[np.bool_], Ints]:
    """Rows (N, D) by stage: whether it is int8 (N, S), and the number of its share among `SHARES` (N, S)."""
    bits = X[:, [space.index[f"{stage.name}.bits"] for stage in stages]]
    shares = np.zeros_like(bits)
    for number, stage in enumerate(stages):
        if (column := space.index.get(f"{stage.name}.pruned")) is not None:
            own = [SHARES.index(share) for share in space.dimensions[column].values]
            shares[:, number] = np.array(own)[X[:, column]]
    return bits == BITS.index("int8"), shares


def choices_of(stages: Sequence[NetworkStage], space: Space, X: Population) -> list[Choice]:
    """What each row chooses."""
    bits, shares = spelled(stages, space, X)
    return [
        Choice(int8=tuple(map(bool, own)), pruned=tuple(SHARES[share] for share in taken))
        for own, taken in zip(bits, shares, strict=True)
    ]


def row_of(space: Space, stages: Sequence[NetworkStage], choice: Choice) -> Population:
    """The reverse, (1, D)."""
    X = np.zeros((1, len(space.dimensions)), dtype=np.int64)
    for stage, quantised, share in zip(stages, choice.int8, choice.pruned, strict=True):
        X[0, space.index[f"{stage.name}.bits"]] = BITS.index("int8" if quantised else "float")
        if (column := space.index.get(f"{stage.name}.pruned")) is not None:
            X[0, column] = space.dimensions[column].values.index(share)
    return X
