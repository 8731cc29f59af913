"""What families of listed networks share: a name and a resolution are chosen, and costs are looked up in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np

from nars.arrays import Floats
from nars.space.dimension import Choice, Population
from nars.space.extremes import list_rows
from nars.space.families.family import Costs
from nars.space.space import Space

Listed = TypeVar("Listed")


def looked_up(space: Space, X: Population, table: Mapping[str, Floats], settings: Sequence[str]) -> Costs:
    """Every cost of candidates X (N, D), each (N,).

    Args:
        space: of the candidates.
        X: candidates.
        table: each cost by the choices of the two settings, (choices of one, choices of the other).
        settings: the two, chosen or fixed.
    """
    one, other = (_chosen(space, name, X) for name in settings)
    return {name: values[one, other] for name, values in table.items()}


def _chosen(space: Space, name: str, X: Population) -> Population:
    setting = space.settings[name]
    return X[:, setting.dimension] if isinstance(setting, Choice) else np.zeros(len(X), dtype=np.int64)


def listed_extremes(space: Space, *, limit: int) -> dict[str, Population]:
    """For each cost the architectures with the least and the most, by listing at most `limit` of them, (2, D) each."""
    X = list_rows(space, "architecture", limit=limit)
    return {name: X[[values.argmin(), values.argmax()]] for name, values in space.costs(X).items()}


def to_document(architecture: Any, kind: str) -> dict[str, Any]:
    """A dataclass as plain JSON types, with the name of its family."""
    return {"family": kind} | {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(architecture).items()}


def of_document(made: type[Listed], document: Mapping[str, Any], needs: str) -> Listed:
    """What `to_document` wrote, as the dataclass `made`.

    Raises:
        ValueError: a key is missing or unknown; `needs` says what there must be.
    """
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in document.items() if key != "family"}
    try:
        return made(**given)
    except TypeError as error:
        raise ValueError(f"{needs} ({error})") from error
