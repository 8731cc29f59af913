"""Final training: the largest member on labels, then every member, itself included, by distillation from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch import nn

from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule
from nars.space import Architecture
from nars.stages.run import Run
from nars.stages.searching import Member, search
from nars.train import EpochReport, MemberResult, train_member

TEACHER = "teacher"
"""Name of the largest member's first training, on labels alone."""


def train(run: Run) -> dict[str, MemberResult]:
    """Two-step distillation (FBNetV3, section 4.3); returns the result of each member by name.

    Each training goes on from its last checkpoint; one that is done is not repeated.
    """
    members = search(run)
    largest = max(members, key=lambda member: member.costs["flops"])
    first = _train(run, largest, name=TEACHER, teacher=None, resolution=None)
    teacher = network_of(run, largest, first.weights)
    results = {}
    for member in sorted(members, key=lambda member: -member.costs["flops"]):
        result = _train(run, member, name=member.name, teacher=teacher, resolution=largest.record["resolution"])
        results[member.name] = result
    return results


def architecture_of(run: Run, member: Member) -> Architecture:
    """The network of a member, with the classes of final training."""
    (architecture,) = run.space.architectures(np.array([member.choices], dtype=np.int64))
    return replace(architecture, classes=len(run.final_images.classes))


def recipe_of(run: Run, member: Member) -> Recipe:
    """The recipe that was found with it; label smoothing is that of final training unless it was searched."""
    (recipe,) = run.space.recipes(np.array([member.choices], dtype=np.int64))
    return Recipe.from_dict({"label_smoothing": run.config.final.label_smoothing} | recipe)


def _train(run: Run, member: Member, *, name: str, teacher: nn.Module | None, resolution: int | None) -> MemberResult:
    config, folder = run.config.final, run.folder.training(name)
    known = (folder / "result.json").is_file()
    how = "on labels, to be the teacher" if teacher is None else "by distillation"
    with run.reporter.bar(f"final training: {member.name} {how}", config.epochs) as advance:

        def on_epoch(report: EpochReport) -> None:
            accuracy = report.accuracy if report.ema_accuracy is None else report.ema_accuracy
            steps = report.epoch - seen[0]
            seen[0] = report.epoch
            advance(steps, f"{accuracy:.2f} %")

        seen = [0]
        result = train_member(
            architecture_of(run, member),
            recipe_of(run, member),
            run.final_images,
            folder=folder,
            seed=run.config.seed,
            schedule=Schedule(
                epochs=config.epochs, warmup_epochs=config.warmup_epochs, kind=config.schedule, decay=config.decay
            ),
            batch_size=config.batch_size,
            device=run.execution.device,
            augmentation=Augmentation(crop=run.config.data.crop, flip=run.config.data.flip),
            ema_decay=config.ema_decay,
            teacher=teacher,
            teacher_resolution=resolution,
            distillation=config.distillation,
            on_epoch=on_epoch,
        )
    if not known:
        run.log(f"final training: {member.name} {how}: validation {result.validation_accuracy:.2f} %")
    return result


def network_of(run: Run, member: Member, weights: Path) -> nn.Module:
    """The network of a member with trained weights."""
    model = build(architecture_of(run, member), seed=None)
    model.load_state_dict(load_file(weights))
    return model
