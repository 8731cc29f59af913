"""Costs that a user's function computes from the choices of a space without networks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats
from nars.files import Value
from nars.loading import load_place
from nars.printing import brief_repr
from nars.space.dimension import Choice, Population
from nars.space.errors import SpaceError
from nars.space.space import Space

_PROBES = 17
"""Candidates that say whether the function does what it should, and whether it is still the same one."""
_DIGITS = 12
"""Of a cost that count for its fingerprint: the last ones differ between processors."""
_SAME = 1e-9
"""Relative difference up to which costs of the same row beside others are the same."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FunctionCosts:
    """A `CostTable` that is computed, by a function `{setting: (N,) choices} -> {cost: (N,) numbers}`.

        >>> def costs(choices):
        ...     return {"params": 65 * choices["units"] + 11 * choices["units"] ** choices["layers"]}

    A choice is what the space file lists: (N,) whole numbers, floats, truth values, words, or objects where they are
    mixed. The same rows have the same costs, at any time and beside any others.
    """

    __repr__ = brief_repr

    space: Space
    place: str
    """ "package.module:name"."""
    folders: tuple[str, ...] = ()
    """Where its module may be, beside what is installed."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the costs, as the function first gave them."""
        return tuple(self._probed)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the place, and of the costs of a few candidates: a function that has changed mostly shows there."""
        values = {name: [f"{value:.{_DIGITS}g}" for value in costs.tolist()] for name, costs in self._probed.items()}
        return hashlib.sha256(json.dumps([self.place, values], sort_keys=True).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Each cost (N,) of canonical rows X.

        Raises:
            SpaceError: the function cannot be loaded, fails, or gives something else.
        """
        found = self._computed(X) if len(X) else {name: np.empty(0) for name in self.names}
        if tuple(found) != self.names:
            raise self._wrong(f"must give the same costs each time, {', '.join(self.names)}", f"{', '.join(found)}")
        return found

    @cached_property
    def _probed(self) -> dict[str, Floats]:
        """Costs of the probes, the function checked on them."""
        X = self.space.canonical(_probes(self.space.cardinalities))
        first, again, turned = self._computed(X), self._computed(X), self._computed(X[::-1])
        for name, values in first.items():
            if name not in again or name not in turned:
                raise self._wrong("must give the same costs each time", f"{', '.join(first)} and {', '.join(again)}")
            if not np.array_equal(values, again[name]):
                one, two = (pair[values != again[name]][0] for pair in (values, again[name]))
                raise self._wrong(f"must give the same {name} to the same choices", f"{one:g} and {two:g}")
            if not np.allclose(values, turned[name][::-1], rtol=_SAME, atol=0.0):
                raise self._wrong(f"must give each candidate a {name} of its own", "others in another order of rows")
        return first

    def _computed(self, X: Population) -> dict[str, Floats]:
        function = _loaded(self.place, self.folders)
        try:
            found = function(self._choices(X))
        except Exception as error:  # whatever a user's function does
            raise self._wrong(
                f"takes {{setting: (N,) array}} of {', '.join(self.space.settings)}", f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, Mapping) or not found:
            raise self._wrong("must give {cost: (N,) numbers}", repr(found))
        return {name: self._column(name, values, len(X)) for name, values in found.items()}

    def _column(self, name: object, values: object, rows: int) -> Floats:
        if not isinstance(name, str) or not name:
            raise self._wrong("must give each cost a name", repr(name))
        array = np.asarray(values)
        if array.shape != (rows,):
            raise self._wrong(f"must give {name} as one number per row, shape ({rows},)", f"shape {array.shape}")
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            bad = array if array.dtype.kind not in "iuf" else array[~np.isfinite(array)]
            raise self._wrong(f"must give {name} as finite numbers", repr(bad[0]))
        return array.astype(np.float64)

    def _choices(self, X: Population) -> dict[str, NDArray[Any]]:
        found = {}
        for name, setting in self.space.settings.items():
            values = _as_array(self.space.values(name))
            column = X[:, setting.dimension] if isinstance(setting, Choice) else np.zeros(len(X), dtype=np.int64)
            found[name] = values[column]
        return found

    def _wrong(self, rule: str, got: str) -> SpaceError:
        return SpaceError(f"the function of costs {self.place!r} {rule}; got {got:.300}")


@lru_cache(maxsize=64)
def _loaded(place: str, folders: tuple[str, ...]) -> Callable[[Mapping[str, NDArray[Any]]], object]:
    found = load_place(place, what="the function of costs", error=SpaceError, folders=folders)
    if not callable(found):
        raise SpaceError(f"costs name {place!r}, which is no function but {type(found).__name__}")
    return found


def _probes(cardinalities: Population) -> Population:
    """Rows (17, D) that take the choices in turns, the first one all the first, the last one all the last."""
    turns = np.arange(_PROBES)[:, None] * np.arange(1, len(cardinalities) + 1) % cardinalities
    turns[-1] = cardinalities - 1
    return turns


def _as_array(values: Sequence[Value]) -> NDArray[Any]:
    """Choices as an array of their type, of objects where they have several."""
    kinds = {type(value) for value in values}
    alike = (len(kinds) == 1 and kinds != {type(None)}) or kinds == {int, float}
    return np.array(values, dtype=None if alike else object)
