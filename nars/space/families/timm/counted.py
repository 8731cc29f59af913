"""What networks of timm cost: counted once by fvcore, then kept.

A count is of a model and the side of its images; their channels and classes come in as straight lines, for they only
widen the first and the last layer. What the built-in spaces need comes with nars (`space/costs/timm.json`), all else is
kept in the user's cache, so that a question to a predictor loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeAlias

from nars.files.atomic import write_json
from nars.files.home import cache_folder
from nars.space.families.timm.architecture import TimmArchitecture
from nars.space.files.builtin import shipped

Plane: TypeAlias = tuple[int, int, int]
"""(without channels and classes, per channel of the images, per class)."""

SHIPPED = "costs/timm.json"
"""Counts of the built-in spaces' models, below the folder of spaces."""

_COUNTER = "nars.network.timm_models:count_model"
"""Builds the network, which needs torch: imported when there is something to count."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """A model of timm as counted."""

    mean: tuple[float, ...]
    """Of what its weights were trained on, as timm says: three channels, a pixel of 255 counting as 1."""
    std: tuple[float, ...]
    has_weights: bool
    """Whether timm has weights of it."""
    sides: dict[int, dict[str, Plane]]
    """{side in pixels: {"flops": ..., "params": ..., "activations": ...}}: transformers have parameters by the side."""

    def costs(self, side: int, in_channels: int, classes: int) -> dict[str, int]:
        """Multiply-accumulates, parameters and activations of the network for images and classes."""
        planes = self.sides[side].items()
        return {name: c + x * in_channels + y * classes for name, (c, x, y) in planes} | {"resolution": side}

    def joined(self, other: Count) -> Count:
        """The sides of both."""
        return Count(**{**vars(other), "sides": self.sides | other.sides})

    @staticmethod
    def read(document: dict[str, Any]) -> Count:
        """Read what `asdict` of one became as JSON."""
        sides = {
            int(side): {name: tuple(line) for name, line in lines.items()} for side, lines in document["sides"].items()
        }
        plain = {key: tuple(v) if isinstance(v, list) else v for key, v in document.items()}
        return Count(**plain | {"sides": sides})


def count_of(model: str, *, sides: Sequence[int]) -> Count:
    """What a model costs at these sides, counted now where that was never done here.

    Raises:
        NetworkError: timm has no such model, or it cannot take images of that side.
    """
    known = _known().get(model) or _kept(model)
    missing = [side for side in sides if known is None or side not in known.sides]
    if missing:
        counter: Callable[..., Count] = resolve_name(_COUNTER)
        found = counter(model, sides=missing)
        known = found if known is None else known.joined(found)
        _keep(model, known)
    assert known is not None
    _known()[model] = known
    return known


def costs_of(architecture: TimmArchitecture) -> dict[str, int]:
    """The costs of one network."""
    counted = count_of(architecture.model, sides=[architecture.resolution])
    return counted.costs(architecture.resolution, architecture.in_channels, architecture.classes)


@cache
def _known() -> dict[str, Count]:
    """What this process knows, by model: first of all what comes with nars."""
    path = shipped("space") / SHIPPED
    document = json.loads(path.read_text(encoding="utf-8"))
    return {model: Count.read(counted) for model, counted in document.items()}


def _file(model: str) -> Path | None:
    """Where a count is kept: another release of timm may build another network. None: there is no place."""
    try:
        return cache_folder() / "timm" / metadata.version("timm") / f"{model}.json"
    except RuntimeError:
        return None


def _kept(model: str) -> Count | None:
    path = _file(model)
    try:
        return None if path is None else Count.read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):  # never counted, or a damaged file: count again
        return None


def _keep(model: str, counted: Count) -> None:
    path = _file(model)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(counted))
    except OSError:
        pass  # a cache that cannot be written costs a second next time
