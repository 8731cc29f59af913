"""`nars audit`: is the predictor any good on these trials?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from nars.cli.spaces import SpaceName
from nars.cli.trials import (
    Accuracy,
    Columns,
    Costs,
    DataFolder,
    FailedStatus,
    Nearest,
    OkStatus,
    Reading,
    Scale,
    StatusColumn,
    trial_table,
)

if TYPE_CHECKING:
    from nars.predictors import Audit


def mount(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command(epilog="Example: nars audit runs/digits    nars audit nas-bench-macro --splits 10")(audit)


def audit(
    store: Annotated[str, typer.Argument(help="Store or run folder, a file of trials, or a table known by name.")],
    space: SpaceName = None,
    accuracy: Accuracy = None,
    columns: Columns = None,
    status: StatusColumn = None,
    ok_status: OkStatus = None,
    failed_status: FailedStatus = None,
    scale: Scale = None,
    costs: Costs = None,
    nearest: Nearest = False,
    data: DataFolder = None,
    splits: Annotated[int, typer.Option(help="Repetitions.")] = 5,
    seed: Annotated[int, typer.Option(help="Of splits and models.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.json and audit.svg.")] = None,
) -> None:
    """Is the predictor any good on these trials, and did pretraining help?"""
    from nars.atomic import write_json
    from nars.predictors import audit as examine
    from nars.predictors import plot_audit
    from nars.space import sobol

    reading = Reading(
        accuracy=accuracy, columns=columns, status=status, ok_status=ok_status, failed_status=failed_status,
        scale=scale, costs=costs, nearest=nearest, data=data,
    )  # fmt: skip
    trials = trial_table(store, space, reading)
    whole = trials.space.kind == "generic" and trials.space.size("architecture") <= len(trials.X)
    pool = None if whole or trials.space.kind == "generic" else sobol(trials.space, 4096, seed=seed)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fitting", total=None)
        result = examine(
            trials.space, trials.X, trials.accuracy, seed=seed, splits=splits, pool=pool,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )  # fmt: skip
    _show(result)
    if out is not None:
        write_json(out / "audit.json", result.to_dict())
        plot_audit(result, out / "audit.svg")
        typer.echo(f"written to {out}")


def _show(result: Audit) -> None:
    table = Table(title=f"{result.candidates:,} candidates, {result.splits} splits", title_justify="left")
    for heading in ("model", "samples", "Kendall tau", "within cost quintiles", "Spearman", "MAE, %", "top 1 %"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for row in sorted(result.rows, key=lambda row: (row.n, -row.mean.tau)):
        mean, error = row.mean, row.error
        table.add_row(
            row.model, str(row.n), f"{mean.tau:.3f} ± {error.tau:.3f}", f"{mean.within:.3f} ± {error.within:.3f}",
            f"{mean.spearman:.3f}", f"{mean.mae:.2f}", f"{mean.precision:.2f}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    if result.efficiency is not None:
        console.print(f"pretraining saves {result.efficiency:.1f} x samples (same tau as without it at its best)")
    if result.ceiling is not None and result.of_ceiling is not None:
        console.print(
            f"at {100 * result.of_ceiling:.0f} % of what these labels allow (tau {result.ceiling.tau:.3f}, noise "
            f"{result.ceiling.noise:.2f} %); {result.ceiling.ties} candidates are statistical ties with the best"
        )
    for target in result.targets:
        if target.hurts:
            console.print(
                f"pretraining on {target.name} hurts here (within budgets it correlates {target.within:+.2f})"
            )
