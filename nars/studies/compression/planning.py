"""Which candidates are made and measured next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nars.arrays import Floats, Ints
from nars.errors import DataError
from nars.files.sealed import read_sealed, write_sealed
from nars.search import DEFAULT, Front, pareto_search
from nars.space import Bounds, Population, SpaceError
from nars.studies.compression.choices import SHARES, Choice, choices_of, row_of, spelled
from nars.studies.compression.limits import Limits
from nars.studies.compression.sensitivity import Estimates
from nars.studies.compression.workshop import AGAIN, Workshop

_PLAN = "plan.json"
_AT_ONCE = 3
"""Prunings of a round: what they show, the next one knows."""
_MIXED = 2
"""Candidates of a pruning with some stages in int8, beside none and all of them."""
_HOPELESS = 5.0
"""Points (`Source.point`) that a candidate is expected to lose at most, while there are others."""
_LEAST_LOSSES = 12
_DOUBT = 2.0
"""Points by which estimates may be wrong, where a limit on the loss is asked for."""
_SETTINGS = replace(DEFAULT, max_evaluations=4000)


def read_plan(workshop: Workshop) -> list[Population]:
    """The rows of each round that has been planned; nothing of what is in them may be made yet.

    Raises:
        DataError: the file is damaged.
    """
    file = workshop.folder / _PLAN
    if not file.is_file():
        return []
    document = read_sealed(file, error=DataError, what="JSON file", again=AGAIN)
    try:
        return [workshop.space.check(np.array(rows, dtype=np.int64)) for rows in document["rounds"]]
    except (KeyError, TypeError, ValueError, SpaceError) as error:
        raise DataError(f"{file} is not what nars writes ({error!r}). {AGAIN}.") from error


def write_plan(workshop: Workshop, rounds: list[Population]) -> None:
    """Keep it, before anything of a new round is made: after a kill the same candidates are made."""
    document: dict[str, Any] = {"rounds": [rows.tolist() for rows in rounds]}
    write_sealed(workshop.folder / _PLAN, document)


def first_rows(estimates: Estimates, *, rng: np.random.Generator) -> Population:
    """The network as it is: float32, int8, and the best of what is between."""
    found = _search(estimates, rng)
    return _forms(estimates, found, np.zeros(len(estimates.stages), dtype=np.int64))


def next_rows(
    estimates: Estimates, tried: Population, *, most: int, limits: Limits, rng: np.random.Generator
) -> Population:
    """A round of candidates on the estimated front, with prunings that are new; none where there are no others.

    The first is the best inside the limits, the others are each as far as possible from all that is tried.

    Args:
        estimates: By what is known.
        tried: Rows of earlier rounds, (N, D).
        most: Prunings at most.
        limits: Asked for.
        rng: The only source of randomness.
    """
    found = _search(estimates, rng)
    shares, known = _shares(estimates, found.rows), _shares(estimates, tried)
    fresh = np.array([not (known == own).all(axis=1).any() for own in shares], dtype=bool)
    point = estimates.point
    most_lost = _HOPELESS * point if limits.max_drop is None else limits.max_drop + _DOUBT * point
    hopeful = found.scores >= estimates.whole.score - most_lost
    near = estimates.pruning_loss(shares) <= estimates.farthest
    open_ = np.flatnonzero(fresh & hopeful & near)
    if not len(open_):  # estimates may be too dark: the least of them
        open_ = np.flatnonzero(fresh)
        open_ = open_[np.argsort(-found.scores[open_], kind="stable")[:_LEAST_LOSSES]]
    points, there = _points(estimates, found.rows), _points(estimates, tried)
    chosen: list[Ints] = []
    while len(open_) and len(chosen) < min(most, _AT_ONCE):
        inside = open_[found.costs["bytes"][open_] <= (limits.max_bytes or np.inf)]
        if limits and not chosen and len(inside):
            at = inside[found.scores[inside].argmax()]
        else:
            at = open_[_nearest(points[open_], there).argmax()]
        chosen.append(shares[at])
        there = np.concatenate([there, points[[at]]])
        open_ = open_[(shares[open_] != shares[at]).any(axis=1)]
    forms = [_forms(estimates, found, own) for own in chosen]
    return np.concatenate(forms) if forms else found.rows[:0]


def _search(estimates: Estimates, rng: np.random.Generator) -> Front:
    return pareto_search(estimates.space, estimates.scores, estimates.names, Bounds(), rng=rng, settings=_SETTINGS)


def _shares(estimates: Estimates, X: Population) -> Ints:
    return spelled(estimates.stages, estimates.space, X)[1]


def _points(estimates: Estimates, X: Population) -> Floats:
    """Candidates in the plane of what is searched for, (N, 3), in units in which they can be compared."""
    costs, whole = estimates.lookup(X), estimates.whole
    return np.column_stack(
        [
            (whole.score - estimates.scores(X)) / (_HOPELESS * estimates.point),
            np.log(costs["bytes"] / whole.bytes),
            np.log(costs["ms"] / whole.latency_ms),
        ]
    )


def _nearest(points: Floats, there: Floats) -> Floats:
    """Distance of each point (N, 3) to the nearest of others (K, 3), (N,)."""
    return np.asarray(np.sqrt(((points[:, None] - there[None]) ** 2).sum(axis=2)).min(axis=1))


def _forms(estimates: Estimates, found: Front, shares: Ints) -> Population:
    """One pruning in float32, in int8, and with some stages in int8 where the front has such."""
    stages, space = estimates.stages, estimates.space
    own = found.rows[(_shares(estimates, found.rows) == shares).all(axis=1)]
    choices = choices_of(stages, space, own)
    mixed = [choice for choice in choices if 0 < sum(choice.int8) < len(stages)]
    some = [mixed[at] for at in sorted({*np.linspace(0, len(mixed) - 1, min(_MIXED, len(mixed))).astype(int)})]
    pruned = tuple(SHARES[share] for share in shares)
    ends = [Choice(int8=(quantised,) * len(stages), pruned=pruned) for quantised in (False, True)]
    return np.concatenate([row_of(space, stages, choice) for choice in [*ends, *some]])
