"""Options that several commands share, as dataclasses: a command takes the dataclass, the command line its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from nars.printing import quietly

if TYPE_CHECKING:
    from nars.predictors import Source

DEVICE_HELP = "auto (a GPU where there is one), cpu, cuda, cuda:N, mps."
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="Change any key, e.g. --set collect.rounds=2 (repeatable).")
]


@dataclass(frozen=True, kw_only=True)
class How:
    """How a run is computed: `nars.run.Execution` before it is checked."""

    engine: Annotated[str, typer.Option(help="Where trainings run: processes, in-process, ray.")] = "processes"
    workers: Annotated[int, typer.Option(help="Trainings at once; 0 is one per core or GPU.")] = 0
    per_gpu: Annotated[int, typer.Option(help="Trainings at once on one GPU, each with its share of the memory.")] = 1
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto"
    address: Annotated[str | None, typer.Option(help="Ray cluster to join (with --engine ray).")] = None


WarmStart = Annotated[
    str | None,
    typer.Option(
        help="Start from what other data sets taught: predictors, runs or stores, separated by commas, e.g. "
        "cifar10,runs/mine. Choices are matched by name and value; own trainings overrule them."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Samples that a run is given when it begins."""

    samples: Annotated[
        str | None,
        typer.Option(help="Store or run with samples of this space: what they have measured is not trained again."),
    ] = None
    samples_fidelity: Annotated[
        str,
        typer.Option(
            help="Which of --samples count. own: those trained as this run trains (data, settings, epochs), which "
            "imported trials cannot say. any: the others teach the predictor too, brought to this run's scale. same: "
            "all, as whole trainings of this run."
        ),
    ] = "own"
    warm_start: WarmStart = None


def sources_of(text: str | None) -> tuple[Source, ...]:
    """The predictors that --warm-start names; a store's is made, and kept beside its samples."""
    if text is None:
        return ()
    from nars.cli.fit import predictor_of
    from nars.stages import open_source

    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(open_source(predictor_of(name, make=True)) for name in names)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question to a trained predictor; limits as text, several budgets separated by commas."""

    predictor: Annotated[
        str | None, typer.Option(help="Predictor to ask: a run folder, a predictor folder or a shipped name.")
    ] = None
    fit: Annotated[
        bool, typer.Option("--fit", help="With --predictor STORE: make a predictor of its samples, kept beside them.")
    ] = False
    budgets: Annotated[
        str | None,
        typer.Option(
            help="Upper limits on any costs, e.g. 450M,550M or flops=450M+params=5M; a plain number limits FLOPs."
        ),
    ] = None
    max_flops: Annotated[str | None, typer.Option(help="Budgets, e.g. 450M,550M,650M.")] = None
    max_params: Annotated[str | None, typer.Option(help="Parameters, one limit or one per budget.")] = None
    max_activations: Annotated[str | None, typer.Option(help="Activation elements, one limit or one per budget.")] = (
        None
    )
    max_peak_activations: Annotated[str | None, typer.Option(help="Largest working set, elements.")] = None
    max_latency: Annotated[str | None, typer.Option(help="With --latency, e.g. 12ms.")] = None
    latency: Annotated[Path | None, typer.Option(help="Device table that nars latency wrote.")] = None
    max_seconds: Annotated[
        str | None,
        typer.Option(
            help="Seconds of one training as in the search, learned from a run's or store's trainings, e.g. 90s."
        ),
    ] = None
    max_resolution: Annotated[str | None, typer.Option(help="Side of the image, pixels.")] = None
    min_flops: Annotated[str | None, typer.Option(help="Lower limit.")] = None
    min_resolution: Annotated[str | None, typer.Option(help="Lower limit.")] = None
    pareto: Annotated[str | None, typer.Option(help="A whole front of accuracy against these costs, e.g. flops.")] = (
        None
    )
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search (with --predictor).")] = 0
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the answer here.")] = None
    parquet_file: Annotated[Path | None, typer.Option("--parquet", help="Also write the answer here.")] = None


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The same command for Typer: in place of each keyword-only dataclass that it takes, an option for every field."""
    own = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation for name, one in own.parameters.items() if is_dataclass(one.annotation)
    }
    if not groups:
        return command

    @wraps(command)
    def called(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.parameters.items():
        group = groups.get(name)
        parameters += [parameter] if group is None else _options(group)
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # what Typer reads
    return called


def quietable(command: Callable[..., None]) -> Callable[..., None]:
    """The same command with --quiet."""
    own = inspect.signature(command, eval_str=True)
    annotation = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results, warnings and errors.")]

    @wraps(command)
    def called(*, quiet: bool, **given: Any) -> None:
        with quietly(quiet):
            command(**given)

    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
    called.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
    return called


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(group)
    ]
