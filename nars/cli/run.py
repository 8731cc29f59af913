"""`nars run` and its stages one by one: pretrain, collect, search, train, export, report."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars import stages
from nars.cli import timed
from nars.cli.opening import Asked, asked, open_asked, say_remarks, understood
from nars.cli.options import DEVICE_HELP, How, Prior, Question, Sets
from nars.cli.starting import load_torch, say_device
from nars.errors import ConfigError
from nars.images.names import FOLDER_PREFIX
from nars.printing import plain_console
from nars.run.folder import RunFolder, existing_run, read_json, run_in

if TYPE_CHECKING:
    from nars.run import Run
    from nars.stages import Family

Name = Annotated[
    str,
    typer.Argument(
        help="Built-in run configuration (digits, fashion-mnist, cifar10, finetune, photos-64, imagenet, "
        "imagenet-recipe), a YAML file, or a run's folder."
    ),
]
NameOrFolder = Annotated[
    str,
    typer.Argument(
        help="Run configuration or run folder, for the family; or the folder of one network: an answer's (nars search "
        "--out), a scaled network's (nars scale), a member's."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if not given.")]
SpaceOption = Annotated[str | None, typer.Option("--space", help="Search another space: built-in name or YAML file.")]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Other images: digits, fashion-mnist, cifar10, imagenet, imagefolder:PATH.")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder that holds the data set.")]
Budgets = Annotated[
    str | None, typer.Option(help="Budgets of the family, e.g. 0.5M,1M,2M (FLOPs) or flops=2M+params=200k.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of all random choices.")]
Weights = Annotated[
    Path | None,
    typer.Option(help="Of one network: a file of weights to start from, such as timm's of the published FBNetV3."),
]


def run(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Built-in run configuration (digits, fashion-mnist, cifar10, finetune, photos-64, imagenet, "
            "imagenet-recipe), a YAML file, or a run's folder; with --time a folder of images. With --initial, "
            "finetune if not given."
        ),
    ] = None,
    out: Out = None,
    space: SpaceOption = None,
    data: DataOption = None,
    data_root: DataRoot = None,
    budgets: Budgets = None,
    seed: Seed = None,
    sets: Sets = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Of a CSV or Parquet: images of equal value in it stay on one side of each split."),
    ] = None,
    initial: Annotated[
        str | None, typer.Option(help="Fine-tune the networks of another run (or one member's folder) on other --data.")
    ] = None,
    *,
    how: How,
    prior: Prior,
    within: timed.Within,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, measure a training step, print the plan; train nothing.")
    ] = False,
) -> None:
    """All stages, from images to an exported family and the report. If interrupted, the same command resumes it.

    With --time all else is chosen: nars run photos/ --time 30m --max-flops 300M looks at the images and at this
    machine, and is done in about that time. Until it is, nars export runs/photos exports the best so far.

    A finished run can grow: nars run runs/quick with other --budgets, --set final.epochs=... or more collect.rounds
    computes what depends on it and nothing else.
    """
    shortcuts = {
        "space": ("--space", space),
        "data.name": ("--data", data),
        "seed": ("--seed", seed),
        "data.root": ("--data-root", data_root and str(data_root)),
        "data.group_column": ("--group-column", group_column),
        "search.budgets": ("--budgets", budgets),
    }
    if name is None and initial is None:
        raise ConfigError("nars run takes a run configuration, e.g. nars run digits; nars run --help has more")
    name = (name or "finetune").removeprefix(FOLDER_PREFIX)
    if initial is not None:
        shortcuts["space"] = ("--initial", _initial(name, initial, out, space, data, sets))
    wanted = asked(name, sets, shortcuts)
    if timed.is_meant(name, within):
        if prior != Prior():
            raise ConfigError(
                "--samples, --samples-fidelity and --warm-start go without --time, whose plan does not know them; give "
                "them to a run of its plan (nars run runs/NAME/plan.yaml --out ANOTHER), or of a configuration"
            )
        finished = timed.run(wanted, within, out, how, dry_run=dry_run)
        if finished is not None:
            _show_family(finished.folder)
        return
    if dry_run:
        _show_plan(wanted, out, how)
        if prior.samples is not None:
            typer.echo(
                f"the plan does not look at {prior.samples}: what it has measured is not trained again", err=True
            )
        return
    opened = open_asked(wanted, out, upto="export", how=how, prior=prior)
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
    _show_family(opened.folder)


def pretrain(name: Name, out: Out = None, sets: Sets = None) -> None:
    """Stage 1: sample the pool, pretrain the predictor on FLOPs and parameters."""
    opened = open_asked(asked(name, sets), out, upto="pretrain", alone=True)
    pool = stages.load_pool(opened) or stages.sample_pool(opened)
    if stages.load_pretrained(opened) is None:
        stages.pretrain(opened, pool)


def collect(name: Name, out: Out = None, sets: Sets = None, *, how: How, prior: Prior) -> None:
    """Stage 2: rounds of real training; each outcome goes to the sample store, the predictor learns from all."""
    opened = open_asked(asked(name, sets), out, upto="collect", alone=True, how=how, prior=prior)
    if stages.load_fitted(opened) is None:
        say_device(opened.execution, opened.reporter)
        pretrained = stages.needed(opened, "collect", stages.load_pretrained(opened))
        stages.collect(opened, stages.load_pool(opened) or stages.sample_pool(opened), pretrained)


def search(
    name: Annotated[str | None, typer.Argument(help="Run configuration, for stage 3 of that run.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder; with --predictor, folder that gets one for each budget, for nars train."),
    ] = None,
    sets: Sets = None,
    *,
    question: Question,
) -> None:
    """Stage 3: one member per budget, by the predictor alone; or ask any trained predictor about other budgets."""
    if (name is None) == (question.predictor is None):
        raise typer.BadParameter("give a run configuration (stage 3 of that run) or --predictor, one of the two")
    if name is None:
        from nars.cli.fit import predictor_of
        from nars.cli.query import query

        if sets:
            raise ConfigError(
                "--set changes the configuration of a run; a question to a --predictor takes options only"
            )
        query(replace(question, predictor=predictor_of(str(question.predictor), make=question.fit)), out)
        return
    asks = [
        "--" + field.name.removesuffix("_file").replace("_", "-")
        for field in fields(question)
        if getattr(question, field.name) != field.default
    ]
    if asks:
        raise ConfigError(
            f"{', '.join(asks)} {'is' if len(asks) == 1 else 'are'} for a question to a predictor: nars search "
            f"--predictor {name} ...; stage 3 of a run answers the budgets of its configuration (search.budgets)"
        )
    opened = open_asked(asked(name, sets), out, upto="search", alone=True)
    stages.check_stage(opened, "search")
    if stages.load_family(opened) is None:
        stages.search(opened, stages.load_fitted(opened))


def train(
    name: NameOrFolder,
    out: Annotated[Path | None, typer.Option(help="Run folder; or, of one network, where it is trained.")] = None,
    sets: Sets = None,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    config: Annotated[
        str | None, typer.Option(help="Of one network: the run configuration to train by, where it comes from no run.")
    ] = None,
    data: DataOption = None,
    data_root: DataRoot = None,
    model: Annotated[
        str | None, typer.Option(help="Train this instead: timm:NAME, fbnetv3-a (to -g), or an architecture.yaml.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="With --model: a member's recipe.yaml.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="With --model: side of the images, pixels; 32 for timm, an architecture's own.")
    ] = None,
    weights: Weights = None,
) -> None:
    """Final training of the family: the largest on labels, then all by distillation. Or of one network by its folder,
    or of any network with a recipe.

    Several processes or GPUs share each training: torchrun --nproc-per-node 2 -m nars train digits
    """
    shortcuts = {"data.name": ("--data", data), "data.root": ("--data-root", data_root and str(data_root))}
    if model is None and recipe is None:
        from nars.cli import networks

        if networks.is_one(name):
            if resolution is not None:
                raise ConfigError("--resolution goes with --model; the folder of a network says its own")
            networks.train(asked(name, sets, shortcuts), config, out, device, weights)
            return
        if any(option is not None for option in (config, data, data_root, weights, resolution)):
            raise ConfigError(
                f"--config goes with the folder of one network, --resolution with --model, --data, --data-root and "
                f"--weights with either; {name} is no such folder (no answer.json, no architecture.yaml with "
                f"recipe.yaml)"
            )
        opened = open_asked(asked(name, sets), out, upto="train", alone=True, shared=True, how=How(device=device))
        say_device(opened.execution, opened.reporter)
        family = stages.needed(opened, "train", stages.load_family(opened))
        if opened.config.trains_images:
            stages.train(opened, family)
        else:
            stages.measure_family(opened, family)
        return
    if model is None or recipe is None:
        raise typer.BadParameter("--model and --recipe go together: a network and the recipe to train it with")
    if config is not None:
        raise ConfigError(f"--config goes with the folder of one network; with --model the configuration is {name}")
    load_torch()
    from nars.run import Terminal, check
    from nars.studies import train_other

    reporter = Terminal()
    folder = out or _folder_of(name, model)
    given, how = understood(asked(name, sets, shortcuts), folder, How(device=device))
    checked = check(given.config, how, folder=folder, upto="train", starting=True, place=given.place)
    say_remarks(given, checked, reporter)
    say_device(how, reporter)
    result = train_other(
        given.config,
        model,
        recipe,
        folder=folder,
        resolution=resolution,
        weights=weights,
        device=how.device,
        reporter=reporter,
    )
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"{model}: {result.says}")


def export(
    name: NameOrFolder,
    out: Annotated[Path | None, typer.Option(help="Run folder; or, of one network, where its export goes.")] = None,
    sets: Sets = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Load each exported format and compare it with PyTorch.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Export again what is exported already, e.g. by an earlier version.")
    ] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Also an int8 form of each (ONNX, calibrated on training images).")
    ] = False,
    weights: Weights = None,
    config: Annotated[
        str | None, typer.Option(help="With --weights: the run configuration of its images, where it is of no run.")
    ] = None,
) -> None:
    """Export each member, or one network by its folder, and check the files against PyTorch.

    With --weights the network of a folder needs no training: it has the weights of the file.
    """
    from nars.cli import networks

    if networks.is_one(name, trained=True):
        given = asked(name, sets)
        if not networks.export(given, out, verify=verify, again=again, int8=int8, weights=weights, config=config):
            raise typer.Exit(1)
        return
    if weights is not None or config is not None:
        raise ConfigError(
            f"--weights and --config go with the folder of one network, {name} is none (no architecture.yaml with "
            f"recipe.yaml)"
        )
    home = None if out is None and timed.is_built_in(name) else run_in(out or name)
    if (
        home is not None
        and (right := timed.export_best(home, verify=verify, plain=not (again or int8 or sets))) is not None
    ):
        if not right:
            raise typer.Exit(1)
        return
    opened = open_asked(asked(name, sets), out, upto="export", alone=True)
    opened.config.check_networks()
    family = stages.needed(opened, "export", stages.load_family(opened))
    trained = stages.needed(opened, "export", stages.load_trained(opened, family))
    exported = stages.export(opened, trained, again=again)
    if int8:
        for card in stages.quantize(opened, exported).cards.values():
            networks.show_int8(card)
    if verify and not _verified(opened, family):
        raise typer.Exit(1)


def report(
    folder: Annotated[Path, typer.Argument(help="Run folder, finished or not.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Write report.html from what a run folder holds, and show the family."""
    from nars.files.atomic import write_json
    from nars.report import document_of, read_findings, write_report

    home = existing_run(folder)
    write_report(home)
    if json_file is not None:
        write_json(json_file, document_of(read_findings(home)))
    _show_family(home)


def _initial(
    name: str, initial: str, out: Path | None, space: str | None, data: str | None, sets: list[str] | None
) -> str:
    """The space of the networks of another run."""
    from nars.cli.initial import initial_space
    from nars.cli.opening import parse_sets
    from nars.run import read_config
    from nars.run.given import run_folder

    if space is not None:
        raise ConfigError("--initial is a space of its own, of the networks that it names; leave out --space")
    if (out := out or run_folder(name)) is None:
        config, images = name, data
        if not timed.is_built_in(name) and (Path(name).is_dir() or timed.is_listed(name)):
            config, images = "finetune", data or f"{FOLDER_PREFIX}{name}"
        values = {} if images is None else {"data.name": images}
        out = Path("runs") / read_config(config, values | parse_sets(sets)).config.name
    return initial_space(initial, RunFolder(out))


def _folder_of(name: str, model: str) -> Path:
    """Where a network from elsewhere is trained: beside its file, or in the run's folder."""
    if model.endswith((".yaml", ".yml")):
        return Path(model).parent / "training"
    from nars.run.given import run_folder
    from nars.studies.pairs import OTHER

    home = run_folder(name) or Path("runs") / Path(name).stem
    return home / OTHER / model.replace(":", "_")


def _show_plan(wanted: Asked, out: Path | None, how: How) -> None:
    load_torch()
    from nars.run import Terminal, check, check_reopening, preview
    from nars.run.given import run_folder
    from nars.run.paper import beside_the_paper

    out = out or run_folder(wanted.name)
    given, settings = understood(wanted, out, how)
    check_reopening(given.config, out or Path("runs") / given.config.name)
    checked = check(given.config, settings, folder=out, upto="export", place=given.place)
    plain_console().print(preview(given.config, settings, checked=checked))
    if given.config.data is not None and given.config.data.name == "imagenet":  # the paper's images
        plain_console().print(beside_the_paper(given.config, recipe_only=checked.space.architecture_width == 0))
    reporter = Terminal()
    say_remarks(given, checked, reporter)
    if held := _held(RunFolder(out or Path("runs") / given.config.name)):
        reporter.say(f"{held}: the plan is of the whole run, and what stays valid is not computed again")


def _held(home: RunFolder) -> str:
    """What a run has computed already, in words; "" where there is none."""
    from nars.printing import counted
    from nars.run.journal import read_results

    if not home.run_file.is_file():
        return ""
    rounds = len(read_results(home))
    members = read_json(home.family_file)["members"] if home.family_file.is_file() else []
    trained = sum(home.training_result(member["name"]).is_file() for member in members)
    return f"{home.path} holds {counted(rounds, 'finished round')} and {counted(trained, 'trained member')} already"


def _verified(opened: Run, family: Family) -> bool:
    """Print one line per member and format; whether all of them agree with PyTorch."""
    from nars.cli.networks import show_verification

    passed = [show_verification(member) for member in stages.verify_family(opened, family)]
    return all(passed)


def _show_family(folder: RunFolder) -> None:
    from nars.report import family_table, own_table, read_findings
    from nars.run import Terminal

    found = read_findings(folder)
    if found.family.members and found.config.trains_images:
        plain_console().print(family_table(found.family, found.results, found.cards, found.metric))
    elif found.family.members:
        plain_console().print(own_table(found.family, found.measured, found.metric))
    Terminal().say(f"report: {folder.report_file}")
