"""Everything that can be known of a run before anything is computed: one function, which every command asks first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, floor
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nars.data import DataError, Listing, list_images
from nars.data.pixels import installed_memory
from nars.data.run_folder import RunFolder, read_json
from nars.space import Bounds, InfeasibleError, Space, SpaceError, cost_range, load_space, shorten, sobol
from nars.stages.config import ConfigError, Execution, RunConfig
from nars.stages.teaching import NONE, check_teacher, teaches_itself, try_teacher

Stage = Literal["pretrain", "collect", "search", "train", "export"]
"""How far a command goes: a stage brings those before it."""

_STAGES: tuple[Stage, ...] = get_args(Stage)

_EXTRAS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "ray": ("ray",), "tensorboard": ("tensorboard",)}
"""Extras of this package, and the packages that they bring."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found out."""

    images: Listing
    space: Space
    """With the classes and channels of the images."""
    searched: int
    """Training images of the search, about: after validation, `search_classes` and `max_train`."""
    trained: int
    """Training images of final training."""
    validated: int
    """Validation images."""
    warnings: tuple[str, ...]
    """What a person should know before the run; with key and way out."""


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """A mistake or a warning."""

    keys: tuple[str, ...]
    """Dotted keys of the configuration that it is about, the one to name first; or an option."""
    text: str
    warning: bool = False
    mild: bool = False
    """A warning where the first key's value came with the package, a mistake where somebody chose it."""
    here: bool = False
    """Of this machine, which a run that has begun may have left."""


_Findings = Iterator[_Finding]


def check(
    config: RunConfig,
    execution: Execution | None = None,
    *,
    folder: Path | str | None = None,
    upto: Stage | None = None,
    starting: bool = False,
    grown: bool = False,
    own_space: Path | None = None,
    place: Callable[[str], str] = str,
) -> Checked:
    """Check a run.

    A run that the folder holds already is asked only what may have changed since: other values, and this machine.

    Args:
        config: what to do.
        execution: how; None leaves the machine aside.
        folder: where; runs/NAME when None.
        upto: the last stage that will be computed now; what it and those before it need must be here. None: no stage.
        starting: the run starts now, so that its images must be there; the weights of a timm teacher are downloaded.
        grown: the configuration of a run has changed, so that stages that are done go on.
        own_space: the run's own copy of its space, which then counts.
        place: where the value of a dotted key was written, for messages (`Given.place`).

    Raises:
        ConfigError: mistakes, one line each.
    """
    home = RunFolder(Path(folder) if folder else Path("runs") / config.name)
    findings: list[_Finding] = [*_folder(config, folder, home.path)]
    images = space = None
    try:
        images = list_images(config.data.name, root=config.data.root)
    except DataError as error:
        findings.append(_Finding(keys=("data.name",), text=str(error), here=True))
    if images is not None and not images.present and images.name == "imagenet":
        findings.append(_absent(config, warning=not starting))
    try:
        space = load_space(
            own_space or config.space,
            classes=None if images is None else min(config.data.search_classes or 2**31, len(images.classes)),
            in_channels=None if images is None else images.in_channels,
        )
    except SpaceError as error:
        findings.append(_Finding(keys=("space",), text=str(error)))
    sizes = None if images is None else _sizes(config, images)
    if images is not None and sizes is not None:
        findings += _images(config, images, sizes)
    if space is not None and space.kind == "generic":
        findings.append(_Finding(keys=("space",), text=_GENERIC.format(space.name)))
        space = None
    if space is not None:
        findings += [*_range(config, space), *_resolution(config, space, images)]
    findings += [*_collect(config, sizes), *_final(config, sizes)]
    left = remaining(home, upto, grown=grown)
    if images is not None:
        findings += _teacher(config, images, fetch=starting and "train" in left)
    findings += _machine(config, execution or Execution(), left)
    return _told(findings, config, home, place, images, space, sizes)


_GENERIC = (
    "a run trains networks, and {0!r} is a generic space, whose choices are only names and numbers; choose a space of "
    "networks (nars space list), or import finished trials: nars import trials.csv --space {0}"
)


def _told(
    findings: Sequence[_Finding], config: RunConfig, home: RunFolder, place: Callable[[str], str],
    images: Listing | None, space: Space | None, sizes: _Sizes | None,
) -> Checked:  # fmt: skip
    """The answer, if nothing speaks against it."""
    if home.run_file.is_file():
        kept, now = read_json(home.run_file).get("config", {}), config.model_dump(mode="json")
        findings = [
            finding
            for finding in findings
            if finding.here or any(_value(kept, key) != _value(now, key) for key in finding.keys)
        ]
    errors: list[str] = []
    cautions: list[str] = []
    for finding in findings:
        where = _placed(finding, place)
        mild = finding.warning or (finding.mild and where == finding.keys[0])
        (cautions if mild else errors).append(f"{where}: {finding.text}")
    if errors:
        raise ConfigError("\n".join(errors))
    assert images is not None
    assert sizes is not None
    if space is None:
        raise ConfigError(f"{place('space')}: {config.space} cannot be searched")
    return Checked(
        images=images, space=space, searched=sizes.searched, trained=sizes.trained, validated=sizes.validated,
        warnings=tuple(cautions),
    )  # fmt: skip


def _placed(finding: _Finding, place: Callable[[str], str]) -> str:
    """Where the key was written; an option, or a stage, is its own place."""
    key = finding.keys[0]
    return place(key) if key.split(".")[0].split("[")[0] in RunConfig.model_fields else key


def _value(document: Any, key: str) -> Any:
    for part in key.split("[", maxsplit=1)[0].split("."):
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


# ---- folder


def _folder(config: RunConfig, folder: Path | str | None, path: Path) -> _Findings:
    if folder is None and (not config.name.strip() or Path(config.name).name != config.name):
        yield _Finding(
            keys=("name",),
            text=f"names the folder runs/NAME and must be a plain word, got {config.name!r}; choose another, or the "
            f"folder with --out",
        )
        return
    key = "name" if folder is None else "--out"
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir():
        yield _Finding(keys=(key,), text=f"{existing} is a file, no folder; choose another with --out", here=True)
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = "read-only file system" if os.statvfs(existing).f_flag & os.ST_RDONLY else "permission denied"
        yield _Finding(
            keys=(key,), text=f"{existing} cannot be written to ({reason}); choose another folder with --out", here=True
        )


# ---- images


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    """Images of the parts."""

    searched: int
    trained: int
    validated: int


def _sizes(config: RunConfig, images: Listing) -> _Sizes:
    data = config.data
    validated = images.validation
    left = images.train
    if not images.validation:
        validated = int(data.validation) if data.validation >= 1 else round(data.validation * left)
        left -= validated
    narrowed = left
    if data.search_classes is not None:
        narrowed = round(left * min(1.0, data.search_classes / len(images.classes)))
    return _Sizes(searched=min(narrowed, data.max_train or narrowed), trained=left, validated=validated)


def _images(config: RunConfig, images: Listing, sizes: _Sizes) -> _Findings:
    data, count = config.data, len(images.classes)
    of = f"of the {images.train:,} training images of {images.name}"
    if not images.validation:
        key = ("data.validation", "data.name")
        if data.validation > 1 and data.validation != int(data.validation):
            yield _Finding(keys=key, text=f"takes a share below 1 or a whole number of images, got {data.validation:g}")
        elif sizes.validated < 1 or sizes.trained < 2:
            yield _Finding(
                keys=key,
                text=f"must leave images on both sides {of}, got {_number(data.validation)}; take a share such as 0.2",
            )
        elif sizes.validated < count:
            yield _Finding(
                keys=key,
                text=f"{sizes.validated} validation images for {count} classes: no accuracy can be told from another; "
                f"raise it, or add images",
                warning=True,
            )
    if data.search_classes is not None and data.search_classes > count:
        yield _Finding(
            keys=("data.search_classes", "data.name"),
            text=f"{images.name} has {count} classes, got {data.search_classes}; leave it out to search on all (null)",
        )
    classes = min(data.search_classes or count, count)
    if data.max_train is not None and data.max_train < classes:
        yield _Finding(
            keys=("data.max_train", "data.search_classes"),
            text=f"must leave an image to each of {classes} classes, got {data.max_train}; raise it or leave it out",
        )


def _absent(config: RunConfig, *, warning: bool) -> _Finding:
    where = Path(config.data.root or os.environ.get("NARS_DATA") or "NARS_DATA") / config.data.name
    return _Finding(
        keys=("data.name",),
        text=f"{config.data.name} cannot be downloaded and is not there: put it into {where} (train/ and val/, one "
        f"folder per class), or name the folder that holds it with --data-root or NARS_DATA",
        warning=warning,
        here=True,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _resolution(config: RunConfig, space: Space, images: Listing | None) -> _Findings:
    from nars.recipe import Augmentation

    small, large = (int(end) for end in cost_range(space)["resolution"])
    padding = Augmentation(crop=config.data.crop).padding(small)
    if padding >= small:
        yield _Finding(
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
        yield _Finding(
            keys=("data.streaming" if images.files else "space", "data.name"),
            text=f"{count:,} images of {large} x {large} x {images.in_channels} (the largest of {space.name}) take "
            f"{needed / 2**30:.1f} GiB, this machine has {installed / 2**30:.1f}; {way}",
            here=True,
        )


# ---- FLOPs


def _range(config: RunConfig, space: Space) -> _Findings:
    smallest, largest = cost_range(space)["flops"]
    ends = f"networks of {space.name} have {shorten(smallest)} to {shorten(largest)} FLOPs (multiply-accumulates)"
    low, high, budgets = config.flops.low, config.flops.high, config.search.budgets
    misfit = high < smallest or low > largest
    if misfit:
        yield _Finding(
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
            yield _Finding(keys=(f"search.budgets[{min(which)}]", "space"), text=text.format(got))
    for number, budget in enumerate(budgets):
        if (
            not misfit
            and number not in unmet
            and number not in idle
            and not low <= budget <= high
            and smallest < largest
        ):
            side, end = ("above", "high") if budget > high else ("below", "low")
            yield _Finding(
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
        yield _Finding(keys=("flops", "space"), text=f"{error}")
        return
    trainings = collect.rounds * collect.per_round
    if found < min(wanted, trainings):
        yield _Finding(
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


def _collect(config: RunConfig, sizes: _Sizes | None) -> _Findings:
    from nars.evaluate import FEWEST_CURVES  # brings timm, which whoever asks a predictor does without

    collect, pool = config.collect, config.pretraining.pool
    yield from _schedule("collect", collect.epochs, collect.warmup_epochs)
    yield from _batch("collect", collect.batch_size, None if sizes is None else sizes.searched)
    trainings = collect.rounds * collect.per_round
    if collect.per_round > pool or trainings > pool:
        first = "collect.per_round" if collect.per_round > pool else "pretraining.pool"
        yield _Finding(
            keys=(first, "pretraining.pool", "collect.rounds", "collect.per_round"),
            text=f"collect.rounds x collect.per_round, {collect.rounds} x {collect.per_round:,}, need {trainings:,} "
            f"candidates, got a pool of {pool:,}; raise pretraining.pool or train fewer",
        )
        return
    kept: float = pool
    for number in range(1, collect.rounds):
        kept = kept * collect.keep
        if kept < (number + 1) * collect.per_round:
            yield _Finding(
                keys=("collect.keep", "pretraining.pool", "collect.rounds", "collect.per_round"),
                text=f"{collect.keep:g} of the pool is kept after each round, which leaves about {kept:,.0f} of "
                f"{pool:,} to round {number + 1}, {number * collect.per_round} of them perhaps trained already; it may "
                f"find fewer than {collect.per_round} new ones. Raise collect.keep or pretraining.pool",
                warning=True,
            )
            break
    if collect.per_round < FEWEST_CURVES:
        yield _Finding(
            keys=("collect.per_round",),
            text=f"{collect.per_round} trainings in round 1 are too few for a rank correlation: later rounds are not "
            f"cut; take at least {FEWEST_CURVES}",
            warning=True,
        )


def _final(config: RunConfig, sizes: _Sizes | None) -> _Findings:
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
        yield _Finding(
            keys=("final.accumulation", "final.batch_size", "data.name"),
            text=f"each part needs at least two images, and {share} images cannot be cut into {parts} such parts; take "
            f"{max(1, share // 4)} parts at most, or an even batch",
        )
    if processes > 1 and batch % (2 * processes):
        yield _Finding(
            keys=("final.batch_size",),
            text=f"must be a multiple of {2 * processes} to be shared by {processes} processes, got {batch}",
            here=True,
        )
    if final.teacher_resolution is not None and final.teacher == NONE:
        yield _Finding(
            keys=("final.teacher_resolution",), text="has no effect without a teacher (final.teacher)", warning=True
        )


def _schedule(section: str, epochs: int, warmup: float) -> _Findings:
    keys = (f"{section}.warmup_epochs", f"{section}.epochs")
    if warmup > epochs:
        yield _Finding(
            keys=keys,
            text=f"the warm-up must not be longer than the training ({section}.epochs {epochs}), got {warmup:g}; add "
            f"--set {section}.warmup_epochs={epochs // 5}",
        )
    elif warmup == epochs:
        yield _Finding(
            keys=keys,
            text=f"the whole training ({section}.epochs {epochs}) is warm-up: the learning rate only rises; add --set "
            f"{section}.warmup_epochs={epochs // 5}",
            warning=True,
        )


def _batch(section: str, batch: int, images: int | None) -> _Findings:
    keys = (f"{section}.batch_size", "data.name", "data.validation", "data.max_train")
    if batch < 2:
        yield _Finding(
            keys=keys, text=f"batch normalisation needs at least 2 images in a step, got {batch}; take 32 or more"
        )
    elif images is not None and images >= 2 and batch > images:
        yield _Finding(
            keys=keys,
            text=f"{batch:,} is more than the {images:,} training images: each epoch is one step with all of them; "
            f"take e.g. --set {section}.batch_size={2 ** max(1, floor(np.log2(images / 4)))}",
            mild=True,
        )


def _teacher(config: RunConfig, images: Listing, *, fetch: bool) -> _Findings:
    final = config.final
    try:
        check_teacher(config)
    except ConfigError as error:
        yield _Finding(keys=("final.teacher", "search.budgets"), text=str(error))
        return
    if teaches_itself(config) or final.teacher == NONE:
        return
    try:
        try_teacher(final, images, fetch=fetch)
    except ValueError as error:
        key = "final.teacher_weights" if final.teacher_weights and "no model" not in str(error) else "final.teacher"
        yield _Finding(keys=(key,), text=str(error).removeprefix("final.teacher: "), here=True)


# ---- this machine


def remaining(home: RunFolder, upto: Stage | None, *, grown: bool = False) -> frozenset[Stage]:
    """The stages that will be computed: up to the last one, without those that the folder holds unless it has grown."""
    if upto is None:
        return frozenset()
    stages = set(_STAGES[: _STAGES.index(upto) + 1])
    if grown:
        return frozenset(stages)
    if (home.predictor / "card.json").is_file():
        stages -= {"pretrain", "collect"}
    if home.family_file.is_file():
        stages -= {"search"}
        members = json.loads(home.family_file.read_text())["members"]
        names = [member["name"] for member in members if member.get("same_as") is None]
        if all((home.training(name) / "result.json").is_file() for name in names):
            stages -= {"train"}
        if all((home.member(name) / "card.json").is_file() for name in names):
            stages -= {"export"}
    return frozenset(stages)


def check_machine(config: RunConfig, execution: Execution, home: RunFolder, upto: Stage) -> None:
    """The part of `check` that only needs a look at what is installed here: for stages that Python calls.

    Raises:
        ConfigError: something is missing, one line each.
    """
    findings = [finding for finding in _machine(config, execution, remaining(home, upto)) if not finding.warning]
    if findings:
        raise ConfigError("\n".join(f"{finding.keys[0]}: {finding.text}" for finding in findings))


def _machine(config: RunConfig, execution: Execution, left: frozenset[Stage]) -> _Findings:
    if execution.address is not None and execution.engine != "ray":
        yield _Finding(
            keys=("--address",),
            text=f"a Ray cluster is joined by --engine ray, got --engine {execution.engine}; add it, or leave out "
            f"--address",
            here=True,
        )
    if execution.per_gpu > 1 and execution.device == "cpu":
        yield _Finding(
            keys=("--per-gpu",),
            text=f"{execution.per_gpu} trainings would share one GPU, and the device is the CPU; add --device cuda, or "
            f"say how many train at once with --workers",
            here=True,
        )
    if execution.engine == "in-process" and execution.workers > 1:
        yield _Finding(
            keys=("--workers",),
            text=f"--engine in-process trains one candidate after another in stage 2, not {execution.workers} at once",
            warning=True,
            here=True,
        )
    if "collect" in left and execution.engine == "ray":
        yield from _needs("ray", "--engine ray", "--engine")
    if "train" in left:
        for watcher in config.final.watch:
            yield from _needs(watcher, f"watching with {watcher}", "final.watch")
    if "export" in left:
        yield from _needs("onnx", "the export of the family", "export", "nars train ends before it")


def _needs(extra: str, what: str, key: str, way_out: str = "") -> _Findings:
    missing = [package for package in _EXTRAS.get(extra, (extra,)) if find_spec(package) is None]
    if missing:
        command = f"pip install 'nars[{extra}]'" if extra in _EXTRAS else f"pip install {extra}"
        yield _Finding(
            keys=(key,),
            text=f"{what} needs {', '.join(missing)}: {command}" + (f"; {way_out}" if way_out else ""),
            here=True,
        )
