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
from nars.space import Architecture
from nars.stages.run import Run
from nars.stages.searching import Member, search
from nars.train import RESULT, EpochReport, MemberJob, MemberResult, train_members

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
            schedule=Schedule(
                epochs=config.epochs, warmup_epochs=config.warmup_epochs, kind=config.schedule, decay=config.decay
            ),
            batch_size=config.batch_size,
            augmentation=Augmentation(crop=run.config.data.crop, flip=run.config.data.flip),
            ema_decay=config.ema_decay,
            distillation=config.distillation,
            **teaching,
        )
    for name, result in results.items():
        run.log(f"final training: {name} {how}: validation {result.validation_accuracy:.2f} %")
    return results


def network_of(run: Run, member: Member, weights: Path) -> nn.Module:
    """The network of a member with trained weights."""
    model = build(architecture_of(run, member), seed=None)
    model.load_state_dict(load_file(weights))
    return model
