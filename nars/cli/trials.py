"""`nars import`: finished trials become a sample store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.spaces import SpaceName, space_of

if TYPE_CHECKING:
    from nars.data import TrialTable

Accuracy = Annotated[str, typer.Option(help="Columns with accuracies in percent, one per seed, e.g. acc0,acc1.")]
StatusColumn = Annotated[str | None, typer.Option("--status", help="Column that says how a training ended.")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder with nas-bench-macro/; else NARS_DATA.")]


def mount(app: typer.Typer) -> None:
    """Add this command to the application."""
    app.command("import", epilog="Example: nars import trials.csv --space digits --accuracy acc --out runs/mine")(
        import_trials
    )


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
    from nars.data import SampleStore, keep_space, samples_of

    trials = trial_table(table, space, accuracy, status, data)
    SampleStore(out).append(samples_of(trials, data=data_set))
    keep_space(out, trials.space)
    typer.echo(f"{len(trials.X):,} candidates, {trials.seeds} seeds at most, {trials.failed_trials:,} failed, in {out}")


def trial_table(name: str, space: str | None, accuracy: str, status: str | None, data: Path | None) -> TrialTable:
    """The trials of a table known by name, a file, a store or a run folder."""
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
