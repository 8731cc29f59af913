"""The trained network that is compressed, with what it was trained on and by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from nars.errors import ConfigError
from nars.export import MemberConfig, timm_name
from nars.images import ImageData
from nars.metric import Metric
from nars.printing import brief_repr
from nars.recipe import Recipe
from nars.run import Reporter, Run, RunConfig
from nars.run.folder import run_in
from nars.run.given import kept_config
from nars.space import AnyArchitecture, read_architecture
from nars.stages.answer_folder import TRAINING
from nars.stages.finished import check_stage, load_trained, needed
from nars.stages.members import read_family
from nars.stages.training import architecture_of, network_of, recipe_of
from nars.studies.exporting_other import images_of_training, of_a_family, refuse_overrides, training_of
from nars.train import load_trained as load_network, read_trained

COMPRESSED = "compressed"
"""Folder of the results, in a run's or beside a training."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained network."""

    __repr__ = brief_repr

    name: str
    """As people call it, e.g. "4M"."""
    network: nn.Module
    """In eval mode, on the CPU."""
    architecture: AnyArchitecture
    recipe: Recipe
    """That it was trained by."""
    run: RunConfig
    """That it was trained in: final training, seed."""
    images: ImageData
    """At its resolution."""
    home: Path
    """Where its compressed forms go if nobody says otherwise."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Dotted keys of `run` that are other than it was trained by; not those of where its images lie."""

    @property
    def metric(self) -> Metric:
        """By which its smaller forms are judged."""
        return self.run.measured

    @property
    def point(self) -> float:
        """What is worth a percentage point, in the metric's unit: of a log loss, a hundredth of what guessing has."""
        return 1.0 if self.metric.unit == "%" else math.log(len(self.images.classes)) / 100

    @property
    def config(self) -> MemberConfig:
        """What a file of it says of itself."""
        return MemberConfig(
            name=timm_name(self.run.name, self.name),
            architecture=self.architecture,
            classes=self.images.classes,
            mean=tuple(self.images.mean.tolist()),
            std=tuple(self.images.std.tolist()),
            array_side=self.images.array_side,
            evaluation_crop=self.images.evaluation_crop,
            multi_label=self.images.multi_label,
        )


def find_source(place: str | Path, reporter: Reporter, overrides: Mapping[str, Any] | None = None) -> Source:
    """The trained network of a folder: a member's, an answer's, a scaled network's, or one that was trained by itself.

    Args:
        place: the folder.
        reporter: who is told.
        overrides: dotted keys of the run configuration that it was trained by; not of a member, whose run has its own.

    Raises:
        ConfigError: nothing is trained there, the folder is a run's, or a key cannot be changed.
        DataError: its images are gone, or others.
        TrainError: its files are damaged.
    """
    if (run := run_in(place)) is not None:
        raise ConfigError(
            f"nars compress takes one network, {place} is a run: name one of its members, e.g. {run.path}/family/500k"
        )
    if (member := of_a_family(place, reporter)) is not None:
        refuse_overrides(*member, overrides)
        return _member(*member)
    training = training_of(place, "nars compress")
    about = read_trained(training)
    config = kept_config(about.config, overrides or {}, source=str(training)).config
    architecture = read_architecture(about.architecture)
    return Source(
        name=about.name,
        network=load_network(training),
        architecture=architecture,
        recipe=Recipe.from_dict(dict(about.recipe)),
        run=config,
        images=images_of_training(about, config, training, reporter),
        home=(training.parent if training.name == TRAINING else training) / COMPRESSED,
        changed={key: value for key, value in (overrides or {}).items() if key not in ("data.name", "data.root")},
    )


def _member(run: Run, name: str) -> Source:
    check_stage(run, "export")
    family = read_family(run)
    trained = needed(run, "export", load_trained(run, family))
    (member,) = [one for one in family.members if one.name == name]
    architecture = architecture_of(run, member)
    return Source(
        name=name,
        network=network_of(run, member, trained.results[name].weights).eval(),
        architecture=architecture,
        recipe=recipe_of(run, member),
        run=run.config,
        images=run.final_images.seen_by(architecture),
        home=run.folder.path / COMPRESSED / name,
    )
