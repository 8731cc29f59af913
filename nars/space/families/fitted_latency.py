"""Latency as a cost where blocks cannot be measured by themselves: fitted to a few dozen whole networks.

What is measured, and how it is fitted, is the business of `nars.network.fitting_latency`; here is what it finds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.printing import brief_repr
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.families.device import Agreement, latency_command
from nars.space.families.mbconv.block_sums import SUMMED
from nars.space.space import Space


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLatency:
    """A `CostTable` with one cost, latency: a constant, plus so much for each unit of a feature and for each choice."""

    __repr__ = brief_repr

    space: Space
    device: str
    runtime: str
    batch: int
    threads: int
    """These four as in `DeviceTable`."""
    versions: Mapping[str, str] = field(default_factory=dict)
    constant: float
    """Milliseconds of every network."""
    weights: Mapping[str, float]
    """{feature: milliseconds per unit of it}; see `latency_features`."""
    choices: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """{dimension: what each of its choices adds, milliseconds}; none for MBConv."""
    agreement: Agreement

    @property
    def names(self) -> tuple[str, ...]:
        """One: "latency"."""
        return ("latency",)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the table."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Latency (N,) of canonical rows X, milliseconds, at least 0."""
        features = latency_features(self.space, X) if self.weights else {}
        total = np.full(len(X), self.constant)
        for name, weight in self.weights.items():
            total = total + weight * features[name]
        for name, added in self.choices.items():
            total = total + np.array(added)[X[:, self.space.index[name]]]
        return {"latency": np.maximum(total, 0.0)}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        own = {key: value for key, value in vars(self).items() if key in self.__dataclass_fields__ and key != "space"}
        return own | {
            "space": self.space.name,
            "architectures": architectures_hash(self.space),
            "versions": dict(self.versions),
            "weights": dict(self.weights),
            "choices": {name: list(added) for name, added in self.choices.items()},
            "agreement": vars(self.agreement),
        }

    @staticmethod
    def from_dict(
        document: Mapping[str, Any], space: Space, *, named: str | None = None, file: Path | None = None
    ) -> FittedLatency:
        """Read what `to_dict` wrote of the same architectures; `named` and `file` as for `latency_command`.

        Raises:
            SpaceError: it is not that.
        """
        try:
            own = {key: value for key, value in document.items() if key != "architectures"}
            own["choices"] = {name: tuple(map(float, added)) for name, added in document["choices"].items()}
            own["agreement"] = Agreement(**document["agreement"])
            table = FittedLatency(**own | {"space": space})
            numbers = [table.constant, *table.weights.values(), *(v for added in table.choices.values() for v in added)]
            if not all(math.isfinite(number) for number in numbers):
                raise ValueError("a number is not finite")
            fits = document["architectures"] == architectures_hash(space)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpaceError(f"this is no latency table ({error!r}); make one with `nars latency SPACE`") from error
        if not fits:
            other = None if file is None else file.with_stem(f"{file.stem}-{space.name}")
            command = latency_command(space, table, named=named, file=other, networks=table.agreement.networks)
            raise SpaceError(
                f"this latency table was fitted to networks of {document['space']}, and those of {space.name} with "
                f"{space.classes} classes and {space.in_channels} image channels are others; make one by: {command}"
            )
        return table


def latency_features(space: Space, X: Population) -> dict[str, Floats]:
    """What latency may depend on, {name: (N,)}: costs and statistics; of MBConv those that are sums over its blocks."""
    found = space.family.costs(space, X) | space.family.statistics(space, X)
    return {name: found[name] for name in SUMMED} if space.kind == "mbconv" else found


def architectures_hash(space: Space) -> str:
    """Equal for spaces with the same choice of architectures, whatever their recipes."""
    settings = {name: list(space.values(name)) for name in space.settings if not name.startswith("recipe.")}
    columns = [space.dimensions[column].name for column in space.columns_of("architecture")]
    content = [space.kind, settings, columns, space.in_channels, space.classes]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
