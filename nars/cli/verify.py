"""`nars verify`: the candidates of an answer's plan trained until the best of them is known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nars.cli.opening import parse_sets
from nars.cli.options import How
from nars.cli.starting import load_torch, say_device
from nars.files.atomic import write_json
from nars.printing import counted, plain_console, print_lines

if TYPE_CHECKING:
    from nars.report import FittingTable
    from nars.stages import SavedAnswer


_LEGEND = (
    "predicted: before. for: what training it and those above it was expected to bring. measured: mean of its "
    "trainings (what the run's store had already is counted). now known: predicted and measured together."
)


def verify(
    folder: Annotated[Path, typer.Argument(help="An answer's folder, which nars search --out wrote.")],
    config: Annotated[
        str | None,
        typer.Option(
            help="Run configuration by which the predictor's samples were trained, where it comes from no run; or the "
            "run's folder, where it has moved."
        ),
    ] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Change any key of --config (repeatable).")] = None,
    confidence: Annotated[float, typer.Option(help="Probability that the winner is the best of the plan ...")] = 0.9,
    margin: Annotated[
        float | None, typer.Option(help="... or worse than the best by at most this; the plan's margin if not given.")
    ] = None,
    trainings: Annotated[
        int | None, typer.Option(help="Most trainings in all; three per candidate if not given.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write what was found here.")] = None,
    *,
    how: How,
) -> None:
    """Train the candidates of an answer's plan, as the search trained, until the best of them is known.

    Each outcome goes to the run's sample store at once; if interrupted, the same command resumes it. The predictor is
    fitted to them too, in informed/ of the run's folder. nars train then trains the winner.
    """
    from nars.stages import read_answer

    read_answer(folder)  # before seconds of loading
    load_torch()
    from nars.run import Terminal, execution
    from nars.stages import verify_answer

    reporter, settings = Terminal(), execution(**asdict(how))
    say_device(settings, reporter)
    answer = verify_answer(
        folder,
        config=config,
        overrides=parse_sets(sets),
        confidence=confidence,
        margin=margin,
        trainings=trainings,
        execution=settings,
        reporter=reporter,
    )
    console = plain_console()
    console.print(_table(answer))
    console.print(_LEGEND, style="dim")
    print_lines(console, _verdict(answer))
    if json_file is not None and answer.verified is not None:
        write_json(json_file, {"folder": str(answer.folder)} | asdict(answer.verified))


def _table(answer: SavedAnswer) -> FittingTable:
    from nars.report import FittingTable
    from nars.stages.asking import gain_text, prediction_text

    found = answer.verified
    assert found is not None
    rows, metric = [], answer.metric
    for number, candidate in enumerate(answer.candidates):
        own = [one for one in found.trainings if one.candidate == number]
        values = [one.value for one in own if one.value is not None]
        failed = [one.status for one in own if one.value is None]
        rows.append(
            [
                f"{number + 1}{' <-' if number == found.winner else ''}",
                prediction_text(metric, candidate.predicted, candidate.predicted_std),
                gain_text(metric, answer.plan.gains[number]),
                failed[0] if failed else metric.figure(sum(values) / len(values)) if values else "-",
                str(len(own)),
                prediction_text(metric, found.mean[number], found.std[number]),
            ]
        )
    headings = ("candidate", "predicted", "for", "measured", "trainings", "now known")
    return FittingTable(headings, rows, left=("candidate",))


def _verdict(answer: SavedAnswer) -> str:
    found, count = answer.verified, len(answer.candidates)
    assert found is not None
    choice = "It is the answer's choice now"
    if answer.space.family.builder is not None:
        choice += f" (nars train {answer.folder})"
    best = f"candidate {found.winner + 1} is the best of {count}, or behind it by {found.margin:.2g} at most, with "
    best += f"{100 * found.probability:.0f} %"
    if found.known:
        return f"{answer.folder}: {best}. {choice}"
    return (
        f"{answer.folder}: {best} only, not {100 * found.confidence:.0f} %, after "
        f"{counted(len(found.trainings), 'training')}. {choice}; more: --trainings {2 * len(found.trainings)}"
    )
