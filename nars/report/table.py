"""The family as a table: the same rows on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nars.report.fitting import FittingTable
from nars.space import shorten

if TYPE_CHECKING:
    from nars.export.card import Card
    from nars.stages.members import Family, Member
    from nars.train.result import MemberResult

HEADINGS = ("budget", "FLOPs", "params", "ms", "px", "recipe", "predicted", "valid.", "test", "diff")
NOTE = (
    "FLOPs are multiply-accumulates of convolution and linear layers. Predicted: at the search's stop epoch, before "
    "final training. ms: latency of one image on one CPU thread, eager PyTorch/ONNX Runtime. Accuracy in percent. "
    "diff: largest difference of a logit between the exported forms (ONNX, torch.export) and PyTorch."
)

_SHORT = {"learning_rate": "lr", "stochastic_depth": "drop path", "weight_decay": "wd", "label_smoothing": "smoothing"}


def family_rows(
    family: Family, results: Mapping[str, MemberResult], cards: Mapping[str, Card]
) -> list[tuple[str, ...]]:
    """One row of text per member, under `HEADINGS`; "-" for what is not known yet."""
    return [_row(member, results.get(member.name), cards.get(member.name)) for member in family.members]


def family_table(family: Family, results: Mapping[str, MemberResult], cards: Mapping[str, Card]) -> RenderableType:
    """The family for the terminal: the figures, then the recipes, which are too long to stand in the same row.

    Args:
        family: of a run.
        results: final trainings by the member's name, those that are done.
        cards: exports by the member's name, those that are done.
    """
    rows, recipe = family_rows(family, results, cards), HEADINGS.index("recipe")
    figures = FittingTable(
        [*HEADINGS[:recipe], *HEADINGS[recipe + 1 :]], [[*row[:recipe], *row[recipe + 1 :]] for row in rows]
    )
    recipes = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    recipes.add_column(no_wrap=True)
    recipes.add_column(overflow="fold")
    for member, row in zip(family.members, rows, strict=True):
        recipes.add_row(Text(row[0]), Text(recipe_text(member)))
    return Group(
        Text("The family: one member per budget, each with its own recipe", style="italic"),
        figures,
        "",
        recipes,
        "",
        Text(NOTE, style="dim"),
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
            parts.append(
                f"{_SHORT.get(name, name)} {value:.3g}"
                if isinstance(value, float)
                else f"{_SHORT.get(name, name)} {value}"
            )
    return ", ".join(parts)


def _row(member: Member, result: MemberResult | None, card: Card | None) -> tuple[str, ...]:
    latency = card.latency_ms if card is not None else {}
    return (
        member.name,
        shorten(member.costs["flops"]),
        shorten(member.costs["params"]),
        "/".join(f"{latency[runtime]:.2f}" for runtime in ("eager", "onnxruntime") if runtime in latency) or "-",
        str(member.record.get("resolution", "-")),
        recipe_text(member),
        f"{member.predicted:.2f} ± {member.predicted_std:.2f}",
        f"{result.validation_accuracy:.2f}" if result is not None else "-",
        f"{result.test_accuracy:.2f}" if result is not None else "-",
        f"{max(card.max_difference.values()):.1e}" if card is not None else "-",
    )
