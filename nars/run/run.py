"""A run: its configuration, its folder, its space and its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nars.errors import DataError
from nars.files.atomic import append_line
from nars.metric import Metric
from nars.parallel import local_processes, worker_devices
from nars.run.config import Execution, RunConfig
from nars.run.folder import RunFolder, read_json
from nars.run.identity import DataFacts, check_images
from nars.run.outlook import Outlook
from nars.run.progress import Reporter, Silent, counting
from nars.space import Space, latency_costs, load_space

if TYPE_CHECKING:
    from nars.images import ImageData
    from nars.images.unsplit import Source
    from nars.run.clock import Clock

_LOADED = ("space", "images", "final_images")


@dataclass(frozen=True, kw_only=True)
class Run:
    """An opened run; the stages take it and leave their results in its folder."""

    config: RunConfig
    execution: Execution
    folder: RunFolder
    reporter: Reporter
    loaded: ImageData | None = field(default=None, repr=False, compare=False)
    """The images of the search, where opening the run has loaded them."""
    source: Source | None = field(default=None, repr=False, compare=False)
    """The files of an image folder, where opening the run has listed them."""
    clock: Clock | None = field(default=None, repr=False, compare=False)
    """The time that it was given (`nars run --time`); None where it takes what it takes."""

    def __repr__(self) -> str:
        budgets = "; ".join(map(str, self.config.budgets))
        return f"<Run {self.config.name} in {self.folder.path}: space {self.config.space}, budgets {budgets}>"

    @cached_property
    def space(self) -> Space:
        """The run's own copy of the space, with classes and image channels of the data, and latency if it is a cost."""
        space = load_space(
            self.folder.space_file, classes=self.data_facts.count, in_channels=self.data_facts.in_channels
        )
        if self.config.latency is None:
            return space
        return space.with_table(latency_costs(space, self.folder.table_file, named=str(self.folder.path)))

    @cached_property
    def data_facts(self) -> DataFacts:
        """What is known of the images without them."""
        return DataFacts.of(read_json(self.folder.run_file)["data"])

    @cached_property
    def images(self) -> ImageData:
        """The images of the search, at the smallest resolution that the space asks for (`images.at` gives others).

        Raises:
            DataError: they cannot be read, or are not those that the run began with.
        """
        if self.loaded is not None:  # and introduced, and looked at
            return self.loaded
        images = self._read_images()
        check_images(self.folder, images, self.config)
        introduce(images, self.reporter.say)
        return images

    @cached_property
    def final_images(self) -> ImageData:
        """The images of final training: all classes and all training images.

        Raises:
            DataError: as for `images`.
        """
        if self.config.images.max_train is None and self.config.images.search_classes is None:
            return self.images
        images = self._read_images(whole=True)
        check_images(self.folder, images, self.config, whole=True)
        introduce(images, self.reporter.say, heading="final training")
        return images

    def _read_images(self, *, whole: bool = False) -> ImageData:
        resolution = smallest_resolution(load_space(self.folder.space_file))
        try:
            return read_images(
                self.config,
                resolution=resolution,
                whole=whole,
                execution=self.execution,
                reporter=self.reporter,
                source=self.source,
            )
        except DataError as error:
            raise DataError(
                f"the images of the run in {self.folder.path} are needed now, and reading them from "
                f"{self.config.images.name} gave: {error} If they are at another place by now, name it: "
                f"--set data.name=imagefolder:PATH"
            ) from error

    @cached_property
    def outlook(self) -> Outlook:
        """How long the rest takes; the stages tell it what they have done."""
        slots = trainings_at_once(self.execution)
        if not self.config.trains_images:
            return Outlook(self.config, slots=slots)
        whole = self.images.available if self.config.images.max_train else len(self.images.train)
        return Outlook(self.config, slots=slots, images=whole / len(self.images.train))

    def left(self, estimate: str) -> str:
        """How long all of it still takes, in words: an estimate, or what is left of the time that the run was given."""
        return estimate if self.clock is None else self.clock.spelled

    @cached_property
    def final_classes(self) -> int:
        """Number of classes in final training; the images are asked only where the search has fewer."""
        if self.config.images.search_classes is None:
            assert self.data_facts.count is not None
            return self.data_facts.count
        known = read_json(self.folder.run_file).get("final_data")
        return len(self.final_images.classes) if known is None else DataFacts.of(known).count or 0

    @cached_property
    def origin(self) -> str:
        """Hash of all that decides the samples of this run; what its stages leave carries it."""
        return str(read_json(self.folder.run_file)["origin"])

    def is_own(self, origin: object) -> bool:
        """Whether a file in the run's folder is of this run, by the origin that it carries; in an earlier version's
        runs, None."""
        return origin == self.origin or (origin is None and "earlier" in read_json(self.folder.run_file))

    def rounds_of(self, document: Mapping[str, Any]) -> int:
        """Rounds of stage 2 that a file was made after; an earlier version's does not say."""
        earlier = read_json(self.folder.run_file).get("earlier", {}).get("rounds", self.config.collect.rounds)
        return int(document.get("rounds", earlier))

    @property
    def metric(self) -> Metric:
        """What candidates are measured by."""
        return self.config.measured

    @cached_property
    def binned(self) -> str | None:
        """The cost whose range stage 2 cuts into bins: the first that is bounded, else FLOPs, else the space's first;
        None where there are no costs."""
        costs = self.space.cost_names
        return next((name for name in (*self.config.range, "flops", *costs) if name in costs), None)

    def computed(self, execution: Execution, reporter: Reporter) -> Run:
        """The same run, computed in another way; what is loaded already is not loaded (and introduced) again."""
        return self._with_loaded(replace(self, execution=execution, reporter=reporter))

    def configured(self, config: RunConfig) -> Run:
        """The same run with keys that may change as it stands."""
        return self._with_loaded(replace(self, config=config))

    def _with_loaded(self, other: Run) -> Run:
        other.__dict__.update({name: self.__dict__[name] for name in _LOADED if name in self.__dict__})
        return other

    def rng(self, purpose: int, *more: int) -> np.random.Generator:
        """The generator for one purpose of this run: the same whenever and wherever it is asked for."""
        return np.random.default_rng([self.config.seed, purpose, *more])

    def log(self, text: str) -> None:
        """Say a line and keep it in the run's log."""
        self.reporter.say(text)
        append_line(self.folder.log_file, f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} {text}")


def read_images(
    config: RunConfig,
    *,
    resolution: int,
    execution: Execution | None = None,
    reporter: Reporter | None = None,
    whole: bool = False,
    source: Source | None = None,
) -> ImageData:
    """The images that a configuration names.

    Args:
        config: names and splits them.
        resolution: side, pixels.
        execution: in-process means that no process beside this one reads streamed images either.
        reporter: shows a bar.
        whole: all classes and all training images, as in final training; else what the search is narrowed to.
        source: the files of an image folder, where they are listed already.

    Raises:
        DataError: they cannot be read.
    """
    from nars.images import load_images

    data, counted = config.images, config.images.validation >= 1
    with counting(reporter or Silent(), "reading images") as progress:
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
            loaders=0 if execution is not None and execution.engine == "in-process" else None,
            copies=_copies(execution),
            whole=data.cropping == "resized",
            evaluation_crop=data.evaluation_crop,
            group_column=data.group_column,
            near_copies=data.near_copies,
            progress=progress,
            source=source,
        )


def trainings_at_once(execution: Execution) -> int:
    """How many train side by side; of a Ray cluster, whose devices are its own, as many as would on this machine."""
    if execution.engine == "in-process":
        return 1
    device = "cpu" if execution.engine == "ray" else execution.device
    return execution.workers or len(worker_devices(device, per_gpu=execution.per_gpu))


def _copies(execution: Execution | None) -> int:
    """Of the images in this machine's memory: workers share them, processes of torchrun do not; each crops its own."""
    if (processes := local_processes()) > 1:
        return 2 * processes
    return 2 if execution is None else 1 + trainings_at_once(execution)


def introduce(images: ImageData, say: Callable[[str], None], *, heading: str = "images") -> None:
    """Say what the images are, how they are split and what was passed over."""
    say(f"{heading}: {images.summary}")
    for note in images.notes:
        say(f"  {note}")


def smallest_resolution(space: Space) -> int:
    """Side of the smallest images that a space of networks asks for, pixels."""
    return int(space.values("resolution")[0])
