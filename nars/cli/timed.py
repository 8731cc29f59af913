"""`nars run PHOTOS --time 30m`: a network in the time there is, all else chosen."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nars.cli.opening import Asked
from nars.cli.options import How
from nars.errors import ConfigError
from nars.images.names import FOLDER_PREFIX
from nars.printing import plain_console
from nars.run.folder import RunFolder, read_json, run_in

if TYPE_CHECKING:
    from nars.run import Execution, Run
    from nars.run.clock import Clock
    from nars.run.planned import Planned

_STARTED = 1.0
"""Seconds until a command begins."""


@dataclass(frozen=True, kw_only=True)
class Within:
    """A time, and limits on the network, in place of budgets."""

    time: Annotated[
        str | None,
        typer.Option(
            "--time", help="Time for all of it, e.g. 30m or 1h30m: space, resolution, search and training are chosen."
        ),
    ] = None
    max_flops: Annotated[str | None, typer.Option(help="With --time: of the network, e.g. 300M.")] = None
    max_params: Annotated[str | None, typer.Option(help="With --time: of the network, e.g. 5M.")] = None
    max_latency: Annotated[
        str | None, typer.Option(help="With --time: of one image on one CPU thread of this machine, e.g. 20ms.")
    ] = None

    @property
    def limits(self) -> dict[str, str]:
        """{cost: upper limit} as given."""
        given = {"flops": self.max_flops, "params": self.max_params, "latency": self.max_latency}
        return {name: limit for name, limit in given.items() if limit is not None}


_LISTS = (".csv", ".tsv", ".parquet", ".tar")
"""Files that images are listed in, or packed."""


def is_meant(name: str, within: Within) -> bool:
    """Whether a run with a time is asked for: by --time, or because the folder is that of one that is not finished.

    Raises:
        ConfigError: limits without a time, or images without one.
    """
    home = _home(name)
    if within.time is not None or (home is not None and home.time_file.is_file() and _left(home)):
        return True
    if within.limits:
        option = f"--max-{next(iter(within.limits))}"
        raise ConfigError(f"{option} goes with --time, e.g. --time 30m; a run without a time takes --budgets")
    listed = is_listed(name)
    if home is None and not is_built_in(name) and (listed or Path(name).is_dir()):
        raise ConfigError(
            f"{name} is a {'file' if listed else 'folder'}, and not that of a run. If it holds images: nars run {name} "
            f"--time 30m (all else is chosen), or nars run finetune --data imagefolder:{name}"
        )
    return False


def is_listed(name: str) -> bool:
    """Whether it is a file that images are listed in, or packed."""
    return Path(name).suffix.lower() in _LISTS and Path(name).is_file()


def is_built_in(name: str) -> bool:
    """Whether it is the name of a built-in configuration, whatever lies in the working directory."""
    from nars.run import run_names

    return name in run_names()


def _home(name: str) -> RunFolder | None:
    """The run that a folder holds; of a built-in name none: ./digits is a folder."""
    return None if is_built_in(name) else run_in(name)


def _left(home: RunFolder) -> bool:
    """Whether anything is left to compute of a run."""
    from nars.run.environment import remaining

    return bool(remaining(home, "export"))


def run(wanted: Asked, within: Within, out: Path | None, how: How, *, dry_run: bool) -> Run | None:
    """Plan it, or go on with it, and compute it; None where it is only planned.

    Raises:
        ConfigError: as everything that it does.
    """
    began = time.monotonic()
    from nars.cli.starting import load_torch

    load_torch()
    from nars import stages
    from nars.cli.starting import hold, say_device
    from nars.report import write_report
    from nars.run import Terminal, reopen_run

    reporter = Terminal()
    execution = _execution(how)

    def used() -> float:
        return time.monotonic() - began + _STARTED

    home = _home(wanted.name)
    if home is not None and out is not None and out.absolute() != home.path.absolute():
        raise ConfigError(
            f"--out goes with images or a configuration; {wanted.name} is the folder of a run, which goes on there: "
            f"leave out --out, or name the images"
        )
    home = home or RunFolder(out or Path("runs") / _name(_asked(wanted, within)))
    if home.run_file.is_file():
        clock = _clock_of(home, wanted, within)
        if dry_run:
            reporter.say(f"its plan, as it was made: {home.plan_file}")
            return None
        if not _left(home):
            _say_finished(home, clock, reporter)
            return reopen_run(home.path, execution=execution, reporter=reporter)
        hold(home.path)
        opened = _again(home, clock, execution, reporter, used)
    else:
        asked = _asked(wanted, within)
        made = _planned(asked, execution, home, used, reporter, write=not dry_run)
        _show(made)
        if dry_run:
            return None
        about = {"of": _of(wanted), "given": _given(wanted, within)}
        opened = _begin(made, home, execution, reporter, used, about)
    hold(opened.folder.path)
    say_device(opened.execution, opened.reporter)
    stages.run_timed(opened)
    write_report(opened.folder)
    stages.say_time(opened)
    return opened


def export_best(home: RunFolder, *, verify: bool, plain: bool) -> bool | None:
    """Export the best so far of a run with a time that is not finished; whether its forms are right, if they are to be
    verified. None where it is finished or has no time.

    Raises:
        ConfigError: it is not `plain`, with other options than those two.
    """
    if not home.time_file.is_file():
        return None
    from nars.cli.starting import load_torch

    load_torch()
    from nars import stages
    from nars.run import Terminal, reopen_run

    opened = reopen_run(home.path, reporter=Terminal())
    family = stages.load_family(opened)
    if family is not None and stages.load_trained(opened, family) is not None:
        return None
    if not plain:
        raise ConfigError(
            f"{home.path} is not finished: of its best so far there is the plain export alone, without --int8, --again "
            f"and --set; finish it first: nars run {home.path}"
        )
    card = stages.export_best(opened)
    shown = ", ".join(f"{split} {percent:.2f} %" for split, percent in card.accuracy.items())
    typer.echo(f"{home.best_so_far}: {shown}; the run goes on: nars run {home.path}")
    if not verify:
        return True
    from nars.cli.networks import show_verification

    return show_verification(stages.verify_best(opened))


def _execution(how: How) -> Execution:
    from nars.parallel import resolve_device, usable_cores
    from nars.run import execution
    from nars.run.environment import check_engine

    made = execution(**asdict(how))
    check_engine(made)
    on_cpu = made.engine != "ray" and resolve_device(made.device) == "cpu"
    return made.model_copy(update={"threads": len(usable_cores()) if on_cpu else 1})


def _asked(wanted: Asked, within: Within) -> Any:
    """The command line as planning takes it."""
    from nars.run import run_names
    from nars.run.clock import seconds_of
    from nars.run.planned import Asked as Question
    from nars.space import Bounds

    overrides = dict(wanted.overrides)
    if "search.budgets" in overrides:
        raise ConfigError("--budgets goes without --time; with it: --max-flops, --max-params, --max-latency")
    built_in = is_built_in(wanted.name) or Path(wanted.name).suffix in (".yaml", ".yml")
    if not built_in and not Path(wanted.name).exists():
        raise ConfigError(
            f"with --time the first argument is a folder of images, a CSV of paths and labels, a YAML file, or one of "
            f"{', '.join(run_names())}; got {wanted.name!r}"
        )
    data = overrides.pop("data.name", None)
    if data is None:
        data = _images_of(wanted.name) if built_in else f"{FOLDER_PREFIX}{wanted.name}"
    return Question(
        images=data,
        config=wanted.name if built_in else None,
        space=overrides.pop("space", None),
        seconds=seconds_of(within.time or ""),
        limits=Bounds.at_most(**within.limits) if within.limits else Bounds(),
        overrides=overrides,
        options=wanted.options,
    )


def _images_of(config: str) -> str:
    from nars.run import load_config

    return load_config(config).images.name


def _name(asked: Any) -> str:
    from nars.run.planned import run_name

    return run_name(asked)


def _clock_of(home: RunFolder, wanted: Asked, within: Within) -> Clock:
    """The clock of the run that is there already, with the time that is asked for now; nothing is written.

    Raises:
        ConfigError: the run has none, or was begun with other options.
    """
    from nars.run.clock import Clock, seconds_of

    clock = Clock.kept(home.time_file, asked=None if within.time is None else seconds_of(within.time))
    if clock is None or not home.plan_file.is_file():
        raise ConfigError(
            f"{home.path} holds a run that was begun without --time; go on with it (nars run {home.path}), or begin "
            f"another in another folder with --out"
        )
    kept, given, images = read_json(home.time_file), _given(wanted, within), _of(wanted)
    if _home(wanted.name) is None and kept.get("of", images) != images:
        raise ConfigError(
            f"{home.path} is the run of {kept['of']}, and this asks for one of {images}; begin it in another folder "
            f"with --out"
        )
    if given and given != kept["given"]:
        before = " ".join(f"{option} {value}" for option, value in kept["given"].items()) or "none"
        raise ConfigError(
            f"{home.path} was begun with other options beside the time ({before}); go on with it as it is (nars run "
            f"{home.path}), or begin another in another folder with --out"
        )
    return clock


def _again(home: RunFolder, clock: Clock, execution: Execution, reporter: Any, used: Any) -> Run:
    """The run that is there already, with the time that it has left."""
    from nars.run import reopen_run
    from nars.run.clock import spell_time

    kept = read_json(home.time_file)
    if clock.asked != kept["asked"]:
        clock.note({"trainings": kept["trainings"] + clock.asked - kept["asked"]})
    clock.begin(used())
    execution = execution.model_copy(update={"threads": int(kept.get("threads", 1))})
    opened = reopen_run(home.path, execution=execution, reporter=reporter)
    reporter.say(f"{home.path} goes on: {spell_time(clock.used)} used of {spell_time(clock.asked)}")
    return replace(opened, clock=clock)


def _say_finished(home: RunFolder, clock: Clock, reporter: Any) -> None:
    from nars.run.clock import spell_time

    kept = read_json(home.time_file)
    more = (
        f"; what is finished is not trained for longer: give another run of the same images "
        f"{spell_time(clock.asked)}, with --out"
        if clock.asked > kept["asked"]
        else ""
    )
    reporter.say(
        f"{home.path} is finished: {spell_time(kept['used'])} used of {spell_time(kept['asked'])}, nothing to do{more}"
    )


def _planned(asked: Any, execution: Execution, home: RunFolder, used: Any, reporter: Any, *, write: bool) -> Planned:
    from nars.network import weights_at_hand
    from nars.run.planned import planned
    from nars.space import load_space

    def weights() -> tuple[str, ...]:
        models = [str(model) for model in load_space("finetune").values("model")]
        found, silent = weights_at_hand(models)
        if silent:
            reporter.say(f"pretrained weights: {silent}; here are those of {len(found)} of {len(models)} networks")
        return found

    return planned(asked, execution, home=home, used=used, reporter=reporter, weights=weights, write=write)


def _show(made: Planned) -> None:
    from nars.run.planned import plan_table

    plain_console().print(plan_table(made))


def _given(wanted: Asked, within: Within) -> dict[str, str]:
    """What the command line says beside the time, by option; to see whether it says the same again."""
    options = {wanted.options.get(key, key): str(value) for key, value in wanted.overrides.items()}
    return options | {f"--max-{name}": limit for name, limit in within.limits.items()}


def _of(wanted: Asked) -> str:
    """The images or the configuration that are named, the same from wherever."""
    from nars.run.places import whole

    return wanted.name if is_built_in(wanted.name) else whole(wanted.name)


def _begin(
    made: Planned, home: RunFolder, execution: Execution, reporter: Any, used: Any, about: dict[str, Any]
) -> Run:
    from nars.run import open_run
    from nars.run.clock import Clock
    from nars.run.planned import write_plan

    write_plan(made, home)
    clock: Clock = Clock(home.time_file, asked=made.seconds, used=used(), tail=made.tail)
    threads = execution.threads if made.expected.pace.gain > 1 else 1
    execution = execution.model_copy(update={"threads": threads})
    clock.note({"expected": made.expected.to_dict(), "trainings": made.trainings, "threads": threads} | about)
    opened = open_run(
        made.given.config,
        home.path,
        execution=execution,
        reporter=reporter,
        upto="export",
        place=made.given.place,
        clock=clock,
    )
    opened.log(f"plan: {home.plan_file} has all that was chosen, to be changed")
    return opened
