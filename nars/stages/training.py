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
from nars.recipe import ALONE, Augmentation, Peers, Recipe, Schedule, joined_peers
from nars.space import Architecture
from nars.stages.config import RunConfig
from nars.stages.outlook import together
from nars.stages.progress import Silent
from nars.stages.run import Run
from nars.stages.searching import Member, finished_family, search
from nars.stages.teaching import LARGEST, NONE, outside_teacher
from nars.stages.watching import watching
from nars.train import RESULT, EpochReport, MemberJob, MemberResult, train_members

TEACHER = "teacher"
"""Name of the teaching member's first training, on labels alone."""


def train(run: Run) -> dict[str, MemberResult]:
    """Two-step distillation (FBNetV3, section 4.3); returns the result of each member by name.

    Each training goes on from its last checkpoint; one that is done is not repeated. Processes that `torchrun` started
    train each network together, with batch norm over all of them; they need a finished search.

    Raises:
        ConfigError: several processes without a finished search, or a teacher that does not fit.
        DivergedError: the loss of a training is not finite.
        TrainError: a training of other settings is in the folder, or a worker died; starting again goes on.
    """
    with joined_peers(run.execution.device) as (peers, device):
        execution = run.execution.model_copy(update={"device": device})
        if peers.count > 1:
            finished_family(run, f"final training shared by {peers.count} processes")
            execution = execution.model_copy(update={"workers": 1})
        return _train_family(run.computed(execution, run.reporter if peers.first else Silent()), peers)


def architecture_of(run: Run, member: Member) -> Architecture:
    """The network of a member, with the classes of final training."""
    (architecture,) = run.space.architectures(np.array([member.choices], dtype=np.int64))
    return replace(architecture, classes=len(run.final_images.classes))


def recipe_of(run: Run, member: Member) -> Recipe:
    """The recipe that was found with it; label smoothing is that of final training unless it was searched."""
    (recipe,) = run.space.recipes(np.array([member.choices], dtype=np.int64))
    return Recipe.from_dict({"label_smoothing": run.config.final.label_smoothing} | recipe)


def network_of(run: Run, member: Member, weights: Path) -> nn.Module:
    """The network of a member with trained weights."""
    model = build(architecture_of(run, member), seed=None)
    model.load_state_dict(load_file(weights))
    return model


def final_options(config: RunConfig) -> dict[str, Any]:
    """How every network of final training is trained: arguments of `nars.train.train_network`."""
    final, data = config.final, config.data
    return {
        "schedule": Schedule(
            epochs=final.epochs, warmup_epochs=final.warmup_epochs, kind=final.schedule, decay=final.decay
        ),
        "batch_size": final.batch_size,
        "augmentation": Augmentation(crop=data.crop, flip=data.flip, policy=final.policy, erasing=final.erasing),
        # The recipe was found at the search's batch size.
        "learning_rate_scale": final.batch_size / config.collect.batch_size if final.scale_learning_rate else 1.0,
        "ema_decay": final.ema_decay,
        "distillation": final.distillation,
        "accumulation": final.accumulation,
        "amp": final.amp == "bf16",
        "channels_last": final.channels_last,
        "compiler": "inductor" if final.compile else None,
    }


def _train_family(run: Run, peers: Peers) -> dict[str, MemberResult]:
    members = search(run)
    done = {member.name: run.folder.training(member.name) / RESULT for member in members}
    if all(file.is_file() for file in done.values()):
        return {name: MemberResult.load(file) for name, file in done.items()}
    teacher, resolution = _teacher(run, members, peers)
    jobs = [_job(run, member, member.name) for member in sorted(members, key=lambda member: -member.costs["flops"])]
    how = "on labels" if teacher is None else "by distillation"
    return _train(run, jobs, how, peers=peers, teacher=teacher, teacher_resolution=resolution)


def _teacher(run: Run, members: Sequence[Member], peers: Peers) -> tuple[nn.Module | None, int | None]:
    """The trained teacher and the resolution of its images; a member is trained on labels first."""
    final = run.config.final
    if final.teacher == NONE:
        return None, None
    by_name = {member.name: member for member in members}
    if final.teacher == LARGEST:
        member = max(members, key=lambda member: member.costs["flops"])
    elif final.teacher in by_name:
        member = by_name[final.teacher]
    else:
        return outside_teacher(final, run.final_images)
    first = _train(run, [_job(run, member, TEACHER)], f"on labels ({member.name})", peers=peers)
    resolution = final.teacher_resolution or architecture_of(run, member).resolution
    return network_of(run, member, first[TEACHER].weights), resolution


def _job(run: Run, member: Member, name: str) -> MemberJob:
    return MemberJob(
        name=name,
        architecture=architecture_of(run, member),
        recipe=recipe_of(run, member),
        folder=run.folder.training(name),
        seed=run.config.seed,
    )


def _train(
    run: Run, jobs: Sequence[MemberJob], how: str, *, peers: Peers = ALONE, **teaching: Any
) -> dict[str, MemberResult]:
    """Train some networks side by side, and say how they stand."""
    run.outlook.begin_final()
    config, done = run.config.final, dict.fromkeys((job.name for job in jobs), 0)
    with (
        run.reporter.bar(f"final training: {how}", config.epochs * len(jobs)) as advance,
        watching(config.watch if peers.first else (), folder=run.folder.path, name=run.config.name) as watch,
    ):

        def on_epoch(name: str, report: EpochReport) -> None:
            accuracy = report.accuracy if report.ema_accuracy is None else report.ema_accuracy
            step, done[name] = report.epoch - done[name], report.epoch
            left = run.outlook.epochs(sum(done.values()), config.epochs * len(jobs), teacher=jobs[0].name == TEACHER)
            advance(step, together(f"{name} {accuracy:.2f} %", left))
            watch(name, report)

        results = train_members(
            jobs,
            run.final_images,
            workers=1 if run.execution.engine == "in-process" else run.execution.workers or None,
            device=run.execution.device,
            on_epoch=on_epoch,
            peers=peers,
            **final_options(run.config),
            **teaching,
        )
    if peers.first:
        for name, result in results.items():
            run.log(f"final training: {name} {how}: validation {result.validation_accuracy:.2f} %")
    return results
