"""How noisy labels are, and which rank correlation they allow at best.

A label is a true accuracy plus noise that another seed would draw anew. The noise is known from the candidates that
were trained more than once; most have one label. What is wanted is Kendall's tau of the true accuracies with the labels
as they are: no predictor can have more.

Labels are spread more widely than true accuracies are, so adding noise to the labels once more would give too high a
tau. Instead the distribution of the true accuracies is estimated (empirical Bayes: EM over cells of accuracy, with the
noise a mixture of normal distributions whose weights may differ between good and bad candidates, as bad networks vary
more), true accuracies are drawn from what it says of each candidate, and their tau with the labels is taken.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from nars.arrays import Floats, Ints
from nars.predictors.metrics import kendall

_LEVEL = 0.95
_TAILS = (1 - _LEVEL) / 2, (1 + _LEVEL) / 2
"""Quantiles that the intervals lie between."""
_FEWEST_FREEDOM = 3
"""Degrees of freedom (further labels of candidates that have one) below which the noise counts as unknown."""
_FEW = 30
"""Repeated candidates below which the spread of their noise is taken from a table instead of from themselves."""
_MOST, _MOST_REPEATED = 1000, 500
"""Candidates that are computed with; of more, so many at random."""
_ITERATIONS, _REPLICATES, _DRAWS = 12, 24, 4
_STEPS: Floats = np.exp2(np.arange(-3, 3, dtype=np.float64))
"""Standard deviations of the normal distributions that the noise is a mixture of, in units of the pooled one."""
_OCTAVES = (0.0, 0.7, 1.2)
"""How much the noise may differ between candidates where too few are repeated to say (`_octaves`)."""
_WIDER = 1.35
"""Factor on the interval for what the model of truth and noise leaves out: with it nine in ten intervals hold the truth
over worlds that it was not made for (tests/predictors/test_noise.py), and more where the noise is alike everywhere."""
_PRIOR_CANDIDATES = 3.0
"""What the assumed weights of the mixture count for, in candidates."""


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What labels that vary from seed to seed allow."""

    tau: float
    """Kendall's tau that the true accuracies would have with the measured ones."""
    interval: tuple[float, float]
    """95 % interval of `tau`: few repeated candidates say little about the noise."""
    noise: float
    """Standard deviation between two trainings of one candidate, pooled over the candidates that have several."""
    noise_interval: tuple[float, float]
    """95 % interval of `noise`."""
    repeated: int
    """Candidates with several labels."""
    ties: int
    """Candidates that the best one does not beat at the 5 % level: statistical ties with the best, itself included."""


def noise_ceiling(labels: Floats, *, seed: int = 0) -> Ceiling | None:
    """The ceiling of labels (N, seeds) with NaN for missing ones.

    None where the noise is unknown: fewer than three further labels of candidates that have one already.

    Args:
        labels: accuracies; every row has at least one number.
        seed: of the draws.
    """
    found = _Labels.of(labels)
    freedom = int((found.counts - 1).sum())
    if freedom < _FEWEST_FREEDOM:
        return None
    pooled = found.squares.sum() / freedom
    repeated = np.flatnonzero(found.counts > 1)
    effective = _effective_freedom(found.squares[repeated], found.counts[repeated] - 1)
    noise_interval = tuple(float(np.sqrt(effective * pooled / chi2.ppf(q, effective))) for q in _TAILS[::-1])
    if pooled <= 1e-18 * max(1.0, float(np.ptp(found.mean)) ** 2):
        tau, interval = 1.0, (1.0, 1.0)
    elif np.ptp(found.mean) == 0:
        tau, interval = 0.0, (0.0, 0.0)
    else:
        tau, interval = _tau(found, pooled, effective, np.random.default_rng(seed))
    return Ceiling(
        tau=tau,
        interval=interval,
        noise=float(np.sqrt(pooled)),
        noise_interval=(noise_interval[0], noise_interval[1]),
        repeated=len(repeated),
        ties=_ties(found, pooled),
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Labels:
    """Labels of N candidates."""

    mean: Floats
    counts: Ints
    squares: Floats
    """Sums of squared deviations from the candidate's mean."""

    @staticmethod
    def of(labels: Floats) -> _Labels:
        known = np.isfinite(labels)
        counts = known.sum(axis=1)
        mean = np.where(known, labels, 0.0).sum(axis=1) / counts
        squares = np.where(known, labels - mean[:, None], 0.0) ** 2
        return _Labels(mean=mean, counts=counts, squares=squares.sum(axis=1))

    def take(self, rows: Ints) -> _Labels:
        return _Labels(mean=self.mean[rows], counts=self.counts[rows], squares=self.squares[rows])


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Model:
    """Cells of true accuracy (B), noise mixtures (A steps) for groups of cells."""

    edges: Floats
    """(B + 1,), quantiles of the labels."""
    group: Ints
    """(B,), which mixture holds in a cell."""
    start: Floats
    """(B,), where EM begins: the labels' own distribution, shrunk by what the noise adds to their variance."""

    @staticmethod
    def of(labels: _Labels, pooled: float, freedom: int) -> _Model:
        mean = labels.mean
        cells = int(np.clip(len(mean) // 10, 8, 50))
        edges = np.unique(np.quantile(mean, np.linspace(0, 1, cells + 1)))
        groups = int(np.clip(freedom // 20, 1, 10))
        kept = np.sqrt(max(0.02, 1 - pooled * np.mean(1 / labels.counts) / mean.var()))
        shrunk = np.sort(mean.mean() + kept * (mean - mean.mean()))
        inside = np.diff(np.searchsorted(shrunk, edges)) + 0.1 * len(mean) / (len(edges) - 1)
        return _Model(
            edges=edges, group=np.arange(len(edges) - 1) * groups // (len(edges) - 1), start=inside / inside.sum()
        )

    def likelihood(self, labels: _Labels, pooled: float) -> Floats:
        """Likelihood of each candidate's labels, (N, B, A), up to a factor for each candidate."""
        noise = np.sqrt(pooled) * _STEPS
        deviation = (noise / np.sqrt(labels.counts)[:, None])[:, None, :]
        low, high = (
            (edge[:, None] - labels.mean[:, None, None]) / deviation for edge in (self.edges[:-1], self.edges[1:])
        )
        low, high, _ = _mirrored(low, high)
        density = (ndtr(high) - ndtr(low)) / np.diff(self.edges)[:, None] + 1e-300
        within = -(labels.counts - 1)[:, None] * np.log(_STEPS) - labels.squares[:, None] / (2 * noise**2)
        within -= within.max(axis=1, keepdims=True)
        return np.asarray(density * np.exp(within)[:, None, :])

    def mixtures(self, weighted: Floats, assumed: Floats) -> Floats:
        """Weights of each group's mixture, (groups, A), from posteriors of repeated candidates (R, B, A)."""
        sums = np.zeros((self.group[-1] + 1, len(_STEPS)))
        np.add.at(sums, self.group, weighted.sum(axis=0))
        sums += _PRIOR_CANDIDATES * assumed
        return np.asarray(sums / sums.sum(axis=1, keepdims=True))

    def draw(self, labels: _Labels, pooled: float, posterior: Floats, rng: np.random.Generator) -> Floats:
        """True accuracies (N,) from posteriors (N, B, A): a cell and a noise, then a place in the cell."""
        reached = np.cumsum(posterior.reshape(len(posterior), -1), axis=1)
        picked = (reached < rng.random((len(reached), 1)) * reached[:, -1:]).sum(axis=1)
        cell, step = np.divmod(np.minimum(picked, reached.shape[1] - 1), len(_STEPS))
        noise = np.sqrt(pooled / labels.counts) * _STEPS[step]
        low, high = ((self.edges[at] - labels.mean) / noise for at in (cell, cell + 1))
        low, high, sign = _mirrored(low, high)
        share = rng.random(len(cell))
        place = ndtri(ndtr(low) + share * (ndtr(high) - ndtr(low)))
        place = np.where(np.isfinite(place), place, low + share * (high - low))
        return np.asarray(labels.mean + sign * noise * np.clip(place, low, high))


def _mirrored(low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    """Edges in standard deviations, and their sign, -1 where mirroring them keeps digits: ndtr is exact below 0."""
    sign = np.where(low > 0, -1.0, 1.0)
    return np.where(sign < 0, -high, low), np.where(sign < 0, -low, high), sign


def _tau(
    found: _Labels, pooled: float, effective: float, rng: np.random.Generator
) -> tuple[float, tuple[float, float]]:
    """Tau and its interval.

    What changes from one replicate to the next is the noise, within what the repeated candidates leave open, the weight
    of each candidate, and the draw of the true accuracies.
    """
    freedom = int((found.counts - 1).sum())
    repeated = np.flatnonzero(found.counts > 1)
    rows = rng.permutation(len(found.mean))[:_MOST]
    again = found.take(rng.permutation(repeated)[:_MOST_REPEATED])
    own = found.take(rows)
    model = _Model.of(own, pooled, freedom)

    assumed = _mixture(_octaves(again, np.ones(len(again.mean))) if len(repeated) >= _FEW else _OCTAVES[1] / 2)
    unit = pooled / float(assumed @ _STEPS**2)
    likelihood, of_repeated = model.likelihood(own, unit), model.likelihood(again, unit)
    mixtures, cells = np.tile(assumed, (model.group[-1] + 1, 1)), model.start
    for _ in range(_ITERATIONS):
        mixtures = model.mixtures(_posterior(of_repeated, cells, mixtures[model.group]), assumed)
        cells = _posterior(likelihood, cells, mixtures[model.group]).sum(axis=(0, 2))
        cells = cells / cells.sum()
    posterior = _posterior(likelihood, cells, mixtures[model.group])
    tau = float(np.mean([kendall(model.draw(own, unit, posterior, rng), own.mean) for _ in range(2 * _DRAWS)]))

    most = max(1.0, own.mean.var() * (1 + 2 * np.sqrt(2 / len(rows))) / (pooled * np.mean(1 / own.counts)))
    # That the noise may differ between candidates, which few of them cannot show, leaves a third of what they say.
    levels = effective / 3 / chi2.ppf((rng.permutation(_REPLICATES) + 0.5) / _REPLICATES, effective / 3)
    taus = []
    for replicate in range(_REPLICATES):
        octaves, weights = _OCTAVES[replicate % len(_OCTAVES)], np.ones(len(again.mean))
        if len(repeated) >= _FEW:
            weights = rng.dirichlet(weights) * len(weights)
            octaves = _octaves(again, weights)
            levels[replicate] = (weights @ again.squares) / (weights @ (again.counts - 1)) / pooled
        assumed = _mixture(octaves)
        unit = pooled * min(levels[replicate], most) / float(assumed @ _STEPS**2)
        of_repeated, mixtures = model.likelihood(again, unit), np.tile(assumed, (model.group[-1] + 1, 1))
        for _ in range(_ITERATIONS // 2):
            weighted = _posterior(of_repeated, cells, mixtures[model.group]) * weights[:, None, None]
            mixtures = model.mixtures(weighted, assumed)
        mixed = model.likelihood(own, unit) * mixtures[model.group]
        together, q, each = mixed.sum(axis=2), model.start, rng.dirichlet(np.ones(len(rows)))
        for _ in range(_ITERATIONS):
            parts = together * q
            q = each @ (parts / parts.sum(axis=1, keepdims=True))
        posterior = mixed * q[:, None]
        taus += [kendall(model.draw(own, unit, posterior, rng), own.mean) for _ in range(_DRAWS)]
    low, high = np.quantile(taus, _TAILS)
    low, high = tau - _WIDER * max(0.0, tau - low), tau + _WIDER * max(0.0, high - tau)
    return tau, (float(max(low, -1.0)), float(min(high, 1.0)))


def _posterior(likelihood: Floats, cells: Floats, mixtures: Floats) -> Floats:
    """Probability of each cell and noise for each candidate, (N, B, A); mixtures (B, A)."""
    joint = likelihood * (cells[:, None] * mixtures)
    return np.asarray(joint / joint.sum(axis=(1, 2), keepdims=True))


def _octaves(labels: _Labels, weights: Floats) -> float:
    """How much the noise differs between repeated candidates: standard deviation of log2 of its standard deviation.

    By the first two moments of their variances, each a chi-square with its degrees of freedom; weights sum to R.
    """
    freedom = labels.counts - 1
    first = float(weights @ labels.squares) / float(weights @ freedom)
    second = float(weights @ labels.squares**2) / float(weights @ (freedom * (freedom + 2.0)))
    return math.sqrt(math.log(max(1.0, second / first**2))) / (2 * math.log(2)) if first > 0 else 0.0


def _mixture(octaves: float) -> Floats:
    """Weights of the steps for noise that differs between candidates by so many octaves (standard deviation)."""
    weights = np.exp(-0.5 * (np.log2(_STEPS) / max(octaves, 0.1)) ** 2)
    return np.asarray(weights / weights.sum())


def _effective_freedom(squares: Floats, freedom: Ints) -> float:
    """Degrees of freedom of the pooled variance; fewer than there are where the variances differ between candidates."""
    total = float(freedom.sum())
    pooled = squares.sum() / total
    if len(squares) < 10 or pooled == 0:
        return total
    deviations = (squares - freedom * pooled) / total
    spread = float((deviations**2).sum()) * len(squares) / (len(squares) - 1)
    return float(np.clip(2 * pooled**2 / spread, 1.0, total)) if spread else total


def _ties(found: _Labels, pooled: float) -> int:
    """Candidates that the best does not beat; the noise in tenths of the repeated candidates of like accuracy."""
    repeated = np.flatnonzero(found.counts > 1)
    order = repeated[np.argsort(found.mean[repeated], kind="stable")]
    freedom = found.counts[order] - 1
    groups = int(np.clip(freedom.sum() // 20, 1, min(10, len(order))))
    parts = np.array_split(order, groups)
    variances = np.array([found.squares[part].sum() / (found.counts[part] - 1).sum() for part in parts])
    borders = [(found.mean[a[-1]] + found.mean[b[0]]) / 2 for a, b in itertools.pairwise(parts)]
    of_mean = variances[np.searchsorted(borders, found.mean)] / found.counts
    best = int(np.argmax(found.mean))
    margin = 1.96 * np.sqrt(of_mean + of_mean[best])
    return int((found.mean[best] - found.mean <= margin).sum())
