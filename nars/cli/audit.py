"""`nars audit`: is the predictor any good on these trials?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.options import WarmStart, sources_of
from nars.cli.spaces import SpaceName
from nars.cli.starting import load_torch
from nars.cli.trials import Reading, trial_table
from nars.printing import plain_console, print_lines

if TYPE_CHECKING:
    from nars.predictors import Audit, Row


def audit(
    store: Annotated[str, typer.Argument(help="Store or run folder, a file of trials, or a table known by name.")],
    space: SpaceName = None,
    *,
    reading: Reading,
    splits: Annotated[int, typer.Option(min=1, help="Number of random splits.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the splits and the models.")] = 0,
    warm_start: WarmStart = None,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.json and audit.svg.")] = None,
) -> None:
    """Is the predictor any good on these trials, and did pretraining help?"""
    load_torch(everything=False)
    from nars.files.atomic import write_json
    from nars.predictors import audit as examine, plot_audit
    from nars.run.progress import Terminal, counting
    from nars.space import sobol

    trials = trial_table(store, space, reading)
    whole = not trials.space.computes_costs and trials.space.size("architecture") <= len(trials.X)
    pool = None if whole or not trials.space.computes_costs else sobol(trials.space, 4096, seed=seed)
    with counting(Terminal(), "audit") as progress:
        result = examine(
            trials.space,
            trials.X,
            trials.values,
            metric=trials.metric,
            seed=seed,
            splits=splits,
            pool=pool,
            sources=sources_of(warm_start),
            progress=progress,
        )
    _show(result, warm_start)
    if out is not None:
        write_json(out / "audit.json", result.to_dict())
        plot_audit(result, out / "audit.svg")
        typer.echo(f"written to {out}")


def _show(result: Audit, warm_start: str | None) -> None:
    from nars.predictors.contest import OWN, REGRESSORS
    from nars.report import FittingTable

    console = plain_console()
    metric = result.metric
    console.print(
        f"{result.candidates:,} candidates by {metric.title}, to {metric.goal}, {result.splits} "
        f"split{'s' if result.splits > 1 else ''}"
    )
    within = ["in quintiles"] if any(row.mean.within is not None for row in result.rows) else []
    head = ("model", "tau", *within, f"MAE{metric.unit and f', {metric.unit}'}", "top 1 %")
    for n in sorted({row.n for row in result.rows}):
        rows = sorted((row for row in result.rows if row.n == n), key=lambda row: -row.mean.tau)
        cells = [
            (
                row.model,
                _figure(row, "tau"),
                *(_figure(row, "within") for _ in within),
                metric.figure(row.mean.mae),
                f"{row.mean.precision:.2f}",
            )
            for row in rows
        ]
        console.print(f"\nfitted on {n} samples")
        console.print(FittingTable(head, cells, left=("model",)))
    spread = " ± standard error over the splits" if result.splits > 1 else ""
    quintiles = "; in quintiles: inside those of the cost" if within else ""
    print_lines(console, f"\ntau: Kendall's{spread}{quintiles}; top 1 %: share of the best that is found")
    for name in sorted({row.model for row in result.rows} & set(OWN), key=OWN.index):
        print_lines(console, f"{name}: {REGRESSORS[name].about}")
    if any(row.model not in OWN for row in result.rows):
        print_lines(console, "the others are scikit-learn's or their like; +statistics: with those as inputs too")
    if result.worth is not None:
        print_lines(console, f"{warm_start} is worth {result.worth:.0f} trainings here")
    for line in _findings(result):
        print_lines(console, line)


def _figure(row: Row, name: str) -> str:
    mean, error = getattr(row.mean, name), getattr(row.error, name, None)
    if mean is None:
        return "-"
    return f"{mean:.3f}" if error is None else f"{mean:.3f} ± {error:.3f}"


def _findings(result: Audit) -> list[str]:
    """What follows from an audit, a sentence each."""
    lines = []
    if result.efficiency is not None:
        lines.append(f"pretraining saves {result.efficiency:.1f} x samples (same tau as without it at its best)")
    for target in result.targets:
        if target.hurts:
            inside = "" if target.within is None else f" (within budgets it correlates {target.within:+.2f})"
            lines.append(f"pretraining on {target.name} hurts here{inside}")
    ceiling, metric = result.ceiling, result.metric
    if ceiling is None:
        lines.append(
            "the noise of the labels is unknown, and with it the best tau that they allow: hardly any candidate was "
            "trained twice; train a dozen of them again with another seed"
        )
    else:
        (low, high), (least, most) = ceiling.interval, ceiling.noise_interval
        part = "" if result.of_ceiling is None else f"at {100 * result.of_ceiling:.0f} % of "
        lines.append(
            f"{part}what these labels allow: a tau of {ceiling.tau:.3f} ({low:.3f} to {high:.3f}), as the noise is "
            f"{metric.spell(ceiling.noise)} ({metric.figure(least)} to {metric.figure(most)}) by "
            f"{ceiling.repeated:,} candidates that were trained more than once; {ceiling.ties:,} candidates are "
            f"statistical ties with the best"
        )
    return lines if result.verdict is None else [*lines, result.verdict]
