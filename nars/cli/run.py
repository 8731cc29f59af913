"""`nars run` and its stages one by one: pretrain, collect, search, train, export, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from nars import stages
from nars.cli.starting import DEVICE_HELP, load_torch, say_device
from nars.errors import ConfigError, UserError
from nars.run.folder import RunFolder, read_json

if TYPE_CHECKING:
    from nars.run import Execution, Given, Run, Stage
    from nars.stages import Family

Name = Annotated[
    str,
    typer.Argument(
        help="Built-in run configuration (digits, fashion-mnist, cifar10, imagenet), a YAML file, or a run's folder."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if not given.")]
SpaceOption = Annotated[str | None, typer.Option("--space", help="Search another space: built-in name or YAML file.")]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Other images: digits, fashion-mnist, cifar10, imagefolder:PATH.")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data set.")]
Budgets = Annotated[str | None, typer.Option(help="FLOPs budgets of the family, e.g. 0.5M,1M,2M.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all random choices.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Change any key, e.g. --set collect.rounds=2 (repeatable).")
]
Engine = Annotated[str, typer.Option(help="Where trainings run: processes, in-process, ray.")]
Workers = Annotated[int, typer.Option(help="Trainings at once; 0 is one per core or GPU.")]
PerGpu = Annotated[int, typer.Option(help="Trainings of stage 2 at once on one GPU.")]
Device = Annotated[str, typer.Option(help=DEVICE_HELP)]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join (with --engine ray).")]


def mount(app: typer.Typer) -> None:
    """Add these commands to the application."""
    for command, example in _COMMANDS:
        app.command(epilog=f"Example: {example}")(command)


def run(
    name: Name,
    out: Out = None,
    space: SpaceOption = None,
    data: DataOption = None,
    data_root: DataRoot = None,
    budgets: Budgets = None,
    seed: Seed = None,
    sets: Sets = None,
    engine: Engine = "processes",
    workers: Workers = 0,
    per_gpu: PerGpu = 1,
    device: Device = "auto",
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, print the plan, compute nothing.")] = False,
) -> None:
    """All stages, from images to an exported family and the report. Interrupted, the same command goes on.

    A finished run can grow: nars run runs/quick with other --budgets, --set final.epochs=... or more collect.rounds
    computes what depends on it and nothing else.
    """
    shortcuts = {
        "space": ("--space", space),
        "data.name": ("--data", data),
        "seed": ("--seed", seed),
        "data.root": ("--data-root", data_root and str(data_root)),
        "search.budgets": ("--budgets", budgets),
    }
    asked = _asked(name, sets, shortcuts)
    how: dict[str, Any] = {
        "engine": engine,
        "workers": workers,
        "per_gpu": per_gpu,
        "device": device,
        "address": address,
    }
    if dry_run:
        _show_plan(asked, out, how)
        return
    opened = _open(asked, out, upto="export", **how)
    if stages.is_finished(opened):
        opened.reporter.say(
            f"{opened.folder.path} is finished; nothing to do (more --budgets, final.* or collect.rounds: it goes on)"
        )
    else:
        load_torch()
        from nars.report import write_report

        say_device(opened.execution, opened.reporter)
        stages.run_all(opened)
        write_report(opened.folder)
    _show_family(opened)


def pretrain(name: Name, out: Out = None, sets: Sets = None) -> None:
    """Stage 1: sample the pool, pretrain the predictor on FLOPs and parameters."""
    opened = _open(_asked(name, sets), out, upto="pretrain", alone=True)
    pool = stages.load_pool(opened) or stages.sample_pool(opened)
    if stages.load_pretrained(opened) is None:
        stages.pretrain(opened, pool)


def collect(
    name: Name,
    out: Out = None,
    sets: Sets = None,
    engine: Engine = "processes",
    workers: Workers = 0,
    per_gpu: PerGpu = 1,
    device: Device = "auto",
    address: Address = None,
) -> None:
    """Stage 2: rounds of real training; each outcome goes to the sample store, the predictor learns from all."""
    opened = _open(
        _asked(name, sets),
        out,
        upto="collect",
        alone=True,
        engine=engine,
        workers=workers,
        per_gpu=per_gpu,
        device=device,
        address=address,
    )
    if stages.load_fitted(opened) is None:
        say_device(opened.execution, opened.reporter)
        pretrained = stages.needed(opened, "collect", stages.load_pretrained(opened))
        stages.collect(opened, stages.load_pool(opened) or stages.sample_pool(opened), pretrained)


def search(
    name: Annotated[str | None, typer.Argument(help="Run configuration, for stage 3 of that run.")] = None,
    out: Out = None,
    sets: Sets = None,
    predictor: Annotated[
        str | None, typer.Option(help="Predictor to ask: a run folder, a predictor folder or a shipped name.")
    ] = None,
    max_flops: Annotated[str | None, typer.Option(help="Budgets, e.g. 450M,550M,650M.")] = None,
    max_params: Annotated[str | None, typer.Option(help="Parameters, one limit or one per budget.")] = None,
    max_activations: Annotated[str | None, typer.Option(help="Activation elements, one or one per budget.")] = None,
    max_peak_activations: Annotated[str | None, typer.Option(help="Largest working set, elements.")] = None,
    max_latency: Annotated[str | None, typer.Option(help="With --latency, e.g. 12ms.")] = None,
    latency: Annotated[Path | None, typer.Option(help="Device table that nars latency wrote.")] = None,
    max_resolution: Annotated[str | None, typer.Option(help="Side of the image, pixels.")] = None,
    min_flops: Annotated[str | None, typer.Option(help="Lower limit.")] = None,
    min_resolution: Annotated[str | None, typer.Option(help="Lower limit.")] = None,
    pareto: Annotated[
        str | None, typer.Option(help="A whole front of accuracy against these costs, e.g. flops.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search (with --predictor).")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the answer here.")] = None,
    parquet_file: Annotated[Path | None, typer.Option("--parquet", help="Also write the answer here.")] = None,
) -> None:
    """Stage 3: one member per budget, by the predictor alone; or ask any trained predictor about other budgets."""
    if (name is None) == (predictor is None):
        raise typer.BadParameter("give a run configuration (stage 3 of that run) or --predictor, one of the two")
    if predictor is not None:
        from nars.cli.query import query

        most = {
            "flops": max_flops,
            "params": max_params,
            "activations": max_activations,
            "latency": max_latency,
            "resolution": max_resolution,
            "peak_activations": max_peak_activations,
        }
        least = {"flops": min_flops, "resolution": min_resolution}
        query(
            predictor,
            most=most,
            least=least,
            pareto=pareto,
            seed=seed,
            latency=latency,
            json_file=json_file,
            parquet_file=parquet_file,
        )
        return
    assert name is not None
    opened = _open(_asked(name, sets), out, upto="search", alone=True)
    predictor_there = stages.needed(opened, "search", stages.load_fitted(opened))
    if stages.load_family(opened) is None:
        stages.search(opened, predictor_there)


def train(
    name: Name,
    out: Out = None,
    sets: Sets = None,
    device: Device = "auto",
    model: Annotated[
        str | None, typer.Option(help="Train this instead: timm:NAME, or an architecture.yaml of nars scale.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="With --model: a member's recipe.yaml.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="With --model: side of the images, pixels; 32 for timm, an architecture's own.")
    ] = None,
) -> None:
    """Final training of the family: the largest on labels, then all by distillation. Or any network with a recipe.

    Several processes or GPUs share each training: torchrun --nproc-per-node 2 -m nars train digits
    """
    if model is None and recipe is None:
        opened = _open(_asked(name, sets), out, upto="train", alone=True, shared=True, device=device)
        say_device(opened.execution, opened.reporter)
        stages.train(opened, stages.needed(opened, "train", stages.load_family(opened)))
        return
    if model is None or recipe is None:
        raise typer.BadParameter("--model and --recipe go together: a network and the recipe to train it with")
    load_torch()
    from nars.run import Terminal, check
    from nars.studies import train_other

    reporter = Terminal()
    folder = out or _folder_of(name, model)
    given, how = _understood(_asked(name, sets), folder, {"device": device})
    checked = check(given.config, how, folder=folder, upto="train", starting=True, place=given.place)
    for line in (*given.notes, *(f"warning: {warning}" for warning in checked.warnings)):
        reporter.say(line)
    say_device(how, reporter)
    result = train_other(
        given.config, model, recipe, folder=folder, resolution=resolution, device=how.device, reporter=reporter
    )
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"{model}: validation {result.validation_accuracy:.2f} %, test {result.test_accuracy:.2f} %")


def export(
    name: Name,
    out: Out = None,
    sets: Sets = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Load each exported format and compare it with PyTorch.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Export again what is exported already, e.g. by an earlier version.")
    ] = False,
) -> None:
    """Export each member and check the files against PyTorch."""
    opened = _open(_asked(name, sets), out, upto="export", alone=True)
    family = stages.needed(opened, "export", stages.load_family(opened))
    trained = stages.needed(opened, "export", stages.load_trained(opened, family))
    stages.export(opened, trained, again=again)
    if verify and not _verified(opened, family):
        raise typer.Exit(1)


def report(folder: Annotated[Path, typer.Argument(help="Run folder, finished or not.")]) -> None:
    """Write report.html from what a run folder holds, and show the family."""
    from nars.report import family_table, read_findings, write_report

    path = write_report(RunFolder(folder))
    found = read_findings(RunFolder(folder))
    if found.family.members:
        Console().print(family_table(found.family, found.results, found.cards))
    Console(stderr=True).print(f"report: {path}", soft_wrap=True)


_COMMANDS: tuple[tuple[Callable[..., None], str], ...] = (
    (run, "nars run digits    nars run runs/digits --budgets 150k,250k,500k,550k --set final.epochs=60"),
    (pretrain, "nars pretrain digits --out runs/mine"),
    (collect, "nars collect digits --out runs/mine --workers 2"),
    (search, "nars search digits    nars search --predictor runs/digits --max-flops 0.3M,0.6M --max-params 30k"),
    (
        train,
        "nars train digits --set final.teacher=timm:resnet18 --set final.teacher_weights=resnet18.pt    "
        "nars train digits --model timm:resnet18 --recipe runs/digits/family/500k/recipe.yaml",
    ),
    (export, "nars export digits --out runs/mine --verify    nars export runs/mine --again"),
    (report, "nars report runs/digits"),
)


def _folder_of(name: str, model: str) -> Path:
    """Where a network from elsewhere is trained: beside its file, or in the run's folder."""
    if model.endswith((".yaml", ".yml")):
        return Path(model).parent / "training"
    from nars.run.given import run_folder

    home = run_folder(name) or Path("runs") / Path(name).stem
    return home / "other" / model.replace(":", "_")


@dataclass(frozen=True)
class _Asked:
    """A run configuration as the command line names it."""

    name: str
    overrides: dict[str, Any]
    options: dict[str, str]
    """Dotted keys with the option that gave them."""


def _asked(
    name: str, sets: list[str] | None, shortcuts: Mapping[str, tuple[str, Any]] = MappingProxyType({})
) -> _Asked:
    """Name, --set and the options that are short for one; shortcuts: dotted key -> (option, value or None)."""
    given = {key: (option, value) for key, (option, value) in shortcuts.items() if value is not None}
    more = _parse_sets(sets)
    return _Asked(
        name,
        {key: value for key, (_, value) in given.items()} | more,
        {key: option for key, (option, _) in given.items()} | {key: f"--set {key}" for key in more},
    )


def _understood(asked: _Asked, out: Path | None, how: Mapping[str, Any]) -> tuple[Given, Execution]:
    """Configuration and execution; what is wrong with either is told at once."""
    from nars.run import Execution, check, execution, read_config

    errors: list[str] = []
    given, settings = None, Execution()
    try:
        given = read_config(asked.name, asked.overrides, options=asked.options)
        given = _as_begun(given, out)
    except ConfigError as error:
        errors.append(str(error))
    try:
        settings = execution(**how)
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
            images = [part.get("data", {}).get("name") for part in (document, kept)]  # as given, and its whole path
            if folder.name != given.file_name or given.config.data.name in images:
                return given.begun_as(kept)
    return given


def _home(asked: _Asked, out: Path | None) -> Path | None:
    """The folder that the options ask for: --out, or the run's folder that stands for a configuration."""
    from nars.run.given import run_folder

    return out or run_folder(asked.name)


def _open(
    asked: _Asked, out: Path | None, *, upto: Stage, alone: bool = False, shared: bool = False, **how: Any
) -> Run:
    """The run that the options ask for, checked.

    Args:
        asked: the configuration.
        out: its folder, as named by --out.
        upto: the last stage that the command computes.
        alone: whether it computes no other.
        shared: whether several processes of torchrun can share it.
        how: of `Execution`.
    """
    from nars.run import Silent, Terminal, open_run

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not shared:
        raise ConfigError(
            f"torchrun can start nars train only, where processes share each training; got {processes} processes. "
            f"Start the other stages once (--workers uses all cores or GPUs), then torchrun ... -m nars train"
        )
    out = _home(asked, out)
    likely = RunFolder(out or Path("runs") / Path(asked.name).stem)
    if alone or not likely.report_file.is_file():  # else it may be finished, and nothing is to be loaded
        load_torch(everything=upto != "pretrain")
    given, settings = _understood(asked, out, how)
    reporter = Terminal() if os.environ.get("RANK", "0") == "0" else Silent()
    for note in given.notes:
        reporter.say(note)
    return open_run(
        given.config,
        out,
        execution=settings,
        reporter=reporter,
        upto=upto,
        alone=stages.check_stage if alone else None,
        place=given.place,
    )


def _show_plan(asked: _Asked, out: Path | None, how: Mapping[str, Any]) -> None:
    load_torch()
    from nars.run import Terminal, check, check_reopening, preview

    out = _home(asked, out)
    given, settings = _understood(asked, out, how)
    check_reopening(given.config, out or Path("runs") / given.config.name)
    checked = check(given.config, settings, folder=out, upto="export", place=given.place)
    Console().print(preview(given.config, settings, checked=checked))
    for line in (*given.notes, *(f"warning: {warning}" for warning in checked.warnings)):
        Terminal().say(line)


def _parse_sets(sets: list[str] | None) -> dict[str, Any]:
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


def _verified(opened: Run, family: Family) -> bool:
    """Print one line per member and format; whether all of them agree with PyTorch."""
    passed = True
    for member in stages.verify_family(opened, family):
        for check in member.formats:
            shown = check.message or f"max |difference| {check.max_difference:.1e}, top-1 {check.accuracy:.2f} %"
            typer.echo(f"{member.name} {check.form}: {'ok' if check.passed else 'DIFFERS'}, {shown}")
        for file in member.changed:
            typer.echo(f"{member.name} {file}: not the file that was exported")
        passed &= member.passed
    return passed


def _show_family(opened: Run) -> None:
    from nars.report import family_table, read_findings

    found = read_findings(opened.folder)
    Console().print(family_table(found.family, found.results, found.cards))
    opened.reporter.say(f"report: {opened.folder.report_file}")
