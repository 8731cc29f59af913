"""`nars compress`: smaller forms of a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.opening import parse_sets
from nars.cli.options import DEVICE_HELP, Sets
from nars.cli.starting import load_torch
from nars.printing import plain_console

if TYPE_CHECKING:
    from nars.studies import Compressed


def compress(
    folder: Annotated[
        Path,
        typer.Argument(help="A member's folder (runs/NAME/family/BUDGET), or a trained answer's or scaled network's."),
    ],
    max_bytes: Annotated[
        str | None, typer.Option(help="Largest ONNX file, e.g. 300k: name the best such model by the run's metric.")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="How much worse the run's metric may become, in its unit: 1 is one percent of accuracy."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Output folder; compressed/ in the run's folder or beside the training if not given."),
    ] = None,
    trainings: Annotated[int, typer.Option(help="Fine-tunings of pruned networks; 0 only quantizes.")] = 6,
    epochs: Annotated[
        int | None, typer.Option(help="Of each fine-tuning; a quarter of the final training's if not given.")
    ] = None,
    sets: Sets = None,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
) -> None:
    """Search smaller forms of a trained network: int8 or float32, and channels taken out, for each stage.

    Pruned networks are fine-tuned with the unpruned one as teacher, and every model is measured as ONNX Runtime runs
    it. Writes the models that no other beats in the run's metric, bytes and latency, and a table. If interrupted, the
    same command resumes it.
    """
    from nars.space import quantity

    largest = None if max_bytes is None else quantity(max_bytes)
    load_torch()
    from nars.run import Terminal
    from nars.studies import compress as search

    found = search(
        folder,
        max_bytes=largest,
        max_drop=max_drop,
        folder=out,
        trainings=trainings,
        epochs=epochs,
        overrides=parse_sets(sets),
        device=device,
        reporter=Terminal(),
    )
    _show(found)


def _show(found: Compressed) -> None:
    from nars.report import FittingTable

    console = plain_console()
    console.print(FittingTable(found.headings, found.rows(), left=("model",), caption=found.legend))
    whole = found.whole
    console.print(f"as trained: {whole.bytes:,} bytes, {whole.latency_ms:g} ms, {whole.spelled}")
    if found.chosen is not None:
        console.print(f"chosen: {found.model(found.chosen)}", soft_wrap=True)
    else:
        console.print(f"models: {found.folder / 'front'}", soft_wrap=True)
