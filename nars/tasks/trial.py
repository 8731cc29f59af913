"""One candidate to train: plain values only, so that it travels to another process or machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nars.metric import ACCURACY, Metric
from nars.space import AnyArchitecture, Population, Space
from nars.store import sample_key


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A training to do."""

    choices: tuple[int, ...]
    """(D,), its row of choice indices."""
    record: Mapping[str, Any]
    """Every setting by name."""
    costs: Mapping[str, float]
    architecture: AnyArchitecture | None
    """The network; None where the space has none behind its choices."""
    recipe: Mapping[str, Any]
    """Settings of `nars.recipe.Recipe`."""
    space: str
    """Fingerprint of the search space."""
    data: str
    """Fingerprint of the task's data."""
    metric: Metric = ACCURACY
    """The task's."""
    fidelity: str
    """How thoroughly it is trained, as the task says it for these epochs."""
    epochs: int
    """Train for so many, 1 <= epochs <= the schedule's; the schedule stays the one of the whole training."""
    seed: int
    """For the initial weights and everything random in the training, >= 0."""
    round: int = 0

    @cached_property
    def key(self) -> str:
        """Content hash, that of its sample: equal keys are the same training."""
        return sample_key(space=self.space, record=self.record, fidelity=self.fidelity, data=self.data, seed=self.seed)


def make_trials(
    space: Space,
    X: Population,
    *,
    data: str,
    fidelity: str,
    epochs: int,
    seed: int,
    number: int = 0,
    metric: Metric = ACCURACY,
) -> list[Trial]:
    """The trainings of candidates X, (N, D), in their order.

    Args:
        space: The candidates' space.
        X: Rows of choice indices.
        data, fidelity, epochs, seed, metric: The same for each, as in `Trial`.
        number: Number of the round that proposed them.
    """
    costs = space.costs(X)
    architectures = [None] * len(X) if space.family.builder is None else space.architectures(X)
    rows = zip(X.tolist(), space.to_records(X), architectures, space.recipes(X), strict=True)
    return [
        Trial(
            choices=tuple(row),
            record=record,
            costs={name: float(cost[i]) for name, cost in costs.items()},
            architecture=architecture,
            recipe=recipe,
            space=space.fingerprint,
            data=data,
            metric=metric,
            fidelity=fidelity,
            epochs=epochs,
            seed=seed,
            round=number,
        )
        for i, (row, record, architecture, recipe) in enumerate(rows)
    ]
