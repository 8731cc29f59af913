"""Answers computed beforehand: a front over all costs at once, in which a page finds the best for any limits.

Near-ties need the covariance C (K, K) of the front's predictions; the page gets C = L L' + diag(r) with few columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.explore.source import Source, reduced
from nars.predictors import Predictor
from nars.search import Archive
from nars.space import Bounds, Population, Space
from nars.stages import ask, ask_front
from nars.stages.asking import Choice

_COLUMNS = 12
"""Of L: with 12, near-ties within random limits on FLOPs are the right ones but for 1 % (demo) and 0.1 % (CIFAR-10)."""
_BASES = 64
"""Candidates of the front in which each choice is changed alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The front, and what was scored on the way."""

    document: dict[str, Any]
    """The front and what each choice does on it, for a page."""
    known: Archive


@lru_cache(maxsize=1)
def answer_all(source: Source) -> Answers:
    """The front over all costs at once, from one search; in a space without costs the best, and its near-ties.

    For random limits on one to three costs its best is behind that of a search of their own by 0.01 % on average (the
    demo) and 0.11 % (CIFAR-10), 0.08 and 0.36 % at most, where predictions are good to 0.7 and 2.3 %.
    """
    names, model = list(source.space.cost_names), source.predictor
    assert model is not None
    if names:
        found = ask_front(source.name, names, latency=source.latency)
        front, known = found.front, found.known
    else:
        answer = ask(source.name, [Bounds()])
        front, known = answer.budgets[0].ties, answer.known
    document = {"front": _document(source.space, model, front), "effects": effects(source.space, model, front.rows)}
    return Answers(document=document, known=known)


def _document(space: Space, model: Predictor, front: Choice) -> dict[str, Any]:
    """The front in plain types, columns beside each other."""
    factor, rest = low_rank(model.predict_jointly(model.inputs(space, front.rows)).covariance, _COLUMNS)
    return {
        "rows": front.rows.tolist(),
        "value": [reduced(value) for value in front.predicted.tolist()],
        "std": [reduced(value, 3) for value in front.predicted_std.tolist()],
        "costs": {name: [reduced(value) for value in column.tolist()] for name, column in front.costs.items()},
        "factor": [[reduced(value, 3) for value in row] for row in factor.tolist()],
        "rest": [reduced(value, 3) for value in rest.tolist()],
    }


def low_rank(covariance: Floats, columns: int) -> tuple[Floats, Floats]:
    """L (K, columns) and r (K,) with C = L L' + diag(r) on the diagonal, and nearly beside it.

    By Cholesky's steps, each at the candidate that is least explained so far: as good as eigenvectors, in no time.
    """
    factor, rest = np.zeros((len(covariance), columns)), covariance.diagonal().copy()
    for step in range(min(columns, len(covariance))):
        at = int(rest.argmax())
        if rest[at] <= 0.0:
            break
        factor[:, step] = (covariance[:, at] - factor @ factor[at]) / np.sqrt(rest[at])
        rest = np.maximum(covariance.diagonal() - (factor**2).sum(axis=1), 0.0)
    return factor, rest


def effects(space: Space, predictor: Predictor, front: Population) -> list[dict[str, Any]]:
    """Partial dependence of the prediction on each choice, over candidates of the front; the strongest first.

    Returns:
        For each dimension its name, its values, the mean prediction with each of them, and how far these lie apart.
    """
    bases = front[np.unique(np.linspace(0, len(front) - 1, min(_BASES, len(front))).astype(np.int64))]
    found = []
    for column, dimension in enumerate(space.dimensions):
        changed = np.repeat(bases[None], len(dimension.values), axis=0)
        changed[:, :, column] = np.arange(len(dimension.values))[:, None]
        rows = space.canonical(changed.reshape(-1, bases.shape[1]))
        means = predictor.predict_mean(predictor.inputs(space, rows)).reshape(len(dimension.values), -1).mean(axis=1)
        found.append(
            {
                "name": dimension.name,
                "values": list(dimension.values),
                "mean": [reduced(float(mean)) for mean in means],
                "spread": reduced(float(np.ptp(means)), 3),
            }
        )
    return sorted(found, key=lambda one: -one["spread"])
