"""Everything that can be known of a run before anything is computed: one function, which every command asks first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nars.errors import ConfigError, DataError
from nars.run.config import Execution, RunConfig, in_current_form, value_at
from nars.run.environment import Stage, folder_findings, machine_findings, remaining
from nars.run.findings import (
    Finding,
    Sizes,
    absent,
    collect_findings,
    final_findings,
    image_findings,
    label_findings,
    range_findings,
    resolution_findings,
    scaling_findings,
    sizes_of,
    start_findings,
    task_findings,
    teacher_findings,
    weights_findings,
)
from nars.run.folder import RunFolder, read_json
from nars.space import Space, SpaceError, latency_costs, load_space

if TYPE_CHECKING:
    from nars.images import Listing


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found out."""

    images: Listing | None
    """None where a trainer of one's own has the data."""
    space: Space
    """With the classes and channels of the images."""
    sizes: Sizes | None
    warnings: tuple[str, ...]
    """What a person should know before the run; with key and way out."""


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
        starting: the run starts now, so that its images must be there; weights of timm's are downloaded.
        grown: the configuration of a run has changed, so that stages that are done go on.
        own_space: the run's own copy of its space, which then counts.
        place: where the value of a dotted key was written, for messages (`Given.place`).

    Raises:
        ConfigError: mistakes, one line each.
    """
    from nars.images import list_images

    home = RunFolder(Path(folder) if folder else Path("runs") / config.name)
    findings: list[Finding] = [*folder_findings(config, folder, home.path)]
    images = space = None
    if config.trains_images:
        try:
            images = list_images(config.images.name, root=config.images.root, group_column=config.images.group_column)
        except DataError as error:
            findings.append(Finding(keys=("data.name",), text=str(error), here=True))
    else:
        findings += task_findings(config)
    if images is not None and not images.present and images.name == "imagenet":
        findings.append(absent(config, warning=not starting))
    try:
        space = load_space(
            own_space or config.space,
            classes=None if images is None else min(config.images.search_classes or 2**31, len(images.classes)),
            in_channels=None if images is None else images.in_channels,
        )
    except SpaceError as error:
        findings.append(Finding(keys=("space",), text=str(error)))
    if space is not None and config.latency is not None:
        try:
            table = home.table_file if home.table_file.is_file() else Path(config.latency)
            space = space.with_table(latency_costs(space, table))
        except SpaceError as error:
            findings.append(Finding(keys=("latency", "space"), text=str(error)))
            space = None
    sizes = None if images is None else sizes_of(config, images)
    if images is not None and sizes is not None:
        findings += image_findings(config, images, sizes)
    if space is not None and config.trains_images and (unfit := _unfit(space)):
        findings.append(Finding(keys=("space",), text=unfit))
        space = None
    if space is not None:
        findings += [*range_findings(config, space), *scaling_findings(config, space), *start_findings(config, space)]
    if space is not None and config.trains_images:
        findings += [*resolution_findings(config, space, images), *label_findings(space, images)]
    findings += [*collect_findings(config, sizes)]
    if config.trains_images:
        findings += [*final_findings(config, sizes)]
    left = remaining(home, upto, grown=grown)
    if space is not None and execution is not None and starting and left & {"collect", "train"}:
        findings += weights_findings(space)
    if images is not None:
        findings += teacher_findings(config, images, fetch=starting and "train" in left)
    findings += machine_findings(config, execution or Execution(), left)
    warnings = _weighed(findings, config, home, place)
    if space is None:
        raise ConfigError(f"{place('space')}: {config.space} cannot be searched")
    return Checked(images=images, space=space, sizes=sizes, warnings=warnings)


def check_training(
    config: RunConfig, execution: Execution | None = None, *, place: Callable[[str], str] = str
) -> tuple[str, ...]:
    """The part of `check` that concerns the final training of one network; warnings.

    Raises:
        ConfigError: mistakes, one line each.
    """
    from nars.images import list_images

    if not config.trains_images:
        raise ConfigError(
            f"nars trains networks on images, and {config.name} trains by a trainer of its own; name a run "
            f"configuration of images, e.g. --config cifar10"
        )
    try:
        images = list_images(config.images.name, root=config.images.root, group_column=config.images.group_column)
    except DataError as error:
        raise ConfigError(f"{place('data.name')}: {error}") from error
    sizes = sizes_of(config, images)
    findings = [
        *image_findings(config, images, sizes),
        *final_findings(config, sizes),
        *teacher_findings(config, images, fetch=True),
        *machine_findings(config, execution or Execution(), frozenset({"train"})),
    ]
    errors = [f"{place(one.keys[0])}: {one.text}" for one in findings if not one.warning]
    if errors:
        raise ConfigError("\n".join(errors))
    return tuple(f"{place(one.keys[0])}: {one.text}" for one in findings)


def _unfit(space: Space) -> str | None:
    """Why no networks of a space can be trained and searched by their costs."""
    if space.family.builder is None:
        return (
            f"a run on images trains networks, and {space.name!r} is a {space.kind} space, whose choices are only "
            f"names and numbers; choose a space of networks (nars space list), bring a trainer of your own "
            f"(task: {{function: package.module:name}}), or import finished trials: nars import trials.csv --space "
            f"{space.name}"
        )
    lacking = [cost for cost in ("flops", "params", "resolution") if cost not in space.cost_names]
    return f"a run needs the cost {lacking[0]}; let the family {space.kind} compute it" if lacking else None


def _weighed(
    findings: Sequence[Finding], config: RunConfig, home: RunFolder, place: Callable[[str], str]
) -> tuple[str, ...]:
    """The warnings among the findings; raises ConfigError where others speak against the run."""
    if home.run_file.is_file():
        kept = in_current_form(read_json(home.run_file).get("config", {}))
        now = config.model_dump(mode="json")
        findings = [
            finding
            for finding in findings
            if finding.here or any(value_at(kept, key) != value_at(now, key) for key in finding.keys)
        ]
    errors: list[str] = []
    cautions: list[str] = []
    for finding in findings:
        key = finding.keys[0]  # an option, or a stage, is its own place
        where = place(key) if key.split(".")[0].split("[")[0] in RunConfig.model_fields else key
        (cautions if finding.warning else errors).append(f"{where}: {finding.text}")
    if errors:
        raise ConfigError("\n".join(errors))
    return tuple(cautions)
