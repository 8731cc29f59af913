"""A Gaussian process on statistics and encoding, with a length scale for every input.

    k(a, b) = t z_a . z_b / S  +  s M(d_z)  +  u M(d_x),     M = Matern 5/2
    d_z, d_x: distances scaled by a length per column, over the S statistics and over statistics + encoding.
    noise variance v r + w,     r: the sample's relative variance, of mean 1

A linear trend in the statistics, a smooth function of them, and a smooth function of everything. Trainings of good and
of bad networks vary about alike in percent, so on a warped scale their noise differs: r is the squared slope of the
warp, and how much of the noise goes with it is learned. Fitted by the most likely hyperparameters under log-normal
priors (Rasmussen & Williams 2006, eq. 5.8; leave-one-out: eq. 5.12). With few samples the priors are what keeps forty
length scales from being fitted to noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nars.printing import brief_repr

ENCODING_SCALE = 2.5
"""Factor on encodings before they go into the process: brings one-hot columns (standard deviation about 0.4) to the
statistics' standard deviation of 1, for which the priors of the length scales are made."""
_STEPS, _RATE = 70, 0.09
_LENGTH, _LENGTH_SPREAD = 1.5, 0.7
"""Of the length scales' priors: median, times the root of the number of columns, and standard deviation of the logs.
Chosen with the two below on NAS-Bench-Macro: tau of the process alone 0.82 instead of 0.81 at 20 samples, 0.883 instead
of 0.880 at 50, the same from 200 on; on NAS-Bench-201's CIFAR-10 0.743 instead of 0.739 at 50; the same on FCNet."""
_JOINT = 1 / 3
"""Prior median of u beside statistics, whose t and s have 1: what they tell goes before what the encoding tells."""
_NOISE = 0.005
"""Prior median of v and w, of targets of variance 1. Noise that follows the slope alone: tau 0.826 on FCNet's protein
at 200 samples; that does not, 0.830; both, 0.829. On NAS-Bench-Macro at 200: 0.927, 0.9245, 0.927."""
_MOST_FOR_LENGTHS = 400
"""Samples that the hyperparameters are chosen on, at most: each step costs their cube."""
_NOISE_FLOOR = 1e-3
"""Least noise variance, of a target of variance 1: keeps float32 predictions accurate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Process:
    """A fitted process. Its `tensors` are all there is to it (float32)."""

    __repr__ = brief_repr

    tensors: Mapping[str, Tensor]
    """z (n, S), x (n, S + E): inputs divided by their lengths; z_length (S,), x_length (S + E,); weights (n,);
    inverse (n, n): of the kernel matrix; amplitudes (5,): t, s, u, v / the mean of `relative`, w."""

    def scratch(self, rows: int) -> Tensor:
        """Memory for `mean` of `rows` candidates: fresh pages for every product would take longer than the product."""
        return torch.empty((2, rows, len(self.tensors["weights"])))

    def mean(self, z: Tensor, x: Tensor, scratch: Tensor) -> Tensor:
        """Posterior mean (N,) at statistics z (N, S) and encodings x (N, E)."""
        known = self._prepared
        both = torch.cat([z, x], dim=1) / self.tensors["x_length"]
        mean: Tensor = _matern_into(scratch, both, known["x"]) @ known["joint"]
        if z.shape[1]:
            mean += _matern_into(scratch, z / self.tensors["z_length"], known["z"]) @ known["smooth"]
            mean += z @ known["trend"]
        return mean

    @cached_property
    def _prepared(self) -> Mapping[str, Tensor]:
        """What `mean` needs of the samples; a search asks for it hundreds of times."""
        trend, smooth, joint = self.tensors["amplitudes"][:3]
        weights, z = self.tensors["weights"], self._z_samples()
        return {
            "x": _right(self.tensors["x"]),
            "z": _right(self.tensors["z"]),
            "joint": joint * weights,
            "smooth": smooth * weights,
            "trend": z.T @ weights * (trend / max(1, z.shape[1])),
        }

    def variance(self, z: Tensor, x: Tensor, relative: Tensor) -> Tensor:
        """Posterior variance (N,) of a measurement; `relative` (N,) as in `fit_process`."""
        trend, smooth, joint, varying, constant = self.tensors["amplitudes"]
        kernel, noise = self._kernel(z, x), varying * relative + constant
        prior = joint + noise
        if z.shape[1]:
            prior = prior + smooth + trend * z.square().mean(dim=1)
        explained = ((kernel @ self.tensors["inverse"]) * kernel).sum(dim=1)
        return torch.maximum(prior - explained, noise)

    def covariance(self, z: Tensor, x: Tensor) -> Tensor:
        """Posterior covariance (N, N) of the true values, without the noise of measurements."""
        trend, smooth, joint = self.tensors["amplitudes"][:3]
        kernel, both = self._kernel(z, x), torch.cat([z, x], dim=1) / self.tensors["x_length"]
        prior: Tensor = joint * _matern(both, both)
        if z.shape[1]:
            scaled = z / self.tensors["z_length"]
            prior = prior + smooth * _matern(scaled, scaled) + z @ z.T * (trend / z.shape[1])
        kernel = kernel.double()  # what is left of the prior is small
        return prior - kernel @ self.tensors["inverse"].double() @ kernel.T

    def _kernel(self, z: Tensor, x: Tensor) -> Tensor:
        """Of candidates and samples, (N, n)."""
        trend, smooth, joint = self.tensors["amplitudes"][:3]
        kernel: Tensor = joint * _matern(torch.cat([z, x], dim=1) / self.tensors["x_length"], self.tensors["x"])
        if z.shape[1]:
            kernel += smooth * _matern(z / self.tensors["z_length"], self.tensors["z"])
            kernel += z @ self._z_samples().T * (trend / z.shape[1])
        return kernel

    def _z_samples(self) -> Tensor:
        samples: Tensor = self.tensors["z"] * self.tensors["z_length"]
        return samples


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """What the process says of each sample when that one is left out."""

    mean: NDArray[np.float64]
    """(n,)"""
    variance: NDArray[np.float64]
    """(n,), noise included."""


def fit_process(
    z: Tensor, x: Tensor, target: Tensor, relative: Tensor, *, generator: torch.Generator
) -> tuple[Process, LeftOut]:
    """The process of samples.

    Args:
        z: statistics (n, S).
        x: encodings (n, E).
        target: (n,), of mean 0 and variance 1.
        relative: variances of the samples' noise in a unit of their own, (n,), above 0.
        generator: of the choice of samples that the hyperparameters are chosen on.
    """
    z, x, target = z.double(), x.double(), target.double()
    both, unit = torch.cat([z, x], dim=1), relative.double().mean()
    relative = relative.double() / unit
    chosen = torch.randperm(len(target), generator=generator)[:_MOST_FOR_LENGTHS]
    logs = _most_likely(z[chosen], both[chosen], target[chosen], relative[chosen])
    with torch.no_grad():
        kernel = _matrix(logs, z, both, relative)
        factor = torch.linalg.cholesky(kernel)
        weights = torch.cholesky_solve(target[:, None], factor)[:, 0]
        inverse = torch.cholesky_inverse(factor)
        precision = inverse.diagonal()
        left_out = LeftOut(mean=(target - weights / precision).numpy(), variance=(1 / precision).numpy())
        z_length, x_length = logs["z_length"].exp(), logs["x_length"].exp()
        varying, constant = logs["noise"].exp()
        amplitudes = torch.stack([*logs["amplitudes"].exp(), varying / unit, constant + _NOISE_FLOOR])
        tensors = {
            "z": z / z_length,
            "x": both / x_length,
            "z_length": z_length,
            "x_length": x_length,
            "weights": weights,
            "inverse": inverse,
            "amplitudes": amplitudes,
        }
    return Process(tensors={name: value.float().contiguous() for name, value in tensors.items()}), left_out


def _most_likely(z: Tensor, both: Tensor, target: Tensor, relative: Tensor) -> dict[str, Tensor]:
    """Logarithms of the hyperparameters of highest posterior density."""
    columns = {"z_length": z.shape[1], "x_length": both.shape[1]}
    start = {name: torch.full((count,), math.log(_LENGTH * max(1, count) ** 0.5)) for name, count in columns.items()}
    start["amplitudes"] = torch.tensor([0.0, 0.0, math.log(_JOINT) if z.shape[1] else 0.0])
    start["noise"] = torch.full((2,), math.log(_NOISE))
    logs = {name: value.double().requires_grad_(True) for name, value in start.items()}
    optimiser = torch.optim.Adam(logs.values(), lr=_RATE)
    for _ in range(_STEPS):
        optimiser.zero_grad()
        factor = torch.linalg.cholesky(_matrix(logs, z, both, relative))
        weights = torch.cholesky_solve(target[:, None], factor)[:, 0]
        fit = 0.5 * target @ weights + factor.diagonal().log().sum()
        spread = {name: _LENGTH_SPREAD if name in columns else 1.0 for name in logs}
        prior = sum(((value - start[name]) / spread[name]).square().sum() for name, value in logs.items())
        (fit + 0.5 * prior).backward()
        optimiser.step()
    return {name: value.detach() for name, value in logs.items()}


def _matrix(logs: Mapping[str, Tensor], z: Tensor, both: Tensor, relative: Tensor) -> Tensor:
    """The samples' kernel matrix with noise, (n, n)."""
    trend, smooth, joint = logs["amplitudes"].exp()
    varying, constant = logs["noise"].exp()
    scaled = both / logs["x_length"].exp()
    kernel = joint * _matern(scaled, scaled)
    if z.shape[1]:
        scaled = z / logs["z_length"].exp()
        kernel = kernel + smooth * _matern(scaled, scaled) + trend / z.shape[1] * z @ z.T
    matrix: Tensor = kernel + torch.diag(varying * relative + constant + _NOISE_FLOOR)
    return matrix


def _matern(a: Tensor, b: Tensor) -> Tensor:
    """Matern 5/2 of the distances of rows a (N, F) and b (n, F), (N, n)."""
    squares = (_left(a) @ _right(b)).clamp(min=1e-12)
    roots = squares.sqrt()
    return (1 + roots + squares / 3) * torch.exp(-roots)


def _matern_into(scratch: Tensor, a: Tensor, right: Tensor) -> Tensor:
    """The same of a and `_right(b)` in the memory of `scratch` (2, >= N, n), which the next call overwrites."""
    squares, roots = scratch[0, : len(a)], scratch[1, : len(a)]
    torch.matmul(_left(a), right, out=squares)
    squares.clamp_(min=1e-12)
    torch.sqrt(squares, out=roots)
    torch.add(roots, squares, alpha=1 / 3, out=squares)
    roots.neg_().exp_()
    return torch.addcmul(roots, squares, roots, out=squares)  # fewest passes over memory


def _left(a: Tensor) -> Tensor:
    """[a, |a|^2, 1]: times `_right(b)` it is 5 |a - b|^2 in one matrix product."""
    return torch.cat([a, a.square().sum(dim=1, keepdim=True), torch.ones_like(a[:, :1])], dim=1)


def _right(b: Tensor) -> Tensor:
    """5 [-2 b, 1, |b|^2] of rows b (n, F), transposed: (F + 2, n)."""
    right = torch.cat([-2 * b, torch.ones_like(b[:, :1]), b.square().sum(dim=1, keepdim=True)], dim=1)
    return (5 * right).T.contiguous()
