"""The family of searched and trained networks, as `nars.space.families.family.Family` asks for it.

kind: members
architecture:
  member: {500k: runs/digits/family/500k, 350k: runs/digits/family/350k}    # exported members, by any name
  resolution: [16, 24]                                                      # theirs if not given
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from nars.arrays import Floats
from nars.files import Value
from nars.files.home import expanded
from nars.space.describe import summary
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.families.family import Costs, family_of
from nars.space.families.listed import listed_extremes, looked_up
from nars.space.families.members.architecture import WEIGHTS, MemberArchitecture, read_member
from nars.space.families.rules import ANYTHING, RESOLUTION, Rule
from nars.space.families.timm.weights import MARK, content_hash
from nars.space.files.entries import SHAPE, Entries
from nars.space.recipe import RECIPE_SETTINGS
from nars.space.space import Space

cost_names = ("flops", "params", "resolution")
builder = "nars.network.members:build_member"
initializer = "nars.network.members:initial_weights"
standalone = False

_OWN = {"member": ANYTHING, "resolution": RESOLUTION}
_IDENTITY = "weights"


def rule(setting: str) -> Rule:
    """What holds for a setting, by its full name."""
    return (_OWN | {f"recipe.{name}": own for name, own in RECIPE_SETTINGS.items()}).get(setting, ANYTHING)


# ---- the space file


def read(entries: Entries, architecture: Mapping[str, Any]) -> Sequence[str]:
    """Members and resolutions of a space file."""
    entries.keys(("architecture",), architecture, required=("member",), optional=("resolution", *SHAPE))
    try:
        sources = _sources(architecture, entries.document.source)
        sides = architecture.get("resolution") or sorted(
            {int(read_member(Path(_folder(source)))["network"]["resolution"]) for source in sources.values()}
        )
    except SpaceError as error:
        entries.problem(("architecture", "member"), str(error))
        return []
    entries.add("member", list(sources), ("architecture", "member"))
    entries.add("resolution", sides, ("architecture", "resolution" if "resolution" in architecture else "member"))
    digests = [source.rpartition(MARK)[2] for source in sources.values()]
    entries.add(_IDENTITY, " ".join(digests), ("architecture", "member"))
    return [name for name in (*_OWN, _IDENTITY) if name in entries.settings]


def _sources(architecture: Mapping[str, Any], file: str) -> dict[str, str]:
    """{name: FILE#sha256=DIGEST}."""
    entry = architecture.get("member")
    if not isinstance(entry, Mapping) or not entry:
        raise SpaceError(f"takes {{name: folder of an exported member, ...}}, got {entry!r}")
    found = {}
    for name, written in entry.items():
        folder, mark, digest = str(written).partition(MARK)
        path = (Path(file).parent / expanded(folder, error=SpaceError)).absolute()
        weights = path if path.name == WEIGHTS else path / WEIGHTS
        found[str(name)] = f"{weights}{MARK}{digest if mark else content_hash(weights)}"
    return found


def _folder(source: str) -> str:
    return str(Path(source.rpartition(MARK)[0]).parent)


def check(entries: Entries, space: Space) -> None:
    """Note networks that cannot be for these classes and images."""
    try:
        _table(space)
    except (SpaceError, ValueError, TypeError) as error:
        entries.problem(("architecture", "member"), str(error))


def relocated(space: Space) -> dict[str, Any]:
    """The files of weights by their whole path and content; resolutions that nobody has named."""
    sides = space.values("resolution")
    return {"member": _sources_of(space), "resolution": [int(side) for side in sides]}


def _sources_of(space: Space) -> dict[str, str]:
    return _sources(space.document.content["architecture"], space.document.source)


# ---- rows


@lru_cache(maxsize=64)
def _member(folder: str) -> dict[str, Any]:
    return read_member(Path(folder))


def _architecture(space: Space, name: str, side: int) -> MemberArchitecture:
    source = _sources_of(space)[name]
    return MemberArchitecture(
        member=name,
        resolution=side,
        weights=source,
        in_channels=space.in_channels,
        classes=space.classes,
        **_member(_folder(source)),
    )


def architecture_costs(architecture: MemberArchitecture) -> dict[str, int]:
    """The costs in `cost_names` of one network."""
    own = architecture.searched
    found = family_of(own.family).architecture_costs(own)
    return {name: found[name] for name in cost_names if name in found} | {"resolution": architecture.resolution}


@lru_cache(maxsize=8)
def _table(space: Space) -> Mapping[str, Floats]:
    """Each cost of each member at each side, (members, sides); made once, as a search asks for it hundreds of times."""
    rows = [
        [architecture_costs(_architecture(space, str(name), int(side))) for side in space.values("resolution")]
        for name in space.values("member")
    ]
    return {name: np.array([[at[name] for at in row] for row in rows], dtype=np.float64) for name in cost_names}


def costs(space: Space, X: Population) -> Costs:
    """Every cost in `cost_names`, each float64 (N,)."""
    return looked_up(space, X, _table(space), tuple(_OWN))


def quick_costs(space: Space) -> Callable[[Population], Costs]:
    """The space's own, which is a look-up."""
    return space.costs


def extremes(space: Space) -> dict[str, Population]:
    """By listing the architectures, which are few."""
    return listed_extremes(space, limit=100_000)


def statistics(space: Space, X: Population) -> Costs:
    """None: what a member is shows in its costs."""
    return {}


def architectures(space: Space, X: Population) -> list[MemberArchitecture]:
    """The networks of X, written out."""
    records = space.to_records(X)
    return [_architecture(space, str(record["member"]), cast(int, record["resolution"])) for record in records]


read_architecture = MemberArchitecture.from_dict


# ---- people


def layout(space: Space) -> None:
    """A list of settings says it all."""


def line(space: Space, record: Mapping[str, Value]) -> str:
    """Member and resolution."""
    return summary(list(_OWN), record)
