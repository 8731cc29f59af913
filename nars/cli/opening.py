"""From what the command line names to an opened run: a configuration, --set, and the options that are short for one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from nars import stages
from nars.cli.options import How, Prior, sources_of
from nars.cli.starting import hold, load_torch
from nars.errors import ConfigError, UserError
from nars.run.folder import RunFolder, read_json

if TYPE_CHECKING:
    from nars.run import Execution, Given, Reporter, Run, RunConfig, Stage
    from nars.run.checking import Checked
    from nars.space import Space


@dataclass(frozen=True)
class Asked:
    """A run configuration as the command line names it."""

    name: str
    overrides: dict[str, Any]
    options: dict[str, str]
    """Dotted keys with the option that gave them."""


def asked(name: str, sets: list[str] | None, shortcuts: Mapping[str, tuple[str, Any]] = MappingProxyType({})) -> Asked:
    """Name, --set and the options that are short for one; shortcuts: dotted key -> (option, value or None)."""
    given = {key: (option, value) for key, (option, value) in shortcuts.items() if value is not None}
    more = parse_sets(sets)
    return Asked(
        name,
        {key: value for key, (_, value) in given.items()} | more,
        {key: option for key, (option, _) in given.items()} | {key: f"--set {key}" for key in more},
    )


def understood(wanted: Asked, out: Path | None, how: How) -> tuple[Given, Execution]:
    """Configuration and execution; what is wrong with either is told at once."""
    from nars.run import Execution, check, execution, read_config

    errors: list[str] = []
    given, settings = None, Execution()
    try:
        given = read_config(wanted.name, wanted.overrides, options=wanted.options)
        given = _as_begun(given, out)
    except ConfigError as error:
        errors.append(str(error))
    try:
        settings = execution(**asdict(how))
    except UserError as error:
        errors.append(str(error))
        if given is not None:
            try:
                check(given.config, folder=out, place=given.place)
            except ConfigError as more:
                errors.append(str(more))
    if given is None or errors:
        raise ConfigError("\n".join(errors))
    return given, settings


def _as_begun(given: Given, out: Path | None) -> Given:
    """With what was chosen when the run was begun, if it was; also by a version that named it after its file alone."""
    names = (given.config.name, given.file_name)
    for folder in [out] if out is not None else [Path("runs") / name for name in names if name]:
        file = RunFolder(folder).run_file
        if file.is_file():
            document = read_json(file)
            kept = document.get("config", {})
            images = [(part.get("data") or {}).get("name") for part in (document, kept)]  # as given, and its whole path
            asked = given.config.data
            if folder.name != given.file_name or (asked and asked.name) in images:
                return given.begun_as(kept)
    return given


def open_asked(
    wanted: Asked,
    out: Path | None,
    *,
    upto: Stage,
    alone: bool = False,
    shared: bool = False,
    how: How | None = None,
    prior: Prior | None = None,
) -> Run:
    """The run that the options ask for, checked.

    Args:
        wanted: the configuration.
        out: its folder, as named by --out.
        upto: the last stage that the command computes.
        alone: whether it computes no other.
        shared: whether several processes of torchrun can share it.
        how: to compute it; by default when None.
        prior: samples that it is given, if it has none yet.
    """
    from nars.run import Silent, Terminal, open_run
    from nars.run.given import run_folder

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not shared:
        raise ConfigError(
            f"torchrun can start nars train only, where processes share each training; got {processes} processes. "
            f"Start the other stages once (--workers uses all cores or GPUs), then torchrun ... -m nars train"
        )
    samples = None
    if prior is not None and prior.samples is not None:
        from nars.cli.spaces import open_store

        samples, fidelity = open_store(prior.samples), cast("stages.PriorFidelity", prior.samples_fidelity)
    sources = () if prior is None else sources_of(prior.warm_start)
    out = out or run_folder(wanted.name)  # which stands for its configuration
    likely = RunFolder(out or Path("runs") / Path(wanted.name).stem)
    if alone or not likely.report_file.is_file():  # else it may be finished, and nothing is to be loaded
        load_torch(everything=upto != "pretrain")
    given, settings = understood(wanted, out, how or How())
    reporter = Terminal() if os.environ.get("RANK", "0") == "0" else Silent()
    for note in given.notes:
        reporter.say(note)

    def admits(config: RunConfig, space: Space) -> None:
        for source in sources:
            source.match(space)
        if samples is not None:
            stages.check_samples(config, space, store=samples, fidelity=fidelity)

    hold(out or Path("runs") / given.config.name)
    opened = open_run(
        given.config,
        out,
        execution=settings,
        reporter=reporter,
        upto=upto,
        alone=stages.check_stage if alone else None,
        admits=admits,
        place=given.place,
    )
    hold(opened.folder.path)  # which is there now
    if sources:
        stages.give_sources(opened, sources)
    if samples is not None:
        stages.give_samples(opened, samples, fidelity=fidelity)
    return opened


def say_remarks(given: Given, checked: Checked, reporter: Reporter) -> None:
    """Say what was chosen, and what is doubtful."""
    for line in (*given.notes, *(f"warning: {warning}" for warning in checked.warnings)):
        reporter.say(line)


def parse_sets(sets: list[str] | None) -> dict[str, Any]:
    """--set KEY=VALUE as dotted keys with their values, read like those of a file."""
    from nars.space import SpaceError, parse_document

    parsed = {}
    for text in sets or []:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ConfigError(f"--set takes KEY=VALUE, e.g. --set collect.rounds=2, got {text!r}")
        try:
            parsed[key] = parse_document(value, source=f"--set {key}").content
        except SpaceError as error:
            raise ConfigError(f"{error}, got {value!r}; quote text that holds : or [") from error
    return parsed
