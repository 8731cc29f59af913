"""Final training: the largest member on labels, then every member, itself included, by distillation from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file
from torch import nn

from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule
from nars.space import Architecture, SpaceError, read_document
from nars.stages.config import ConfigError, Data, Final, RunConfig
from nars.stages.progress import Reporter
from nars.stages.run import Run, images_of
from nars.stages.searching import Member, search
from nars.train import RESULT, EpochReport, MemberJob, MemberResult, timm_network, train_members, train_network

TEACHER = "teacher"
"""Name of the largest member's first training, on labels alone."""


def train(run: Run) -> dict[str, MemberResult]:
    """Two-step distillation (FBNetV3, section 4.3); returns the result of each member by name.

    Each training goes on from its last checkpoint; one that is done is not repeated.

    Raises:
        DivergedError: the loss of a training is not finite.
        TrainError: a training of other settings is in the folder, or a worker died; starting again goes on.
    """
    members = search(run)
    done = {member.name: run.folder.training(member.name) / RESULT for member in members}
    if all(file.is_file() for file in done.values()):
        return {name: MemberResult.load(file) for name, file in done.items()}
    largest = max(members, key=lambda member: member.costs["flops"])
    first = _train(run, [_job(run, largest, TEACHER)], f"on labels ({largest.name})", teacher=None)
    teacher = network_of(run, largest, first[TEACHER].weights)
    jobs = [_job(run, member, member.name) for member in sorted(members, key=lambda member: -member.costs["flops"])]
    return _train(
        run, jobs, "by distillation", teacher=teacher, teacher_resolution=architecture_of(run, largest).resolution
    )


def architecture_of(run: Run, member: Member) -> Architecture:
    """The network of a member, with the classes of final training."""
    (architecture,) = run.space.architectures(np.array([member.choices], dtype=np.int64))
    return replace(architecture, classes=len(run.final_images.classes))


def recipe_of(run: Run, member: Member) -> Recipe:
    """The recipe that was found with it; label smoothing is that of final training unless it was searched."""
    (recipe,) = run.space.recipes(np.array([member.choices], dtype=np.int64))
    return Recipe.from_dict({"label_smoothing": run.config.final.label_smoothing} | recipe)


def _job(run: Run, member: Member, name: str) -> MemberJob:
    return MemberJob(
        name=name,
        architecture=architecture_of(run, member),
        recipe=recipe_of(run, member),
        folder=run.folder.training(name),
        seed=run.config.seed,
    )


def _train(run: Run, jobs: Sequence[MemberJob], how: str, **teaching: Any) -> dict[str, MemberResult]:
    """Train some networks side by side, and say how they stand."""
    config, done = run.config.final, dict.fromkeys((job.name for job in jobs), 0)
    with run.reporter.bar(f"final training: {how}", config.epochs * len(jobs)) as advance:

        def on_epoch(name: str, report: EpochReport) -> None:
            accuracy = report.accuracy if report.ema_accuracy is None else report.ema_accuracy
            advance(report.epoch - done[name], f"{name} {accuracy:.2f} %")
            done[name] = report.epoch

        results = train_members(
            jobs,
            run.final_images,
            workers=run.execution.workers or None,
            device=run.execution.device,
            on_epoch=on_epoch,
            **_options(config, run.config.data),
            **teaching,
        )
    for name, result in results.items():
        run.log(f"final training: {name} {how}: validation {result.validation_accuracy:.2f} %")
    return results


def train_other(
    config: RunConfig, model: str, recipe: Path, *, folder: Path, resolution: int, device: str, reporter: Reporter
) -> MemberResult:
    """Train any timm network with a searched recipe, on the images and with the schedule of a run configuration.

    Args:
        config: images, seed and final training are taken from it.
        model: timm's name, e.g. "timm:resnet18".
        recipe: a member's recipe.yaml.
        folder: gets checkpoint, weights and result; started again it goes on.
        resolution: side of the images, pixels.
        device: where.
        reporter: who is told.

    Raises:
        ConfigError: the recipe's file cannot be read.
        RecipeError, TrainError, DataError: a wrong setting, an unknown model, missing images.
    """
    settings = Recipe.from_dict(read_mapping(recipe, "a recipe"))
    images = images_of(config, resolution=resolution, whole=True)
    network = timm_network(model, images, recipe=settings, seed=config.seed)
    with reporter.bar(f"training {model}", config.final.epochs) as advance:
        return train_network(
            network, settings, images, folder=folder, seed=config.seed, device=device, threads=1,
            on_epoch=lambda report: advance(1, f"{report.accuracy:.2f} %"), **_options(config.final, config.data),
        )  # fmt: skip


def read_mapping(file: Path, what: str) -> dict[str, Any]:
    """The settings in a YAML file.

    Args:
        file: e.g. a member's recipe.yaml.
        what: it should hold, for the message.

    Raises:
        ConfigError: no such file, or no mapping in it.
    """
    try:
        content = read_document(file).content
    except SpaceError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must hold {what} (a mapping of settings), got {content!r}; take one that nars wrote")
    return content


def _options(final: Final, data: Data) -> dict[str, Any]:
    """How every network of final training is trained."""
    return {
        "schedule": Schedule(
            epochs=final.epochs, warmup_epochs=final.warmup_epochs, kind=final.schedule, decay=final.decay
        ),
        "batch_size": final.batch_size,
        "augmentation": Augmentation(crop=data.crop, flip=data.flip, policy=final.policy, erasing=final.erasing),
        "ema_decay": final.ema_decay,
        "distillation": final.distillation,
    }


def network_of(run: Run, member: Member, weights: Path) -> nn.Module:
    """The network of a member with trained weights."""
    model = build(architecture_of(run, member), seed=None)
    model.load_state_dict(load_file(weights))
    return model
