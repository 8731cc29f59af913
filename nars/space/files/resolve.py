"""From the entries of a space file to dimensions: who shares a choice, and when a choice has an effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nars.space.dimension import Choice, Condition, Dimension, Equivalence, Fixed, Setting, Slide
from nars.space.files.choices import Spec
from nars.space.files.document import KeyPath
from nars.space.files.entries import Entries
from nars.space.files.scalars import meant, plain_value


def resolve(entries: Entries, order: Sequence[str]) -> tuple[tuple[Dimension, ...], dict[str, Setting]]:
    """Dimensions (architecture first) and the settings that read them, in the order of records.

    Mistakes are noted in `entries`.
    """
    _link_shared(entries)
    if entries.problems:
        return (), {}
    names = _ordered(entries)
    if entries.problems:
        return (), {}
    index = {name: column for column, name in enumerate(names)}
    settings: dict[str, Setting] = {}
    for name in order:
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
                name=_short(entries, name, users),
                values=entry.spec.values,
                group=entry.group,
                ordinal=entry.spec.ordinal,
                log=entry.spec.log,
                active_when=conditions,
                slide=_slide(entries, name, index),
                paper=entry.spec.paper,
            )
        )
    return tuple(_with_default_rule(entries, d, dimensions, settings) for d in dimensions), settings


def _link_shared(entries: Entries) -> None:
    """Note the owner of each `same_as`."""
    for name, entry in entries.settings.items():
        target = entry.spec.same_as
        if target is None:
            continue
        # stage1.kernel is what people call the choice of stage1.kernel_first and stage1.kernel_rest.
        shared = [
            n for n in entries.owners.values() if n in entries.settings and entries.settings[n].rule.short == target
        ]
        target = shared[0] if shared else target
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
            if mistake := entry.rule.fault(value):
                entries.problem(entry.path, f"cannot be the same as {target}: it {mistake}")
                break
        entries.owners[name] = target


def _ordered(entries: Entries) -> list[str]:
    """Owners of dimensions: architecture before recipe, a condition's own dimension before what depends on it.

    So that a condition is judged by a choice that is canonical already.
    """

    def rank(name: str) -> tuple[bool, bool]:
        entry = entries.settings[name]
        return entry.group == "recipe", any((entry.rule.depends_on, entry.rule.default, entry.spec.when))

    left = sorted((name for name, entry in entries.settings.items() if len(entry.spec.values) > 1), key=rank)
    above = {name: _decided_by(entries, name) for name in left}
    ordered: list[str] = []
    while left:
        ready = next((name for name in left if not above[name] & set(left)), None)
        if ready is None:
            entries.problem(
                entries.settings[left[0]].path,
                f"{' and '.join(left)} each have an effect by the choice of another of them; drop one `when`",
            )
            return [*ordered, *left]
        left.remove(ready)
        ordered.append(ready)
    return ordered


def _decided_by(entries: Entries, name: str) -> set[str]:
    """Owners of the choices that say whether this one has an effect."""
    entry = entries.settings[name]
    if entry.spec.when is not None:
        other = entry.spec.when[0]
        return {f"recipe.{other}" if entry.group == "recipe" else other} - {name}
    users = [name, *(user for user, owner in entries.owners.items() if owner == name)]
    named = [entries.family.rule(user).depends_on for user in users]
    # One that is always read makes the choice that they share have an effect always.
    return {entries.owners.get(other, other) for other in named if other is not None} - {name} if all(named) else set()


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
    if entry.group == "recipe" or entry.rule.limited:
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
    """When a choice has an effect by the rules of its settings: where one that reads it is read."""
    found: dict[Condition, None] = {}
    for user in users:
        rule = entries.family.rule(user)
        if rule.depends_on is None:
            return ()
        other = entries.owners.get(rule.depends_on, rule.depends_on)
        if other not in entries.settings:
            if rule.read is not None:
                entries.problem(path, f"{user} has no effect without {other}; add {other}, with {rule.read[1][0]}")
            return ()  # else a problem that was noted already
        values = entries.settings[other].spec.values
        read = frozenset(i for i, value in enumerate(values) if rule.reads(value))
        if not read:
            idle = f"fixed at {values[0]}" if len(values) == 1 else f"one of {', '.join(map(str, values))}"
            entries.problem(path, f"{user} has no effect: {other} is {idle}; give it one value")
        if other not in index or len(read) == len(values):
            return ()
        found[Condition(dimension=index[other], choices=read)] = None
    return tuple(found)


def _with_default_rule(
    entries: Entries, dimension: Dimension, dimensions: list[Dimension], settings: Mapping[str, Setting]
) -> Dimension:
    """A choice equal to what null stands for is null: the same network must be the same row."""
    reads = Choice(dimensions.index(dimension))
    users = [entries.family.rule(name).default for name, setting in settings.items() if setting == reads]
    if None not in dimension.values:
        return dimension
    null, rules = dimension.values.index(None), []
    for name, default in filter(None, users):
        other = settings[name]
        if not isinstance(other, Choice):
            continue
        sizes = dimensions[other.dimension].values
        for choice, value in enumerate(dimension.values):
            same = frozenset(i for i, size in enumerate(sizes) if isinstance(size, int) and default(size) == value)
            if same and value is not None:
                when = Condition(dimension=other.dimension, choices=same)
                rules.append(Equivalence(choice=choice, same_as=null, when=when))
    return replace(dimension, equivalences=tuple(rules))


def _short(entries: Entries, name: str, users: list[str]) -> str:
    """ "stage1.kernel" for the dimension that both stage1.kernel_first and stage1.kernel_rest read."""
    short = entries.settings[name].rule.short
    alike = [user for user in users if entries.family.rule(user).short == short]
    return short if short is not None and len(alike) > 1 else name
