"""Claim 7: averaged weights, and distillation by a teacher that knows more: larger, trained longer, on more images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from campaign_arms import FIRST_SEED, Ground, Step, arm_of_pair, hours, trained
from campaign_pairs import USUAL_RECIPES, usual_recipe
from nars import network
from nars.files import Value
from nars.images import ImageData
from nars.recipe import Teaching
from nars.space import Architecture, Population
from nars.train import teaching_for
from regime_trials import Regime, RegimeTask

RESOLUTION = 16
"""Of teacher and pupils, so that the teacher sees what the pupils do as it has learned to."""

PUPILS = {"small": 0.25, "middle": 0.5}
"""How far along its choices every setting of the network is."""

_TEACHER = 0.75

SEEDS = 5


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way to train a pupil; all zeros are labels alone."""

    weight: float = 0.0
    """Of the teacher's part of the loss."""
    temperature: float = 0.0
    decay: float = 0.0
    """Of the averaged weights, which count."""


PAPERS = Variant(weight=0.8, temperature=1.0, decay=0.97)
"""The paper's: both, most of the loss by the teacher. Decided on before anything was trained."""

VARIANTS = (
    Variant(),
    PAPERS,
    Variant(decay=0.97),
    Variant(decay=0.99),
    Variant(weight=0.5, temperature=1.0),
    Variant(weight=0.8, temperature=1.0),
    Variant(weight=0.8, temperature=4.0),
    Variant(weight=1.0, temperature=4.0),
)


def teacher(ground: Ground) -> Iterator[str]:
    """The teacher, then each pupil in each way."""
    folder = ground.out / "teacher"
    pupils = dict(list(PUPILS.items())[-1:]) if ground.rehearsed else PUPILS
    variants, seeds = (VARIANTS[:2], 2) if ground.rehearsed else (VARIANTS, ground.seeds or SEEDS)
    if ground.plan:
        yield from hours(
            [
                Step(what="the teacher", trainings=1, folder=folder / "teacher", seconds=900),
                Step(
                    what="pupils", trainings=len(pupils) * len(variants) * seeds, folder=folder / "samples", seconds=30
                ),
            ]
        )
        return
    data = _lessons(ground).load()
    _check_apart(data, ground.images)
    weights = folder / "teacher.safetensors"
    task = RegimeTask(data, _lessons(ground), tested=True, keep=weights)
    arm = arm_of_pair(ground, _pair(ground, _TEACHER), {"model": "teacher"}, task=task)
    yield from trained(ground, folder / "teacher", [replace(arm, first_seed=0)], 1)
    if not weights.is_file():
        yield f"the teacher's training failed, see {folder / 'teacher'}"
        return
    assert isinstance(arm.network, Architecture)
    model = _known(arm.network, weights)
    arms = []
    for variant in variants:
        task = _task(ground, variant, model, arm.network, data)
        for name, place in pupils.items():
            labels: dict[str, Value] = {
                "pupil": name,
                "weight": variant.weight,
                "temperature": variant.temperature,
                "decay": variant.decay,
            }
            arms.append(arm_of_pair(ground, _pair(ground, place), labels, task=task))
    yield from trained(ground, folder / "samples", arms, seeds)


def _lessons(ground: Ground) -> Regime:
    """The teacher's training: six times the images, half as often again."""
    factor = 1 if ground.rehearsed else 6
    return replace(ground.regime, images=factor * ground.regime.images, epochs=ground.regime.epochs * 3 // 2)


def _check_apart(more: ImageData, few: ImageData) -> None:
    """See that the teacher has learned nothing of the images that pupils are judged by."""
    same = all(torch.equal(a.labels, b.labels) for a, b in ((more.validation, few.validation), (more.test, few.test)))
    if not same:
        raise SystemExit("the teacher's validation images must be those of the pupils; they differ")


def _pair(ground: Ground, place: float) -> Population:
    """A row (D,): every choice of the network so far along its list, the usual recipe of a ResNet."""
    space = ground.space
    row = usual_recipe(space, USUAL_RECIPES["sgd"])
    columns = space.columns_of("architecture")
    row[columns] = np.floor(place * (space.cardinalities[columns] - 1) + 0.5).astype(np.int64)
    row[space.index["resolution"]] = space.values("resolution").index(RESOLUTION)
    return np.asarray(space.canonical(row[None])[0], dtype=np.int64)


def _known(architecture: Architecture, weights: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    model = network.build(architecture, seed=None)
    model.load_state_dict(load_file(weights))
    return model.eval()


def _task(
    ground: Ground, variant: Variant, model: torch.nn.Module, architecture: Architecture, data: ImageData
) -> RegimeTask:
    decay = variant.decay or None
    if not variant.weight:
        return replace(ground.task, ema_decay=decay)
    own = data.at(RESOLUTION)
    teaching = Teaching(
        network=model,
        weight=variant.weight,
        temperature=variant.temperature,
        normalization=(tuple(own.mean.tolist()), tuple(own.std.tolist())),
    )
    taught = teaching_for(architecture, teaching, ground.images.at(RESOLUTION))
    return replace(ground.task, teaching=taught, teacher=f"seed {FIRST_SEED}, {data.fingerprint}", ema_decay=decay)
