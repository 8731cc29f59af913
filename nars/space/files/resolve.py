"""From the entries of a space file to dimensions: who shares a choice, and when a choice has an effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nars.space.dimension import Condition, Dimension, Equivalence, Slide
from nars.space.files.choices import Spec
from nars.space.files.document import KeyPath
from nars.space.files.entries import Entries
from nars.space.files.scalars import meant, plain_value
from nars.space.files.schema import fault
from nars.space.settings import PAIRS, STAGE_SETTINGS, Choice, Fixed, Setting

_LATE = ("kernel_rest", "expand_rest", "first_padding")
"""Settings whose effect depends on others of their stage."""


def resolve(entries: Entries) -> tuple[tuple[Dimension, ...], dict[str, Setting]]:
    """Dimensions (architecture first) and the settings that read them; mistakes are noted in `entries`."""
    _link_shared(entries)
    if entries.problems:
        return (), {}
    names = _ordered(entries)
    index = {name: column for column, name in enumerate(names)}
    settings: dict[str, Setting] = {}
    for name in _setting_names(entries):
        owner = entries.owners.get(name, name)
        owner = entries.owners.get(owner, owner)
        if owner in entries.settings:  # else a problem that was noted already
            settings[name] = Choice(index[owner]) if owner in index else Fixed(entries.settings[owner].spec.values[0])
    dimensions = []
    for column, name in enumerate(names):
        entry = entries.settings[name]
        users = [setting for setting, choice in settings.items() if choice == Choice(column)]
        conditions = _explicit(entries, entry.spec, entry.path, index) or _implied(entries, users, entry.path, index)
        dimensions.append(
            Dimension(
                name=_short(name, users),
                values=entry.spec.values,
                group=entry.group,
                ordinal=entry.spec.ordinal,
                log=entry.spec.log,
                active_when=conditions,
                slide=_slide(entries, name, index),
                paper=entry.spec.paper,
            )
        )
    return tuple(_with_padding_rule(d, dimensions, settings) for d in dimensions), settings


def _link_shared(entries: Entries) -> None:
    """Note the owner of each `same_as`."""
    for name, entry in entries.settings.items():
        target = entry.spec.same_as
        if target is None:
            continue
        first = f"{target}_first"  # stage1.kernel is what people call the choice of stage1.kernel_first and _rest
        if first in entries.settings and entries.owners.get(f"{target}_rest") == first:
            target = first
        found = entries.settings.get(target)
        if found is None or found.spec.same_as is not None or target == name:
            own = [n for n, e in entries.settings.items() if e.spec.same_as is None and n != name]
            entries.problem(
                entry.path,
                f"same_as names a setting with choices of its own, got {target!r}; there are {', '.join(own)}",
            )
            continue
        if found.group != entry.group:
            entries.problem(entry.path, f"same_as stays within architecture or recipe, {target!r} is on the other side")
        for value in found.spec.values:
            if mistake := fault(name.rsplit(".", 1)[-1], value, entry.limit):
                entries.problem(entry.path, f"cannot be the same as {target}: it {mistake}")
                break
        entries.owners[name] = target


def _ordered(entries: Entries) -> list[str]:
    """Owners of dimensions: architecture before recipe, a condition's own dimension before what depends on it."""

    def rank(name: str) -> tuple[bool, bool]:
        entry = entries.settings[name]
        return entry.group == "recipe", name.rsplit(".", 1)[-1] in _LATE or entry.spec.when is not None

    return sorted((name for name, entry in entries.settings.items() if len(entry.spec.values) > 1), key=rank)


def _setting_names(entries: Entries) -> list[str]:
    """All settings in the order of the network: a stage's pairs side by side."""

    def order(name: str) -> tuple[int, int, int]:
        head, _, tail = name.partition(".")
        stage = int(head[5:]) if head.startswith("stage") and head[5:].isdigit() else 0
        place = {"resolution": 0, "stem": 1, "head": 3, "recipe": 4}.get(head, 2)
        return place, stage, STAGE_SETTINGS.index(tail) if stage and tail in STAGE_SETTINGS else 0

    return sorted(dict.fromkeys([*entries.settings, *entries.owners]), key=order)


def _explicit(entries: Entries, spec: Spec, path: KeyPath, index: Mapping[str, int]) -> tuple[Condition, ...]:
    """The condition that an entry states with `when`."""
    if spec.when is None:
        return ()
    name, wanted = spec.when
    full = f"recipe.{name}" if path[0] == "recipe" else name
    if full not in index or entries.settings[full].spec.when is not None:
        free = [n for n in index if n.startswith("recipe.") == (path[0] == "recipe")]
        free = [n.removeprefix("recipe.") for n in free if entries.settings[n].spec.when is None]
        entries.problem(path, f"when names a choice that is always made, got {name!r}; there are {', '.join(free)}")
        return ()
    values = entries.settings[full].spec.values
    choices = [meant(value, values) for value in wanted]
    if None in choices:
        missing = wanted[choices.index(None)]
        entries.problem(path, f"when: {name} never is {missing!r}; it takes {list(values)}")
        return ()
    return (Condition(dimension=index[full], choices=frozenset(choice for choice in choices if choice is not None)),)


def _slide(entries: Entries, name: str, index: Mapping[str, int]) -> Slide | None:
    """The choice of a layer that may change places with the next layer's, as the entry states it with `slides`."""
    entry = entries.settings[name]
    if entry.spec.slides is None:
        return None
    written, following = entry.spec.slides
    values, other = entry.spec.values, entries.settings.get(following)
    choice = values.index(written) if written in values else meant(plain_value(written), values)
    sliding = {name, following}
    conditional = [e for e in entries.settings.values() if e.spec.when is not None]
    if entry.group == "recipe" or entry.limit is not None:
        entries.problem(entry.path, "slides is for the layers of generic spaces; drop it")
    elif other is None or index.get(following, -1) <= index[name]:
        later = [n for n in index if index[n] > index[name] and entries.settings[n].group == "architecture"]
        entries.problem(entry.path, f"slides names a later choice, got {following!r}; there are {', '.join(later)}")
    elif choice is None or other.spec.values != values:
        entries.problem(
            entry.path,
            f"slides needs {written!r} in {list(values)} and the same choices in {following}, which has "
            f"{list(other.spec.values)}",
        )
    elif any(e in (entry, other) or (e.spec.when and e.spec.when[0] in sliding) for e in conditional):
        entries.problem(entry.path, f"slides and when exclude each other; drop one of the two for {name}, {following}")
    else:
        return Slide(choice=choice, next=index[following])
    return None


def _implied(entries: Entries, users: list[str], path: KeyPath, index: Mapping[str, int]) -> tuple[Condition, ...]:
    """When a choice has an effect that only later blocks read: where the depth is above 1."""
    found: dict[Condition, None] = {}
    for user in users:
        stage, _, tail = user.rpartition(".")
        if tail not in ("kernel_rest", "expand_rest") or not stage.startswith("stage"):
            return ()
        depth = entries.owners.get(f"{stage}.depth", f"{stage}.depth")
        if depth not in entries.settings:
            return ()  # a problem that was noted already
        values = entries.settings[depth].spec.values
        if values == (1,):
            entries.problem(path, f"{user} has no effect: {depth} is fixed at 1; give it one value")
        deeper = frozenset(i for i, value in enumerate(values) if value != 1)
        if depth not in index or len(deeper) == len(values):
            return ()
        found[Condition(dimension=index[depth], choices=deeper)] = None
    return tuple(found)


def _with_padding_rule(dimension: Dimension, dimensions: list[Dimension], settings: Mapping[str, Setting]) -> Dimension:
    """A padding equal to kernel // 2 is the default padding: the same network must be the same row."""
    reads = Choice(dimensions.index(dimension))
    users = [name for name, setting in settings.items() if name.endswith(".first_padding") and setting == reads]
    if not users or None not in dimension.values:
        return dimension
    default, rules = dimension.values.index(None), []
    for user in users:
        kernel = settings[user.replace("first_padding", "kernel_first")]
        if not isinstance(kernel, Choice):
            continue
        sizes = dimensions[kernel.dimension].values
        for choice, padding in enumerate(dimension.values):
            same = frozenset(i for i, size in enumerate(sizes) if isinstance(size, int) and size // 2 == padding)
            if same and padding is not None:
                when = Condition(dimension=kernel.dimension, choices=same)
                rules.append(Equivalence(choice=choice, same_as=default, when=when))
    return replace(dimension, equivalences=tuple(rules))


def _short(name: str, users: list[str]) -> str:
    """ "stage1.kernel" for the dimension that both kernel_first and kernel_rest read."""
    stage, _, tail = name.rpartition(".")
    for short, (first, rest) in PAIRS.items():
        if tail == first and f"{stage}.{rest}" in users:
            return f"{stage}.{short}"
    return name
