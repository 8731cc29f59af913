"""A fitted Gaussian process: what it says of candidates. The model and its fit are in `nars.predictors.gaussian`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nars.arrays import Floats, Floats32
from nars.predictors.additive import PAIRED_RANK, Features
from nars.printing import brief_repr

ENCODING_SCALE = 2.5
"""Factor on encodings before they go into the process: brings one-hot columns (standard deviation about 0.4) to the
statistics' standard deviation of 1, for which the priors of the length scales are made."""
_ROUNDING = 1e-6
"""Share of a prior variance that single precision cannot tell from 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Process:
    """A fitted process. Its arrays are all there is to it (float32)."""

    __repr__ = brief_repr

    arrays: Mapping[str, Floats32]
    """z (n, S), x (n, S + E): inputs divided by their lengths; z_length (S,), x_length (S + E,); weights (n,);
    inverse (n, n): of the kernel matrix; amplitudes (5,): t, s, u, v / the mean of `relative`, w; additive (C,): the
    amplitude of each choice; pairs (C,): of each choice in the pairs, where there are any; slope (2,): of the source
    that is the prior mean, where there is one, and offset."""
    choices: tuple[int, ...] = ()
    """For each column of the encoding the number of its choice, (E,); none where there is no additive part."""

    source: int | None = None
    """Number of the source that is its prior mean."""

    @property
    def reads_statistics(self) -> bool:
        """Whether it has statistics among its inputs."""
        return bool(self.arrays["z"].shape[1])

    def scratch(self, rows: int) -> Floats32:
        """Memory for `mean` of `rows` candidates: fresh pages for every product would take longer than the product."""
        return np.empty((2, rows, len(self.arrays["weights"])), dtype=np.float32)

    def mean(self, z: Floats32, x: Floats32, scratch: Floats32, prior: Floats32 | None = None) -> Floats32:
        """Posterior mean (N,) at statistics z (N, S) and encodings x (N, E); a source predicts `prior` (N,) of them."""
        known = self._prepared
        squares, roots = scratch[:, : len(x)]
        mean: Floats32 = _matern(self._both(z, x), known["x"], squares, roots) @ known["joint"]
        if self.choices:
            mean += known["additive"](x * np.float32(1 / ENCODING_SCALE))
        if self._paired:
            paired = self._paired_features.of(x * np.float32(1 / ENCODING_SCALE))
            pairs = np.matmul(paired, self._paired_with_samples, out=squares)
            mean += np.square(pairs, out=pairs) @ self.arrays["weights"]
        if prior is not None:
            slope, offset = self.arrays["slope"]
            mean += prior * slope + offset
        if z.shape[1]:
            mean += _matern(z / self.arrays["z_length"], known["z"], squares, roots) @ known["smooth"]
            mean += z @ known["trend"]
        return mean

    def variance(self, z: Floats32, x: Floats32, relative: Floats32) -> Floats32:
        """Posterior variance (N,) of a measurement; `relative` (N,) as in `fit_process`."""
        trend, smooth, joint = self.arrays["amplitudes"][:3]
        kernel, noise = self._kernel(z, x), self.noise(relative)
        prior = joint + noise + np.square(self._effects(x)).sum(axis=1)
        if self._paired:
            prior = prior + np.square(self._pairs(x)).sum(axis=1) ** 2
        if z.shape[1]:
            prior = prior + smooth + trend * np.square(z).mean(axis=1)
        explained = np.einsum("ij,ij->i", kernel @ self.arrays["inverse"], kernel)
        return np.asarray(np.maximum(prior - explained, noise), dtype=np.float32)

    def noise(self, relative: Floats32) -> Floats32:
        """Variance (N,) of a measurement around the true value; `relative` (N,) as in `fit_process`."""
        varying, constant = self.arrays["amplitudes"][3:5]
        return np.asarray(varying * relative + constant, dtype=np.float32)

    def covariance(self, z: Floats32, x: Floats32) -> Floats:
        """Posterior covariance (N, N) of the true values, without the noise of measurements."""
        trend, smooth, joint = self.arrays["amplitudes"][:3]
        kernel, both = self._kernel(z, x).astype(np.float64), self._both(z, x)  # what is left of the prior is small
        effects = self._effects(x)
        prior = joint * _matern(both, right_of(both)) + effects @ effects.T
        if self._paired:
            pairs = self._pairs(x)
            prior += np.square(pairs @ pairs.T)
        if z.shape[1]:
            scaled = z / self.arrays["z_length"]
            prior += smooth * _matern(scaled, right_of(scaled)) + z @ z.T * (float(trend) / z.shape[1])
        explained = kernel @ self.arrays["inverse"].astype(np.float64) @ kernel.T
        left = np.asarray(prior - explained, dtype=np.float64)
        # Of samples without noise nothing is left but the rounding of single precision, of either sign.
        np.fill_diagonal(left, np.maximum(left.diagonal(), _ROUNDING * prior.diagonal()))
        return left

    def _kernel(self, z: Floats32, x: Floats32) -> Floats32:
        """Covariance of candidates and samples, (N, n)."""
        trend, smooth, joint = self.arrays["amplitudes"][:3]
        kernel: Floats32 = joint * _matern(self._both(z, x), self._prepared["x"])
        if self.choices:
            kernel += self._effects(x) @ self._effects_of_samples.T
        if self._paired:
            kernel += np.square(self._paired_features.of(x / np.float32(ENCODING_SCALE)) @ self._paired_with_samples)
        if z.shape[1]:
            kernel += smooth * _matern(z / self.arrays["z_length"], self._prepared["z"])
            kernel += z @ self._z_samples.T * (float(trend) / z.shape[1])
        return kernel

    def _both(self, z: Floats32, x: Floats32) -> Floats32:
        return np.asarray(np.concatenate([z, x], axis=1) / self.arrays["x_length"], dtype=np.float32)

    @cached_property
    def _features(self) -> Features:
        return Features(self.choices)

    @property
    def _paired(self) -> bool:
        """Whether it has effects of pairs of choices; those of earlier versions have not."""
        return bool(self.choices) and "pairs" in self.arrays

    def _effects(self, x: Floats32) -> Floats32:
        """Features of encodings (N, E), each times the root of its choice's amplitude, (N, F)."""
        if not self.choices:
            return np.zeros((len(x), 1), dtype=np.float32)
        roots = np.sqrt(self.arrays["additive"])[self._features.choice]
        return np.asarray(self._features.of(x / np.float32(ENCODING_SCALE)) * roots)

    @cached_property
    def _effects_of_samples(self) -> Floats32:
        return self._effects(self._x_samples)

    @cached_property
    def _paired_features(self) -> Features:
        return Features(self.choices, rank=PAIRED_RANK)

    def _pairs(self, x: Floats32) -> Floats32:
        """As `_effects`, of the pairs."""
        roots = np.sqrt(self.arrays["pairs"])[self._paired_features.choice]
        return np.asarray(self._paired_features.of(x / np.float32(ENCODING_SCALE)) * roots)

    @cached_property
    def _paired_with_samples(self) -> Floats32:
        """Features of the samples, each times its choice's amplitude, (F, n)."""
        roots = np.sqrt(self.arrays["pairs"])[self._paired_features.choice]
        return np.ascontiguousarray((self._pairs(self._x_samples) * roots).T)

    @cached_property
    def _x_samples(self) -> Floats32:
        return (self.arrays["x"] * self.arrays["x_length"])[:, self.arrays["z"].shape[1] :]

    @cached_property
    def _z_samples(self) -> Floats32:
        return self.arrays["z"] * self.arrays["z_length"]

    @cached_property
    def _prepared(self) -> Mapping[str, Any]:
        """What `mean` needs of the samples; a search asks for it hundreds of times."""
        trend, smooth, joint = self.arrays["amplitudes"][:3]
        weights, z = self.arrays["weights"], self._z_samples
        return {
            "x": right_of(self.arrays["x"]),
            "z": right_of(self.arrays["z"]),
            "joint": joint * weights,
            "smooth": smooth * weights,
            "additive": self._features.summing(self._additive_slopes(weights)) if self.choices else None,
            "trend": z.T @ weights * (float(trend) / max(1, z.shape[1])),
        }

    def _additive_slopes(self, weights: Floats32) -> Floats32:
        """What each feature adds to the mean, (F,)."""
        roots = np.sqrt(self.arrays["additive"])[self._features.choice]
        return np.asarray(self._effects_of_samples.T @ weights * roots)


def _matern(a: Floats32, right: Floats32, squares: Floats32 | None = None, roots: Floats32 | None = None) -> Floats32:
    """Matern 5/2 of the distances of rows a (N, F) and b, given as `right_of(b)`: (N, n), in `squares` if given."""
    left = np.concatenate([a, np.einsum("ij,ij->i", a, a)[:, None], np.ones_like(a[:, :1])], axis=1)
    squares = np.matmul(left, right, out=squares)
    np.abs(squares, out=squares)  # by rounding, a distance of 0 is slightly below
    roots = np.sqrt(squares, out=roots)
    squares *= np.float32(1 / 3)
    squares += roots
    squares += 1
    np.negative(roots, out=roots)
    squares *= np.exp(roots, out=roots)
    return squares


def right_of(b: Floats32) -> Floats32:
    """5 [-2 b, 1, |b|^2] of rows b (n, F), transposed, (F + 2, n): [a, |a|^2, 1] times it is 5 |a - b|^2."""
    right = np.concatenate([-2 * b, np.ones_like(b[:, :1]), np.square(b).sum(axis=1, keepdims=True)], axis=1)
    return np.ascontiguousarray((5 * right).T)
