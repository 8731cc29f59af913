"""Candidates that people wrote down, column by column, as rows of choices: what is wrong is found in one reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Bools, Ints
from nars.files import Value, is_nothing, number_of
from nars.files.cells import SINGLE, ChoiceReader
from nars.space.dimension import Choice, Dimension, Fixed, Population, Setting
from nars.space.families.rules import ANYTHING, Rule

ABSENT = object()
"""The cell of a candidate that does not have the setting at all."""

_MOST_SHOWN = 20
_BAD, _LACKING = -1, -2


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A cell that is no choice."""

    row: int
    setting: str
    text: str
    """What the setting takes and what was there instead, to follow its name."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """How often a number was not among the choices and the nearest one was taken."""

    setting: str
    rows: int
    farthest: float
    """Longest way, as a share of the range on the dimension's scale."""
    example: tuple[Any, Value]
    """The cell that moved farthest, and what became of it."""


@final
@dataclass(kw_only=True, eq=False)
class Cells:
    """What N candidates say about the settings of a space.

    Choices without effect may be anything; a setting may be left out where another one shares its choice.
    """

    dimensions: tuple[Dimension, ...]
    settings: Mapping[str, Setting]
    columns: Mapping[str, Sequence[Any]]
    """{setting: (N,) cells}."""
    rows: int
    literal: bool
    """Text is text and True is not 1; else the cells are those of a file."""
    nearest: bool = False
    """Take the nearest choice for numbers between two."""
    tolerance: Mapping[str, float] = field(default_factory=dict)
    """{setting: relative tolerance of its numbers}."""
    rule: Callable[[str], Rule] = lambda setting: ANYTHING
    """What holds for a setting, by its name: `Space.family.rule`."""

    def __post_init__(self) -> None:
        self._X = np.zeros((self.rows, len(self.dimensions)), dtype=np.int64)
        self._unknown = np.zeros(self._X.shape, dtype=bool)
        self._faults: list[Fault] = []
        self._moved: list[Moved] = []

    def read(self) -> tuple[Population, list[Fault], list[Moved]]:
        """The rows (N, D), not yet canonical; what cannot be read; what was moved."""
        # Depths first: they say what later blocks read. Conditions come before what they rule.
        asked = [self.settings.get(unread[0]) for name in self.settings if (unread := self.rule(name).unread)]
        for column in sorted(
            range(len(self.dimensions)), key=lambda c: Choice(c) not in asked or bool(self.dimensions[c].active_when)
        ):
            self._decide(column)
        for name, setting in self.settings.items():
            if isinstance(setting, Fixed) and name in self.columns:
                self._compare(name, setting.value)
        return self._X, sorted(self._faults, key=lambda fault: fault.row), self._moved

    def _decide(self, column: int) -> None:
        """Fill one column of X."""
        dimension = self.dimensions[column]
        active = self._active(dimension)
        users = [name for name, setting in self.settings.items() if setting == Choice(column)]
        if not users:
            return
        code = np.full(self.rows, _LACKING, dtype=np.int64)
        first = np.full(self.rows, -1, dtype=np.int64)
        """Which user decided."""
        for number, user in enumerate(users):
            if user not in self.columns:
                continue
            counts = active & ~self._idle(user)
            reader = ChoiceReader(values=dimension.values, log=dimension.log, literal=self.literal)
            own = self._codes(user, reader, counts)
            for row in np.flatnonzero(counts & (own == _BAD)).tolist():
                self._fault(
                    row, user, f"takes {reader.expected(self.columns[user][row])}, got {self._shown(user, row)}"
                )
                self._unknown[row, column] = True
            for row in np.flatnonzero(counts & (own >= 0) & (code >= 0) & (own != code)).tolist():
                other = users[int(first[row])]
                cells = f"{self._shown(other, row)} and {self._shown(user, row)} for {other} and {user}"
                self._fault(row, user, f"and {other} are one choice here, got {cells}; make them equal")
            takes = counts & (own != _LACKING) & (code == _LACKING)
            code[takes], first[takes] = own[takes], number
        lacking = active & (code == _LACKING)
        # Only what later blocks read is there, in a stage of one block: no matter which choice.
        lacking &= ~np.all([self._idle(user) for user in users], axis=0)
        for row in np.flatnonzero(lacking).tolist():
            reader = ChoiceReader(values=dimension.values, log=dimension.log, literal=True)
            self._fault(row, users[0], f"is missing; it takes {reader.expected(None)}")
        self._unknown[lacking, column] = True
        self._X[:, column] = np.maximum(code, 0)

    def _codes(self, user: str, reader: ChoiceReader, counts: Bools) -> Ints:
        """Choice of each cell of a setting; _BAD where it is none, _LACKING where there is no cell."""
        cells, tolerance = self.columns[user], self.tolerance.get(user, SINGLE)
        known: dict[Any, int] = {}
        code = np.full(self.rows, _LACKING, dtype=np.int64)
        for row in np.flatnonzero(counts).tolist():
            cell = cells[row]
            if cell is ABSENT:
                continue
            key = (type(cell), cell if isinstance(cell, (str, int, float)) else repr(cell))
            if key not in known:
                found = reader.choice(cell, tolerance=tolerance)
                known[key] = _BAD if found is None else found
            code[row] = known[key]
        if default := self.rule(user).default:
            self._take_default(user, default, reader.values, code)
        if self.nearest:
            self._move(user, reader, code)
        return code

    def _move(self, user: str, reader: ChoiceReader, code: Ints) -> None:
        """Take the nearest choice where there is none, in place."""
        ways = []
        for row in np.flatnonzero(code == _BAD).tolist():
            found = reader.nearest(self.columns[user][row])
            if found is not None:
                code[row] = found[0]
                ways.append((found[1], row))
        if ways:
            farthest, row = max(ways)
            example = self.columns[user][row], reader.values[code[row]]
            self._moved.append(Moved(setting=user, rows=len(ways), farthest=farthest, example=example))

    def _compare(self, name: str, value: Value) -> None:
        """Note where a candidate has another value than the space's only one."""
        code = self._codes(name, ChoiceReader(values=(value,), log=False, literal=self.literal), ~self._idle(name))
        for row in np.flatnonzero(code == _BAD).tolist():
            if self.literal or not is_nothing(self.columns[name][row]):
                got = self._shown(name, row)
                self._fault(row, name, f"is fixed at {value!r}, got {got}; leave it out or widen the space")

    def _take_default(
        self, user: str, default: tuple[str, Callable[[int], int]], values: tuple[Value, ...], code: Ints
    ) -> None:
        """What null stands for and null are the same: a cell may say the one and the space the other."""
        others, known = self._values(default[0])
        for row in np.flatnonzero((code == _BAD) & known).tolist():
            stands, cell = default[1](others[row]), self.columns[user][row]
            given = stands if is_nothing(cell) else number_of(cell)
            same = [choice for choice, value in enumerate(values) if given == (stands if value is None else value)]
            code[row] = same[0] if same else _BAD

    def _active(self, dimension: Dimension) -> Bools:
        """Where the choice has an effect, as far as is known."""
        active = np.full(self.rows, not dimension.active_when)
        for condition in dimension.active_when:
            chosen = np.isin(self._X[:, condition.dimension], list(condition.choices))
            active |= chosen & ~self._unknown[:, condition.dimension]
        return active

    def _idle(self, name: str) -> Bools:
        """Where a setting is read by later blocks only and there are none, or nobody knows."""
        unread = self.rule(name).unread
        if unread is None:
            return np.zeros(self.rows, dtype=bool)
        others, known = self._values(unread[0])
        return np.asarray(~known | (others == unread[1]), dtype=bool)

    def _values(self, name: str) -> tuple[NDArray[Any], Bools]:
        """A setting of whole numbers, (N,), and where it is known."""
        setting = self.settings[name]
        if isinstance(setting, Fixed):
            return np.full(self.rows, setting.value), np.ones(self.rows, dtype=bool)
        values = np.array(self.dimensions[setting.dimension].values)
        return values[self._X[:, setting.dimension]], ~self._unknown[:, setting.dimension]

    def _fault(self, row: int, setting: str, text: str) -> None:
        self._faults.append(Fault(row=row, setting=setting, text=text))

    def _shown(self, setting: str, row: int) -> str:
        cell = self.columns[setting][row]
        blank = cell is None or (isinstance(cell, str) and not cell.strip())
        return "an empty cell" if blank and not self.literal else repr(cell)


def one_message(what: str, lines: Sequence[str]) -> str:
    """Many faults as one text: a single one as a sentence, else the first twenty and a count."""
    if len(lines) == 1:
        return lines[0]
    shown = [f"  {line}" for line in lines[:_MOST_SHOWN]]
    more = [f"  and {len(lines) - _MOST_SHOWN:,} more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join([f"{len(lines):,} {what}:", *shown, *more])
