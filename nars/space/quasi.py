"""Scrambled Sobol points in NumPy: bit for bit those of `scipy.stats.qmc.Sobol`, whose package takes a second to load.

The direction numbers are those of Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections"
(2008), from SciPy's file of them; the scrambling is Matousek's: a random linear one, then a digital shift.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats

_BITS = 30
_POWERS = 1 << np.arange(_BITS, dtype=np.uint32)


def sobol_points(width: int, *, rng: np.random.Generator) -> Callable[[int], Floats]:
    """A function that gives the next n points of one scrambled sequence, (n, width) in [0, 1), whenever it is called.

    A point has 1 to 21,201 coordinates (`width`).
    """
    (rng,) = rng.spawn(1)
    last = rng.integers(2, size=(width, _BITS), dtype=np.uint32) @ _POWERS
    directions = _scrambled(_directions(width), rng.integers(2, size=(width, _BITS, _BITS), dtype=np.uint32))
    drawn = 0

    def draw(n: int) -> Floats:
        nonlocal last, drawn
        # From point k to the next it is the direction of the lowest 0 in k's binary digits that changes (a Gray code).
        k = np.arange(max(drawn, 1) - 1, drawn + n - 1)
        lowest = np.frexp(~k & (k + 1))[1] - 1
        points = np.bitwise_xor.accumulate(np.vstack([last, directions[:, lowest].T]))
        last, drawn = points[-1], drawn + n
        return points[-n:] * 2.0**-_BITS

    return draw


@cache
def _directions(width: int) -> NDArray[np.uint32]:
    """The direction of each bit in each coordinate, (width, bits), by the recurrence of its primitive polynomial."""
    scipy = find_spec("scipy")
    assert scipy is not None
    assert scipy.origin is not None
    with np.load(Path(scipy.origin).parent / "stats" / "_sobol_direction_numbers.npz") as numbers:
        first, polynomials = numbers["vinit"][:width], numbers["poly"][:width].tolist()
    v = np.ones((width, _BITS), dtype=np.int64)
    for row, polynomial, given in zip(v[1:], polynomials[1:], first[1:], strict=True):
        degree = polynomial.bit_length() - 1
        row[:degree] = given[:degree]
        for bit in range(degree, _BITS):
            row[bit] = row[bit - degree]
            for back in range(1, degree + 1):
                if polynomial >> (degree - back) & 1:
                    row[bit] ^= row[bit - back] << back
    return np.asarray(v << np.arange(_BITS)[::-1], dtype=np.uint32)


def _scrambled(directions: NDArray[np.uint32], matrices: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The directions (width, bits), as columns of binary digits, times a lower triangular matrix for each coordinate.

    The matrices are (width, bits, bits) random digits, of which the diagonals become 1 and what is above them 0.
    """
    lower = np.tril(matrices, -1) + np.eye(_BITS, dtype=np.uint32)
    digits = directions[:, None, :] >> np.arange(_BITS, dtype=np.uint32)[::-1, None] & 1
    mixed = (lower.astype(np.float64) @ digits).astype(np.uint32) & 1
    return np.asarray((mixed << np.arange(_BITS, dtype=np.uint32)[::-1, None]).sum(axis=1), dtype=np.uint32)
