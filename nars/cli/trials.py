"""`nars import` and `nars audit`: finished trials become a sample store; is the predictor any good on them?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from nars.cli.spaces import SpaceName, space_of

if TYPE_CHECKING:
    from nars.data import TrialTable
    from nars.predictors import Audit

Accuracy = Annotated[str, typer.Option(help="Columns with accuracies in percent, one per seed, e.g. acc0,acc1.")]
StatusColumn = Annotated[str | None, typer.Option("--status", help="Column that says how a training ended.")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder with nas-bench-macro/; else NARS_DATA.")]


def mount(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("import", epilog="Example: nars import trials.csv --space digits --accuracy acc --out runs/mine")(
        import_trials
    )
    app.command(epilog="Example: nars audit runs/digits    nars audit nas-bench-macro --splits 10")(audit)


def import_trials(
    table: Annotated[str, typer.Argument(help="CSV, Parquet or JSON file, or a table known by name.")],
    out: Annotated[Path, typer.Option(help="Store folder to add the trials to.")],
    space: SpaceName = None,
    accuracy: Accuracy = "accuracy",
    status: StatusColumn = None,
    data: DataFolder = None,
    data_set: Annotated[str, typer.Option(help="Name of the data set they were measured on.")] = "imported",
) -> None:
    """Finished trials become a sample store; failed ones stay failures."""
    from nars.data import SampleStore, samples_of

    trials = _table(table, space, accuracy, status, data)
    SampleStore(out).append(samples_of(trials, data=data_set))
    typer.echo(f"{len(trials.X):,} candidates, {trials.seeds} seeds at most, {trials.failed_trials:,} failed, in {out}")


def audit(
    store: Annotated[str, typer.Argument(help="Store or run folder, a file of trials, or a table known by name.")],
    space: SpaceName = None,
    accuracy: Accuracy = "accuracy",
    status: StatusColumn = None,
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

    trials = _table(store, space, accuracy, status, data)
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


def _table(name: str, space: str | None, accuracy: str, status: str | None, data: Path | None) -> TrialTable:
    from nars.data import TABLES, load_table, read_trials

    if name in TABLES:
        return load_table(name, root=data)
    if Path(name).is_file():
        return read_trials(name, space_of(space, name), accuracy=accuracy.split(","), status=status)
    return _stored(name, space)


def _stored(name: str, space: str | None) -> TrialTable:
    """The samples of a store or run folder."""
    import numpy as np

    from nars.data import SampleStore, trials_of, with_costs

    run = Path(name) / "samples"
    samples = SampleStore(run if run.is_dir() else name, must_exist=True).samples()
    found = space_of(space, name)
    if found.kind == "generic" and found.table is None and samples:
        X = np.array([sample.choices for sample in samples], dtype=np.int64)
        names = samples[0].costs
        found = with_costs(found, X, {cost: np.array([s.costs[cost] for s in samples]) for cost in names})
    return trials_of(samples, found, name=name)
