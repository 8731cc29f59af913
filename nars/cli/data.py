"""`nars data`: what is in your images, before anything is trained on them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from nars.printing import plain_console

if TYPE_CHECKING:
    from nars.images import Examined, Pair

app = typer.Typer(help="Your own images: what is there, and what a run would do with them.", no_args_is_help=True)

_SHOWN = 5
"""Things of a kind that are named; the JSON has all."""

_FEW = 10
"""Images below which a class is hardly in every split."""

_UNEVEN = 5.0
"""Times as many images as the rarest class from which classes are uneven."""

_CLASSES = 12
"""Classes that are listed: of more, the largest and the smallest."""


@app.callback()
def _group() -> None:
    """A group, though it has one command."""


@app.command(epilog="Example: nars data check photos\n\nnars data check labels.csv --json found.json")
def check(
    path: Annotated[
        Path, typer.Argument(help="Folder of classes, CSV of paths and labels, Parquet or WebDataset of a hub.")
    ],
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all that was found here.")] = None,
) -> None:
    """Classes, counts, labels of each image, sizes, copies between splits, broken files by name, and what a run would
    do.

    Ends with exit code 1 where a run would stop, or where images of one split are in another.
    """
    from nars.errors import DataError
    from nars.files.atomic import write_json
    from nars.images import examine
    from nars.images.names import folder_of
    from nars.run import Terminal
    from nars.run.progress import counting

    place = folder_of(str(path))
    if not place.exists():
        raise DataError(f"nars data check takes the path of images, and there is nothing at {path}. Check the path.")
    reporter = Terminal()
    with counting(reporter, "looking at images") as progress:
        found = examine(place, progress=progress)
    if json_file is not None:
        write_json(json_file, document(found))
    plain_console().print(_table(path, found))
    if found.fault or found.broken or any(_leaks(found)):
        raise typer.Exit(1)


def document(found: Examined) -> dict[str, Any]:
    """All of it in plain types."""
    source = found.source
    counts = [] if source is None else found.counts.tolist()
    return {
        "classes": {} if source is None else dict(zip(source.classes, counts, strict=True)),
        "labels_each": None if source is None or found.labels_each is None else found.labels_each.tolist(),
        "fault": found.fault,
        "broken": dict(found.broken),
        "pairs": [vars(pair) for pair in found.pairs],
        "leaks": len(_leaks(found)),
        "modes": dict(found.modes),
        "sizes": sorted({"x".join(map(str, one.size)) for one in found.seen}),
        "turned": sum(one.turned for one in found.seen),
        "animated": sum(one.frames > 1 for one in found.seen),
        "notes": [] if source is None else list(source.notes),
    }


def _table(path: Path, found: Examined) -> Table:
    table = Table(title=str(path), show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    if found.source is not None:
        _add_images(table, found)
    for pairs, name in ((_leaks(found), "LEAKS"), ([p for p in found.pairs if p not in _leaks(found)], "copies")):
        if pairs:
            table.add_row(name, _said(pairs, leaks=name == "LEAKS"))
    if found.source is not None and found.source.files is not None and not found.near:
        table.add_row("near copies", "not looked for among so many images")
    if found.broken:
        names = [f"{name}: {_reason(fault)}" for name, fault in found.broken]
        table.add_row("BROKEN", f"{len(found.broken):,}\n" + "\n".join(_some(names, most=20)))
    table.add_row("a run", _would_do(path, found))
    return table


def _add_images(table: Table, found: Examined) -> None:
    assert found.source is not None
    counts, classes = found.counts, found.source.classes
    totals = counts.sum(axis=1)
    order = totals.argsort(kind="stable")[::-1]
    listed = [f"{classes[at]} {totals[at]:,}" for at in order]
    if len(listed) > _CLASSES:
        listed = [*listed[: _CLASSES // 2], "...", *listed[-_CLASSES // 2 :]]
    table.add_row("classes", f"{len(classes):,}: {', '.join(listed)}")
    train, validation, test = found.images
    each = found.labels_each
    if each is not None:
        shown = [f"{count:,} with {labels or 'none'}" for labels, count in enumerate(each.tolist()) if count]
        table.add_row("labels", f"several an image: {', '.join(shown)}")
    split = f"{train:,} training, {validation:,} validation, {test:,} test"
    held = "" if validation else "; a run holds out a fifth of the training images for validation"
    made = "the data's own splits" if found.divided else "the test split is a fifth of all, the same each time"
    table.add_row("images", f"{split}: {made}{held}")
    if found.seen:
        sides = sorted(min(one.size) for one in found.seen)
        sizes = f"shorter side {sides[0]:,} to {sides[-1]:,} px, median {sides[len(sides) // 2]:,}"
        modes = ", ".join(f"{count:,} {mode}" for mode, count in found.modes.most_common())
        table.add_row("sizes", sizes)
        table.add_row("pixels", f"{modes}; all are read as 8-bit RGB")
        turned, moving = sum(one.turned for one in found.seen), sum(one.frames > 1 for one in found.seen)
        if turned:
            table.add_row("turned", f"{turned:,} by their EXIF data; they are read upright")
        if moving:
            table.add_row("several frames", f"{moving:,}; the first counts")
    for note in found.source.notes:
        table.add_row("note", note)
    few = [f"{classes[at]} {totals[at]}" for at in order[::-1] if totals[at] < _FEW]
    if few:
        table.add_row("few images", f"{', '.join(_some(few))}: too few to be in every split and to be learned")
    if totals.min() and totals.max() / totals.min() >= _UNEVEN:
        way = "--set metric=balanced_accuracy, and class_balance in the recipe"
        if each is not None:
            way = "--set metric=mean_average_precision, to which each counts alike"
        table.add_row("uneven classes", f"{totals.max() / totals.min():.0f} to 1: consider {way}")


def _leaks(found: Examined) -> list[Pair]:
    return [pair for pair in found.pairs if pair.leaks and found.divided]


def _said(pairs: Sequence[Pair], *, leaks: bool) -> str:
    exact = sum(pair.exact for pair in pairs)
    other = sum(pair.classes[0] != pair.classes[1] for pair in pairs)
    what = f"{exact:,} exact and {len(pairs) - exact:,} near copies" + (
        f", {other:,} of them in two classes" if other else ""
    )
    rule = (
        "between splits: what is measured on them is too good, remove one of each"
        if leaks
        else "within a split. A run that splits the images keeps exact copies together, near ones with "
        "--set data.near_copies=together"
    )
    return f"{what}, {rule}\n" + "\n".join(_some([f"{pair.first} = {pair.second}" for pair in pairs]))


def _some(names: Sequence[str], most: int = _SHOWN) -> list[str]:
    return [*names[:most], f"... and {len(names) - most:,} more"] if len(names) > most else list(names)


def _reason(fault: str) -> str:
    """What is wrong, without the name, which stands before it, and without the way out, which is the same for all."""
    fault = fault.removesuffix(" Replace or remove it.")
    named = " is " if fault.endswith(("0 bytes.", "that Pillow knows.")) else "("
    return fault.partition(named)[2].rstrip(".)") or fault


def _would_do(path: Path, found: Examined) -> str:
    if found.source is None:
        return f"would stop: {found.fault}"
    if found.broken:
        return "would stop at the first broken file; replace or remove them"
    if found.fault:
        return f"would stop: {found.fault}"
    command = f"nars run {shlex.quote(str(path))} --time 30m"
    return f"{command}\nchooses space, resolution, search and training for the time; --dry-run shows the plan"
