"""Which space the samples of a store belong to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.errors import ConfigError, StoreError
from nars.run.folder import RunFolder, read_json

if TYPE_CHECKING:
    from nars.space import Space
    from nars.store import Sample, SampleStore

SpaceName = Annotated[str | None, typer.Option("--space", help="Space of the trials: a built-in name or a YAML file.")]

_MOST_CLASSES = 1000
_CHANNELS = (3, 1, 4, 2)
"""What is tried where a space is known but not the images that it was used with."""


def space_of(name: str | None, store: str) -> Space:
    """The named space, else the one that the samples of a store or run folder belong to.

    It is looked for in the store (`_space.yaml`), in the run's folder (`space.yaml`, `predictor/`, the configuration in
    `run.json`), and among the built-in ones. A space of listed costs comes without them if the samples have others.

    Args:
        name: of a built-in space, or the path of a YAML file; None to look.
        store: folder or address of a store, or a run folder.

    Raises:
        ConfigError: there are no samples, or no space was found that fits them.
        SpaceError: the file of the space has mistakes.
    """
    from nars.space import load_space

    if name is not None:
        return load_space(name)
    if Path(store).is_file():
        if (exported := _exported_from(Path(store))) is not None:
            return exported
        raise ConfigError(f"{store}: say by --space which space these trials belong to, a built-in name or a YAML file")
    opened = open_store(store)
    samples = opened.samples()
    for candidate in _candidates(store, opened):
        found = _fitted(candidate, samples)
        if found is not None:
            return found
    raise ConfigError(
        f"{store}: its samples belong to a space with the fingerprint {samples[0].space}, which is none of the "
        f"built-in ones and lies neither in the store (_space.yaml) nor in a run folder around it; name its file by "
        f"--space"
    )


def _exported_from(file: Path) -> Space | None:
    """The built-in space whose samples a file holds, if it is an exported store of one."""
    from nars.files import TableFileError, read_table
    from nars.space import load_space, space_names
    from nars.trials.store_exports import is_export

    try:
        table = read_table(file, what="a file of trials")
    except TableFileError:  # which whoever reads it with its space will say
        return None
    wanted = set(table["space"]) if is_export(table) else set()
    known = (load_space(name) for name in space_names())
    return next((space for space in known if {space.fingerprint} == wanted), None)


def open_store(path: str, *, must_exist: bool = True) -> SampleStore:
    """The store at an address, or that of the run in a folder.

    Raises:
        StoreError: it must exist, and there is no folder or no sample in it.
    """
    from nars.store import SampleStore

    folder = Path(path.removeprefix("file://"))
    run = RunFolder(folder)
    inside = run.samples.is_dir() or run.run_file.is_file()
    if must_exist and folder.is_file():
        raise StoreError(f"{path} is a file; give the folder of a sample store or of a run")
    if must_exist and inside and not run.samples.is_dir():
        raise StoreError(f"the run in {path} has no samples yet; nars collect makes them")
    store = SampleStore(run.samples if inside else path, must_exist=must_exist)
    if must_exist and store.identity is None:
        raise StoreError(f"{path} is no sample store: it holds no samples; check the path")
    return store


def _candidates(store: str, opened: SampleStore) -> Iterator[Space]:
    """Spaces that the samples may belong to, the likeliest first."""
    from nars.space import load_space, space_names
    from nars.store import kept_space

    kept = kept_space(opened.path)
    if kept is not None:
        yield kept
    local = Path(store.removeprefix("file://"))
    for home in (local, local.parent) if local.is_dir() else ():
        for file in (RunFolder(home).space_file, home / "space.yaml", home / "predictor" / "space.yaml"):
            if file.is_file():
                yield load_space(file)
        if RunFolder(home).run_file.is_file():
            config = read_json(RunFolder(home).run_file).get("config", {})
            named = config.get("space") if isinstance(config, dict) else None
            if isinstance(named, str) and (Path(named).is_file() or named in space_names()):
                yield load_space(named)
    for name in space_names():
        yield load_space(name)


def _fitted(space: Space, samples: tuple[Sample, ...]) -> Space | None:
    """The space as these samples know it, or None if they belong to another."""
    import numpy as np

    from nars.space import SpaceError

    wanted = samples[0].space
    if space.fingerprint == wanted:
        return space
    if any(len(sample.choices) != len(space.dimensions) for sample in samples):
        return None
    try:
        records = space.to_records(np.array([sample.choices for sample in samples], dtype=np.int64))
    except SpaceError:  # a choice that this space does not have
        return None
    if any(dict(sample.record) != record for sample, record in zip(samples, records, strict=True)):
        return None
    if not space.computes_costs:
        return replace(space, table=None)
    for channels in _CHANNELS:
        for classes in range(1, _MOST_CLASSES + 1):
            tried = replace(space, classes=classes, in_channels=channels)
            if tried.fingerprint == wanted:
                return tried
    return None
