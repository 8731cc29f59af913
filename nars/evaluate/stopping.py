"""Where later rounds may stop training: candidates have their rank before their accuracy (FBNetV3, early stopping).

For each epoch, the rank correlation over candidates between the accuracy then and the final accuracy; the paper stops
at the first epoch where it passes 0.92 (epoch 108 of 150 in the joint search).

Notation: N candidates, T epochs, B bootstrap samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nars.arrays import Floats, Ints
from nars.errors import EvaluationError, require

THRESHOLD = 0.92

_TOP = 0.1
"""Share of the candidates that count as the top."""

FEWEST_CURVES = 3
"""Candidates: with two, the correlation is 1 or -1."""


@dataclass(frozen=True, kw_only=True)
class StopAdvice:
    """The epoch to stop at, and what speaks for and against it. Epochs count from 1."""

    epoch: int
    """First epoch whose rank correlation with the final accuracy is at least `threshold`."""
    cautious_epoch: int
    """First epoch where the lower end of the interval is."""
    threshold: float
    correlations: tuple[float, ...]
    """(T,) Spearman's rank correlation; nan where all candidates are equal."""
    intervals: tuple[tuple[float, float], ...]
    """(T,) 95 % bootstrap interval of each, over candidates."""
    saved: float
    """Share of the epochs that later rounds save, in [0, 1)."""
    top_kept: int
    """How many of the final top 10 % are in the top 10 % at `epoch`."""
    top_size: int
    within_bins: Mapping[str, float]
    """Correlation at `epoch` among the candidates of each bin with at least 3 of them."""
    warnings: tuple[str, ...]
    """What a person should know before trusting the epoch."""


def choose_stop_epoch(
    curves: ArrayLike,
    *,
    rng: np.random.Generator,
    threshold: float = THRESHOLD,
    bins: Mapping[str, ArrayLike] | None = None,
    resamples: int = 500,
) -> StopAdvice:
    """Choose the epoch at which later rounds stop training.

    Args:
        curves: (N, T) validation accuracy in percent after each epoch, of candidates trained in full; N >= 3, T >= 1.
        rng: Draws the bootstrap's samples.
        threshold: Rank correlation to reach, in (0, 1].
        bins: Name -> (N,) mask of groups of candidates, such as FLOPs budgets, in which the rank matters as well.
        resamples: B.

    Raises:
        EvaluationError: too few curves, or curves with gaps.
    """
    accuracy = np.asarray(curves, dtype=np.float64)
    full = accuracy.ndim == 2 and accuracy.shape[0] >= FEWEST_CURVES and accuracy.shape[1] >= 1
    require(
        EvaluationError,
        full and bool(np.isfinite(accuracy).all()),
        "the curves that a stop epoch is chosen by",
        f"full curves (N, T) of at least {FEWEST_CURVES} candidates, without gaps",
        accuracy.shape,
        fix="Train more candidates in the first round.",
    )
    require(EvaluationError, 0.0 < threshold <= 1.0, "the threshold of the rank correlation", "> 0 and <= 1", threshold)
    candidates, epochs = accuracy.shape
    correlations = _spearman(accuracy.T[:, :, None], accuracy.T[-1:, :, None])[:, 0]
    drawn = rng.integers(candidates, size=(resamples, candidates))
    intervals = _intervals(accuracy, drawn)
    index = _first(correlations, threshold)
    top = max(1, round(_TOP * candidates))
    kept = len(_best(accuracy[:, index], top) & _best(accuracy[:, -1], top))
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in (bins or {}).items()}
    within = {name: _within(accuracy[mask], index) for name, mask in masks.items() if mask.sum() >= FEWEST_CURVES}
    return StopAdvice(
        epoch=index + 1,
        cautious_epoch=_first(intervals[:, 0], threshold) + 1,
        threshold=threshold,
        correlations=tuple(correlations.tolist()),
        intervals=tuple((low, high) for low, high in intervals.tolist()),
        saved=1.0 - (index + 1) / epochs,
        top_kept=kept,
        top_size=top,
        within_bins=within,
        warnings=tuple(_warnings(correlations, intervals, index, threshold, kept=kept, top=top, within=within)),
    )


def _spearman(a: Floats, b: Floats) -> Floats:
    """Spearman's correlation along axis 1, ties at their mean rank; nan where one side is constant.

    a, b: (M, N, K), broadcast against each other. Returns (M, K).
    """
    from scipy.stats import rankdata  # half a second, which every worker would spend

    x, y = rankdata(a, axis=1), rankdata(b, axis=1)
    x -= x.mean(axis=1, keepdims=True)
    y -= y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    with np.errstate(invalid="ignore"):
        correlation: Floats = (x * y).sum(axis=1) / scale
    return correlation


def _intervals(accuracy: Floats, drawn: Ints) -> Floats:
    """95 % percentile bootstrap over candidates, (T, 2); drawn: (B, N). A resample of equal candidates counts as 0."""
    final = accuracy[drawn, -1][:, :, None]
    intervals = np.empty((accuracy.shape[1], 2))
    for epoch in range(accuracy.shape[1]):
        resampled = np.nan_to_num(_spearman(accuracy[drawn, epoch][:, :, None], final)[:, 0])
        intervals[epoch] = np.quantile(resampled, (0.025, 0.975))
    return intervals


def _first(values: Floats, threshold: float) -> int:
    """Index of the first value at or above the threshold; the last index if there is none. nan is below."""
    # A rounding error must not keep a correlation of exactly 1 below a threshold of 1.
    passing = np.flatnonzero(values >= threshold - 1e-12)
    return int(passing[0]) if len(passing) else len(values) - 1


def _best(accuracy: Floats, count: int) -> set[int]:
    return set(np.argsort(-accuracy, kind="stable")[:count].tolist())


def _within(inside: Floats, index: int) -> float:
    return float(_spearman(inside[None, :, index, None], inside[None, :, -1, None])[0, 0])


def _warnings(
    correlations: Floats,
    intervals: Floats,
    index: int,
    threshold: float,
    *,
    kept: int,
    top: int,
    within: Mapping[str, float],
) -> list[str]:
    said: list[str] = []
    if np.isnan(correlations[-1]):
        return ["all candidates ended with the same accuracy: there is no rank to preserve, so training is not cut."]
    if kept < top:
        said.append(f"at epoch {index + 1} the top 10 % is not yet the final one: it lacks {top - kept} of {top}.")
    if intervals[index, 0] < threshold:
        low, high = intervals[index]
        said.append(
            f"the correlation at epoch {index + 1} is uncertain: {correlations[index]:.3f}, 95 % interval "
            f"{low:.3f} to {high:.3f}."
        )
    later = correlations[index:]
    if (later < threshold - 1e-12).any():
        drop = index + 1 + int(np.flatnonzero(later < threshold - 1e-12)[0])
        said.append(f"the correlation falls below {threshold:g} again at epoch {drop}.")
    weak = [name for name, value in within.items() if not value >= threshold]
    if weak:
        said.append(f"within {', '.join(weak)} the correlation at epoch {index + 1} is below {threshold:g}.")
    return said
