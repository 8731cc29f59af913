"""The seam where families of networks are added: the protocol `Family`, and where each is found.

A family is half of what a network is: settings, costs, statistics; plain arithmetic. The other half, the network, needs
torch, which takes seconds to load and which a question to a predictor does without. So a family only names the function
that builds, `Family.builder`, and `nars.network.build` imports it when the first network is built.

A new family is a module (or an object) that has what `Family` lists, and a line in `FAMILIES`. A space file may also
name one that is not part of nars, `kind: package.module:name`; the name is all that a process needs to find it, so that
it is there in worker processes too. `nars.space.Flat` is a family whose settings are a flat list, to be filled in.
`tests/space/test_families.py` checks what every family keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from nars.arrays import Floats
from nars.errors import UserError
from nars.files import Value
from nars.space.dimension import Population
from nars.space.errors import SpaceError
from nars.space.families.rules import Rule

if TYPE_CHECKING:
    from nars.space.files.entries import Entries
    from nars.space.space import Space

Costs = dict[str, Floats]
"""{cost: (N,)}."""


class AnyArchitecture(Protocol):
    """One network, written out: what its family's builder needs.

    A frozen dataclass of plain values; `dataclasses.replace` gives the same network for other data.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def family(self) -> str:
        """What `kind` says in the space's file."""

    @property
    def resolution(self) -> int:
        """Side of the square images that it takes, pixels."""

    @property
    def in_channels(self) -> int:
        """Channels of them."""

    @property
    def classes(self) -> int:
        """Logits that it gives."""

    @property
    def normalization(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Mean and standard deviation per channel that its images are normalized by (a pixel of 255 counts as 1), as
        the weights want it that training starts from; None: by those of the training images."""

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types, for `read_architecture`; with "family" unless that is mbconv."""

    def record(self) -> dict[str, Value]:
        """Every setting by its name in a space: {"resolution": 224, "stem.channels": 16, ...}."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A space's architecture as a table for people."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    """How to read it."""
    settings: frozenset[str]
    """Those that it shows."""
    others: str
    """What to call the rest."""


@runtime_checkable
class Family(Protocol):
    """What the spaces of one kind have in common. X is a population (N, D) of a space of this family."""

    @property
    def cost_names(self) -> tuple[str, ...]:
        """The costs that it computes, none where they are listed; `nars run` needs flops, params and resolution."""

    @property
    def builder(self) -> str | None:
        """ "package.module:function", called as (architecture, *, dropout, stochastic_depth) -> nn.Module that turns
        float (N, in_channels, R, R) into logits (N, classes); None where there are no networks behind the choices."""

    @property
    def initializer(self) -> str | None:
        """ "package.module:function", called as (network, architecture) to put the weights into a network that its
        architecture names, where a training starts; None where all start from random ones."""

    @property
    def standalone(self) -> bool:
        """Whether its exported networks have forms that need none of their builder: the standalone file and timm's."""

    def rule(self, setting: str) -> Rule:
        """What holds for a setting, by its full name ("stage2.kernel_first", "recipe.dropout")."""

    def read(self, entries: Entries, architecture: Mapping[str, Any]) -> Sequence[str]:
        """Read the architecture part of a space file (but `in_channels` and `classes`), noting mistakes.

        Returns: all of its settings, in the order of a record.
        """

    def check(self, entries: Entries, space: Space) -> None:
        """Note the mistakes that only show once all settings are known."""

    def relocated(self, space: Space) -> Mapping[str, Any]:
        """What the architecture part of the space's file must say instead where it is written to another folder."""

    def costs(self, space: Space, X: Population) -> Costs:
        """The costs in `cost_names`, each (N,)."""

    def quick_costs(self, space: Space) -> Callable[[Population], Costs]:
        """Equal to `space.costs`, as fast as can be; whoever asks once asks for millions of rows."""

    def extremes(self, space: Space) -> dict[str, Population]:
        """A row with the smallest and one with the largest value of each of the space's costs, {cost: (2, D)}.

        Raises:
            SpaceError: they cannot be known.
        """

    def statistics(self, space: Space, X: Population) -> Costs:
        """What a predictor's encoder is pretrained on beside the costs, {name: (N,)}."""

    def architectures(self, space: Space, X: Population) -> list[Any]:
        """The networks of X, written out: one type, an `AnyArchitecture`, for all spaces of the family.

        Raises:
            SpaceError: there are none.
        """

    def read_architecture(self, document: Mapping[str, Any]) -> AnyArchitecture:
        """Read what the `to_dict` of one of its networks wrote.

        Raises:
            ValueError: it is not that.
        """

    def architecture_costs(self, architecture: Any) -> dict[str, int]:
        """The costs in `cost_names` of one of its networks."""

    def layout(self, space: Space) -> Layout | None:
        """The architecture as a table; None where a list of settings says it all."""

    def line(self, space: Space, record: Mapping[str, Value]) -> str:
        """A candidate's network in one line."""


FAMILIES: Mapping[str, str] = {
    "mbconv": "nars.space.families.mbconv.family",
    "generic": "nars.space.families.generic.flat:GENERIC",
    "timm": "nars.space.families.timm.family",
    "members": "nars.space.families.members.family",
}
"""Where each kind of space is found, as `pkgutil.resolve_name` takes it: imported when a space of it is read."""


@cache
def family_of(kind: str) -> Family:
    """The family that a space file names.

    Raises:
        SpaceError: there is no such kind, or what it names cannot be imported or is no family.
    """
    place = FAMILIES.get(kind, kind)
    if kind not in FAMILIES and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", kind):
        raise SpaceError(
            f"kind takes {', '.join(FAMILIES)} or package.module:name of a family of your own, got {kind!r}"
        )
    try:
        found = resolve_name(place)
    except Exception as error:  # whatever a module does when it is imported
        if isinstance(error, UserError):
            raise
        raise SpaceError(
            f"kind names the family {kind!r}, which cannot be loaded ({type(error).__name__}: {error}); install its "
            f"package, or put its folder on PYTHONPATH"
        ) from error
    if isinstance(found, type) or not isinstance(found, Family):
        lacking = [name for name in vars(Family) if not name.startswith("_") and not hasattr(found, name)]
        raise SpaceError(
            f"kind names {kind!r}, which is no family but {type(found).__name__}"
            f"{f' without {lacking[0]}' if lacking else ''}; name an object that has what nars.space.Family lists, "
            f"e.g. a nars.space.Flat"
        )
    return found


def read_architecture(document: Mapping[str, Any]) -> AnyArchitecture:
    """Read what `to_dict` wrote of a network of any family.

    Raises:
        ValueError: it is not that.
    """
    return family_of(str(document.get("family", "mbconv"))).read_architecture(document)
