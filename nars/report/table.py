"""Tables that fit the terminal, and the family as one: the same rows there and on the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from nars.metric import ACCURACY, Metric
from nars.space import shorten

if TYPE_CHECKING:
    from nars.export.card import Card
    from nars.stages.member import Member
    from nars.stages.members import Family
    from nars.store import Sample
    from nars.train.result import MemberResult

HEADINGS = ("budget", "FLOPs", "params", "ms", "px", "recipe", "predicted", "valid.", "test", "diff")

_PLAIN: Any = {"box": None, "pad_edge": False, "padding": (0, 2, 0, 0)}
_SHORT = {"learning_rate": "lr", "stochastic_depth": "drop path", "weight_decay": "wd", "label_smoothing": "smoothing"}


@final
class FittingTable:
    """Rows under headings where the terminal is wide enough for them; else each row as lines of "heading  value"."""

    def __init__(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = (), caption: str = ""
    ) -> None:
        """A table.

        Args:
            headings: One for each column.
            rows: As many cells each; a cell may have several lines.
            left: Headings of columns that are aligned to the left, as text is; figures are to the right.
            caption: A line below the table.
        """
        self._headings, self._rows, self._left, self._caption = headings, rows, left, caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._wide()
        if console.measure(table, options=options.update(width=10_000)).maximum <= options.max_width:
            yield table
        else:
            yield from self._narrow()
        if self._caption:
            yield Text(self._caption, style="dim")

    def _wide(self) -> Table:
        table = Table(**_PLAIN, header_style="bold")
        for heading in self._headings:
            table.add_column(heading, justify="left" if heading in self._left else "right", no_wrap=True)
        for row in self._rows:
            table.add_row(*map(Text, row))
        return table

    def _narrow(self) -> RenderResult:
        for row in self._rows:
            lines = Table(**_PLAIN, show_header=False)
            lines.add_column(no_wrap=True, style="bold")
            lines.add_column(overflow="fold")
            for heading, cell in zip(self._headings, row, strict=True):
                lines.add_row(Text(heading), Text(cell))
            yield lines
            yield ""


def family_note(metric: Metric = ACCURACY) -> str:
    """How to read the family's table."""
    unit = " in percent" if metric.unit == "%" else ""
    return (
        "FLOPs are multiply-accumulates of convolution and linear layers. Predicted: at the search's stop epoch, "
        "before final training. ms: latency of one image on one CPU thread, eager PyTorch/ONNX Runtime. "
        f"{metric.name.replace('_', ' ').capitalize()}{unit}. "
        "diff: largest difference of a logit between the exported forms (ONNX, torch.export) and PyTorch."
    )


def family_rows(
    family: Family, results: Mapping[str, MemberResult], cards: Mapping[str, Card], metric: Metric = ACCURACY
) -> list[tuple[str, ...]]:
    """One row of text per member, under `HEADINGS`; "-" for what is not known yet."""
    return [_row(member, results.get(member.name), cards.get(member.name), metric) for member in family.members]


def own_rows(
    family: Family, measured: Mapping[str, Sample], metric: Metric
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings, and one row of text per member of a family whose trainer is the user's own."""
    costs = list(dict.fromkeys(name for member in family.members for name in member.costs))
    headings = ("budget", *costs, "settings", "predicted", metric.title, "epochs")
    rows = []
    for member in family.members:
        sample = measured.get(member.name)
        reached: str = "-" if sample is None else sample.status
        if sample is not None and sample.result is not None:
            reached = metric.figure(sample.result)
        settings = ", ".join(f"{name.removeprefix('recipe.')} {_short(value)}" for name, value in member.record.items())
        figures = [shorten(member.costs[name]) if name in member.costs else "-" for name in costs]
        predicted = _predicted(member, metric)
        epochs = "-" if sample is None else str(sample.epochs)
        rows.append((member.name, *figures, settings, predicted, reached, epochs))
    return headings, rows


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def own_table(family: Family, measured: Mapping[str, Sample], metric: Metric) -> RenderableType:
    """The same for the terminal: the figures, then each member's settings."""
    headings, rows = own_rows(family, measured, metric)
    at = headings.index("settings")
    names, *figures = ([*row[:at], *row[at + 1 :]] for row in (headings, *rows))
    settings = Table(**_PLAIN, show_header=False)
    settings.add_column(no_wrap=True)
    settings.add_column(overflow="fold")
    for row in rows:
        settings.add_row(Text(row[0]), Text(row[at]))
    return Group(
        Text("The family: one member per budget", style="italic"),
        FittingTable(names, figures),
        "",
        settings,
        *doubtful(family.attention),
    )


def family_table(
    family: Family, results: Mapping[str, MemberResult], cards: Mapping[str, Card], metric: Metric = ACCURACY
) -> RenderableType:
    """The family for the terminal: the figures, then the recipes, which are too long to stand in the same row.

    Args:
        family: A run's.
        results: Final trainings by the member's name, those that are done.
        cards: Exports by the member's name, those that are done.
        metric: The run's.
    """
    rows, recipe = family_rows(family, results, cards, metric), HEADINGS.index("recipe")
    headings, *figures = ([*row[:recipe], *row[recipe + 1 :]] for row in (HEADINGS, *rows))
    recipes = Table(**_PLAIN, show_header=False)
    recipes.add_column(no_wrap=True)
    recipes.add_column(overflow="fold")
    for member, row in zip(family.members, rows, strict=True):
        recipes.add_row(Text(row[0]), Text(recipe_text(member)))
    return Group(
        Text("The family: one member per budget, each with its own recipe", style="italic"),
        FittingTable(headings, figures),
        "",
        recipes,
        "",
        Text(family_note(metric), style="dim"),
        *doubtful(family.attention),
    )


def doubtful(doubts: Sequence[str]) -> list[Text]:
    """What not to rely on, a paragraph each."""
    return [Text.assemble(("attention", "bold yellow"), ": ", doubt) for doubt in doubts]


def recipe_text(member: Member) -> str:
    """ "sgd, lr 0.012, dropout 0.1, ..." """
    parts: list[str] = []
    for name, value in member.recipe.items():
        if name == "optimizer":
            parts.insert(0, str(value))
        elif isinstance(value, bool):
            parts.append(f"{'' if value else 'no '}{name.upper() if name == 'ema' else name}")
        else:
            parts.append(f"{_SHORT.get(name, name)} {f'{value:.3g}' if isinstance(value, float) else value}")
    return ", ".join(parts) + _scaling(member)


def _scaling(member: Member) -> str:
    """How a member was made that was not searched."""
    if member.scaled is None:
        return ""
    factors = ", ".join(f"{name} x {factor:.3g}" for name, factor in asdict(member.scaled.factors).items())
    return f"; scaled from {member.scaled.source}: {factors}"


def _predicted(member: Member, metric: Metric) -> str:
    """Without its unit; "-" where nothing was searched."""
    if math.isnan(member.predicted):
        return "-"
    return metric.spell(member.predicted, member.predicted_std).removesuffix(f" {metric.unit}")


def _row(member: Member, result: MemberResult | None, card: Card | None, metric: Metric) -> tuple[str, ...]:
    latency = card.latency_ms if card is not None else {}
    return (
        member.name,
        shorten(member.costs["flops"]),
        shorten(member.costs["params"]),
        "/".join(f"{latency[runtime]:.2f}" for runtime in ("eager", "onnxruntime") if runtime in latency) or "-",
        str(member.record.get("resolution", "-")),
        recipe_text(member),
        _predicted(member, metric),
        metric.figure(result.validation) if result is not None else "-",
        metric.figure(result.test) if result is not None else "-",
        f"{max(card.max_difference.values()):.1e}" if card is not None else "-",
    )
