"""A Gaussian process on statistics and encoding, with a length scale for every input.

    k(a, b) = t z_a . z_b / S  +  s M(d_z)  +  u M(d_x),     M = Matern 5/2
    d_z, d_x: distances scaled by a length per column, over the S statistics and over statistics + encoding.
    noise variance v r + w,     r: the sample's relative variance, of mean 1

A linear trend in the statistics, a smooth function of them, and a smooth function of everything. Trainings of good and
of bad networks vary about alike in percent, so on a warped scale their noise differs: r is the squared slope of the
warp, and how much of the noise goes with it is learned. Fitted by the most likely hyperparameters under log-normal
priors (Rasmussen & Williams 2006, eq. 5.8; leave-one-out: eq. 5.12). With few samples the priors are what keeps forty
length scales from being fitted to noise.

In place of GPyTorch's or BoTorch's process: the noise above, and leave-one-out errors from the factorization of the
fit, would have to be written on top of either. Which is as good and as fast has not been measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nars.arrays import Floats
from nars.parallel import torch_threads
from nars.predictors.checks import Numbers
from nars.predictors.process import Process
from nars.predictors.training import arrays, generator_of

_STEPS, _RATE = 70, 0.09
_LENGTH, _LENGTH_SPREAD = 1.5, 0.7
"""Of the length scales' priors: median, times the root of the number of columns, and standard deviation of the logs.
Chosen with the two below on NAS-Bench-Macro: tau of the process alone 0.82 instead of 0.81 at 20 samples, 0.883 instead
of 0.880 at 50, the same from 200 on; on NAS-Bench-201's CIFAR-10 0.743 instead of 0.739 at 50; the same on FCNet."""
_JOINT = 1 / 3
"""Prior median of u beside statistics, whose t and s have 1: what they explain goes before what the encoding does."""
_NOISE = 0.005
"""Prior median of v and w, of targets of variance 1. Noise that follows the slope alone: tau 0.826 on FCNet's protein
at 200 samples; that does not, 0.830; both, 0.829. On NAS-Bench-Macro at 200: 0.927, 0.9245, 0.927."""
_LAST, _GAIN = 10, 1.0
"""In so many last steps the log of the posterior density rises by less than this where the steps have been enough. What
is still missing then is as much at most, measured on NAS-Bench-201 and FCNet's protein; 0.01 and 0.3 at 100 samples."""
_MOST_FOR_LENGTHS = 400
"""Samples that the hyperparameters are chosen on, at most: each step costs their cube."""
_NOISE_FLOOR = 1e-3
"""Least noise variance, of a target of variance 1: keeps float32 predictions accurate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """What a fit says beside the process: of each sample when that one is left out, and of itself."""

    mean: Floats
    """(n,)"""
    variance: Floats
    """(n,), noise included."""
    converged: bool
    """Whether the last steps hardly made the hyperparameters any likelier."""


@torch_threads(1)
def fit_process(z: Numbers, x: Numbers, target: Numbers, relative: Numbers, *, seed: int) -> tuple[Process, LeftOut]:
    """The process of samples.

    Args:
        z: statistics (n, S).
        x: encodings (n, E).
        target: (n,), of mean 0 and variance 1.
        relative: variances of the samples' noise in a unit of their own, (n,), above 0.
        seed: of the choice of samples that the hyperparameters are chosen on.
    """
    statistics, encoding, y, noise = (
        torch.tensor(np.asarray(values, dtype=np.float64)) for values in (z, x, target, relative)
    )
    both, unit = torch.cat([statistics, encoding], dim=1), noise.mean()
    noise = noise / unit
    chosen = torch.randperm(len(y), generator=generator_of(seed, stream=6))[:_MOST_FOR_LENGTHS]
    logs, converged = _most_likely(statistics[chosen], both[chosen], y[chosen], noise[chosen])
    with torch.no_grad():
        kernel = _matrix(logs, statistics, both, noise)
        factor = torch.linalg.cholesky(kernel)
        weights = torch.cholesky_solve(y[:, None], factor)[:, 0]
        inverse = torch.cholesky_inverse(factor)
        precision = inverse.diagonal()
        left_out = LeftOut(
            mean=(y - weights / precision).numpy(), variance=(1 / precision).numpy(), converged=converged
        )
        z_length, x_length = logs["z_length"].exp(), logs["x_length"].exp()
        varying, constant = logs["noise"].exp()
        amplitudes = torch.stack([*logs["amplitudes"].exp(), varying / unit, constant + _NOISE_FLOOR])
        tensors = {
            "z": statistics / z_length,
            "x": both / x_length,
            "z_length": z_length,
            "x_length": x_length,
            "weights": weights,
            "inverse": inverse,
            "amplitudes": amplitudes,
        }
    return Process(arrays=arrays({name: value.float() for name, value in tensors.items()})), left_out


def _most_likely(z: Tensor, both: Tensor, target: Tensor, relative: Tensor) -> tuple[dict[str, Tensor], bool]:
    """Logarithms of the hyperparameters of highest posterior density, and whether the steps were enough."""
    columns = {"z_length": z.shape[1], "x_length": both.shape[1]}
    start = {name: torch.full((count,), math.log(_LENGTH * max(1, count) ** 0.5)) for name, count in columns.items()}
    start["amplitudes"] = torch.tensor([0.0, 0.0, math.log(_JOINT) if z.shape[1] else 0.0])
    start["noise"] = torch.full((2,), math.log(_NOISE))
    logs = {name: value.double().requires_grad_(True) for name, value in start.items()}
    optimizer = torch.optim.Adam(logs.values(), lr=_RATE)
    losses = list[float]()
    for _ in range(_STEPS):
        optimizer.zero_grad()
        factor = torch.linalg.cholesky(_matrix(logs, z, both, relative))
        weights = torch.cholesky_solve(target[:, None], factor)[:, 0]
        fit = 0.5 * target @ weights + factor.diagonal().log().sum()
        spread = {name: _LENGTH_SPREAD if name in columns else 1.0 for name in logs}
        prior = sum(((value - start[name]) / spread[name]).square().sum() for name, value in logs.items())
        loss = fit + 0.5 * prior
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    converged = losses[-_LAST] - losses[-1] < _GAIN
    return {name: value.detach() for name, value in logs.items()}, converged


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


def _left(a: Tensor) -> Tensor:
    """[a, |a|^2, 1]: times `_right(b)` it is 5 |a - b|^2 in one matrix product."""
    return torch.cat([a, a.square().sum(dim=1, keepdim=True), torch.ones_like(a[:, :1])], dim=1)


def _right(b: Tensor) -> Tensor:
    """5 [-2 b, 1, |b|^2] of rows b (n, F), transposed: (F + 2, n)."""
    right = torch.cat([-2 * b, torch.ones_like(b[:, :1]), b.square().sum(dim=1, keepdim=True)], dim=1)
    return (5 * right).T.contiguous()
