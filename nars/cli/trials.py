"""`nars import`: finished trials become a sample store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from nars.cli.spaces import SpaceName, open_store, space_of
from nars.errors import DataError
from nars.printing import plain_console, print_lines
from nars.run.folder import RunFolder

if TYPE_CHECKING:
    from nars.metric import Metric
    from nars.trials import TrialTable


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file of trials is to be read: options of `nars import`, `nars audit` and `nars fit`."""

    metric: Annotated[
        str,
        typer.Option(
            help="What was measured: accuracy, or NAME:GOAL, NAME:GOAL:UNIT, e.g. val_loss:minimize, f1:maximize:%."
        ),
    ] = "accuracy"
    values: Annotated[
        str | None,
        typer.Option(
            "--values",
            "--accuracy",
            help="Columns with the measured values, one per seed, e.g. acc0,acc1; found by the metric's name if not "
            "given.",
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(help="Other headings, e.g. accuracy=top1,seed=rng; likewise status, costs and settings."),
    ] = None
    status: Annotated[
        str | None,
        typer.Option(
            help='Column that says how each training ended; found by its name if not given; "none" for no such column.'
        ),
    ] = None
    ok_status: Annotated[str | None, typer.Option(help="More statuses that are successes, e.g. good,fine.")] = None
    failed_status: Annotated[str | None, typer.Option(help="More statuses that are failures.")] = None
    scale: Annotated[
        str | None,
        typer.Option(help="Factor on the values: 100 for fractions, 1 for percent; by their range if not given."),
    ] = None
    costs: Annotated[
        str | None, typer.Option(help="Columns with costs of a generic space: flops,params or flops=cost.flops.")
    ] = None
    nearest: Annotated[bool, typer.Option("--nearest", help="Take the nearest choice for numbers between two.")] = False
    data: Annotated[Path | None, typer.Option(help="Folder with nas-bench-macro/ or curves/; else NARS_DATA.")] = None


def import_trials(
    table: Annotated[
        str, typer.Argument(help="CSV, Parquet, JSON or JSON-lines file, of any tool, or a table known by name.")
    ],
    out: Annotated[Path, typer.Option(help="Store folder to add the trials to.")],
    space: SpaceName = None,
    *,
    reading: Reading,
    data_set: Annotated[
        str | None, typer.Option(help="Name of the data set they were measured on; what the file says, else imported.")
    ] = None,
) -> None:
    """Finished trials become a sample store; failed ones stay failures.

    Trials that are there already (same candidate, seed and value) count once. The store answers nars fit, nars audit
    and nars run --samples.
    """
    from nars.store import SampleStore
    from nars.trials import import_trials as add

    if RunFolder(out).run_file.is_file():
        raise DataError(
            f"{out} is a run, whose samples are what it has trained; import into a folder of its own, and give that to "
            f"the run: nars run {out} --samples STORE"
        )
    store = SampleStore(out)
    beside = str(out) if space is None and store.identity is not None else None
    trials = trial_table(table, space, reading, beside=beside)
    done = add(trials, store, data=data_set)
    typer.echo(
        f"{done.added:,} new trainings in {out}, {done.failed:,} of them failed; {done.equal:,} equal to some that "
        f"were there already"
    )
    typer.echo(
        f"{trials.name}: {len(trials.X):,} candidates with {trials.metric.title}, to {trials.metric.goal}; at most "
        f"{trials.seeds} training{'s' * (trials.seeds > 1)} of each"
    )


def trial_table(name: str, space: str | None, reading: Reading, *, beside: str | None = None) -> TrialTable:
    """The trials of a table known by name, a file, a store or a run folder; says what it assumed.

    Args:
        name: of the table, or where it is.
        space: name or file of its space; that of the store or run when None.
        reading: how a file is to be read.
        beside: a store of the same space, where the trials are in a file and `space` is None.
    """
    from nars.trials import TABLES, load_table, read_trials

    if name in TABLES:
        return load_table(name, root=reading.data)
    path = Path(name)
    if not path.is_file():
        if path.suffix and not path.exists():
            raise DataError(f"there is no file {path}; check the path")
        return _stored(name, space)
    table = read_trials(
        path,
        space_of(space, beside or name),
        metric=metric_named(reading.metric),
        values=_listed(reading.values),
        status=reading.status,
        succeeded=_listed(reading.ok_status) or (),
        failed=_listed(reading.failed_status) or (),
        columns=_mapping(reading.columns, "--columns"),
        costs=_mapping(reading.costs, "--costs", alone=True),
        scale=_factor(reading.scale),
        nearest=reading.nearest,
    )
    console = plain_console(stderr=True)
    for remark in table.remarks:
        print_lines(console, f"{path.name}: {remark}")
    return table


def metric_named(text: str) -> Metric:
    """The metric that --metric names: accuracy, or NAME:GOAL[:UNIT].

    Raises:
        MetricError: no such name or goal.
        StoreError: the name is taken by another column of a store.
        DataError: no goal.
    """
    from nars.metric import ACCURACY, Goal, Metric
    from nars.store import check_metric

    name, *more = (part.strip() for part in text.split(":", 2))
    if name == ACCURACY.name and (not more or more[0] == ACCURACY.goal):
        return ACCURACY
    if not more:
        raise DataError(f"--metric says also what is better: {name}:minimize or {name}:maximize, got {text!r}")
    goal, unit = cast(Goal, more[0]), more[1] if len(more) > 1 else ""
    ends = {"low": 0.0, "high": 100.0} if unit == "%" else {}
    return check_metric(Metric(name=name, goal=goal, unit=unit, **ends))


def _factor(text: str | None) -> float | None:
    from nars.files import number_of

    number = number_of(text)
    if text is not None and (number is None or not 0 < number < 1e300):
        raise DataError(f"--scale takes a number above 0, such as 100 for fractions, got {text!r}")
    return number


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _mapping(text: str | None, option: str, *, alone: bool = False) -> Mapping[str, str]:
    """ "a=b,c=d" as a mapping; `alone`: "a" is "a=a"."""
    found = {}
    for part in _listed(text) or ():
        name, equals, heading = (piece.strip() for piece in part.partition("="))
        if not name or (equals and not heading) or (not equals and not alone):
            raise DataError(f"{option} takes NAME=HEADING, several with commas, got {part!r}")
        if name in found:
            raise DataError(f"{option} names {name!r} twice; give each name one heading")
        found[name] = heading or name
    return found


def _stored(name: str, space: str | None) -> TrialTable:
    """The samples of a store or run folder."""
    from nars.trials import trials_of

    return trials_of(open_store(name).samples(), space_of(space, name), name=name)
