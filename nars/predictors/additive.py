"""The additive part of a process: an effect of each choice by itself, of any shape, summed over the choices.

What a choice of several columns does is free for each of its values. What a number does is a curve, given by its values
at seven knots over its range, linear in between, that are a Matern process of their own. So the sum of one-dimensional
kernels is one product of features, whatever the number of choices (Duvenaud et al. 2011, first order). The square of
such a sum is a sum over all pairs of choices: a table of its own for each two (second order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nars.arrays import Floats, Floats32

_KNOTS = 7
PAIRED_RANK = 3
"""Features of a curve in the pairs: 98 % of its variance, in less than half of the time."""
_LENGTH = 0.5
"""Of the curves, in ranges of the number: a curve turns once or twice."""


class Features:
    """Reads encodings (N, E) as features (N, F), whose products are the choices' kernels.

    Values of the encoding are in [0, 1]; what is outside counts as the end that it is beyond.
    """

    def __init__(self, choices: Sequence[int], *, rank: int = _KNOTS) -> None:
        """Of an encoding whose columns belong to these choices, (E,), numbered from 0 on.

        `rank` is the number of features of a curve: with fewer than knots, what is finest of it is left out.
        """
        numbers = np.asarray(choices, dtype=np.int64)
        columns = np.bincount(numbers) if len(numbers) else numbers
        alone = columns[numbers] == 1 if len(numbers) else np.zeros(0, dtype=bool)
        self._free, self._curves = np.flatnonzero(~alone), np.flatnonzero(alone)
        self.choice = np.concatenate([numbers[self._free], np.repeat(numbers[self._curves], rank)])
        """The choice of each feature, (F,)."""
        self._root = _root(rank).astype(np.float32)

    def of(self, x: Floats32) -> Floats32:
        """Features (N, F) of encodings (N, E): of a choice they have length 1."""
        along = np.clip(x[:, self._curves], 0, 1)[:, :, None] * np.float32(_KNOTS - 1)
        near = np.maximum(1 - np.abs(along - np.arange(_KNOTS, dtype=np.float32)), 0)
        curves = (near @ self._root).reshape(len(x), -1)
        return np.concatenate([x[:, self._free], curves], axis=1)

    def summing(self, slopes: Floats32) -> Callable[[Floats32], Floats32]:
        """x (N, E) -> `of(x) @ slopes` (N,), slopes (F,), looked up in the curves: in a fifth of the time."""
        free, curves = np.split(slopes, [len(self._free)])
        at_knots = curves.reshape(-1, self._root.shape[1]) @ self._root.T
        steps, starts = np.diff(at_knots, axis=1).ravel(), at_knots[:, :-1].ravel()
        row = (_KNOTS - 1) * np.arange(len(self._curves), dtype=np.int32)

        def sums(x: Floats32) -> Floats32:
            along = np.clip(x[:, self._curves], 0, 1) * np.float32(_KNOTS - 1)
            before = np.minimum(along.astype(np.int32), _KNOTS - 2)
            along -= before
            before += row
            along *= steps.take(before)
            along += starts.take(before)
            return np.asarray(x[:, self._free] @ free + along.sum(axis=1))

        return sums


def _root(rank: int) -> Floats:
    """Of the kernel of the values at the knots, (7, rank)."""
    at = np.linspace(0, 1, _KNOTS)
    far = np.sqrt(5) * np.abs(at[:, None] - at) / _LENGTH
    kernel = (1 + far + far**2 / 3) * np.exp(-far)
    if rank == _KNOTS:
        return np.asarray(np.linalg.cholesky(kernel + 1e-9 * np.eye(_KNOTS)))
    variances, directions = np.linalg.eigh(kernel)  # the largest last
    return np.asarray(directions[:, -rank:] * np.sqrt(variances[-rank:]))
