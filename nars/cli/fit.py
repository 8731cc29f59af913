"""`nars fit`: finished trials become a predictor that can be asked."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.options import WarmStart, sources_of
from nars.cli.spaces import SpaceName
from nars.cli.starting import load_torch
from nars.cli.trials import Reading, trial_table
from nars.errors import ConfigError
from nars.run.folder import RunFolder

if TYPE_CHECKING:
    from nars.predictors import Source
    from nars.stages import FittedTrials

_BESIDE = "_predictor"
"""Folder in a store for the predictor of its samples; with the underscore, tools that read the store pass over it."""


def fit(
    trials: Annotated[str, typer.Argument(help="Store or run folder, a file of trials, or a table known by name.")],
    out: Annotated[Path, typer.Option(help="Folder of the predictor, e.g. predictors/mine.")],
    space: SpaceName = None,
    *,
    reading: Reading,
    data_set: Annotated[
        str | None, typer.Option(help="Name of the data set they were measured on, for the card.")
    ] = None,
    warm_start: WarmStart = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pool and the fits.")] = 0,
) -> None:
    """Finished trials become a predictor: pretrained on what is free, fitted on them, with its quality in a card.

    It answers nars search --predictor, for any budget. How good it is beside others: nars audit.
    """
    made = _fitted(trials, space, reading, out, data_set=data_set, sources=sources_of(warm_start), seed=seed)
    bounds = "" if not made.space.cost_names else f" --max-{_cost(made)} ..."
    typer.echo(f"ask it: {shlex.join(['nars', 'search', '--predictor', str(out)])}{bounds}")


def predictor_of(named: str, *, make: bool) -> str:
    """What `nars search --predictor` asks: the same, or where a store is named, the predictor of its samples.

    Args:
        named: a predictor, a run or a store.
        make: of a store's samples, unless they have one.

    Raises:
        ConfigError: it is a store, and none is to be made.
    """
    from nars.stages import predictor_folder

    if Path(named).is_file():
        command = shlex.join(["nars", "fit", named, "--space", "SPACE", "--out", f"predictors/{Path(named).stem}"])
        raise ConfigError(f"{named} is a file; where it lists trials, make a predictor of them by: {command}")
    try:
        predictor_folder(named)
    except ConfigError:
        inside = RunFolder(Path(named)).samples
        samples = inside if inside.is_dir() else Path(named)
        if "://" in named or not _holds_samples(samples):
            raise
    else:
        return named
    home = samples / _BESIDE
    if not make:
        command = shlex.join(["nars", "fit", named, "--out", f"predictors/{Path(named).resolve().name}"])
        raise ConfigError(
            f"{named} holds samples and no predictor; make one by: {command}, and ask that, or let this command make "
            f"one beside the samples: --fit"
        )
    _fitted(named, None, Reading(), home, data_set=None, seed=0)
    return str(home)


def _holds_samples(folder: Path) -> bool:
    from nars.store import SampleStore

    return folder.is_dir() and SampleStore(folder).identity is not None


def _fitted(
    trials: str,
    space: str | None,
    reading: Reading,
    out: Path,
    *,
    data_set: str | None,
    sources: Sequence[Source] = (),
    seed: int,
) -> FittedTrials:
    load_torch(everything=False)
    from nars.run import Terminal
    from nars.stages import fit as learn

    reporter = Terminal()
    table = trial_table(trials, space, reading)
    made = learn(table, out, data=data_set, sources=sources, seed=seed, reporter=reporter)
    failed = f"; {made.failed:,} failed" if made.failed else ""
    reporter.say(
        f"{'fitted' if made.made else 'fitted before'} on {made.candidates:,} candidates ({made.trainings:,} "
        f"trainings{failed}) by {table.metric.title}, to {table.metric.goal}: {out}"
    )
    reporter.say(f"Kendall's tau on candidates that no fit had seen: {made.tau:.2f} (1 is the right order, 0 chance)")
    return made


def _cost(made: FittedTrials) -> str:
    names = made.space.cost_names
    return "flops" if "flops" in names else names[0]
