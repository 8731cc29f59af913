"""From a plan for a time to a run configuration: which space, what to begin with, every key with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.files import Value
from nars.run.planning import FINE_TUNED, FROM_SCRATCH, Lengths, Networks, Photos, TimePlan
from nars.run.starting import start_row
from nars.space import (
    Bounds,
    Population,
    Space,
    dump_yaml,
    enumerate_architectures,
    load_space,
    shipped,
    shorten,
    sobol,
    space_files,
)

GOOD_RECIPES: Mapping[bool, Mapping[str, Value]] = {
    True: {
        **{"optimizer": "adamw", "learning_rate": 0.001, "layer_decay": 0.8, "head_factor": 3, "freeze": "none"},
        **{"weight_decay": 0.01, "dropout": 0.1, "stochastic_depth": 0.0, "mixup": 0.0, "label_smoothing": 0.1},
        **{"augment": "none", "ema": True, "loss": "cross_entropy", "class_balance": "none"},
    },
    False: {
        **{"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.01, "dropout": 0.1, "ema": True},
        **{"stochastic_depth": 0.05, "mixup": 0.1, "label_smoothing": 0.1, "augment": "trivialaugment"},
        **{"erasing": 0.1, "loss": "cross_entropy", "class_balance": "none"},
    },
}
"""What to begin with, by whether networks are pretrained: {setting: value}. Of a space the nearest that it has."""

SMALL = 40
"""Pixels of a typical image's shorter side below which images are no photos."""

_SAMPLED = 256
"""Networks of a space that is too large to be listed, among which the one to begin with is chosen."""

_WINDOW = (0.4, 1.3)
"""FLOPs of the networks that are searched, times those of the network to begin with."""

_BATCH, _FEW_BATCH, _FEW = 32, 16, 1000
"""Images of a step, the same where few are fine-tuned on, and how many those are at most: of 394, five epochs in steps
of 16 end at 72.5 % of 222 validation and test images, in steps of 32 at 68.9 %."""

_LISTED = 50_000
"""Architectures of a space that are listed, at most."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """What a plan is made on top of."""

    config: str
    """A built-in run configuration."""
    space: str
    """Built-in, or a file."""
    reason: str


def base_for(photos: Photos, limits: Bounds, *, weights: Sequence[str], named: str | None = None) -> Base:
    """The run configuration and the space for some photos.

    Args:
        photos: to train on.
        limits: on the network.
        weights: of the space finetune's models, those whose weights can be had here.
        named: the space, where somebody names one.
    """
    if named is not None:
        kind = load_space(named).kind
        return Base(config=_config_of(kind), space=named, reason=f"{named} was named")
    why = f"photos of about {photos.side} px, "
    if weights and photos.side >= SMALL and limits.high("flops") >= _least("finetune"):
        return Base(config="finetune", space="finetune", reason=f"{why}and the weights of {len(weights)} networks")
    lack = "the limits leave no pretrained network"
    if not weights:
        lack = "no pretrained weights are kept here, and none can be downloaded"
    if photos.side < SMALL:
        return Base(config="photos-64", space="cifar10", reason=f"small images (about {photos.side} px)")
    fitting = [
        name
        for name, side in (("photos-128", 128), ("photos-96", 96), ("photos-64", 64))
        if photos.side >= 0.75 * side and limits.high("flops") >= _least(name)
    ]
    name = fitting[0] if fitting else "photos-64"
    return Base(config="photos-64", space=name, reason=f"{why}from scratch: {lack}")


def _config_of(kind: str) -> str:
    return "finetune" if kind in ("timm", "members") else "photos-64"


def _least(name: str) -> float:
    """FLOPs from which a built-in space is searched."""
    return load_space(name).range.limits["flops"][0]


def is_pretrained(space: Space) -> bool:
    """Whether its networks start from weights."""
    return "weights" in space.settings and set(space.values("weights")) != {"none"}


def lengths_for(space: Space) -> Lengths:
    """How long its networks are trained."""
    return FINE_TUNED if is_pretrained(space) else FROM_SCRATCH


def good_recipe(space: Space) -> dict[str, Value]:
    """The recipe to begin with, in what the space has of it: {recipe.setting: value}."""
    good = {f"recipe.{name}": value for name, value in GOOD_RECIPES[is_pretrained(space)].items()}
    return {
        name: value
        for name, value in good.items()
        if name in space.settings and (not isinstance(value, str) or value in space.values(name))
    }


def candidates(space: Space, bounds: Bounds, photos: Photos) -> tuple[Population, Networks]:
    """The networks to begin with that a space has within bounds, (N, D) with the recipe to begin with; N may be 0."""
    listed = space.kind != "mbconv" and space.size("architecture") <= _LISTED
    X = enumerate_architectures(space) if listed else sobol(space, _SAMPLED, seed=0, bounds=bounds)
    recipe = space.columns_of("recipe")
    X = X.copy()
    X[:, recipe] = start_row(space, good_recipe(space))[0, recipe]
    X = space.canonical(X)
    costs = space.costs(X)
    inside = bounds.admits(costs, rows=len(X)) & ((costs["resolution"] <= photos.side) | (costs["resolution"] <= SMALL))
    X, costs = X[inside], {name: cost[inside] for name, cost in costs.items()}
    sides = costs["resolution"].astype(np.int64)
    quality = _expected(space, X, costs["flops"]) if space.kind == "timm" else costs["flops"]
    return X, Networks(flops=costs["flops"], sides=sides, quality=quality, slowness=np.ones(len(X)))


def _expected(space: Space, X: Population, flops: Floats) -> Floats:
    """What is expected of networks of timm, (N,): their accuracy on ImageNet, less for smaller images than there; of
    models that the table lacks, by their FLOPs."""
    records, known = space.to_records(X), published()
    found = [known.get(str(record["model"])) for record in records]
    if not any(found):
        return np.log(flops) + np.log(np.array([float(record["resolution"]) for record in records]))  # type: ignore[arg-type]
    there = np.array([one is not None for one in found])
    value = np.array(
        [
            np.nan if one is None else one["top1"] - _lost(one["side"] / float(record["resolution"]))  # type: ignore[arg-type]
            for one, record in zip(found, records, strict=True)
        ]
    )
    if there.sum() > 1 and np.ptp(np.log(flops[there])) > 0:
        slope, start = np.polyfit(np.log(flops[there]), value[there], 1)
        value[~there] = start + slope * np.log(flops[~there])
    expected: Floats = np.nan_to_num(value, nan=float(np.nanmean(value)))
    return expected


def _lost(ratio: float) -> float:
    """Percent of accuracy that images cost which are so many times smaller than those of the publication, about: three
    at 160 instead of 224 px, seven at 128, fifteen at 96."""
    halvings = max(0.0, float(np.log2(ratio)))
    return 9.0 * halvings**2 + 1.5 * halvings


@cache
def published() -> Mapping[str, Mapping[str, float]]:
    """Accuracy on ImageNet of the built-in spaces' models, {model: {top1: percent, side: px}}, as timm's own table has
    it (results/results-imagenet.csv); not of all."""
    document: dict[str, dict[str, float]] = json.loads(
        (shipped("space") / "costs" / "imagenet.json").read_text(encoding="utf-8")
    )
    return document


# ---- the configuration


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A run configuration as dotted keys on top of its base."""

    values: dict[str, Any]
    reasons: dict[str, str]
    """Of some of the keys."""


def chosen(
    base: Base, space: Space, row: Population, photos: Photos, plan: TimePlan, *, limits: Bounds, lengths: Lengths
) -> Chosen:
    """The run configuration of a plan.

    Args:
        base: what it is on top of.
        space: what is searched.
        row: the candidate to begin with, (1, D).
        photos: to train on.
        plan: for the time.
        limits: on the network.
        lengths: as the plan was made with.
    """
    (record,), flops = space.to_records(row), float(space.costs(row)["flops"][0])
    start = {name: value for name, value in record.items() if len(space.values(name)) > 1}
    high = min(limits.high("flops"), _WINDOW[1] * flops)
    window = {name: {"high": limits.high(name)} for name in limits} | {
        "flops": {"low": _WINDOW[0] * flops, "high": high}
    }
    per_round = max(2, plan.at_once)
    batch = _FEW_BATCH if lengths is FINE_TUNED and photos.train < _FEW else _BATCH
    rounds = max(1, round(plan.trainings / per_round)) if plan.trainings else 0
    values: dict[str, Any] = {
        "space": base.space,
        "range": window,
        "search.budgets": [limits.document] if limits.limits else [],
        "search.preset": "measured",
        "pretraining.pool": 1024,
        "collect.rounds": rounds,
        "collect.per_round": per_round,
        "collect.asynchronous": True,
        "collect.refit_every": per_round,
        "collect.propose": "improvement",
        "collect.stop_correlation": None,
        "collect.epochs": plan.search_epochs,
        "collect.warmup_epochs": 1,
        "collect.schedule": "cosine",
        "collect.ema_decay": _decay(plan.search_epochs * plan.search_images, batch),
        "collect.start": start,
        "final.epochs": plan.final_epochs,
        "final.warmup_epochs": min(1 if lengths is FINE_TUNED else 4, max(0, plan.final_epochs // 4)),
        "final.schedule": "cosine",
        "final.ema_decay": _decay(plan.final_epochs * photos.train, batch),
        "final.policy": "none",
        "final.teacher": "none",
    }
    if plan.search_images < photos.train:
        values["data.max_train"] = plan.search_images
    if batch == _FEW_BATCH:
        values |= {"collect.batch_size": batch, "final.batch_size": batch}
    if photos.side >= SMALL and photos.whole:
        values |= {"data.cropping": "resized", "data.scale": [0.35, 1.0]}
    if photos.multi_label:
        values["metric"] = "mean_average_precision"
    bounds = f"{shorten(_WINDOW[0] * flops)} to {shorten(high)} FLOPs, around the network to begin with"
    reasons = {"space": base.reason, "range": bounds, **dict(plan.reasons)}
    if "collect.batch_size" in values:
        reasons["collect.batch_size"] = f"fewer than {_FEW:,} training images: more and smaller steps"
    if photos.multi_label:
        reasons["metric"] = "accuracy would count images all of whose labels are right"
    if "data.cropping" in values:
        reasons["data.cropping"] = "of photos, each training image is a random part"
    return Chosen(values=values, reasons=reasons)


def _decay(images: int, batch: int) -> float:
    """Of the averaged weights: they average about the last tenth of the training."""
    steps = max(1, images // batch)
    return round(min(0.9998, max(0.9, 1 - 10 / steps)), 4)


def narrowed(space: Space, flops: float, bounds: Bounds) -> dict[str, bytes] | None:
    """The files of a space of timm's networks without what lies outside the search around `flops` and the bounds: no
    image is resized and no weights are fetched for it. None for other spaces, where there is nothing to leave out."""
    if space.kind != "timm":
        return None
    X = enumerate_architectures(space)
    costs = space.costs(X)
    low, high = (times * flops for times in _WINDOW)
    inside = bounds.admits(costs, rows=len(X)) & (costs["flops"] >= low) & (costs["flops"] <= high)
    records = space.to_records(X[inside])
    kept = {name: [v for v in space.values(name) if any(record[name] == v for record in records)] for name in _OWN}
    files = space_files(space, "space.yaml")
    content = dict(space.document.content)
    architecture = dict(content["architecture"]) | dict(space.family.relocated(space)) | kept
    if isinstance(weights := architecture.get("weights"), Mapping):
        architecture["weights"] = {model: weights[model] for model in kept["model"]}
    return files | {"space.yaml": dump_yaml(content | {"architecture": architecture}).encode()}


_OWN = ("model", "resolution")
