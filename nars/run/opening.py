"""Opening a run: a new one, or the one in a folder, if it is made from what it says.

A run is whole: it has its own copy of the space, which alone counts, and of its images it keeps a fingerprint. Whoever
opens it gets it as it began, or is told what is not as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pydantic

from nars.errors import ConfigError, expect
from nars.files.atomic import write_bytes, write_json
from nars.images import FOLDER_PREFIX
from nars.run.changes import Change, as_begun, changes, first_values, refuse_others
from nars.run.checking import Checked, check
from nars.run.clock import Clock
from nars.run.config import Execution, RunConfig, as_run
from nars.run.earlier import upgraded
from nars.run.environment import Stage, remaining
from nars.run.folder import RunFolder, existing_run, read_json
from nars.run.given import load_config
from nars.run.identity import DataFacts, origin_of, other_images, space_with, spell, versions, warn, with_versions
from nars.run.own_task import own_facts
from nars.run.places import absolute
from nars.run.progress import Reporter, Silent
from nars.run.run import Run, introduce, read_images, smallest_resolution
from nars.space import Space, SpaceError, differences, load_space
from nars.store import write_space

FORMAT = 2
"""Of a run's folder. Folders without one are of earlier versions and are brought to this one when they are opened."""


def open_run(
    config: RunConfig,
    folder: Path | str | None = None,
    *,
    execution: Execution | None = None,
    reporter: Reporter | None = None,
    upto: Stage | None = None,
    alone: Callable[[Run, Stage], None] | None = None,
    admits: Callable[[RunConfig, Space], None] | None = None,
    place: Callable[[str], str] = str,
    clock: Clock | None = None,
) -> Run:
    """Start a run in a folder, or go on with the one that is there, if `check` finds nothing against it.

    What may change between two starts is listed in `nars.run.changes`.

    Args:
        config: what to do.
        folder: where; runs/NAME when None.
        execution: how to compute it.
        reporter: who is told, also what `check` warns of.
        upto: the last stage that will be computed now: what it needs of this machine is checked too.
        alone: no other stage is to be computed; raises where those before are not done.
        admits: raises where a new run is not to begin with this configuration and space; nothing is written then.
        place: where the value of a dotted key was written, for messages (`Given.place`).
        clock: of a new run that is given a time.

    Raises:
        ConfigError: the folder holds another run, what `check` finds, or a stage before is missing.
        SpaceError, DataError: the space or the images cannot be read, or are not those that the run began with.
    """
    expect(config, RunConfig, "open_run takes a run configuration, e.g. load_config('digits')", error=ConfigError)
    home = RunFolder(Path(folder) if folder else Path("runs") / config.name)
    how, reporter = execution or Execution(), reporter or Silent()
    if not home.run_file.is_file():
        without = alone is not None and upto not in (None, "pretrain")
        checked = check(config, how, folder=folder, upto=upto, starting=not without, place=place)
        if without:
            raise ConfigError(
                f"nars {upto} goes on with a run, and {home.path} holds none. Begin one by nars run (all stages) or "
                f"nars pretrain (the first), or give the folder of another with --out"
            )
        return _begin(config, home, how, reporter, checked, admits, clock)
    run, document, changed = _reopen(config, home, how, reporter)
    if alone is not None and upto is not None:
        alone(run, upto)
    if changed or remaining(home, upto):
        checked = check(
            run.config,
            how,
            folder=home.path,
            upto=upto,
            starting=True,
            grown=bool(changed),
            own_space=home.space_file,
            place=place,
        )
        _say_warnings(checked, reporter)
        run = replace(run, source=None if checked.images is None else checked.images.source)
    document = with_versions(document, home)
    if document != read_json(home.run_file):
        write_json(home.run_file, document)
    if changed:
        run.log(f"configuration: {'; '.join(map(str, changed))}")
    return run


def reopen_run(folder: Path, *, execution: Execution | None = None, reporter: Reporter | None = None) -> Run:
    """The run that a folder holds, by the configuration that it keeps.

    Args:
        folder: of the run, or the family/ in it.
        execution: how to compute.
        reporter: who is told.

    Raises:
        ConfigError: the folder holds no run, or one of a version that is too different.
    """
    home = existing_run(folder)
    return open_run(load_config(home.path.absolute()), home.path, execution=execution, reporter=reporter)


def check_reopening(config: RunConfig, folder: Path) -> None:
    """See whether a folder's run can go on with a configuration; nothing is written.

    Raises:
        As `open_run`.
    """
    if RunFolder(folder).run_file.is_file():
        _reopen(config, RunFolder(folder), Execution(), Silent())


def _begin(
    config: RunConfig,
    home: RunFolder,
    how: Execution,
    reporter: Reporter,
    checked: Checked,
    admits: Callable[[RunConfig, Space], None] | None,
    clock: Clock | None,
) -> Run:
    """A new run in an empty folder."""
    if clock is None:  # of one with a time that was stopped before it began
        home.time_file.unlink(missing_ok=True)
    left = [file for file in (home.pool_file, home.encoder, home.predictor, home.family_file) if file.exists()]
    if left:
        raise ConfigError(
            f"{home.path} holds results of a run ({', '.join(file.name for file in left)}) but not its "
            f"{home.run_file.name}, so nobody knows whose they are. Put that file back, or choose another folder with "
            f"--out"
        )
    _say_warnings(checked, reporter)
    images, source = None, None if checked.images is None else checked.images.source
    if config.trains_images:
        images = read_images(
            config, resolution=smallest_resolution(checked.space), execution=how, reporter=reporter, source=source
        )
        facts = DataFacts.about(images, name=config.images.name)
    else:
        facts = own_facts(config)
    space = load_space(config.space, classes=facts.count, in_channels=facts.in_channels)
    if admits is not None:
        admits(config, space)
    write_space(space, home.space_file)
    settled = absolute(config)
    if settled.latency is not None:
        write_bytes(home.table_file, Path(settled.latency).read_bytes())
    document = {
        "format": FORMAT,
        "config": settled.model_dump(mode="json"),
        "space": {"name": space.name, "fingerprint": space.fingerprint},
        "data": facts.to_dict(),
        "origin": origin_of(settled, space=space.fingerprint, data=facts.fingerprint),
        "versions": versions(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(home.run_file, document)
    run = Run(config=settled, execution=how, folder=home, reporter=reporter, loaded=images, source=source, clock=clock)
    if images is not None:
        introduce(images, run.log)
    return run


def _reopen(
    config: RunConfig, home: RunFolder, how: Execution, reporter: Reporter
) -> tuple[Run, dict[str, Any], list[Change]]:
    """An existing run as it is asked for, its file as it must be, and what has changed."""
    kept = read_json(home.run_file)
    _check_format(kept, home)
    before = _kept_config(kept, home)
    if "format" not in kept:
        kept = upgraded(kept, before, home, format=FORMAT)
        if config.space == before.space:  # the file that has just become the run's own copy
            config = config.model_copy(update={"space": str(home.space_file)})
        before = _kept_config(kept, home)
    config = _warming_up(config, kept["config"])
    facts = DataFacts.of(kept["data"])
    space = _own_space(kept, home, facts, before)
    if config.trains_images and before.trains_images:
        place = before.images.name.removeprefix(FOLDER_PREFIX)
        if config.images.name == facts.name and (place == before.images.name or Path(place).is_dir()):
            # As it was written when the run began, whatever the working directory is now.
            config = config.model_copy(update={"data": config.images.model_copy(update={"name": before.images.name})})
    config = absolute(config)
    by_folder = _is_same_file(config.space, home.space_file)
    config = _with_table(_with_space(config, before, space, home, facts), before, home)
    loaded = None
    both = config.trains_images and before.trains_images
    if both and (config.images.name, config.images.root) != (before.images.name, before.images.root):
        loaded = read_images(config, resolution=smallest_resolution(space), execution=how, reporter=reporter)
        if loaded.fingerprint != facts.fingerprint:
            now = DataFacts.about(loaded, name=config.images.name)
            raise other_images(home, facts, now, place=config.images.name)
        introduce(loaded, reporter.say)
    began = kept.get("began", {})
    if not by_folder:
        config, back = as_begun(config, before, began)
        for change in back:
            reporter.say(
                f"{change.key} stays {change.before!r}, to which the run has grown from {change.now!r}; for that "
                f"again: nars run {home.path} --set {change.key}=..."
            )
    found = changes(before, config)
    refuse_others(found, config, home)
    document = kept | {"config": config.model_dump(mode="json")}
    if found or began:
        document["began"] = first_values(began, found)
    return Run(config=config, execution=how, folder=home, reporter=reporter, loaded=loaded), document, found


def _check_format(kept: dict[str, Any], home: RunFolder) -> None:
    made = kept.get("format", 1)
    if not isinstance(made, int) or made > FORMAT:
        wrote = kept.get("versions", {}).get("nars", "unknown")
        raise ConfigError(
            f"{home.run_file} has format {made}, this version of nars reads up to {FORMAT}; use the version that wrote "
            f"it ({wrote}) or a later one"
        )
    for key in ("config", "space", "data"):
        if not isinstance(kept.get(key), dict):
            raise ConfigError(f"{home.run_file} lacks {key!r}: it is not a run's file, or was edited. Put it back")


def _kept_config(kept: dict[str, Any], home: RunFolder) -> RunConfig:
    try:
        return RunConfig.model_validate(as_run(kept["config"]))
    except pydantic.ValidationError as error:
        raise ConfigError(
            f"{home.run_file} holds a configuration that this version cannot read ({error.errors()[0]['msg']}); use "
            f"the version that wrote it, {kept.get('versions', {}).get('nars', 'an older one')}"
        ) from error


def _warming_up(config: RunConfig, kept: Mapping[str, Any]) -> RunConfig:
    """The configuration with the averages of a run that began before there was a choice, where it leaves it open."""
    updates = {}
    for name, part in (("collect", config.collect), ("final", config.final)):
        if part.ema_warmup == "auto" and "ema_warmup" not in (kept.get(name) or {}):
            updates[name] = part.model_copy(update={"ema_warmup": True})
    return config.model_copy(update=updates)


def _own_space(kept: dict[str, Any], home: RunFolder, facts: DataFacts, before: RunConfig) -> Space:
    """The run's copy of its space.

    Raises:
        ConfigError: it is not the one that the run began with.
    """
    known = kept["space"]["fingerprint"]
    if not home.space_file.is_file():
        raise ConfigError(
            f"{home.space_file}, the run's own copy of the space {kept['space']['name']}, is not there. Put the file "
            f"back ({before.space}, if that has not changed since)"
        )
    space = load_space(home.space_file, classes=facts.count, in_channels=facts.in_channels)
    if space.fingerprint == known:
        return space
    changed = ""
    for other in (home.predictor / "space.yaml", Path(before.space)):
        original = space_with(other, facts)
        if original is not None and original.fingerprint == known:
            changed = f": {spell(differences(original, space))}"
            break
    raise ConfigError(
        f"{home.space_file}, the run's own copy of its space, is not as the run began{changed}. Its samples and its "
        f"predictor belong to the space as it was: put the file back, or begin another run in another folder with --out"
    )


def _with_table(config: RunConfig, before: RunConfig, home: RunFolder) -> RunConfig:
    """A device table at another place that says the same is the run's own."""
    if config.latency is None or config.latency == before.latency or not Path(config.latency).is_file():
        return config
    same = home.table_file.is_file() and Path(config.latency).read_bytes() == home.table_file.read_bytes()
    return config.model_copy(update={"latency": before.latency}) if same else config


def _with_space(config: RunConfig, before: RunConfig, space: Space, home: RunFolder, facts: DataFacts) -> RunConfig:
    """The configuration with the space in its place; what counts is the run's own copy.

    Raises:
        ConfigError: it asks for a space that is not the run's.
    """
    if _is_same_file(config.space, home.space_file):  # the run was opened by its folder
        original = space_with(before.space, facts)
        if original is not None and original.fingerprint != space.fingerprint:
            warn(
                f"{before.space} has changed since {home.path} began ({spell(differences(space, original))}); the run "
                f"goes on with its own copy, {home.space_file}. For the new one begin another run"
            )
        return config.model_copy(update={"space": before.space})
    try:
        asked = load_space(config.space, classes=facts.count, in_channels=facts.in_channels)
    except SpaceError:
        if config.space != before.space or Path(config.space).is_file():
            raise
        warn(f"{config.space} is not there any more; {home.path} goes on with its own copy, {home.space_file}")
        return config
    if asked.fingerprint != space.fingerprint:
        raise ConfigError(
            f"{home.path} was begun with another space than {config.space} is now: "
            f"{spell(differences(space, asked))}. Its samples and its predictor belong to the space as it was. Go on "
            f"with that, of which the run has a copy (nars run {home.path}), or begin another run with --out"
        )
    return config


def _is_same_file(one: str | Path, two: Path) -> bool:
    return Path(one).is_file() and Path(one).resolve() == two.resolve()


def _say_warnings(checked: Checked, reporter: Reporter) -> None:
    for warning in checked.warnings:
        reporter.say(f"warning: {warning}")
