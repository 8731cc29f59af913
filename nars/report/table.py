"""The family as a table: the same rows on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from nars.report.findings import MemberFinding
from nars.space import shorten

HEADINGS = (
    "budget", "FLOPs", "params", "latency", "px", "recipe", "predicted", "validation", "test", "ONNX max |diff|",
)  # fmt: skip
NOTE = (
    "FLOPs are multiply-accumulates of convolution and linear layers. Predicted: at the search's stop epoch, before "
    "final training. Latency: one image, one CPU thread, eager PyTorch / ONNX Runtime. Accuracy in percent."
)

_SHORT = {
    "learning_rate": "lr", "stochastic_depth": "drop path", "weight_decay": "wd", "label_smoothing": "smoothing",
}  # fmt: skip


def family_rows(members: Sequence[MemberFinding]) -> list[tuple[str, ...]]:
    """One row of text per member, under `HEADINGS`; "-" for what is not known yet."""
    return [_row(member) for member in members]


def family_table(members: Sequence[MemberFinding]) -> Table:
    """The family for the terminal."""
    table = Table(title="The family: one member per budget, each with its own recipe", caption=NOTE, caption_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "recipe" else "right", no_wrap=heading != "recipe")
    for row in family_rows(members):
        table.add_row(*row)
    return table


def recipe_text(member: MemberFinding) -> str:
    """ "sgd, lr 0.012, dropout 0.1, ..." """
    parts = []
    for name, value in member.recipe.items():
        if name == "optimizer":
            parts.insert(0, str(value))
        elif isinstance(value, bool):
            parts.append(f"{'' if value else 'no '}{name.upper() if name == 'ema' else name}")
        else:
            parts.append(f"{_SHORT.get(name, name)} {value:.3g}" if isinstance(value, float) else f"{_SHORT.get(name, name)} {value}")
    return ", ".join(parts)


def _row(member: MemberFinding) -> tuple[str, ...]:
    result, export = member.result or {}, member.export or {}

    def percent(key: str) -> str:
        return f"{result[key]:.2f}" if result.get(key) is not None else "-"

    latency = export.get("latency_ms", {})
    return (
        shorten(member.budget),
        shorten(member.costs["flops"]),
        shorten(member.costs["params"]),
        " / ".join(f"{latency[runtime]:.2f}" for runtime in ("eager", "onnxruntime") if runtime in latency) + " ms" if latency else "-",
        str(member.record.get("resolution", "-")),
        recipe_text(member),
        f"{member.predicted:.2f} ± {member.predicted_std:.2f}",
        percent("validation_accuracy"),
        percent("test_accuracy"),
        f"{export['max_difference']:.1e}" if "max_difference" in export else "-",
    )
