"""Spaces by name (the YAML files shipped with the product, or a path), and a space as files of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from nars.errors import expect
from nars.space.dimension import CostTable
from nars.space.errors import SpaceError
from nars.space.files.document import read_document
from nars.space.files.load import read_space
from nars.space.files.scalars import alone, dump_yaml
from nars.space.space import Space


def shipped(folder: str) -> Path:
    """A folder of shipped files ("space", "predictors"), in an installed wheel or in a checkout."""
    inside = Path(str(files("nars"))) / "_shipped" / folder
    return inside if inside.is_dir() else Path(str(files("nars"))).parent / folder


def space_names() -> list[str]:
    """Names of the built-in spaces."""
    return sorted(path.stem for path in shipped("space").glob("*.yaml"))


def space_file(name: str | Path) -> Path:
    """The file of a built-in space, or the path itself.

    Raises:
        SpaceError: neither a built-in space nor a file.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise SpaceError(f"no such space file: {name}; give a YAML file or one of {', '.join(space_names())}")
    built_in = shipped("space") / f"{name}.yaml"
    if built_in.is_file():
        return built_in
    raise SpaceError(
        f"no space is called {str(name)!r}; there are {', '.join(space_names())}, or give the path of a .yaml file"
    )


def load_space(
    name: str | Path, *, classes: int | None = None, in_channels: int | None = None, table: CostTable | None = None
) -> Space:
    """A space by name or path, with the number of classes and image channels of the data at hand.

    Args:
        name: a built-in space, or the path of a YAML file.
        classes: number of classes of the data; the file's own when None.
        in_channels: number of image channels of the data; the file's own when None.
        table: costs of a generic space; the file's own when None.

    Raises:
        SpaceError: it is unknown or its file has mistakes (one line each).
    """
    expect(name, (str, Path), "a space is a built-in name or the path of a YAML file", error=SpaceError)
    file = space_file(name)
    if table is None and file.parent == shipped("space"):
        return _built_in(file, classes, in_channels)
    return read_space(read_document(file), classes=classes, in_channels=in_channels, table=table)


@lru_cache(maxsize=64)
def _built_in(file: Path, classes: int | None, in_channels: int | None) -> Space:
    """One object each, so that what is costly to know of a space (its ends) is found once."""
    return read_space(read_document(file), classes=classes, in_channels=in_channels)


def space_files(space: Space, name: str) -> dict[str, bytes]:
    """The files that `load_space` reads as the same space, {file name: content}.

    Args:
        space: as it is used, with the number of classes and image channels of its data.
        name: of the space file, e.g. "space.yaml". A table of costs that the space reads from a file goes beside it;
            costs that were given in Python have no file and stay out.

    Raises:
        SpaceError: its table of costs cannot be read any more.
    """
    content, beside = dict(space.document.content), {}
    if space.family.builder is not None:
        shape = {"classes": space.classes, "in_channels": space.in_channels}
        content["architecture"] = dict(content["architecture"]) | shape | dict(space.family.relocated(space))
    else:
        for part in ("architecture", "recipe"):
            if part in content:
                content[part] = {setting: alone(entry) for setting, entry in (content[part] or {}).items()}
    costs = content.get("costs")
    if isinstance(costs, str):
        path = Path(space.document.source).parent / costs
        packed = path.suffix.lower() in (".gz", ".zip")
        content["costs"] = f"{Path(name).stem}.costs{''.join(path.suffixes[-2:]) if packed else path.suffix}"
        try:
            beside = {content["costs"]: path.read_bytes()}
        except OSError as error:
            raise SpaceError(f"{path}: the costs of {space.name} cannot be read ({error}); put them back") from error
    elif isinstance(costs, Mapping) and isinstance(costs.get("function"), str):
        content["costs"] = {"folder": str(Path(space.document.source).absolute().parent)} | dict(costs)
    return beside | {name: dump_yaml(content).encode()}
