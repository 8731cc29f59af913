"""Stage 2 between trainings: which candidates to train next, and which to keep (FBNetV3, section 3.3, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nars.arrays import Floats, Ints
from nars.search.archive import row_keys
from nars.space import Bounds, Population, SpaceError

_WIDE = 10.0
"""Ratio of a range's ends from which on it is cut on a logarithmic scale (the paper's is 2)."""


def cost_bins(costs: Mapping[str, Floats], bounds: Bounds, *, bins: int, rows: int, cost: str | None = "flops") -> Ints:
    """The bin of each of `rows` candidates, (N,): the bounded range of `cost` cut into equal parts; -1 outside the
    bounds.

    Where the bounds leave an end of the range open, the candidates' own smallest or largest value takes its place. A
    range that spans more than an order of magnitude is cut into equal parts of its logarithm: else nearly all bins
    would be those of the largest. Without a cost, all that is inside is in bin 0.
    """
    inside = bounds.admits(costs, rows=rows)
    out = np.full(rows, -1, dtype=np.int64)
    if not inside.any():
        return out
    if cost is None:
        out[inside] = 0
        return out
    values = costs[cost]
    low, high = bounds.low(cost), bounds.high(cost)
    low = low if np.isfinite(low) else float(values[inside].min())
    high = high if np.isfinite(high) else float(values[inside].max())
    if low > 0 and high > _WIDE * low:
        low, high, values = np.log(low), np.log(high), np.log(np.maximum(values, low))
    width = (high - low) / bins
    share = (values[inside] - low) / width if width > 0 else np.zeros(int(inside.sum()))
    out[inside] = np.clip(share.astype(np.int64), 0, bins - 1)
    return out


def propose_round(
    pool: Population,
    costs: Mapping[str, Floats],
    bounds: Bounds,
    m: int,
    *,
    scores: Floats | None = None,
    exclude: Population | None = None,
    cost: str | None = "flops",
) -> Population:
    """The m candidates of the next round: from each of m equal bins of the FLOPs range the best predicted, (m, D).

    Without scores (first round, no accuracy predictor yet) each bin gives its first member, in the pool's Sobol order.
    An empty bin takes the next best of the nearest bin that has one left. Ordered by bin.

    Args:
        pool: (N, D), canonical.
        costs: of the pool, each (N,).
        bounds: hard limits; candidates outside are never proposed.
        m: number of candidates; fewer come back only where fewer are left.
        scores: of the pool, (N,), more is better: what is predicted of it.
        exclude: candidates already measured, (K, D), canonical.
        cost: whose range is cut into bins; without one, the best predicted of all.

    Raises:
        SpaceError: no candidate is left inside the bounds.
    """
    bins = cost_bins(costs, bounds, bins=m, rows=len(pool), cost=cost)
    if exclude is not None and len(exclude):
        bins = np.where(np.isin(row_keys(pool), row_keys(exclude)), -1, bins)
    rank = np.arange(len(pool)) if scores is None else np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
    order = np.lexsort((rank, bins))
    queues = [order[bins[order] == b].tolist() for b in range(m)]
    if not any(queues):
        raise SpaceError(
            f"no candidate of the pool ({len(pool)}) is left inside {bounds}; sample a larger pool or widen the bounds"
        )
    chosen: list[int] = [queue.pop(0) for queue in queues if queue]
    empty = sorted(set(range(m)) - set(bins[chosen].tolist()))
    for b in empty:
        # Nearest first; of two equally near ones the cheaper.
        donor = next((d for d in sorted(range(m), key=lambda d: (abs(d - b), d)) if queues[d]), None)
        if donor is None:
            break
        chosen.append(queues[donor].pop(0))
    return pool[sorted(chosen, key=lambda at: (0.0 if cost is None else float(costs[cost][at]), at))]


def shrink_pool(
    costs: Mapping[str, Floats],
    bounds: Bounds,
    scores: Floats,
    *,
    bins: int,
    keep: float = 0.5,
    cost: str | None = "flops",
) -> Ints:
    """Where the favourable candidates of a pool are, ascending: the best predicted share of each FLOPs bin.

    Per bin, not over the pool: the best predicted are mostly large, and a family needs good small ones too.

    Args:
        costs: of the pool, each (N,).
        bounds: hard limits; candidates outside are dropped.
        scores: (N,), more is better.
        bins: number of equal parts of the range of `cost`, >= 1.
        keep: share kept of each bin, 0 < keep <= 1; at least one of each that is not empty.
        cost: whose range is cut into bins.

    Raises:
        SpaceError: `keep` is outside its range.
    """
    if not 0 < keep <= 1:
        raise SpaceError(f"the share of a pool to keep lies above 0 and at most at 1, got {keep}")
    at = cost_bins(costs, bounds, bins=bins, rows=len(scores), cost=cost)
    kept = []
    for b in range(bins):
        members = np.flatnonzero(at == b)
        count = int(np.ceil(keep * len(members)))
        kept.append(members[np.argsort(-scores[members], kind="stable")[:count]])
    return np.sort(np.concatenate(kept)).astype(np.int64)
