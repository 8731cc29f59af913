"""A run: its configuration, its folder, its space and its images."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pydantic

import nars
from nars.atomic import append_line, write_json
from nars.data import ImageData, load_images
from nars.data.run_folder import RunFolder, read_json
from nars.parallel import worker_devices
from nars.space import Bounds, Space, load_space, shorten
from nars.stages.checking import Stage, check, remaining
from nars.stages.config import ConfigError, Execution, RunConfig
from nars.stages.outlook import Outlook
from nars.stages.progress import Reporter, Silent, counting

_LOADED = ("space", "images", "final_images")
_VERSIONED = ("torch", "timm", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class Run:
    """An opened run; the stages take it and leave their results in its folder."""

    config: RunConfig
    execution: Execution
    folder: RunFolder
    reporter: Reporter

    def __repr__(self) -> str:
        budgets = ", ".join(shorten(budget) for budget in self.config.search.budgets)
        return f"<Run {self.config.name} in {self.folder.path}: space {self.config.space}, budgets {budgets} FLOPs>"

    @cached_property
    def space(self) -> Space:
        """The space, with the number of classes and image channels of the data."""
        return load_space(self.config.space, classes=len(self.images.classes), in_channels=self.images.in_channels)

    @cached_property
    def images(self) -> ImageData:
        """The images of the search, at the smallest resolution that the space asks for (`images.at` gives others)."""
        images = self._read(_smallest_resolution(load_space(self.config.space)))
        introduce(images, self.reporter)
        return images

    @cached_property
    def final_images(self) -> ImageData:
        """The images of final training: all classes and all training images."""
        data = self.config.data
        if data.max_train is None and data.search_classes is None:
            return self.images
        images = self._read(self.images.resolution, whole=True)
        introduce(images, self.reporter, heading="final training")
        return images

    def _read(self, resolution: int, *, whole: bool = False) -> ImageData:
        """Images, with a bar; in-process means that no process beside this one reads them either."""
        with counting(self.reporter, "reading images") as progress:
            return images_of(
                self.config,
                resolution=resolution,
                whole=whole,
                loaders=0 if self.execution.engine == "in-process" else None,
                progress=progress,
            )

    @cached_property
    def outlook(self) -> Outlook:
        """How long the rest takes; the stages tell it what they have done."""
        how = self.execution
        slots = 1 if how.engine == "in-process" else how.workers or len(worker_devices(how.device, per_gpu=how.per_gpu))
        whole = self.images.available if self.config.data.max_train else len(self.images.train)
        return Outlook(self.config, slots=slots, images=whole / len(self.images.train))

    @property
    def flops_range(self) -> Bounds:
        """Where stage 2 looks."""
        return Bounds({"flops": (self.config.flops.low, self.config.flops.high)})

    def computed(self, execution: Execution, reporter: Reporter) -> Run:
        """The same run, computed in another way; what is loaded already is not loaded (and introduced) again."""
        other = replace(self, execution=execution, reporter=reporter)
        other.__dict__.update({name: self.__dict__[name] for name in _LOADED if name in self.__dict__})
        return other

    def rng(self, purpose: int, *more: int) -> np.random.Generator:
        """The generator for one purpose of this run: the same whenever and wherever it is asked for."""
        return np.random.default_rng([self.config.seed, purpose, *more])

    def log(self, text: str) -> None:
        """Say a line and keep it in the run's log."""
        self.reporter.say(text)
        self.keep(text)

    def keep(self, text: str) -> None:
        """Keep a line in the run's log."""
        append_line(self.folder.log_file, f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} {text}")


def open_run(
    config: RunConfig,
    folder: Path | str | None = None,
    *,
    execution: Execution | None = None,
    reporter: Reporter | None = None,
    upto: Stage | None = None,
    place: Callable[[str], str] = str,
) -> Run:
    """Start a run in a folder, or go on with the one that is there, if `check` finds nothing against it.

    Args:
        config: what to do.
        folder: where; runs/NAME when None.
        execution: how to compute it.
        reporter: who is told, also what `check` warns of.
        upto: the last stage that will be computed now: what it needs of this machine is checked too.
        place: where the value of a dotted key was written, for messages (`Given.place`).

    Raises:
        ConfigError: the folder holds another run, or what `check` finds.
        SpaceError, DataError: the space or the images cannot be read.
    """
    run = Run(
        config=config,
        execution=execution or Execution(),
        folder=RunFolder(Path(folder) if folder else Path("runs") / config.name),
        reporter=reporter or Silent(),
    )
    document = config.model_dump(mode="json")
    begun = run.folder.run_file.is_file()
    if begun:
        kept = read_json(run.folder.run_file)
        changed = _check_same_run(_with_defaults(kept["config"]), document, run.folder)
    if not begun or changed or remaining(run.folder, upto):
        checked = check(config, run.execution, folder=folder, upto=upto, starting=True, place=place)
        for warning in checked.warnings:
            run.reporter.say(f"warning: {warning}")
    if begun:
        if changed:
            write_json(run.folder.run_file, kept | {"config": document})
        return run
    write_json(
        run.folder.run_file,
        {
            "config": document,
            "space": {"name": run.space.name, "fingerprint": run.space.fingerprint},
            "data": {"name": run.images.name, "fingerprint": run.images.fingerprint},
            "versions": {"nars": nars.__version__, "python": platform.python_version()}
            | {name: version(name) for name in _VERSIONED},
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
    )
    for line in _introduction(run.images, "images"):  # said when they were read, before the run had a folder
        run.keep(line)
    return run


def reopen_run(folder: Path, *, execution: Execution | None = None, reporter: Reporter | None = None) -> Run:
    """The run that a folder holds, by the configuration that it keeps.

    Args:
        folder: of the run, or the family/ in it.
        execution: how to compute.
        reporter: who is told.

    Raises:
        ConfigError: the folder holds no run, or one of a version that is too different.
    """
    home = folder if RunFolder(folder).run_file.is_file() else folder.parent
    file = RunFolder(home).run_file
    if not file.is_file():
        raise ConfigError(f"{folder} holds no run (no {file.name}); give the folder that nars run wrote")
    document = read_json(file)["config"]
    try:
        config = RunConfig.model_validate_json(json.dumps(document))
    except pydantic.ValidationError as error:
        raise ConfigError(
            f"{file} holds a configuration that this version cannot read ({error.errors()[0]['msg']}); use the version "
            f"that wrote it, {read_json(file).get('versions', {}).get('nars', 'an older one')}"
        ) from error
    return open_run(config, home, execution=execution, reporter=reporter)


def _with_defaults(document: dict[str, object]) -> dict[str, object]:
    """A configuration with the keys that have come since it was written."""
    try:
        return RunConfig.model_validate(document).model_dump(mode="json")
    except pydantic.ValidationError:  # keys that are gone show in the comparison
        return document


def _check_same_run(before: dict[str, object], now: dict[str, object], folder: RunFolder) -> bool:
    """Whether something has changed that may: who watches, and how to train before final training has begun."""
    changed = _changes(before, now)
    free = "final." if not folder.training("any").parent.exists() else "final.watch "
    if not all(change.startswith(free) for change in changed):
        raise ConfigError(
            f"{folder.path} holds a run with another configuration ({'; '.join(changed)}); "
            f"go on with the same one, choose another folder with --out, or delete this one"
        )
    return bool(changed)


def _changes(before: object, now: object, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [_changes(before.get(k), now.get(k), f"{key}.{k}".lstrip(".")) for k in sorted({*before, *now})]
        return [line for part in parts for line in part]
    return [] if before == now else [f"{key} was {before!r}, now {now!r}"]


def images_of(
    config: RunConfig, *, resolution: int, whole: bool = False, loaders: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageData:  # fmt: skip
    """The images that a configuration names.

    Args:
        config: names and splits them.
        resolution: side, pixels.
        whole: all classes and all training images, as in final training; else what the search is narrowed to.
        loaders: processes that read streamed images; None is as many as fit.
        progress: called with (images decoded, images in all).

    Raises:
        DataError: they cannot be read.
    """
    data, counted = config.data, config.data.validation >= 1
    return load_images(
        data.name,
        resolution=resolution,
        root=Path(data.root) if data.root else None,
        validation_fraction=0.5 if counted else data.validation,
        validation_images=int(data.validation) if counted else None,
        seed=config.seed,
        max_train=None if whole else data.max_train,
        max_classes=None if whole else data.search_classes,
        streaming=data.streaming,
        loaders=loaders,
        progress=progress,
    )


def introduce(images: ImageData, reporter: Reporter, *, heading: str = "images") -> None:
    """Say what the images are, how they are split and what was passed over."""
    for line in _introduction(images, heading):
        reporter.say(line)


def _introduction(images: ImageData, heading: str) -> list[str]:
    return [f"{heading}: {images.summary}", *(f"  {note}" for note in images.notes)]


def _smallest_resolution(space: Space) -> int:
    numbers = space.columns(np.zeros((1, len(space.dimensions)), dtype=np.int64)).resolution
    return int(numbers[0])
