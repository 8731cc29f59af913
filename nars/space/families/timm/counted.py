"""What networks of timm cost: counted once by fvcore, then kept.

A count is of a model, the channels of its images and their side; classes come in as a straight line, for they only
widen the last layer. What the built-in spaces need comes with nars (`space/costs/timm.json`), other counts are kept in
the user's cache, so that a question to a predictor loads no torch.
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

Line: TypeAlias = tuple[int, int]
"""(without classes, per class)."""

SHIPPED = "costs/timm.json"
"""Counts of the built-in spaces' models for three channels, below the folder of spaces."""

_COUNTER = "nars.network.timm_models:count_model"
"""Builds the network, which needs torch: imported when there is something to count."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """A model of timm as counted, for images of so many channels."""

    mean: tuple[float, ...]
    """Of what its weights were trained on, as timm says: three channels, a pixel of 255 counting as 1."""
    std: tuple[float, ...]
    has_weights: bool
    """Whether timm has weights of it."""
    sides: dict[int, dict[str, Line]]
    """{side in pixels: {"flops": ..., "params": ..., "activations": ...}}: transformers have parameters by the side."""

    def costs(self, side: int, classes: int) -> dict[str, int]:
        """Multiply-accumulates, parameters and activations of the network with so many classes."""
        lines = self.sides[side]
        return {name: fixed + each * classes for name, (fixed, each) in lines.items()} | {"resolution": side}

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


def count_of(model: str, *, in_channels: int, sides: Sequence[int]) -> Count:
    """What a model costs at these sides, counted now where that was never done here.

    Raises:
        NetworkError: timm has no such model, or it cannot take images of that side.
    """
    known = _known().get((model, in_channels)) or _kept(model, in_channels)
    missing = [side for side in sides if known is None or side not in known.sides]
    if missing:
        counter: Callable[..., Count] = resolve_name(_COUNTER)
        found = counter(model, in_channels=in_channels, sides=missing)
        known = found if known is None else known.joined(found)
        _keep(model, in_channels, known)
    assert known is not None
    _known()[model, in_channels] = known
    return known


def costs_of(architecture: TimmArchitecture) -> dict[str, int]:
    """The costs of one network."""
    side = architecture.resolution
    counted = count_of(architecture.model, in_channels=architecture.in_channels, sides=[side])
    return counted.costs(side, architecture.classes)


@cache
def _known() -> dict[tuple[str, int], Count]:
    """What this process knows, by model and channels: first of all what comes with nars."""
    path = shipped("space") / SHIPPED
    document = json.loads(path.read_text(encoding="utf-8"))
    return {(model, 3): Count.read(counted) for model, counted in document.items()}


def _file(model: str, in_channels: int) -> Path | None:
    """Where a count is kept: another release of timm may build another network. None: there is no place."""
    try:
        return cache_folder() / "timm" / metadata.version("timm") / f"{model}-{in_channels}.json"
    except RuntimeError:
        return None


def _kept(model: str, in_channels: int) -> Count | None:
    path = _file(model, in_channels)
    try:
        return None if path is None else Count.read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):  # never counted, or a damaged file: count again
        return None


def _keep(model: str, in_channels: int, counted: Count) -> None:
    path = _file(model, in_channels)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(counted))
    except OSError:
        pass  # a cache that cannot be written costs a second next time
