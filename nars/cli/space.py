"""`nars space`: what can be searched, whether a space file is right, and what its candidates look like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from nars import space as spaces
from nars.printing import plain_console, print_lines

if TYPE_CHECKING:
    from nars.space import Bounds, Population, Space

app = typer.Typer(help="Search spaces: what is built in, what one contains, checking your own.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Built-in space (see: nars space list) or the path of a YAML file.")]
Limit = str | None


@app.command("list", epilog="Example: nars space list")
def list_spaces() -> None:
    """The built-in spaces, with their sizes."""
    from nars.space.describe import power

    shown = Table("space", "architectures", "recipes", "about", box=None, pad_edge=False)
    for name in spaces.space_names():
        space = spaces.load_space(name)
        sizes = (power(space.size("architecture")), power(space.size("recipe")))
        shown.add_row(name, *sizes, space.about)
    plain_console().print(shown)


@app.command(epilog="Example: nars space show fbnetv3\n\nnars space show mine.yaml")
def show(name: Name) -> None:
    """The choices of a space as a table laid out like the paper's, its size, and the range of each cost."""
    from nars.space.describe import counts, settings_table

    space = spaces.load_space(name)
    console = plain_console()
    if space.about:
        console.print(space.about)
    layout = space.family.layout(space)
    if layout is not None:
        stages = Table(title=f"{space.name}: architecture", title_justify="left")
        room = console.width - 1 - 3 * len(layout.headings)  # but for the lines and the padding of columns
        for heading, width in zip(layout.headings, column_widths([layout.headings, *layout.rows], room), strict=True):
            stages.add_column(heading, width=width, overflow="fold")
        for row in layout.rows:
            stages.add_row(*row)
        console.print(stages)
        console.print(layout.note)
    others = Table("setting", "choices", title="choices" if layout is None else layout.others)
    others.title_justify = "left"
    for purpose, rows in settings_table(space):
        others.add_section()
        if purpose:
            others.add_row(Text(purpose, style="bold"), "")
        for setting, spelled in rows:
            others.add_row(setting, spelled)
    console.print(others)
    for line in counts(space):
        print_lines(console, line)
    if space.cost_names:
        try:
            console.print(_ranges(space))
        except spaces.SpaceError as error:
            print_lines(console, f"the range of each cost is not known: {error}")
        console.print("flops are multiply-accumulates of convolution and linear layers, for one image")
    print_lines(console, f"file {spaces.space_file(name)}")
    console.print(f"fingerprint {space.fingerprint}")


def _ranges(space: Space) -> Table:
    """Where each cost begins and ends."""
    title = f"{'exact ' * spaces.exact_ends(space)}range of each cost"
    table = Table("cost", "smallest", "largest", title=title, title_justify="left")
    for cost, (low, high) in spaces.cost_range(space).items():
        table.add_row(cost, f"{low:,.0f}", f"{high:,.0f}")
    return table


def column_widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths of a table's columns, in characters, that have room side by side with no word cut, if that can be.

    rich takes from all wide columns alike, whether or not their words still fit.
    """
    columns = list(zip(*rows, strict=True))
    least = [max(len(word) for cell in column for word in cell.split()) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    while sum(widths) > room and widths != least:
        wide = [number for number, width in enumerate(widths) if width > least[number]]
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


@app.command(epilog="Example: nars space check mine.yaml")
def check(file: Annotated[Path, typer.Argument(help="The YAML file of a space.")]) -> None:
    """Every mistake in a space file, each with its line and how to mend it."""
    from nars.space.describe import counts

    space, assumed = spaces.examine_space(spaces.read_document(spaces.space_file(file)))
    console = plain_console(soft_wrap=True)
    for line in assumed:
        console.print(Text.assemble(("warning", "bold yellow"), f": {line}"))
    verdict = f"no mistakes, {len(assumed)} to look at" if assumed else "no mistakes"
    console.print(f"{file}: {verdict}; {space.name} has {counts(space)[0]}")


@app.command(
    epilog="Example: nars space sample mine.yaml -n 5 --max-flops 4M\n\n"
    "nars space sample digits --min-flops 0.3M --json"
)
def sample(
    name: Name,
    n: Annotated[int, typer.Option("-n", "--number", help="How many candidates.")] = 5,
    max_flops: Annotated[Limit, typer.Option(help="Multiply-accumulates, e.g. 500M.")] = None,
    min_flops: Annotated[Limit, typer.Option(help="Lower limit.")] = None,
    max_params: Annotated[Limit, typer.Option(help="Parameters, e.g. 9M.")] = None,
    min_params: Annotated[Limit, typer.Option(help="Lower limit.")] = None,
    max_activations: Annotated[Limit, typer.Option(help="Elements of all layers' outputs.")] = None,
    max_peak_activations: Annotated[Limit, typer.Option(help="Largest working set of a layer, elements.")] = None,
    max_resolution: Annotated[Limit, typer.Option(help="Side of the image, pixels.")] = None,
    max_latency: Annotated[Limit, typer.Option(help="Milliseconds, e.g. 12ms; needs --latency.")] = None,
    latency: Annotated[Path | None, typer.Option(help="Table made by `nars latency`.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the Sobol sequence.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per candidate and line.")] = False,
) -> None:
    """Quasi-random candidates inside limits, never outside of them."""
    space = spaces.load_space(name)
    if latency is not None:
        space = space.with_table(spaces.latency_costs(space, latency))
    upper = {
        "flops": max_flops,
        "params": max_params,
        "activations": max_activations,
        "peak_activations": max_peak_activations,
        "resolution": max_resolution,
        "latency": max_latency,
    }
    bounds = _bounds(upper, {"flops": min_flops, "params": min_params})
    X = spaces.sobol(space, n, seed=seed, bounds=bounds)
    if as_json:
        _print_json(space, X)
    else:
        _print_table(space, X)
    console = plain_console(stderr=True, soft_wrap=True)
    if len(X) < n:
        console.print(f"only {len(X)} different candidates were found that keep {bounds}")
    if bounds.limits:
        share = spaces.feasible_fraction(space, bounds, seed=seed)
        console.print(
            f"{bounds}: {100 * share.estimate:.3g} % of the space (95 % interval {100 * share.low:.3g} - "
            f"{100 * share.high:.3g} %)"
        )


def _bounds(upper: dict[str, Limit], lower: dict[str, Limit]) -> Bounds:
    limits: dict[str, tuple[float, float]] = {}
    for cost, text in upper.items():
        low, high = lower.get(cost), text
        if low is not None or high is not None:
            limits[cost] = (spaces.quantity(low) if low else 0.0, spaces.quantity(high) if high else float("inf"))
    return spaces.Bounds(limits)


def _print_table(space: Space, X: Population) -> None:
    from nars.space.describe import summary

    costs = space.costs(X) if space.cost_names else {}
    shown = [cost for cost in costs if cost in ("latency", "flops", "params", "activations")] or list(costs)
    recipe = [name for name in space.settings if name.startswith("recipe.")]
    headings = [f"{cost}, {spaces.cost_unit(cost)}" if cost == spaces.LATENCY else cost for cost in shown]
    cells = [["#", *headings, "architecture", *(["recipe"] if recipe else [])]]
    for number, record in enumerate(space.to_records(X)):
        figures = [spaces.shorten(float(costs[cost][number])) for cost in shown]
        recipes = [summary(recipe, record)] if recipe else []
        cells.append([str(number + 1), *figures, space.family.line(space, record), *recipes])
    console = plain_console()
    rows = Table()
    room = console.width - 1 - 3 * len(cells[0])
    for heading, width in zip(cells[0], column_widths(cells, room), strict=True):
        rows.add_column(heading, width=width, overflow="fold")
    for row in cells[1:]:
        rows.add_row(*row)
    console.print(rows)


def _print_json(space: Space, X: Population) -> None:
    costs = space.costs(X) if space.cost_names else {}
    for number, record in enumerate(space.to_records(X)):
        own = {cost: float(values[number]) for cost, values in costs.items()}
        typer.echo(json.dumps({"record": record, "costs": own, "choices": X[number].tolist()}))
