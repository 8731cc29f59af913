"""A Gaussian process on statistics and encoding, with a length scale for every statistic and every choice.

    k(a, b) = t z_a . z_b / S  +  s M(d_z)  +  u M(d_zx)  +  sum_c a_c k_c(a, b)  +  (sum_c b_c k_c(a, b))^2
    M = Matern 5/2; d_z, d_zx: distances scaled by a length per statistic, and per statistic and choice
    sums over choices c; k_c: `nars.predictors.additive`, coarser in the pairs
    noise variance v r + w,     r: the sample's relative variance, of mean 1

A linear trend in the statistics z (S columns), a smooth function of them, a smooth function of everything, statistics
and encoding x (E columns), an effect of each choice by itself, and one of each pair of choices together: the square of
a sum is a sum over pairs, each a table of its own (Duvenaud et al. 2011, second order). All columns of one choice share
a length: with one for each column of a one-hot code, eighteen choices of nine values are 160 lengths for fifty samples.
Trainings of good and of bad networks vary about alike in percent, so on a warped scale their noise differs: r is the
squared slope of the warp, and how much of the noise goes with it is learned. Fitted by the most likely hyperparameters
under log-normal priors (Rasmussen & Williams 2006, eq. 5.8; leave-one-out: eq. 5.12). With few samples the priors are
what keeps dozens of length scales from being fitted to noise.

What another data set taught can be the process's prior mean: b times its prediction, with a slope b that is learned.

In place of GPyTorch's or BoTorch's process: the noise above, and leave-one-out errors from the factorization of the
fit, would have to be written on top of either. `scripts/bench_predictor.py` has BoTorch's among the rivals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from nars.arrays import Floats, Floats32
from nars.parallel import torch_threads
from nars.predictors.additive import PAIRED_RANK, Features
from nars.predictors.checks import Numbers
from nars.predictors.process import ENCODING_SCALE, Process
from nars.predictors.training import arrays, generator_of

_STEPS = 100
"""Of L-BFGS, at most; mostly it needs 15 to 40."""
_LENGTH, _LENGTH_SPREAD = 1.5, 0.7
"""Of the length scales' priors: median, times the root of the number of columns, and standard deviation of the logs.
Chosen with the two below on NAS-Bench-Macro: tau of the process alone 0.82 instead of 0.81 at 20 samples, 0.883 instead
of 0.880 at 50, the same from 200 on; on NAS-Bench-201's CIFAR-10 0.743 instead of 0.739 at 50; the same on FCNet."""
_JOINT = 1 / 3
"""Prior median of u beside statistics, whose t and s have 1: what they explain goes before what the encoding does."""
_NOISE, _NOISE_SPREAD = 0.005, 2.0
"""Prior median of v and w, of targets of variance 1, and standard deviation of their logs: there are tables of which
half is noise. Noise that follows the slope alone: tau 0.826 on FCNet's protein
at 200 samples; that does not, 0.830; both, 0.829. On NAS-Bench-Macro at 200: 0.927, 0.9245, 0.927."""
_ADDITIVE, _ADDITIVE_ALONE = 0.3, 1.0
"""Prior median of the sum of all a_c beside statistics, and without."""
_PAIRS, _PAIRS_SPREAD = 0.2, 1.5
"""Prior median of the sum of all b_c, and standard deviation of their logs: most choices have no partner. On made-up
interactions (`scripts/predictor_tables.py`) tau of the whole 0.72 instead of 0.56 at 200 samples, 0.42 instead of 0.39
at 100. On the seven other tables pairs are seldom the more likely; where they were always in, tau at 200 samples was
0.76 instead of 0.83 on one of them, by a worse optimum of the likelihood."""
_SLOPE, _SLOPE_SPREAD = 1.0, 0.5
"""Prior of b: a source that ranks like the samples do is taken as it is."""
_FARTHEST = 5.0
"""Standard deviations of its prior that a hyperparameter may lie off."""
_REST = 0.3
"""Factor on the prior medians of all amplitudes beside a source: most of what there is to explain is taken for said."""
_TOLERANCE = 1e-6
"""Relative gain of a step at which the posterior density counts as the highest."""
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
    """Whether the steps were enough to find the most likely hyperparameters."""


@torch_threads(1)
def fit_process(
    z: Numbers,
    x: Numbers,
    target: Numbers,
    relative: Numbers,
    *,
    choices: Sequence[int],
    pairs: bool = False,
    prior: Numbers | None = None,
    seed: int,
) -> tuple[Process, LeftOut]:
    """The process of samples.

    Args:
        z: statistics (n, S).
        x: encodings (n, E).
        target: (n,), of mean 0 and variance 1.
        relative: variances of the samples' noise in a unit of their own, (n,), above 0.
        choices: for each column of x the number of its choice, from 0 on, (E,).
        pairs: whether effects of pairs of choices are tried: it has them where they make the samples more likely.
        prior: what a source says of the samples, (n,), on any scale; None without a source.
        seed: of the choice of samples that the hyperparameters are chosen on.
    """
    statistics, encoding, y, noise = (
        torch.tensor(np.asarray(values, dtype=np.float64)) for values in (z, x, target, relative)
    )
    told, centre, width = None, 0.0, 1.0
    if prior is not None:
        raw = torch.tensor(np.asarray(prior, dtype=np.float64))
        centre, width = raw.mean().item(), max(raw.std().item(), 1e-9)
        told = (raw - centre) / width
    unit = noise.mean()
    numbers = torch.tensor(list(choices), dtype=torch.int64)
    encoded = np.asarray(x, dtype=np.float32) / np.float32(ENCODING_SCALE)
    effects = _Effects.of(Features(choices), encoded)
    plain = _Samples(statistics, encoding, y, noise / unit, told, effects, None, numbers)
    some = torch.randperm(len(y), generator=generator_of(seed, stream=6))[:_MOST_FOR_LENGTHS]
    found = _most_likely(plain.rows(some))
    samples, logs, converged = plain, found.logs, found.converged
    if pairs:
        paired = replace(plain, paired=_Effects.of(Features(choices, rank=PAIRED_RANK), encoded))
        other = _most_likely(paired.rows(some))
        if other.loss < found.loss:
            samples, logs, converged = paired, other.logs, other.converged
    with torch.no_grad():
        factor = torch.linalg.cholesky(_matrix(logs, samples))
        rest = _rest(logs, samples)
        weights = torch.cholesky_solve(rest[:, None], factor)[:, 0]
        lower = torch.cholesky_inverse(factor).tril()
        inverse = lower + lower.tril(-1).T  # to the last digit, as a file keeps one half
        precision = inverse.diagonal()
        left_out = LeftOut(
            mean=(y - weights / precision).numpy(), variance=(1 / precision).numpy(), converged=converged
        )
        z_length, x_length = logs["z_length"].exp(), _lengths(logs, samples)
        varying, constant = logs["noise"].exp()
        amplitudes = torch.stack([*logs["amplitudes"].exp(), varying / unit, constant + _NOISE_FLOOR])
        tensors = {
            "z": statistics / z_length,
            "x": samples.both / x_length,
            "z_length": z_length,
            "x_length": x_length,
            "weights": weights,
            "inverse": inverse,
            "amplitudes": amplitudes,
            "additive": logs["additive"].exp(),
            **({"pairs": logs["pairs"].exp()} if samples.paired else {}),
            **({} if told is None else {"slope": logs["slope"] / width * torch.tensor([1.0, -centre])}),
        }
    process = Process(arrays=arrays({name: value.float() for name, value in tensors.items()}), choices=tuple(choices))
    return process, left_out


@dataclass(frozen=True)
class _Effects:
    """Features of samples, whose products are the choices' kernels."""

    features: Tensor
    """(n, F)"""
    choice: Tensor
    """Of each feature, (F,)."""

    @staticmethod
    def of(features: Features, encoded: Floats32) -> _Effects:
        return _Effects(torch.from_numpy(features.of(encoded)).double(), torch.from_numpy(features.choice))

    def rows(self, some: Tensor) -> _Effects:
        return _Effects(self.features[some], self.choice)

    def kernel(self, logs: Tensor) -> Tensor:
        """Sum over choices, each with its amplitude, (n, n)."""
        return (self.features * logs.exp()[self.choice]) @ self.features.T


@dataclass(frozen=True)
class _Samples:
    """What the process is fitted to."""

    z: Tensor
    """(n, S)"""
    x: Tensor
    """(n, E)"""
    target: Tensor
    """(n,)"""
    relative: Tensor
    """(n,), of mean 1."""
    prior: Tensor | None
    """(n,)"""
    effects: _Effects
    """Of the additive part."""
    paired: _Effects | None
    """Of the pairs."""
    choices: Tensor
    """(E,)"""

    @cached_property
    def both(self) -> Tensor:
        """(n, S + E)"""
        return torch.cat([self.z, self.x], dim=1)

    def rows(self, some: Tensor) -> _Samples:
        prior = None if self.prior is None else self.prior[some]
        paired = None if self.paired is None else self.paired.rows(some)
        rows = (self.z[some], self.x[some], self.target[some], self.relative[some], prior, self.effects.rows(some))
        return _Samples(*rows, paired, self.choices)


@dataclass(frozen=True)
class _Found:
    """Hyperparameters of the highest posterior density."""

    logs: dict[str, Tensor]
    """Their logarithms; the slope of a source is among them, as itself."""
    loss: float
    """The negative logarithm of that density, but for a constant."""
    converged: bool
    """Whether the steps were enough."""


def _most_likely(samples: _Samples) -> _Found:
    from scipy.optimize import minimize

    middle, spread = _priors(samples)
    sizes = [len(value) for value in middle.values()]
    centre, unit = torch.cat([*middle.values()]), torch.cat([*spread.values()])

    def named(values: Tensor) -> dict[str, Tensor]:
        return dict(zip(middle, torch.split(values, sizes), strict=True))

    def loss(point: Floats) -> tuple[float, Floats]:
        """Of the hyperparameters in standard deviations of their priors."""
        off = torch.tensor(point, requires_grad=True)
        logs = named(centre + unit * off)
        factor, fault = torch.linalg.cholesky_ex(_matrix(logs, samples))
        if fault:  # a step too far: the line search tries a shorter one
            return 1e10, np.zeros_like(point)
        rest = _rest(logs, samples)
        fit = 0.5 * rest @ torch.cholesky_solve(rest[:, None], factor)[:, 0] + factor.diagonal().log().sum()
        total = fit + 0.5 * off.square().sum()
        (gradient,) = torch.autograd.grad(total, off)
        return total.item(), gradient.numpy()

    found = minimize(
        loss,
        np.zeros(len(centre)),
        args=(),
        method="L-BFGS-B",
        jac=True,
        bounds=[(-_FARTHEST, _FARTHEST)] * len(centre),
        options={"maxiter": _STEPS, "ftol": _TOLERANCE, "maxcor": 20},
    )
    return _Found(named(centre + unit * torch.from_numpy(found.x)), float(found.fun), bool(found.success))


def _priors(samples: _Samples) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Medians of the logarithms of the hyperparameters, and their standard deviations."""
    statistics, columns = samples.z.shape[1], samples.both.shape[1]
    choices = int(samples.choices.max()) + 1 if len(samples.choices) else 0
    additive = (_ADDITIVE if statistics else _ADDITIVE_ALONE) * (1.0 if samples.prior is None else _REST)
    full = {
        "z_length": (statistics, math.log(_LENGTH * max(1, statistics) ** 0.5), _LENGTH_SPREAD),
        "x_length": (statistics + choices, math.log(_LENGTH * max(1, columns) ** 0.5), _LENGTH_SPREAD),
        "noise": (2, math.log(_NOISE), _NOISE_SPREAD),
        "additive": (choices, math.log(additive / max(1, choices)), 1.0),
        **({} if samples.paired is None else {"pairs": (choices, math.log(_PAIRS / max(1, choices)), _PAIRS_SPREAD)}),
        **({} if samples.prior is None else {"slope": (1, _SLOPE, _SLOPE_SPREAD)}),
    }
    middle = {name: torch.full((count,), value, dtype=torch.float64) for name, (count, value, _) in full.items()}
    spread = {name: torch.full((count,), value, dtype=torch.float64) for name, (count, _, value) in full.items()}
    joint = math.log(_JOINT) if statistics else 0.0
    rest = 0.0 if samples.prior is None else math.log(_REST)
    middle["amplitudes"] = torch.tensor([rest, rest, joint + rest], dtype=torch.float64)
    spread["amplitudes"] = torch.ones(3, dtype=torch.float64)
    return middle, spread


def _lengths(logs: Mapping[str, Tensor], samples: _Samples) -> Tensor:
    """Length of each column of statistics and encoding, (S + E,)."""
    statistics = samples.z.shape[1]
    return logs["x_length"].exp()[torch.cat([torch.arange(statistics), statistics + samples.choices])]


def _rest(logs: Mapping[str, Tensor], samples: _Samples) -> Tensor:
    """What the source leaves to explain, (n,)."""
    return samples.target if samples.prior is None else samples.target - logs["slope"] * samples.prior


def _matrix(logs: Mapping[str, Tensor], samples: _Samples) -> Tensor:
    """The samples' kernel matrix with noise, (n, n)."""
    z, trend, smooth, joint = samples.z, *logs["amplitudes"].exp()
    varying, constant = logs["noise"].exp()
    scaled = samples.both / _lengths(logs, samples)
    kernel = joint * _matern(scaled, scaled) + samples.effects.kernel(logs["additive"])
    if samples.paired is not None:
        kernel = kernel + samples.paired.kernel(logs["pairs"]).square()
    if z.shape[1]:
        scaled = z / logs["z_length"].exp()
        kernel = kernel + smooth * _matern(scaled, scaled) + trend / z.shape[1] * z @ z.T
    matrix: Tensor = kernel + torch.diag(varying * samples.relative + constant + _NOISE_FLOOR)
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
