"""Latency as a cost: every distinct block of a space measured once, a candidate's latency the sum of its blocks.

What is measured, and on what, is the business of `nars.network.mbconv.block_timing`; here is the table that it fills,
and the lookup.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.files.sealed import write_sealed
from nars.printing import brief_repr
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.families.device import Agreement, latency_command, read_device_file
from nars.space.families.mbconv.architecture import ACTIVATIONS, Architecture
from nars.space.families.mbconv.blocks import Block, HeadBlock, MBConvBlock, StemBlock, blocks, columns_of, written_out
from nars.space.families.mbconv.chain import start, steps, walk
from nars.space.space import Space

_CLASSES: Mapping[str, type[Block]] = {"stem": StemBlock, "mbconv": MBConvBlock, "head": HeadBlock}
KINDS = {kind: tuple(f.name for f in fields(block) if f.name != "times") for kind, block in _CLASSES.items()}
"""What tells two blocks of a kind apart."""

_EXPAND_DIGITS = 1000
"""Expansion ratios are held in thousandths."""


@dataclass(frozen=True, order=True)
class BlockShape:
    """One distinct block: its kind and its settings in the order of `KINDS`; ratios in thousandths."""

    kind: str
    settings: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """{"kind": "mbconv", "c_in": 16, ..., "expand": 4.0, "activation": "hard_swish", ...}."""
        named: dict[str, Any] = dict(zip(KINDS[self.kind], self.settings, strict=True))
        named["activation"] = ACTIVATIONS[named["activation"]]
        if self.kind == "mbconv":
            named["expand"] /= _EXPAND_DIGITS
        return {"kind": self.kind, **named}

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> BlockShape:
        """Read what `to_dict` wrote.

        Raises:
            KeyError, ValueError: it is not that.
        """
        kind = document["kind"]
        named = {name: document[name] for name in KINDS[kind]}
        named["activation"] = ACTIVATIONS.index(named["activation"])
        if kind == "mbconv":
            named["expand"] = round(named["expand"] * _EXPAND_DIGITS)
        return BlockShape(kind, tuple(int(value) for value in named.values()))


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """Measured milliseconds of blocks, and what they were measured on."""

    __repr__ = brief_repr

    device: str
    """e.g. "cpu: Intel Xeon ...", or the text of the command that measures."""
    runtime: str
    """ "eager", "onnxruntime" or `COMMAND`."""
    batch: int
    """Images at once; milliseconds are per batch."""
    threads: int
    """0 where a command decides."""
    versions: Mapping[str, str]
    milliseconds: Mapping[BlockShape, float] = field(default_factory=dict)
    """Each block measured by itself."""
    factor: float | None = None
    """Time of a whole network over the sum of its blocks, the median of a few: caches and graph optimization make the
    two differ by a share that is much the same for all networks of a space. None (as 1) until it is measured."""
    constant: float = 0.0
    """Milliseconds of every network beside its blocks."""
    spread: Mapping[BlockShape, float] = field(default_factory=dict)
    """Standard deviation of a block's repeated measurements, milliseconds; empty where they were not repeated apart."""
    agreement: Agreement | None = None
    """What whole networks say of the table; None where too few were measured to know."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        rows = []
        for shape, value in sorted(self.milliseconds.items()):
            spread = {"spread": self.spread[shape]} if shape in self.spread else {}
            rows.append(shape.to_dict() | {"milliseconds": value} | spread)
        document = {**vars(self), "milliseconds": rows}
        del document["spread"]
        if self.agreement is None:  # as earlier versions wrote it
            del document["constant"], document["agreement"]
        else:
            document["agreement"] = vars(self.agreement)
        return document

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> LatencyTable:
        """Read what `to_dict` wrote.

        Raises:
            SpaceError: it is not that.
        """
        try:
            found = {BlockShape.from_dict(row): row for row in document["milliseconds"]}
            rows = {shape: float(row["milliseconds"]) for shape, row in found.items()}
            spread = {shape: float(row["spread"]) for shape, row in found.items() if "spread" in row}
            own = {**document, "milliseconds": rows, "spread": spread}
            if document.get("agreement") is not None:
                own["agreement"] = Agreement(**document["agreement"])
            if not all(0 <= value < math.inf for value in rows.values()):
                raise ValueError("milliseconds are neither negative nor infinite")
            return LatencyTable(**own)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpaceError(f"this is no latency table ({error!r}); make one with `nars latency SPACE`") from error

    @staticmethod
    def read(path: Path) -> LatencyTable:
        """The table in a JSON file.

        Raises:
            SpaceError: the file is missing, was edited, or holds something else.
        """
        document = read_device_file(path)
        try:
            return LatencyTable.from_dict(document)
        except SpaceError as error:
            raise SpaceError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Write the table to a JSON file, whole."""
        write_sealed(path, self.to_dict())


def distinct_blocks(space: Space) -> list[BlockShape]:
    """Every block that some candidate of a space contains, once.

    Raises:
        SpaceError: a generic space, or choices so entangled that they cannot be listed.
    """
    if space.kind != "mbconv":
        raise SpaceError(
            f"{space.name} is a {space.kind} space, and latency is measured for blocks of kind mbconv only; if there "
            f"are networks behind the choices, measure whole ones: nars latency SPACE --networks 40"
        )
    found: set[BlockShape] = set()
    states = start(space)
    for step in steps(space, activations=True):
        ways = walk(space, states, step)
        kind, columns, times = _settings(ways.block)
        rows = np.stack([np.broadcast_to(column, ways.state.shape) for column in columns], axis=1)
        rows = np.unique(rows[np.broadcast_to(times > 0, ways.state.shape)], axis=0)
        found.update(BlockShape(kind, tuple(row)) for row in rows.tolist())
        states = ways.states
    return sorted(found)


def block_shapes(architecture: Architecture) -> list[BlockShape]:
    """The blocks of one network, in order; repeated ones are repeated."""
    found = []
    for block in blocks(written_out(architecture)):
        kind, columns, times = _settings(block)
        found += [BlockShape(kind, tuple(int(column[0]) for column in columns))] * int(times[0])
    return found


def _settings(block: Block) -> tuple[str, list[Ints], Ints]:
    """Kind, settings in the order of `KINDS`, and how often the block is repeated."""
    (kind,) = (kind for kind, known in _CLASSES.items() if isinstance(block, known))
    own = [np.atleast_1d(getattr(block, name)) for name in KINDS[kind]]
    if not isinstance(block, MBConvBlock):
        return kind, own, np.ones(1, dtype=np.int64)
    at = KINDS[kind].index("expand")
    own[at] = np.rint(block.expand * _EXPAND_DIGITS).astype(np.int64)
    return kind, own, block.times


@dataclass(frozen=True, kw_only=True, eq=False)
class LatencyCosts:
    """A `CostTable` with one cost, latency in milliseconds per batch: `space.with_table(LatencyCosts(...))`."""

    __repr__ = brief_repr

    space: Space
    table: LatencyTable
    named: str | None = None
    """How a person names the space to `nars latency`, where that says classes and channels too: the folder of a run or
    predictor. None: by the space's name or file."""
    file: Path | None = None
    """Where the table is kept."""

    @property
    def names(self) -> tuple[str, ...]:
        """One: "latency"."""
        return ("latency",)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the table."""
        return hashlib.sha256(json.dumps(self.table.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Latency (N,) of the rows of X: the sum over blocks, times the table's factor, plus its constant.

        Raises:
            SpaceError: a block of a candidate was not measured.
        """
        total = np.full(len(X), self.table.constant)
        for block in blocks(columns_of(self.space, X)):
            total = total + self.of_block(block)
        return {"latency": total}

    def of_block(self, block: Block) -> Floats:
        """Milliseconds of each candidate's block, times its repetitions.

        Raises:
            SpaceError: it was not measured.
        """
        kind, columns, times = _settings(block)
        known, values = self._sorted[kind]
        mixed = _mix(columns)
        at = np.minimum(np.searchsorted(known, mixed), len(known) - 1)
        missing = (known[at] != mixed) & (times > 0)
        if missing.any():
            which = int(np.flatnonzero(missing)[0])
            shape = BlockShape(kind, tuple(int(column[which if len(column) > 1 else 0]) for column in columns))
            raise self._lacks(shape)
        # A block that is not there has settings that need not be in the table: what is found at its place is no number.
        each = np.where(times > 0, values[at], 0.0).astype(np.float64)
        return times * each * (1.0 if self.table.factor is None else self.table.factor)

    def check_complete(self) -> None:
        """Refuse a table without some of the space's blocks.

        Raises:
            SpaceError: it lacks them; the text has the command that measures them.
        """
        wanted = sorted(distinct_blocks(self.space), key=lambda shape: [*KINDS].index(shape.kind))
        if lacking := [shape for shape in wanted if shape not in self.table.milliseconds]:
            raise self._lacks(lacking[0], f" and {len(lacking) - 1:,} more of {len(wanted):,} blocks")

    def _lacks(self, shape: BlockShape, more: str = "") -> SpaceError:
        where = "" if self.file is None else f" {self.file}"
        return SpaceError(
            f"the latency table{where} ({self.table.device}, {self.table.runtime}) lacks {shape.to_dict()}{more}; "
            f"complete it by: {self.completion()}"
        )

    def completion(self) -> str:
        """The command that measures what the table lacks of this space, as a shell takes it."""
        return latency_command(self.space, self.table, named=self.named, file=self.file)

    @cached_property
    def _sorted(self) -> dict[str, tuple[NDArray[np.uint64], Floats]]:
        found = {}
        for kind, names in KINDS.items():
            shapes = [shape for shape in self.table.milliseconds if shape.kind == kind]
            rows = np.array([shape.settings for shape in shapes], dtype=np.int64).reshape(-1, len(names))
            mixed = _mix(list(rows.T))
            values = np.array([self.table.milliseconds[shape] for shape in shapes])
            order = np.argsort(mixed)
            # One entry that nothing equals keeps the search simple for an empty table.
            found[kind] = (np.append(mixed[order], np.uint64(2**64 - 1)), np.append(values[order], np.nan))
        return found


def _mix(columns: list[Ints]) -> NDArray[np.uint64]:
    """One 64-bit number per block: settings times odd constants, modulo 2**64.

    Equal numbers mean equal settings, but for a chance of about 2**-64 per pair: so a lookup is a binary search.
    """
    constants = np.random.default_rng(20200603).integers(2**63, size=len(columns), dtype=np.uint64) * np.uint64(2)
    total: NDArray[np.uint64] = np.zeros(1, dtype=np.uint64)
    for column, constant in zip(columns, constants + np.uint64(1), strict=True):
        total = total + column.astype(np.uint64) * constant
    return total
