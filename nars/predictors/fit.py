"""What accuracies taught, beside the weights: an ensemble of networks and processes, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nars.arrays import Floats, Floats32
from nars.predictors.process import ENCODING_SCALE, Process
from nars.predictors.warp import Unbend, Warp, unbend
from nars.printing import brief_repr


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """What is known of N candidates before any of them is trained."""

    x: Floats32
    """Encoding (N, E)."""
    z: Floats32
    """Standardized statistics (N, S): exact, or as the encoder predicts them."""
    told: Floats32
    """What each source predicts, (N, K)."""

    def of(self, process: Process) -> tuple[Floats32, Floats32, Floats32 | None]:
        """Statistics, scaled encoding and prior mean that a process reads."""
        z = self.z if process.reads_statistics else self.z[:, :0]
        prior = None if process.source is None else self.told[:, process.source]
        return z, self.x * np.float32(ENCODING_SCALE), prior


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What accuracies taught, beside the weights."""

    __repr__ = brief_repr

    samples: int
    warp: Warp
    """From percent to what the networks and the processes predict."""
    shares: tuple[float, ...]
    """Share in the prediction of the ensemble, then of each process; of sum 1."""
    noise: float
    """Standard deviation of the ensemble's errors on samples it did not see; warped."""
    stretch: float
    """Factor on the standard deviations, so that 80 % intervals hold 80 % of the samples not seen (split conformal)."""
    processes: tuple[Process, ...] = ()
    exact: bool = False
    """Whether the statistics that it was fitted to were exact, not the encoder's."""
    converged: bool | None = None
    """Whether the steps were enough to find the processes' hyperparameters; None where they were loaded."""

    @property
    def share(self) -> float:
        """Of the ensemble."""
        return self.shares[0]

    def latent(
        self, read: Read, members: Floats32 | None, scratch: Floats32 | None, *, with_std: bool
    ) -> tuple[Floats, Floats]:
        """Mean and variance (N,), warped, of the mixture; members (M, N) are what the networks say, where they count.

        The variance is of a measurement; 0 unless asked for.
        """
        means, rows = [] if members is None else [members.mean(axis=0)], len(read.x)
        for process in self.processes:
            assert scratch is not None
            z, x, prior = read.of(process)
            means.append(process.mean(z, x, scratch, prior))
        shares = self._counting
        middle = weighted(shares, means)
        if not with_std:
            return middle, np.zeros(rows)
        relative = relative_noise(self.warp, middle)
        variances = [] if members is None else [members.var(axis=0) + self.noise**2]
        variances += [process.variance(*read.of(process)[:2], relative) for process in self.processes]
        spread = [variance + (mean - middle) ** 2 for mean, variance in zip(means, variances, strict=True)]
        return middle, weighted(shares, spread)

    def covariance(self, read: Read, members: Floats32 | None) -> Floats:
        """Covariance (N, N) of the true values, warped, without the noise of measuring."""
        rows, means, parts = len(read.x), [], list[Floats]()
        if members is not None:
            means.append(members.mean(axis=0, dtype=np.float64))
            agreed = np.cov(members.T.astype(np.float64), bias=True).reshape(rows, rows)
            parts.append(agreed + self.noise**2 * np.eye(rows))
        for process in self.processes:
            z, x, prior = read.of(process)
            means.append(np.asarray(process.mean(z, x, process.scratch(rows), prior), dtype=np.float64))
            parts.append(process.covariance(z, x))
        shares = self._counting
        middle = weighted(shares, means)
        apart = [part + np.outer(mean - middle, mean - middle) for part, mean in zip(parts, means, strict=True)]
        return weighted(shares, apart)

    def measuring(self, mean: Floats) -> Floats:
        """Standard deviation (N,), warped, of a measurement around the true value; of an ensemble alone, its errors."""
        if not self.processes:
            return np.full(len(mean), self.noise)
        relative = relative_noise(self.warp, mean)
        shares = np.array(self.shares[1:]) / sum(self.shares[1:])
        return np.sqrt(weighted(shares, [process.noise(relative) for process in self.processes]))

    @property
    def _counting(self) -> Sequence[float]:
        """Shares of those that count."""
        return self.shares if self.shares[0] > 0 else self.shares[1:]


def relative_noise(warp: Warp, warped: Floats, unbend: Unbend = unbend) -> Floats32:
    """Variances (n,) of equally exact measurements at warped accuracies (n,), in a unit of their own.

    Within what single precision holds, whatever unit accuracies have.
    """
    return np.clip(warp.slope(warped, unbend) ** 2, 1e-30, 1e30).astype(np.float32)


def weighted(shares: Sequence[float] | Floats, values: Sequence[Floats | Floats32]) -> Floats:
    """Sum of values, each times its share, in double precision."""
    total = np.zeros(np.shape(values[0]))
    for share, value in zip(shares, values, strict=True):
        total += share * value
    return total
