"""A run configuration as somebody asks for it: a built-in one, a file or a run's folder, with options on top.

Every value knows where it was written, so that an error can name the option, or file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pydantic

from nars.errors import ConfigError, expect, suggestion
from nars.files.home import expanded
from nars.images import FOLDER_PREFIX
from nars.run.config import Data, RunConfig, as_run, in_current_form, set_value, value_at
from nars.run.faults import faults_of
from nars.run.folder import RunFolder, read_json, run_in
from nars.run.naming import fault_of_name
from nars.run.suggesting import suggested_budgets
from nars.space import Document, SpaceError, load_space, read_document, shipped

_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Where the values of a configuration were written."""

    document: Document
    built_in: bool
    """Nobody is helped by a line of a file that came with the package."""
    options: Mapping[str, str]
    """Dotted key -> how it was given on the command line; the values that are not from the file."""

    def place(self, key: str) -> str:
        """The option, or file and line, that a key's value comes from; with the key, which alone means the package."""
        for given, option in self.options.items():
            if _within(key, given) or _within(given, key):
                if option == given:  # from Python
                    return key
                return f"--set {key}" if option == f"--set {given}" and _within(key, given) else f"{option} ({key})"
        if self.built_in:
            return key
        path = _path(key)
        if path[:1] == ("range",) and "range" not in self.document.content:  # written in its short form
            path = path[1:] or ("flops",)
        return self.document.where(path)


@dataclass(frozen=True, kw_only=True)
class Given:
    """A run configuration as somebody asked for it."""

    config: RunConfig
    notes: tuple[str, ...] = ()
    """What was chosen in place of values that belong to the built-in configuration's own images or space."""
    origin: _Origin = field(repr=False)
    adapted: tuple[str, ...] = ()
    """Dotted keys of these."""
    file_name: str = ""
    """The name in the configuration's file, where a run on other images is called after them."""

    def place(self, key: str) -> str:
        """Where the value of a dotted key, such as "search.budgets[0]", was written, for messages."""
        return self.origin.place(key)

    def begun_as(self, kept: Mapping[str, Any]) -> Given:
        """The same for a run that was begun with this configuration: what nobody asked for stays as it was.

        Args:
            kept: The configuration in its run.json, perhaps of an earlier version that chose other values.
        """
        content, kept = self.config.model_dump(mode="json"), in_current_form(kept)
        for key in self.adapted:
            if (value := value_at(kept, key, absent=_ABSENT)) is not _ABSENT:
                set_value(content, key, value)
        try:
            return replace(self, config=RunConfig.model_validate(content))
        except pydantic.ValidationError:  # of a version that is too different: the comparison says so
            return self


def run_names() -> list[str]:
    """Names of the built-in run configurations."""
    return sorted(path.stem for path in _built_in())


def load_config(name: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """A run configuration by built-in name or path, or that of a run in a folder, whose space is the run's own copy.

    A built-in configuration's numbers of images, crop and flips are for its own images: with another `data.name` they
    are those of the built-in configuration for these images, else the defaults. Range and budgets that nobody names are
    those of the space; with another `space` than the configuration's so are those that its file names.

    Args:
        name: "digits", the path of a YAML file, the folder of a run, or what would be in the file as a mapping.
        overrides: dotted keys with new values, e.g. {"collect.rounds": 2}; checked like the file.

    Raises:
        ConfigError: unknown name, or mistakes in the file (one line each).
    """
    return read_config(name, overrides).config


def read_config(
    name: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    options: Mapping[str, str] | None = None,
) -> Given:
    """The same, with what was chosen and where each value comes from.

    Args:
        name: as in `load_config`.
        overrides: as in `load_config`.
        options: dotted keys of overrides with the option of the command line that gave them, e.g.
            {"search.budgets": "--budgets"}; errors name it.

    Raises:
        ConfigError: as `load_config`.
    """
    rule = "a configuration is a built-in name, a YAML file, a run's folder, or a mapping of what is in such a file"
    expect(name, (str, Path, Mapping), rule, error=ConfigError)
    options = {key: key for key in overrides or ()} | dict(options or {})
    overrides, options = ({_in_range(key): value for key, value in of.items()} for of in (overrides or {}, options))
    if isinstance(name, Mapping):
        document = Document("the configuration", deepcopy(dict(name)), {})
        return _given(document, Path(), overrides, options, built_in=False)
    home = run_folder(name)
    if home is not None:
        return _given_by_run(home, overrides, options)
    path, built_in = Path(name), False
    if path.suffix not in (".yaml", ".yml"):
        path, built_in = shipped("space") / "runs" / f"{name}.yaml", True
    if not path.is_file():
        raise ConfigError(
            f"no run configuration {str(name)!r}; built in are {', '.join(run_names())}; or give a YAML file, or the "
            f"folder of a run (with run.json){suggestion(name, run_names())}"
        )
    return _given(_read(path), path.parent, overrides, options, built_in=built_in)


def _given(
    document: Document, folder: Path, overrides: Mapping[str, Any], options: Mapping[str, str], *, built_in: bool
) -> Given:
    """What a configuration says that is in a folder, or in Python."""
    origin = _Origin(document=document, built_in=built_in, options=options)
    content = document.content
    if not isinstance(content, dict):
        raise ConfigError(
            f"{document.source}: a run configuration is a mapping with name, space and data, got {content!r}"
        )
    file_name = str(content.get("name", ""))
    if "flops" in content and "range" not in content:
        content = {"range": {"flops": content["flops"]}, **{key: content[key] for key in content if key != "flops"}}
    chosen: dict[str, Any] = {}
    notes: list[str] = []
    for adapt in [_for_images] * built_in + [partial(_for_space, beside=folder)]:
        values, note = adapt(content, overrides)
        chosen |= values
        notes += [note] if note else []
    config = _validated(content, chosen | dict(overrides), origin)
    if (fault := fault_of_name(config.name)) is not None:
        raise ConfigError(f"{origin.place('name')}: {fault}")
    places = {"space": _near(config.space, folder)}
    if config.latency is not None and "latency" not in overrides:
        places["latency"] = str(folder / expanded(config.latency))
    config = config.model_copy(update=places)
    return Given(config=config, notes=tuple(notes), origin=origin, adapted=tuple(chosen), file_name=file_name)


def kept_config(
    content: Mapping[str, Any], overrides: Mapping[str, Any], *, source: str, options: Mapping[str, str] | None = None
) -> Given:
    """A run's configuration that something else has kept, such as an answer whose run is gone.

    Args:
        content: the configuration.
        overrides, options: as in `read_config`.
        source: where it was kept, for errors.

    Raises:
        ConfigError: as `load_config`.
    """
    options = {key: key for key in overrides} | dict(options or {})
    origin = _Origin(document=Document(source, dict(content), {}), built_in=False, options=options)
    return Given(config=_validated(deepcopy(as_run(content)), overrides, origin), origin=origin)


def run_folder(name: str | Path) -> Path | None:
    """The folder of the run that is meant where a configuration is asked for; None if it is none.

    A built-in name is never a folder: write ./digits for a run in a folder of that name.
    """
    if str(name) in run_names():
        return None
    run = run_in(name)
    return None if run is None else run.path


def _given_by_run(home: Path, overrides: Mapping[str, Any], options: Mapping[str, str]) -> Given:
    run = RunFolder(home)
    content = read_json(run.run_file).get("config")
    if not isinstance(content, dict):
        raise ConfigError(f"{run.run_file} holds no configuration: it is not a run's file, or was edited. Put it back")
    origin = _Origin(document=Document(str(run.run_file), content, {}), built_in=False, options=options)
    try:
        config = _validated(as_run(content), overrides, origin)
    except ConfigError as error:
        if overrides:
            raise
        wrote = read_json(run.run_file).get("versions", {}).get("nars", "an older one")
        raise ConfigError(
            f"{run.run_file} holds a configuration that this version cannot read ({error}); use the version that wrote "
            f"it, {wrote}"
        ) from error
    if "space" not in overrides and run.space_file.is_file():
        config = config.model_copy(update={"space": str(run.space_file)})
    return Given(config=config, origin=origin)


def _for_images(content: dict[str, Any], overrides: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """What a built-in configuration takes in place of its own data section with other images, and how to say it."""
    theirs, name = content["data"], overrides.get("data.name")
    if not isinstance(name, str) or name == theirs["name"]:
        return {}, ""
    own: dict[str, Any] = next(
        (other["data"] for other in map(_content, _built_in()) if other["data"]["name"] == name), {}
    )
    keys = [key for key in {**theirs, **own} if key not in ("name", "root") and f"data.{key}" not in overrides]
    values = {f"data.{key}": own.get(key, Data.model_fields[key].default) for key in keys}
    changed = {key: value for key in keys if (value := values[f"data.{key}"]) != theirs.get(key)}
    called = {
        key: value for key, value in _named_after(content, name, overrides.get("space")).items() if key not in overrides
    }
    if not changed:
        return called, ""
    shown = ", ".join(f"{key} {_said(value)}" for key, value in changed.items())
    instead = ", ".join(f"{key} {_said(theirs[key])}" for key in changed if key in theirs)
    note = f"data: {shown} for {name}"
    if instead:
        note += f" ({content['name']} has {instead} for {theirs['name']})"
    return values | called, f"{note}; change them with --set data.{next(iter(changed))}=..."


def _named_after(content: dict[str, Any], data: str, space: object) -> dict[str, Any]:
    """Name and description of a run on other images than the configuration's, perhaps in another space."""
    by = f"by the configuration {content['name']}"
    if isinstance(space, str) and not space.endswith((".yaml", ".yml")) and space != content.get("space"):
        by += f" in the space {space}"
    if data.startswith(FOLDER_PREFIX):
        path = Path(folder := data.removeprefix(FOLDER_PREFIX))
        with suppress(RuntimeError):  # no home directory: looking for the folder says so
            path = path.expanduser()
        called = path.resolve().name if path.name in ("", "..") else path.name
        name = re.sub(r"[^\w.+-]+", "-", called).strip("-.") or "images"
        if name in run_names():  # which has a folder of its own
            name = f"{name}-{content['name']}"
        return {"name": name, "about": f"The images of {folder}, {by}."}
    return {"name": f"{data}-{content['name']}", "about": f"{data}, {by}."}


def _for_space(content: dict[str, Any], overrides: Mapping[str, Any], *, beside: Path) -> tuple[dict[str, Any], str]:
    """The range and the budgets that a space names, for those that nobody does; of a file's space alone are its own."""
    asked = overrides.get("space", content.get("space"))
    another = "space" in overrides and asked != content.get("space")
    named = {
        key: key in overrides or (value_at(content, key) is not None and not another)
        for key in ("range", "search.budgets")
    }
    if not isinstance(asked, str) or all(named.values()):
        return {}, ""
    try:
        space = load_space(_near(asked, beside))
    except SpaceError:  # which `check` says, with all else that is wrong
        return {}, ""
    if another:  # one that names nothing leaves what the configuration says
        named["range"] |= not space.range.limits and value_at(content, "range") is not None
        named["search.budgets"] |= not space.budgets and value_at(content, "search.budgets") is not None
    values: dict[str, Any] = {}
    if not named["range"]:
        values["range"] = {  # whose ends options may change one by one
            cost: limit if isinstance(limit, dict) else {"high": limit} for cost, limit in space.range.document.items()
        }
    budgets = space.budgets
    if not named["search.budgets"]:
        budgets = budgets or suggested_budgets(space)
        values["search.budgets"] = [budget.document for budget in budgets]
    shown = {"range": f"range {space.range}", "search.budgets": f"budgets {'; '.join(map(str, budgets)) or 'none'}"}
    if not another and (space.budgets or named["search.budgets"] or not budgets):
        return values, ""  # as the space's file says
    whose = f"as {space.name} names them" if space.budgets else f"{space.name} names none of its own"
    return values, f"space: {' and '.join(shown[key] for key in values)} ({whose})"


def _in_range(key: str) -> str:
    """A dotted key in its long form: flops is that entry of range."""
    return f"range.{key}" if _within(key, "flops") else key


def _near(space: str, folder: Path) -> str:
    """A space's name, or its file, which is looked for beside the configuration first."""
    beside = folder / space
    is_file = Path(space).suffix in (".yaml", ".yml") and not Path(space).is_absolute() and beside.is_file()
    return str(beside) if is_file else space


def _said(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return " to ".join(f"{number:.3g}" for number in value)
    return f"{value:,}"


def _built_in() -> list[Path]:
    return sorted((shipped("space") / "runs").glob("*.yaml"))


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = _read(path).content
    return content


def _read(path: Path) -> Document:
    try:
        return read_document(path)
    except SpaceError as error:
        raise ConfigError(str(error)) from error


def _validated(content: dict[str, Any], overrides: Mapping[str, Any], origin: _Origin) -> RunConfig:
    for dotted, value in overrides.items():
        set_value(content, dotted, value)
    try:
        return RunConfig.model_validate(content)
    except pydantic.ValidationError as error:
        lines = (
            f"{origin.place(_dotted(fault.path)) or origin.document.source}: {fault.says}"
            for fault in faults_of(error, RunConfig)
        )
        raise ConfigError("\n".join(lines)) from error


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _path(key: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdecimal() else part for part in re.findall(r"[^.\[\]]+", key))


def _within(key: str, section: str) -> bool:
    """Whether a dotted key is this one or stands below it."""
    return _path(key)[: len(_path(section))] == _path(section)
