"""What can be wrong with the values of a run configuration, or doubtful: a finding for each, with its way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nars.errors import ConfigError
from nars.parallel import installed_memory
from nars.run.config import RunConfig
from nars.run.teaching import NONE, check_teacher, teaches_itself, try_teacher
from nars.space import Bounds, InfeasibleError, Space, cost_range, shorten, sobol

if TYPE_CHECKING:
    from nars.images import Listing


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A mistake or a warning."""

    keys: tuple[str, ...]
    """Dotted keys of the configuration that it is about, the one to name first; or an option."""
    text: str
    warning: bool = False
    mild: bool = False
    """A warning where the first key's value came with the package, a mistake where somebody chose it."""
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
    data = config.data
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
    data, count = config.data, len(images.classes)
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


def absent(config: RunConfig, *, warning: bool) -> Finding:
    """A set that must be put there by hand, and is not."""
    where = Path(config.data.root or os.environ.get("NARS_DATA") or "NARS_DATA") / config.data.name
    return Finding(
        keys=("data.name",),
        text=f"{config.data.name} cannot be downloaded and is not there: put it into {where} (train/ and val/, one "
        f"folder per class), or name the folder that holds it with --data-root or NARS_DATA",
        warning=warning,
        here=True,
    )


def resolution_findings(config: RunConfig, space: Space, images: Listing | None) -> Findings:
    """What is wrong with the sizes of images: crops that they allow, and memory that they take."""
    from nars.recipe import Augmentation

    small, large = (int(end) for end in cost_range(space)["resolution"])
    padding = Augmentation(crop=config.data.crop).padding(small)
    if padding >= small:
        yield Finding(
            keys=("data.crop", "space"),
            text=f"a border of {padding} pixels cannot mirror an image of {small}; got {config.data.crop:g}, lower it",
        )
    installed = installed_memory()
    if images is None or installed is None or (images.files and config.data.streaming is not False):
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


# ---- FLOPs


def range_findings(config: RunConfig, space: Space) -> Findings:
    """What is wrong with the range of stage 2 and the budgets, given the costs that the space has."""
    smallest, largest = cost_range(space)["flops"]
    ends = f"networks of {space.name} have {shorten(smallest)} to {shorten(largest)} FLOPs (multiply-accumulates)"
    low, high, budgets = config.flops.low, config.flops.high, config.search.budgets
    misfit = high < smallest or low > largest
    if misfit:
        yield Finding(
            keys=("flops", "space"),
            text=f"{ends}, got the range {shorten(low)} to {shorten(high)}; choose one that overlaps, e.g. add "
            f"{_suggestion(smallest, largest)}",
        )
    unmet = {number: budget for number, budget in enumerate(budgets) if budget < smallest}
    # Above the largest, a budget is not only useless: its member would carry the name of a size that it is far from.
    idle = {number: budget for number, budget in enumerate(budgets) if budget > largest > smallest}
    for which, text in (
        (
            unmet,
            f"the smallest network of {space.name} has {shorten(smallest)} FLOPs (multiply-accumulates), got a budget "
            f"of {{}}; ask for at least {ceil(smallest):,}",
        ),
        (
            idle,
            f"the largest network of {space.name} has {shorten(largest)} FLOPs (multiply-accumulates), so that a "
            f"budget of {{}} limits nothing; ask for at most {ceil(largest):,}",
        ),
    ):
        if which:
            got = " and ".join(map(shorten, which.values()))
            yield Finding(keys=(f"search.budgets[{min(which)}]", "space"), text=text.format(got))
    for number, budget in enumerate(budgets):
        if not misfit and smallest < largest and number not in unmet | idle and not low <= budget <= high:
            side, end = ("above", "high") if budget > high else ("below", "low")
            yield Finding(
                keys=(f"search.budgets[{number}]", f"flops.{end}", "space"),
                text=f"{shorten(budget)} lies {side} the range of stage 2 ({shorten(low)} to {shorten(high)}), so that "
                f"nothing of that size is trained in the search and its accuracy is a guess; move flops.{end} to it",
                warning=True,
            )
    if misfit:
        return
    collect = config.collect
    wanted = min(config.pretraining.pool, max(64, collect.rounds * collect.per_round))
    try:
        found = len(sobol(space, wanted, seed=config.seed, bounds=Bounds({"flops": (low, high)})))
    except InfeasibleError as error:
        yield Finding(keys=("flops", "space"), text=f"{error}")
        return
    trainings = collect.rounds * collect.per_round
    if found < min(wanted, trainings):
        yield Finding(
            keys=("collect.per_round", "collect.rounds", "flops", "space"),
            text=f"{collect.rounds} rounds of {collect.per_round} are {trainings:,} trainings, and {space.name} has "
            f"{found:,} candidates in {shorten(low)} to {shorten(high)} FLOPs; train fewer or widen flops",
        )


def _suggestion(smallest: float, largest: float) -> str:
    """Options that fit a space: its middle in the logarithm of FLOPs; of one network, a range around it."""
    if largest < 1.01 * smallest:
        low, high, budgets = 0.9 * smallest, 1.1 * largest, [_rounded(largest, up=True)]
    else:
        ends = np.geomspace(smallest, largest, 6)
        low, high = ends[1], ends[4]
        budgets = [_rounded(value) for value in np.geomspace(ends[1], ends[4], 4)[1:]]
    return f"--set flops='{{low: {_rounded(low)}, high: {_rounded(high, up=True)}}}' --budgets {','.join(budgets)}"


def _rounded(value: float, *, up: bool = False) -> str:
    """To two digits, so that the text is a number that people would write."""
    step = 10.0 ** (floor(np.log10(value)) - 1)
    return shorten((ceil if up else floor)(value / step) * step)


# ---- trainings


def collect_findings(config: RunConfig, sizes: Sizes | None) -> Findings:
    """What is wrong with stage 2's trainings: how long, how large a batch, enough candidates."""
    from nars.evaluate import FEWEST_CURVES  # brings timm, which whoever asks a predictor does without

    collect, pool = config.collect, config.pretraining.pool
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
    for number in range(1, collect.rounds):
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
    if collect.per_round < FEWEST_CURVES:
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
    if final.teacher_resolution is not None and final.teacher == NONE:
        yield Finding(
            keys=("final.teacher_resolution",), text="has no effect without a teacher (final.teacher)", warning=True
        )


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
            mild=True,
        )


def teacher_findings(config: RunConfig, images: Listing, *, fetch: bool) -> Findings:
    """What is wrong with a teacher from elsewhere, which is opened; `fetch` also downloads its weights."""
    final = config.final
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
