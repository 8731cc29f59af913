"""What the experiments share: where they are, and arms, each a network that is trained in one way with some seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from nars import network
from nars.files import Value
from nars.files.atomic import write_text
from nars.images import ImageData
from nars.space import AnyArchitecture, Architecture, Population, Space, architecture_costs, read_architecture
from nars.store import Sample, SampleStore
from nars.tasks import Trial
from regime_trials import Regime, RegimeTask, collect, space_of

FIRST_SEED = 100
"""Of an arm: fresh ones, as what was chosen by an accuracy is compared by others."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where an experiment reads and writes, and how it computes."""

    pairs: Path
    """`campaign_pairs.py`'s: the table, the sample, and design.json."""
    out: Path
    """Gets a folder for each experiment."""
    seeds: int | None = None
    """Of each arm; the experiment's own number when None."""
    workers: int = 1
    device: str = "cpu"
    plan: bool = False
    """Train nothing; say how long it will take."""

    @cached_property
    def design(self) -> dict[str, Any]:
        """What the campaign trains."""
        document: dict[str, Any] = json.loads((self.pairs / "design.json").read_text())
        return document

    @cached_property
    def regime(self) -> Regime:
        """How the campaign trains."""
        known = dict(self.design["regime"])
        return Regime(**known | {"flops": tuple(known["flops"])})

    @cached_property
    def images(self) -> ImageData:
        """The campaign's."""
        return self.regime.load()

    @cached_property
    def space(self) -> Space:
        """The campaign's."""
        return space_of(self.regime, self.images)

    @property
    def rehearsed(self) -> bool:
        """Whether all is as small as can be, to see that it works."""
        return self.regime.image_set == "digits"

    @cached_property
    def task(self) -> RegimeTask:
        """The campaign's trainings, with a look at the test images at the end."""
        return RegimeTask(self.images, self.regime, tested=True)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A network and how it is trained."""

    labels: Mapping[str, Value]
    """What it is called, the same names throughout an experiment: columns of its store."""
    network: AnyArchitecture
    recipe: Mapping[str, Any]
    """Settings of `nars.recipe.Recipe`."""
    task: RegimeTask = field(repr=False)
    first_seed: int = FIRST_SEED
    epochs: int | None = None
    """The regime's when None."""

    def trials(self, seeds: int) -> list[Trial]:
        """A training for each seed."""
        epochs = self.epochs or self.task.regime.epochs
        written = {"network": self.network.to_dict(), "recipe": dict(self.recipe)}
        assert not self.labels.keys() & written.keys(), f"labels are named otherwise than {', '.join(written)}"
        return [
            Trial(
                choices=(),
                record=dict(self.labels) | {name: json.dumps(one, sort_keys=True) for name, one in written.items()},
                costs=costs_of(self.network),
                architecture=self.network,
                recipe=self.recipe,
                space="networks and recipes",
                data=self.task.data,
                fidelity=self.task.fidelity(epochs),
                epochs=epochs,
                seed=self.first_seed + seed,
            )
            for seed in range(seeds)
        ]


def kept(file: Path, choose: Callable[[], Any]) -> Any:
    """What was chosen when it was first asked for, as JSON has it, whatever has been measured since."""
    if not file.is_file():
        write_text(file, json.dumps(choose()) + "\n")
    return json.loads(file.read_text(encoding="utf-8"))


def costs_of(architecture: AnyArchitecture) -> dict[str, float]:
    """FLOPs and parameters; of networks of other people counted from the network itself."""
    if isinstance(architecture, Architecture):
        closed = architecture_costs(architecture)
        return {name: float(closed[name]) for name in ("flops", "params")}
    return _counted(json.dumps(architecture.to_dict(), sort_keys=True))


@cache
def _counted(written: str) -> dict[str, float]:
    architecture = read_architecture(json.loads(written))
    found = network.count(network.build(architecture, seed=0), architecture.resolution, architecture.in_channels)
    return {name: float(found[name]) for name in ("flops", "params")}


def arm_of_pair(ground: Ground, row: Population, labels: Mapping[str, Value], *, task: RegimeTask | None = None) -> Arm:
    """A pair of the space, a row (D,)."""
    (architecture,), (recipe,) = ground.space.architectures(row[None]), ground.space.recipes(row[None])
    return Arm(labels=labels, network=architecture, recipe=recipe, task=task or ground.task)


def trained(ground: Ground, folder: Path, arms: Sequence[Arm], seeds: int) -> Iterator[str]:
    """Train what the store lacks of these arms, each outcome kept at once, and say what came out."""
    for _, alike in groupby(arms, key=lambda arm: id(arm.task)):
        these = list(alike)
        by_seed = zip(*(arm.trials(seeds) for arm in these), strict=True)  # all arms with a seed, then the next
        trials = [trial for some in by_seed for trial in some]
        for sample in collect(these[0].task, trials, folder, workers=ground.workers, device=ground.device):
            names = {name: value for name, value in sample.record.items() if name not in ("network", "recipe")}
            value = sample.message if sample.result is None else f"{sample.result:.2f} %"
            said = ", ".join(f"{name} {value}" for name, value in names.items())
            yield f"{said}, seed {sample.seed}: {value}, {sample.seconds:.0f} s"


def outcomes(folder: Path, *names: str) -> dict[tuple[Value, ...], dict[int, float]]:
    """{labels: {seed: accuracy}} of all arms: as `accuracy_of` has it."""
    found: dict[tuple[Value, ...], dict[int, float]] = {}
    for sample in samples_in(folder):
        labels = tuple(sample.record[name] for name in names)
        found.setdefault(labels, {})[sample.seed] = accuracy_of(sample)
    return found


def samples_in(folder: Path) -> list[Sample]:
    """None where nothing was trained yet."""
    return list(SampleStore(folder).samples()) if folder.is_dir() else []


def accuracy_of(sample: Sample, *, classes: int = 10) -> float:
    """On test images where they were looked at; a failed training is a guess."""
    value = sample.also.get("test", sample.result)
    return 100 / classes if value is None or sample.result is None else float(str(value))


def validation_means(folder: Path, *names: str) -> dict[tuple[Value, ...], float]:
    """{labels: mean validation accuracy over seeds}, which choices are made by."""
    found: dict[tuple[Value, ...], list[float]] = {}
    for sample in samples_in(folder):
        labels = tuple(sample.record[name] for name in names)
        found.setdefault(labels, []).append(accuracy_of(replace(sample, also={})))
    return {labels: float(np.mean(values)) for labels, values in found.items()}


@dataclass(frozen=True, kw_only=True)
class Step:
    """Some trainings of an experiment, for its plan."""

    what: str
    trainings: int
    folder: Path
    """Where those that are done are."""
    seconds: float
    """Of one, on a core."""


def hours(steps: Sequence[Step]) -> Iterator[str]:
    """What there is to train, what is there, and how long the rest takes; trainings that are there say how long."""
    total = 0.0
    for step in steps:
        samples = samples_in(step.folder)
        left = max(step.trainings - len(samples), 0)
        known = [float(str(sample.also.get("cpu_seconds", sample.seconds))) for sample in samples]
        seconds = float(np.mean(known)) if known else step.seconds
        total += left * seconds / 3600
        yield f"  {step.what}: {step.trainings} trainings, {left} to come, {seconds:.0f} s each"
    yield f"  {total:.2f} h of one core"
