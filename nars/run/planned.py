"""What `nars run --time` does before anything is trained: look at images and machine, measure, plan, write it down.

The decisions are those of `nars.run.planning` and `nars.run.choosing`, which measure nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from rich.table import Table

from nars.errors import ConfigError
from nars.files.atomic import write_bytes, write_text
from nars.images import ImageData, Listing, list_images, load_images, typical_side
from nars.images.names import SIDES
from nars.images.streaming import path_of
from nars.images.unsplit import TEST, TRAIN, VALIDATION, Source, some_images
from nars.parallel import resolve_device
from nars.printing import counted
from nars.run.choosing import (
    SMALL,
    Base,
    Chosen,
    base_for,
    candidates,
    chosen,
    good_recipe,
    is_pretrained,
    lengths_for,
    narrowed,
)
from nars.run.clock import spell_time
from nars.run.config import Execution, RunConfig
from nars.run.folder import RunFolder
from nars.run.given import Given, read_config
from nars.run.places import absolute
from nars.run.planning import Expected, Networks, Photos, TimePlan, plan
from nars.run.progress import Reporter, counting
from nars.run.rehearsing import rehearse, slowness
from nars.space import Bounds, Space, dump_yaml, latency_costs, load_space, shorten

_LOOKED_AT = 160
"""Images that the pace is measured on."""

_TRIES = 4
"""Networks whose own pace is measured until the plan stays as it is."""

_TAIL = 10.0
"""Seconds of export and report on an idle machine, beside the look at the test images."""

_BUSIEST = 3.0
"""Measured with nine other programs on two cores: export and report take three times as long as alone, not nine."""

_LATENCIES = 16
"""Networks that latency is fitted to."""

_USUAL, _SMALLEST = 224, 32
"""Pixels: of images whose size nobody knows, and of those that are read to be measured on."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What somebody wants."""

    images: str
    """As `data.name` has it."""
    config: str | None
    """A built-in run configuration to be planned on top of; chosen when None."""
    space: str | None
    seconds: float
    limits: Bounds
    overrides: Mapping[str, Any]
    """Dotted keys that are not for the plan to choose."""
    options: Mapping[str, str]
    """The option that gave each of them."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The run configuration for a time, and what it was made by."""

    given: Given
    photos: Photos
    plan: TimePlan
    expected: Expected
    space: Space
    reasons: Mapping[str, str]
    row: Mapping[str, Any]
    """The candidate to begin with."""
    flops: float
    """Its."""
    trainings: float
    """Seconds that there are for trainings."""
    tail: float
    """Seconds of export and report."""
    seconds: float
    """Of the whole run."""


def run_name(asked: Asked) -> str:
    """What the run will be called."""
    named = {key: value for key, value in asked.overrides.items() if key == "name"}
    return read_config(asked.config or "finetune", {"data.name": asked.images, **named}).config.name


def planned(
    asked: Asked,
    execution: Execution,
    *,
    home: RunFolder,
    used: Callable[[], float],
    reporter: Reporter,
    weights: Callable[[], tuple[str, ...]],
    write: bool,
) -> Planned:
    """Look, measure, plan.

    Args:
        asked: what somebody wants.
        execution: how it will be computed.
        home: of the run; gets the narrowed space and the latency table.
        used: seconds that the run has used until now.
        reporter: is told.
        weights: the models of the space finetune whose weights can be had; asked only where they would be used.
        write: whether files may be written; without, the plan is of the whole space.

    Raises:
        ConfigError: no network keeps the limits, or the time is too short.
        DataError, SpaceError: images or space cannot be read.
    """
    listing = list_images(
        asked.images, root=asked.overrides.get("data.root"), group_column=asked.overrides.get("data.group_column")
    )
    photos = _photos(listing, asked)
    reporter.say(f"images: {photos}")
    base = _base(asked, photos, weights if listing.in_channels == 3 else tuple)
    space = load_space(base.space, classes=photos.classes, in_channels=listing.in_channels)
    table = _latency(space, home, reporter) if "latency" in asked.limits else None
    if table is not None:
        space = space.with_table(latency_costs(space, table))
    asked.limits.check(space.cost_names, of=space.name)
    X, networks = candidates(space, asked.limits, photos)
    if not len(X):
        raise ConfigError(f"no network of {space.name} keeps {asked.limits}; raise the limits, or name another --space")
    rehearsal = _rehearsal(base, asked, networks, space, photos)
    images = None if listing.source is None else _few(listing.source, rehearsal)
    reporter.say(f"measuring how fast networks of {space.name} train here ...")
    pace = rehearse(rehearsal, execution, space, images=images, threads=execution.threads)
    tail = _TAIL * _busy(used()) + photos.test * pace.forward(float(np.median(networks.flops))) / pace.gain
    lengths = lengths_for(space)

    def again(networks: Networks) -> TimePlan:
        left, searching = asked.seconds - used() - tail, asked.overrides.get("collect.rounds") != 0
        return plan(photos, networks, pace, seconds=left, lengths=lengths, searching=searching)

    def measured(number: int) -> float:
        return slowness(rehearsal, execution, space, X[number][None], pace, images=images)

    networks, found = _settled(networks, again, measured)
    if write and table is None and (file := _narrowed(space, float(networks.flops[found.network]), asked, home)):
        base = replace(base, space=str(file))
    picked = chosen(base, space, X[found.network][None], photos, found, limits=asked.limits, lengths=lengths)
    device = resolve_device(execution.device) if execution.engine != "ray" else "cpu"
    return Planned(
        given=_given(base, asked, picked, table, gpu=device.startswith("cuda")),
        photos=photos,
        plan=found,
        expected=Expected(
            pace=pace, photos=photos, slowness=float(networks.slowness[found.network]), pretrained=is_pretrained(space)
        ),
        row=space.to_records(X[found.network][None])[0],
        flops=float(networks.flops[found.network]),
        space=space,
        reasons=picked.reasons,
        trainings=asked.seconds - used() - tail,
        tail=tail,
        seconds=asked.seconds,
    )


def _photos(listing: Listing, asked: Asked) -> Photos:
    """What is known of the images before they are read."""
    wanted = {key: value for key, value in asked.overrides.items() if key.startswith("data.")}
    config = read_config(
        asked.config or "finetune", {"data.name": asked.images, **wanted}, options=asked.options
    ).config
    held = config.images.validation
    train, validation = listing.train, listing.validation
    if not validation:
        validation = round(held * train) if held < 1 else int(held)
        train -= validation
    side, source = SIDES.get(listing.name), listing.source
    if source is not None:
        side = source.typical if source.files is None else typical_side([path_of(file) for file in source.files])
    classes = len(listing.classes)
    return Photos(
        classes=classes,
        train=max(1, train),
        validation=validation,
        test=listing.test,
        side=side or _USUAL,
        multi_label=listing.multi_label,
        whole=source is None or not source.packed,
    )


def _base(asked: Asked, photos: Photos, weights: Callable[[], tuple[str, ...]]) -> Base:
    if asked.space is not None:
        found = base_for(photos, asked.limits, weights=(), named=asked.space)
        return found if asked.config is None else replace(found, config=asked.config)
    if asked.config is not None:
        space = read_config(asked.config).config.space
        return Base(config=asked.config, space=space, reason=f"as the configuration {asked.config} has it")
    return base_for(photos, asked.limits, weights=weights())


def _latency(space: Space, home: RunFolder, reporter: Reporter) -> Path:
    """Latency of the space's networks on one thread of this machine, fitted to some that are measured."""
    from nars.export.onnx import untrained_onnx
    from nars.network.fitting_latency import measure_networks
    from nars.network.mbconv.block_onnx import network_graph
    from nars.network.runner import onnxruntime_runner

    file = home.path / "latency.json"
    encode = network_graph if space.kind == "mbconv" else untrained_onnx
    with counting(reporter, "measuring latency") as progress:
        measure_networks(
            space, file, onnxruntime_runner(1), networks=_LATENCIES, encode=partial(encode, batch=1), progress=progress
        )
    return file


def _rehearsal(base: Base, asked: Asked, networks: Networks, space: Space, photos: Photos) -> RunConfig:
    """The configuration that the pace is measured by: of the networks to begin with, by the recipe to begin with."""
    values: dict[str, Any] = {"data.name": asked.images, "space": base.space, "search.budgets": []}
    values |= {"collect.start": good_recipe(space), "range": {}}
    if len(networks.flops) and networks.flops.min() < networks.flops.max():
        values["range"] = {"flops": {"low": float(networks.flops.min()), "high": float(networks.flops.max())}}
    if int(space.values("resolution")[-1]) > SMALL and photos.whole:
        values["data.cropping"] = "resized"
    return read_config(base.config, values).config


def _few(source: Source, config: RunConfig) -> ImageData:
    """Some of the images, of all parts of the set."""
    rng = np.random.default_rng(0)
    few = some_images(source, np.sort(rng.permutation(len(source.labels))[:_LOOKED_AT]))
    part = np.resize(np.array([TRAIN, TRAIN, TRAIN, VALIDATION, TEST], dtype=np.int8), len(few.labels))
    return load_images(
        "some of them",
        resolution=_SMALLEST,
        validation_fraction=0.5,
        seed=0,
        loaders=0,
        whole=config.images.cropping == "resized",
        source=replace(few, part=part, copies=None),
    )


def _busy(used: float) -> float:
    """How many times as long as on an idle machine things take: what this process has used until now, to its share of
    the processors."""
    return min(_BUSIEST, max(1.0, used / max(process_time(), 1e-3)))


def _settled(
    networks: Networks, again: Callable[[Networks], TimePlan], measured: Callable[[int], float]
) -> tuple[Networks, TimePlan]:
    """The plan, made anew until the pace of the network that it begins with is measured and not assumed."""
    seen: set[int] = set()
    while (found := again(networks)).network not in seen and len(seen) < _TRIES:
        seen.add(found.network)
        own = networks.slowness.copy()
        own[found.network] = measured(found.network)
        networks = replace(networks, slowness=own)
    return networks, found


def _narrowed(space: Space, flops: float, asked: Asked, home: RunFolder) -> Path | None:
    """The file of the space without what lies outside the range of the search; None where it stays as it is."""
    files = narrowed(space, flops, asked.limits)
    for name, content in (files or {}).items():
        write_bytes(home.path / "plan" / name, content)
    return home.path / "plan" / "space.yaml" if files else None


def _given(base: Base, asked: Asked, picked: Chosen, table: Path | None, *, gpu: bool) -> Given:
    """The run configuration: what was chosen, and on top of it what somebody wants otherwise."""
    values = {"data.name": asked.images, **picked.values}
    if table is not None:
        values["latency"] = str(table)
    if gpu:
        values |= {"collect.amp": True, "final.amp": "bf16"}
    return read_config(base.config, values | dict(asked.overrides), options=asked.options)


# ---- for people


def write_plan(made: Planned, home: RunFolder) -> None:
    """The configuration as a file that `nars run` takes, with the reasons above it."""
    config = absolute(made.given.config)  # good from any working directory
    document = config.model_dump(mode="json", exclude_defaults=True)
    full = config.model_dump(mode="json")
    # Where a file names none, those of the space are taken, which are not this plan's.
    document["range"] = full["range"]
    document["search"] = {**document.get("search", {}), "budgets": full["search"]["budgets"]}
    lines = [
        f"# What nars run --time {made.seconds / 60:g}m has chosen for {made.given.config.images.name}.",
        "# Changed to your liking, it is a run configuration like any other: nars run FILE --out ANOTHER_FOLDER",
        *(f"# {key}: {reason}" for key, reason in made.reasons.items() if reason),
    ]
    write_text(home.plan_file, "\n".join([*lines, dump_yaml(document)]))


def plan_table(made: Planned) -> Table:
    """The plan with its expected times."""
    how, config, reasons = made.plan, made.given.config, made.reasons
    table = Table(title=f"Plan of {config.name} for {spell_time(made.seconds)}", show_header=False)
    table.add_row("images", str(made.photos))
    table.add_row("space", f"{made.space.name}: {reasons['space']}")
    line = made.space.family.line(made.space, made.row) if made.space.kind == "timm" else f"{made.row['resolution']} px"
    table.add_row("begins with", f"{line}, {shorten(made.flops)} FLOPs: {reasons['collect.start']}")
    search = reasons["collect.rounds"]
    if how.trainings:
        search = f"{search}; {reasons['collect.epochs']}"
    table.add_row("search", search)
    epochs = config.final.epochs
    final = how.final_seconds * epochs / how.final_epochs
    why = reasons["final.epochs"] if epochs == how.final_epochs else "as was asked"
    table.add_row("final training", f"{counted(epochs, 'epoch')} in {spell_time(final)}; {why}")
    table.add_row("export, report", f"about {spell_time(made.tail)}")
    total = made.seconds - made.trainings + how.search_seconds + final
    table.add_row("in all", f"about {spell_time(total)}, which is revised by what trainings really take")
    return table
