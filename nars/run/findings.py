"""What can be wrong with the values of a run configuration, or doubtful: a finding for each, with its way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, floor, inf, isfinite, isinf, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nars.errors import ConfigError, UserError
from nars.metric import ACCURACY, metrics_for
from nars.parallel import installed_memory
from nars.run.config import Final, Online, RunConfig
from nars.run.starting import start_row
from nars.run.suggesting import suggested_options
from nars.run.teaching import NONE, check_teacher, teaches_itself, try_teacher
from nars.space import (
    MULTI_LABEL_LOSSES,
    InfeasibleError,
    Space,
    SpaceError,
    cost_range,
    cost_unit,
    enumerate_architectures,
    loosened,
    shorten,
    sobol,
)

if TYPE_CHECKING:
    from nars.images import Listing


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A mistake or a warning."""

    keys: tuple[str, ...]
    """Dotted keys of the configuration that it is about, the one to name first; or an option."""
    text: str
    warning: bool = False
    here: bool = False
    """It concerns this machine, which a run that has begun may have left."""


Findings = Iterator[Finding]


# ---- images


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Images of the parts, about."""

    searched: int
    """Training images of the search: after validation, `search_classes` and `max_train`."""
    trained: int
    """Training images of final training."""
    validated: int
    """Validation images."""


def sizes_of(config: RunConfig, images: Listing) -> Sizes:
    """As loading will divide them."""
    data = config.images
    validated = images.validation
    left = images.train
    if not images.validation:
        validated = int(data.validation) if data.validation >= 1 else round(data.validation * left)
        left -= validated
    narrowed = left
    if data.search_classes is not None:
        narrowed = round(left * min(1.0, data.search_classes / len(images.classes)))
    return Sizes(searched=min(narrowed, data.max_train or narrowed), trained=left, validated=validated)


def image_findings(config: RunConfig, images: Listing, sizes: Sizes) -> Findings:
    """What is wrong with the split, the classes or the subset that the search trains on."""
    data, count = config.images, len(images.classes)
    of = f"of the {images.train:,} training images of {images.name}"
    if not images.validation:
        key = ("data.validation", "data.name")
        if data.validation > 1 and data.validation != int(data.validation):
            yield Finding(keys=key, text=f"takes a share below 1 or a whole number of images, got {data.validation:g}")
        elif sizes.validated < 1 or sizes.trained < 2:
            got = f"{data.validation:,.0f}" if data.validation >= 1 else f"{data.validation:g}"
            yield Finding(keys=key, text=f"must leave images on both sides {of}, got {got}; take a share such as 0.2")
        elif sizes.validated < count:
            yield Finding(
                keys=key,
                text=f"{sizes.validated} validation images for {count} classes: no accuracy can be told from another; "
                f"raise it, or add images",
                warning=True,
            )
        elif sizes.validated < _FEW_VALIDATED:
            spread = 50 / sqrt(sizes.validated)
            yield Finding(
                keys=key,
                text=f"{sizes.validated} validation images tell candidates apart by {spread:.0f} % at best (the "
                f"standard error of an accuracy of 50 %); raise it, or add images",
                warning=True,
            )
    yield from _metric_findings(config, images)
    if config.measured.name == "top5" and min(count, data.search_classes or count) <= 5:
        yield Finding(
            keys=("metric", "data.name"),
            text=f"top5 of {count} classes is always 100 %; take another metric, e.g. balanced_accuracy",
        )
    if data.search_classes is not None and data.search_classes > count:
        yield Finding(
            keys=("data.search_classes", "data.name"),
            text=f"{images.name} has {count} classes, got {data.search_classes}; leave it out to search on all (null)",
        )
    classes = min(data.search_classes or count, count)
    if data.max_train is not None and data.max_train < classes:
        yield Finding(
            keys=("data.max_train", "data.search_classes"),
            text=f"must leave an image to each of {classes} classes, got {data.max_train}; raise it or leave it out",
        )


_FEW_VALIDATED = 50
"""Validation images below which most differences between candidates are chance: the standard error is 7 %."""


def _metric_findings(config: RunConfig, images: Listing) -> Findings:
    """A metric that does not go with the labels of the images."""
    metrics, name = metrics_for(multi_label=images.multi_label), config.measured.name
    labels = "several labels" if images.multi_label else "one class each"
    if name not in metrics:
        yield Finding(
            keys=("metric", "data.name"),
            text=f"the images of {images.name} have {labels}, for which there are {', '.join(metrics)}; got {name}",
        )
    elif images.multi_label and name == ACCURACY.name:
        yield Finding(
            keys=("metric", "data.name"),
            text="of images with several labels, accuracy is the share all of whose labels are right, which for long "
            "is 0; mean_average_precision tells candidates apart better",
            warning=True,
        )


def label_findings(space: Space, images: Listing | None) -> Findings:
    """Settings of recipes that do not go with several labels."""
    allowed = {"recipe.loss": MULTI_LABEL_LOSSES, "recipe.class_balance": ("none",)}
    for name, values in allowed.items() if images is not None and images.multi_label else ():
        others = [value for value in space.values(name) if value not in values] if name in space.settings else []
        if others:
            yield Finding(
                keys=("space", "data.name"),
                text=f"of images with several labels {name.removeprefix('recipe.')} is {' or '.join(values)}, and the "
                f"space {space.name} has {', '.join(others)} too; take them out of a copy of it, or choose another "
                f"space",
            )


def absent(config: RunConfig, *, warning: bool) -> Finding:
    """A set that must be put there by hand, and is not."""
    where = Path(config.images.root or os.environ.get("NARS_DATA") or "NARS_DATA") / config.images.name
    return Finding(
        keys=("data.name",),
        text=f"{config.images.name} cannot be downloaded and is not there: put it into {where} (train/ and val/, one "
        f"folder per class), or name the folder that holds it with --data-root or NARS_DATA",
        warning=warning,
        here=True,
    )


def resolution_findings(config: RunConfig, space: Space, images: Listing | None) -> Findings:
    """What is wrong with the sizes of images: crops that they allow, and memory that they take."""
    from nars.recipe import Augmentation

    sides = sorted(map(int, space.values("resolution")))
    small, large = sides[0], sides[-1]
    padding = Augmentation(crop=config.images.crop, cropping=config.images.cropping).padding(small)
    if padding >= small:
        yield Finding(
            keys=("data.crop", "space"),
            text=f"a border of {padding} pixels cannot mirror an image of {small}; got {config.images.crop:g}, lower "
            f"it",
        )
    packed = images is not None and images.source is not None and images.source.packed
    if packed and config.images.cropping == "resized" and "recipe.crop" not in space.settings:  # which pads
        yield Finding(
            keys=("data.cropping", "data.name"),
            text=f"random parts are cut from whole images, and of packed images ({config.images.name}) there are "
            f"middle squares only; take pad, or unpack them into folders",
        )
    installed = installed_memory()
    if images is None or installed is None or (images.files and config.images.streaming is not False):
        return
    count = images.train + images.validation + images.test
    needed = count * images.in_channels * large**2
    if needed > 0.9 * installed:
        way = "let the images stay in their files (data.streaming: auto)" if images.files else "choose a smaller one"
        yield Finding(
            keys=("data.streaming" if images.files else "space", "data.name"),
            text=f"{count:,} images of {large} x {large} x {images.in_channels} (the largest of {space.name}) take "
            f"{needed / 2**30:.1f} GiB, this machine has {installed / 2**30:.1f}; {way}",
            here=True,
        )


def weights_findings(space: Space) -> Findings:
    """What is wrong with the weights that training starts from, which are loaded or downloaded: the first mistake."""
    if space.family.initializer is None:
        return
    from nars.network import build

    sides = space.values("resolution")
    networks = space.architectures(enumerate_architectures(space))
    for network in dict.fromkeys(replace(network, resolution=sides[0]) for network in networks):
        try:
            build(network, seed=0)
        except UserError as error:
            yield Finding(keys=("space",), text=str(error), here=True)
            return  # without a network, each takes a minute to fail


# ---- costs


def range_findings(config: RunConfig, space: Space) -> Findings:
    """What is wrong with the range of stage 2 and the budgets, given the costs that the space has."""
    known, range_ = space.cost_names, config.range
    wanted = {"range": range_} | {f"search.budgets[{n}]": budget for n, budget in enumerate(config.budgets)}
    strange = False
    for key, bounds in wanted.items():
        try:
            bounds.check(known, of=space.name)
        except SpaceError as error:
            strange = True
            yield Finding(keys=(key, "space"), text=str(error))
    if strange:
        return
    try:
        ends = cost_range(space) if known else {}
    except SpaceError:  # a space whose ends nobody can know; what is feasible shows below
        ends = {}
    misfit = False
    for cost, (low, high) in range_.limits.items():
        least, most = range_.ends(cost)
        if cost in ends and (most < ends[cost][0] or least > ends[cost][1]):
            misfit = True
            yield Finding(
                keys=(f"range.{cost}", "space"),
                text=f"{_those(space)} have {shorten(ends[cost][0])} to {shorten(ends[cost][1])} {_unit(cost)}, got "
                f"the range {shorten(low)} to {shorten(high)}; choose one that overlaps, e.g. add "
                f"{suggested_options(cost, *ends[cost])}",
            )
    for cost, (smallest, largest) in ends.items():
        yield from _budget_findings(config, space, cost, smallest, largest, misfit=misfit)
    if not misfit:
        yield from _enough(config, space)


def scaling_findings(config: RunConfig, space: Space) -> Findings:
    """What is wrong with members that are to be scaled from the searched ones."""
    if config.family.scale and not (config.trains_images and space.kind == "mbconv"):
        what = f"{space.name} is a {space.kind} space" if config.trains_images else "the trainer is the user's own"
        yield Finding(
            keys=("family.scale", "space"),
            text=f"scaling makes stages of MBConv blocks deeper and wider, and {what}; leave it out",
        )


def _budget_findings(
    config: RunConfig, space: Space, cost: str, smallest: float, largest: float, *, misfit: bool
) -> Findings:
    """What is wrong with the budgets of one cost."""
    (low, high), (least, most) = config.range.limits.get(cost, (0.0, inf)), config.range.ends(cost)
    highest = {n: budget.high(cost) for n, budget in enumerate(config.budgets) if cost in budget}
    unmet = {number: limit for number, limit in highest.items() if loosened(limit) < smallest}
    # Above the largest, a budget is not only useless: its member would carry the name of a size that it is far from.
    idle = {
        number: limit
        for number, limit in highest.items()
        if isfinite(limit) and limit > loosened(largest) and largest > smallest
        if len(config.budgets[number].limits) == 1
    }
    for which, text in (
        (
            unmet,
            f"the smallest {_one(space)} has {shorten(smallest)} {_unit(cost)}, got a budget of {{}}; ask for at least "
            f"{_whole(smallest)}",
        ),
        (
            idle,
            f"the largest {_one(space)} has {shorten(largest)} {_unit(cost)}, so that a budget of {{}} limits nothing; "
            f"ask for at most {_whole(largest)}",
        ),
    ):
        if which:
            got = " and ".join(map(shorten, which.values()))
            yield Finding(keys=(f"search.budgets[{min(which)}]", "space"), text=text.format(got))
    for number, limit in highest.items():
        measured = config.search.preset == "measured"  # then nothing is guessed
        told = misfit or measured or number in unmet | idle or not isfinite(limit) or smallest >= largest
        if not told and not least <= limit <= most:
            side, end = ("above", "high") if limit > high else ("below", "low")
            yield Finding(
                keys=(f"search.budgets[{number}]", f"range.{cost}.{end}", "space"),
                text=f"{shorten(limit)} lies {side} the range of stage 2 ({shorten(low)} to {shorten(high)}), so that "
                f"nothing of that size is trained in the search and its {config.measured.name} is a guess; move "
                f"range.{cost}.{end} to it",
                warning=True,
            )


def _enough(config: RunConfig, space: Space) -> Findings:
    """Whether the range and each budget hold candidates enough."""
    collect = config.collect
    trainings = collect.rounds * collect.per_round
    wanted = min(config.pretraining.pool, max(64, trainings))
    try:
        found = len(sobol(space, wanted, seed=config.seed, bounds=config.range))
    except InfeasibleError as error:
        yield Finding(keys=("range", "space"), text=f"{error}")
        return
    if found < min(wanted, trainings):
        yield Finding(
            keys=("collect.per_round", "collect.rounds", "range", "space"),
            text=f"{collect.rounds} rounds of {collect.per_round} are {trainings:,} trainings, and {space.name} has "
            f"{found:,} candidates in {config.range}; train fewer or widen the range",
        )
    for number, budget in enumerate(config.budgets):
        if len(budget.limits) < 2 and all(isinf(budget.low(cost)) for cost in budget):
            continue  # its one upper limit is kept by the smallest
        try:
            sobol(space, 1, seed=config.seed, bounds=budget)
        except InfeasibleError as error:
            yield Finding(keys=(f"search.budgets[{number}]", "space"), text=f"{error}")


def start_findings(config: RunConfig, space: Space) -> Findings:
    """What is wrong with the candidate that stage 2 begins with."""
    if not config.collect.start:
        if not config.collect.rounds:
            yield Finding(
                keys=("collect.rounds", "collect.start"),
                text="0 rounds search nothing, and nothing says what to train then; name it by collect.start, or take "
                "1 round or more",
            )
        return
    try:
        row = start_row(space, config.collect.start)
    except ConfigError as error:
        yield Finding(keys=("collect.start", "space"), text=str(error))
        return
    costs = space.costs(row)
    where = [("range", config.range)] if config.collect.rounds else []
    where += [(f"search.budgets[{number}]", budget) for number, budget in enumerate(config.budgets)]
    for key, bounds in where:
        if not bounds.admits(costs, rows=1)[0]:
            shown = ", ".join(f"{shorten(float(costs[name][0]))} {cost_unit(name)}" for name in bounds)
            yield Finding(
                keys=("collect.start", key, "space"),
                text=f"the candidate to begin with has {shown}, and {key} is {bounds}; choose another, or widen it",
            )


def _those(space: Space) -> str:
    return f"{'networks' if space.family.builder else 'candidates'} of {space.name}"


def _one(space: Space) -> str:
    return f"{'network' if space.family.builder else 'candidate'} of {space.name}"


def _unit(cost: str) -> str:
    return "FLOPs (multiply-accumulates)" if cost == "flops" else cost_unit(cost)


def _whole(limit: float) -> str:
    """A limit that can be copied, not below it."""
    return f"{ceil(limit):,}" if limit >= 1000 else f"{ceil(limit * 100) / 100:g}"


# ---- trainings


def task_findings(config: RunConfig) -> Findings:
    """What is wrong with a trainer of one's own, as far as it shows before it trains."""
    from nars.run.own_task import own_task
    from nars.tasks import TaskError

    try:
        own_task(config).prepare()
    except TaskError as error:
        yield Finding(keys=("task",), text=str(error), here=True)


def collect_findings(config: RunConfig, sizes: Sizes | None) -> Findings:
    """What is wrong with stage 2's trainings: how long, how large a batch, enough candidates."""
    from nars.evaluate import FEWEST_CURVES  # brings timm, which whoever asks a predictor does without

    collect, pool = config.collect, config.pretraining.pool
    if config.trains_images:
        yield from _schedule("collect", collect.epochs, collect.warmup_epochs)
        yield from _batch("collect", collect.batch_size, None if sizes is None else sizes.searched)
    trainings = collect.rounds * collect.per_round
    if collect.per_round > pool or trainings > pool:
        first = "collect.per_round" if collect.per_round > pool else "pretraining.pool"
        yield Finding(
            keys=(first, "pretraining.pool", "collect.rounds", "collect.per_round"),
            text=f"collect.rounds x collect.per_round, {collect.rounds} x {collect.per_round:,}, need {trainings:,} "
            f"candidates, got a pool of {pool:,}; raise pretraining.pool or train fewer",
        )
        return
    kept: float = pool
    for number in range(1, collect.rounds if config.in_bins else 1):
        kept = kept * collect.keep
        if kept < (number + 1) * collect.per_round:
            yield Finding(
                keys=("collect.keep", "pretraining.pool", "collect.rounds", "collect.per_round"),
                text=f"{collect.keep:g} of the pool is kept after each round, which leaves about {kept:,.0f} of "
                f"{pool:,} to round {number + 1}, {number * collect.per_round} of them perhaps trained already; it may "
                f"find fewer than {collect.per_round} new ones. Raise collect.keep or pretraining.pool",
                warning=True,
            )
            break
    if collect.stop_correlation is not None and collect.per_round < FEWEST_CURVES:
        yield Finding(
            keys=("collect.per_round",),
            text=f"{collect.per_round} trainings in round 1 are too few for a rank correlation: later rounds are not "
            f"cut; take at least {FEWEST_CURVES}",
            warning=True,
        )


def final_findings(config: RunConfig, sizes: Sizes | None) -> Findings:
    """What is wrong with final training: how long, how large a batch, parts and processes that it can be cut into."""
    final = config.final
    yield from _schedule("final", final.epochs, final.warmup_epochs)
    images = None if sizes is None else sizes.trained
    yield from _batch("final", final.batch_size, images)
    batch = min(final.batch_size, images or final.batch_size)
    parts = final.accumulation
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share = batch // processes
    # Each part holds whole pairs of images (mixup's); an odd batch has one image without a partner, in the last part.
    front = (share + 1) // 2
    last = front % ceil(front / parts) or ceil(front / parts)
    if parts > 1 and share > 1 and (parts > front or (share % 2 and last == 1)):
        yield Finding(
            keys=("final.accumulation", "final.batch_size", "data.name"),
            text=f"each part needs at least two images, and {share} images cannot be cut into {parts} such parts; take "
            f"{max(1, share // 4)} parts at most, or an even batch",
        )
    if processes > 1 and batch % (2 * processes):
        yield Finding(
            keys=("final.batch_size",),
            text=f"must be a multiple of {2 * processes} to be shared by {processes} processes, got {batch}",
            here=True,
        )
    yield from _policy_findings(final)
    if final.teacher == NONE:
        idle = {"teacher_resolution": final.teacher_resolution is not None}
        idle |= {
            name: getattr(final, name) != type(final).model_fields[name].default
            for name in (
                "teacher_images",
                "teacher_sees",
                "teacher_temperature",
                "teacher_normalization",
                "distillation",
            )
        }
        for key in (key for key, said in idle.items() if said):
            yield Finding(keys=(f"final.{key}",), text="has no effect without a teacher (final.teacher)", warning=True)


def _policy_findings(final: Final) -> Findings:
    """What is wrong with augmentation that is learned, or drawn from what another training has learned."""
    from nars.recipe import RecipeError, read_policy

    if final.draws:
        try:
            read_policy(final.policy)
        except RecipeError as error:
            yield Finding(keys=("final.policy",), text=str(error), here=True)
    if not (final.learns or final.draws):
        if final.online != Online():
            yield Finding(
                keys=("final.online", "final.policy"),
                text=f"has no effect with final.policy {final.policy}; write final.policy: online, or leave it out",
                warning=True,
            )
        return
    if final.online.chunk > final.epochs:
        yield Finding(
            keys=("final.online.chunk", "final.epochs"),
            text=f"must be no longer than the training (final.epochs {final.epochs}), got {final.online.chunk}; take 1",
        )
    elif final.learns and (updates := ceil(final.epochs / final.online.chunk)) < _FEWEST_UPDATES:
        yield Finding(
            keys=("final.online.chunk", "final.epochs"),
            text=f"the distribution is updated {updates} times and stays about as flat as it begins; shorten "
            f"final.online.chunk or train longer ({_FEWEST_UPDATES} updates or more)",
            warning=True,
        )
    if final.learns and final.erasing > 0.0:
        yield Finding(
            keys=("final.erasing", "final.policy"),
            text="has no effect with final.policy online, which learns it; leave it out",
            warning=True,
        )


_FEWEST_UPDATES = 20
"""Below, no setting can have become much likelier than another: an update moves a logit by a tenth or two."""


def _schedule(section: str, epochs: int, warmup: float) -> Findings:
    if warmup < epochs:
        return
    what = f"the whole training ({section}.epochs {epochs}) is warm-up: the learning rate only rises"
    if warmup > epochs:
        what = f"the warm-up must not be longer than the training ({section}.epochs {epochs}), got {warmup:g}"
    yield Finding(
        keys=(f"{section}.warmup_epochs", f"{section}.epochs"),
        text=f"{what}; add --set {section}.warmup_epochs={epochs // 5}",
        warning=warmup == epochs,
    )


def _batch(section: str, batch: int, images: int | None) -> Findings:
    keys = (f"{section}.batch_size", "data.name", "data.validation", "data.max_train")
    if batch < 2:
        yield Finding(
            keys=keys, text=f"batch normalization needs at least 2 images in a step, got {batch}; take 32 or more"
        )
    elif images is not None and images >= 2 and batch > images:
        yield Finding(
            keys=keys,
            text=f"{batch:,} is more than the {images:,} training images: each epoch is one step with all of them; "
            f"take e.g. --set {section}.batch_size={2 ** max(1, floor(np.log2(images / 4)))}",
            warning=True,
        )


def teacher_findings(config: RunConfig, images: Listing, *, fetch: bool) -> Findings:
    """What is wrong with a teacher from elsewhere, which is opened; `fetch` also downloads its weights."""
    final = config.final
    if not config.trains_images:
        return
    try:
        check_teacher(config)
    except ConfigError as error:
        yield Finding(keys=("final.teacher", "search.budgets"), text=str(error).removeprefix("final.teacher: "))
        return
    if teaches_itself(config) or final.teacher == NONE:
        return
    try:
        try_teacher(final, images, fetch=fetch)
    except ValueError as error:
        key = "final.teacher_weights" if final.teacher_weights and "no model" not in str(error) else "final.teacher"
        yield Finding(keys=(key,), text=str(error).removeprefix("final.teacher: "), here=True)
