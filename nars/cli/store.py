"""`nars store`: look at, merge, export and replay measured samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from nars.cli.spaces import SpaceName, open_store, space_of
from nars.errors import StoreError
from nars.files.atomic import write_json
from nars.printing import counted, plain_console, print_lines

if TYPE_CHECKING:
    import numpy as np

    from nars.store import Sample
    from nars.studies import Measured, Replay, Unanswered

app = typer.Typer(help="Measured samples: what is in a store, merging, exporting, replaying.", no_args_is_help=True)

StorePath = Annotated[
    str, typer.Argument(help="Store folder, run folder, or any address that pyarrow or fsspec opens.")
]


@app.command(epilog="Example: nars store info runs/digits\n\nnars store info runs/digits --budgets 0.2M,0.4M")
def info(
    store: StorePath,
    budgets: Annotated[
        str | None, typer.Option(help="Also show the best sample within each of these, e.g. 0.2M,0.4M.")
    ] = None,
    cost: Annotated[str, typer.Option(help="Cost that the budgets bound.")] = "flops",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """What a store holds."""
    from nars.space import quantity, shorten
    from nars.store import best_per_budget, store_info

    opened, limits = open_store(store), [quantity(part) for part in budgets.split(",")] if budgets else []
    best = best_per_budget(opened, cost=cost, budgets=limits) if limits else []
    found = store_info(opened)
    if json_file is not None:
        identity = asdict(found.identity) if found.identity is not None else {}
        document = asdict(found) | {
            "metric": found.metric.document,
            "identity": identity | {"metric": found.metric.name},
        }
        write_json(json_file, document)
    table = Table(title=found.path, show_header=False, title_justify="left")
    table.add_row(
        "rows", f"{found.rows:,} in {counted(found.files, 'file')}, {found.bytes / max(1, found.rows):,.0f} bytes each"
    )
    table.add_row("outcomes", ", ".join(f"{count:,} {status}" for status, count in found.statuses.items()) or "-")
    table.add_row("rounds", ", ".join(f"{number}: {count:,}" for number, count in sorted(found.rounds.items())) or "-")
    table.add_row("epochs", ", ".join(f"{number}: {count:,}" for number, count in sorted(found.epochs.items())) or "-")
    values = {f"best {found.metric.name}": found.best, "best with EMA": found.best_averaged}
    for heading, value in values.items():
        if value is not None or heading != "best with EMA":
            table.add_row(heading, "-" if value is None else found.metric.spell(value))
    table.add_row("training time", f"{found.seconds:,.0f} s")
    for name, (low, high) in found.costs.items():
        table.add_row(name, f"{shorten(low)} to {shorten(high)}")
    if found.identity is not None:
        table.add_row("belongs to", f"space {found.identity.space}, data {found.identity.data}")
        table.add_row("costs count", found.identity.cost_convention)
    plain_console().print(table)
    for limit, sample in zip(limits, best, strict=True):
        shown = _best(sample, cost)
        typer.echo(f"{cost} <= {shorten(limit)}: {shown}")


@app.command(epilog="Example: nars store merge all-samples runs/old runs/optuna")
def merge(target: StorePath, sources: Annotated[list[str], typer.Argument(help="Stores to take from.")]) -> None:
    """Add the samples of some stores to another; equal trainings count once."""
    from nars.store import merge_stores

    merged = merge_stores([open_store(source) for source in sources], open_store(target, must_exist=False))
    typer.echo(f"{merged.added:,} samples added, {merged.repeated:,} were there already")


@app.command(epilog="Example: nars store export runs/digits samples.csv")
def export(store: StorePath, file: Annotated[Path, typer.Argument(help="samples.csv, .parquet or .jsonl.")]) -> None:
    """One file with all samples."""
    from nars.store import export_store

    typer.echo(f"{export_store(open_store(store), file):,} samples in {file}")


@app.command(
    epilog="Example: nars store replay runs/digits --trainings 24 --strategies random,evolution,predictor --batch 4\n\n"
    "nars store replay runs/digits --trainings 12 --strategies random,tpe,asha,hyperband"
)
def replay(
    store: StorePath,
    trainings: Annotated[int, typer.Option(min=1, help="How many trainings may be spent.")],
    batch: Annotated[int, typer.Option(min=1, help="Candidates per proposal.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Repetitions of each strategy.")] = 20,
    strategies: Annotated[
        str,
        typer.Option(
            help="What to compare the run with: random, evolution, predictor (stage 2's proposals), tpe, asha, "
            "hyperband, tpe-asha (Optuna's, which stop trainings by their curves). A store that is no finished run "
            "needs --space for all but the first two."
        ),
    ] = "random",
    space: SpaceName = None,
    epoch: Annotated[
        int | None,
        typer.Option(min=1, help="Count only the value after this epoch, as if each training had stopped there."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Consider only the samples within this budget, e.g. 0.3M.")] = None,
    cost: Annotated[str, typer.Option(help="Cost that the budget bounds and that stage 2 cuts into bins.")] = "flops",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the strategies.")] = 0,
) -> None:
    """What fewer trainings would have found: the run cut short, against other strategies among its samples."""
    import numpy as np
    from rich.progress import Progress

    from nars.report import FittingTable
    from nars.search import InOrder
    from nars.space import quantity
    from nars.studies import UNANSWERABLE, Measured, Unanswered, replay as spend

    limits = {} if budget is None else {cost: quantity(budget)}
    opened = open_store(store)
    candidates = Measured.of(opened, epoch=epoch).within(limits)
    names = [name.strip() for name in strategies.split(",")]
    unanswered = {name: UNANSWERABLE[name] for name in names if name in UNANSWERABLE}
    chosen = {
        name: _spender(name, store, space, candidates, cost, seed, trainings, batch)
        for name in names
        if name not in unanswered
    }
    itself = InOrder(candidates.choices, rng=np.random.default_rng(seed))
    found = [("the run itself", [spend(candidates, itself, trainings=trainings, batch=batch)])]
    with Progress(console=plain_console(stderr=True), transient=True) as bar:
        for name, spender in chosen.items():
            steps = bar.track(range(repeats), description=name)
            replays = [spender(np.random.default_rng([seed, number])) for number in steps]
            unanswered |= {one.name: one.reason for one in replays if isinstance(one, Unanswered)}
            found += [(name, [one for one in replays if not isinstance(one, Unanswered)])]
    metric = candidates.metric
    best_of = f"best{f', {metric.unit}' if metric.unit else ''}"
    title = f"{trainings} of {len(candidates.values):,} measured candidates, by {metric.title}, to {metric.goal}"
    rows = []
    for name, runs in found:
        if not runs:
            continue
        best, regret = np.array([run.best[-1] for run in runs]), np.array([run.regret[-1] for run in runs])
        epochs, seconds = (float(np.mean([getattr(run, of)[-1] for run in runs])) for of in ("epochs", "seconds"))
        spread = f" ± {metric.figure(best.std())}" if len(runs) > 1 else ""
        rows.append(
            (
                name,
                str(len(runs)),
                f"{metric.figure(best.mean())}{spread}",
                metric.figure(regret.mean()),
                f"{epochs:,.0f}",
                f"{seconds / 3600:.2f}",
            )
        )
    headings = ("strategy", "repeats", best_of, "behind best", "epochs", "hours")
    console = plain_console()
    console.print(title)
    console.print(FittingTable(headings, rows, left=("strategy",)))
    for name, reason in unanswered.items():
        print_lines(console, f"{name} has no answer here: {reason}")


def _spender(
    name: str, store: str, space: str | None, table: Measured, cost: str, seed: int, trainings: int, batch: int
) -> Callable[[np.random.Generator], Replay | Unanswered]:
    """What lets the strategy of this name spend the trainings once."""
    from nars.search import RandomSearch, RegularizedEvolution
    from nars.store import store_info
    from nars.studies import (
        RIVALS,
        curves_of,
        pretrained_on,
        replay as spend,
        replay_rival,
        replay_rounds,
        table_rounds,
    )
    from nars.trials import with_costs

    among = {"random": RandomSearch, "evolution": RegularizedEvolution}.get(name)
    if among is not None:
        return lambda rng: spend(table, among(table.choices, rng=rng), trainings=trainings, batch=batch)
    if name != "predictor" and name not in RIVALS:
        known = ", ".join(("random", "evolution", "predictor", *RIVALS))
        raise StoreError(f"there is no strategy {name!r}; name some of {known}, with commas.")
    found, identity = space_of(space, store), store_info(open_store(store)).identity
    if identity is not None and identity.space != found.fingerprint:
        raise StoreError(
            f"the samples in {store} belong to the space {identity.space}, {found.name} is {found.fingerprint}; give "
            f"the space that they were collected in."
        )
    if name in RIVALS:
        curves = curves_of(open_store(store), table)
        return lambda rng: replay_rival(name, table, curves, found, trainings=trainings, rng=rng)
    if table.costs and cost not in table.costs:
        raise StoreError(f"there is no cost {cost!r} for stage 2's bins; name one by --cost: {', '.join(table.costs)}.")
    if table.costs and not found.cost_names:
        found = with_costs(found, table.choices, table.costs)
    bins_of = cost if table.costs else None  # without costs, the best predicted of all, as in a run
    pretrained = pretrained_on(table, found, seed=seed)

    def spend_by_rounds(rng: np.random.Generator) -> Replay:
        rounds = table_rounds(table, found, pretrained, trainings=trainings, batch=batch, cost=bins_of, rng=rng)
        return replay_rounds(table, rounds)

    return spend_by_rounds


def _best(sample: Sample | None, cost: str) -> str:
    from nars.space import shorten

    if sample is None or sample.result is None:
        return "nothing"
    return f"{sample.metric.spell(sample.result)}, {cost} {shorten(sample.costs[cost])}"
