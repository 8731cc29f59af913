"""What the paper (FBNetV3, arXiv 2006.02049) sets, key by key: a run's configuration is shown beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from nars.printing import counted
from nars.run.config import RunConfig, value_at


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A value of the paper."""

    key: str
    """Dotted key of a run configuration."""
    value: Any
    """As a configuration's JSON has it."""
    where: str
    """Section of the paper."""
    recipe_only: Any = None
    """Of the recipe-only search, where it is another."""
    shown: str = ""
    """The value in words, where it does not speak for itself."""


_SEARCH = "4.2, A.3"
_FINAL = "A.5"

STATED: tuple[Stated, ...] = (
    Stated(key="data.search_classes", value=200, where="4"),
    Stated(key="data.validation", value=10_000, where="4"),
    Stated(key="pretraining.pool", value=20_000, where=_SEARCH),
    Stated(key="pretraining.preset", value="paper", where="3.2"),
    Stated(key="range", value={"flops": {"low": 400e6, "high": 800e6}}, where="A.3", recipe_only={}, shown="400M-800M"),
    Stated(key="collect.rounds", value=5, where=_SEARCH, recipe_only=4),
    Stated(key="collect.per_round", value=48, where=_SEARCH),
    Stated(key="collect.propose", value="bins", where="A.3"),
    Stated(key="collect.epochs", value=150, where=_SEARCH),
    Stated(key="collect.schedule", value="exponential", where=_SEARCH),
    Stated(key="collect.decay", value=0.963, where=_SEARCH),
    Stated(key="collect.stop_correlation", value=0.92, where="A.3"),
    Stated(key="collect.ema_decay", value=0.99985, where=_FINAL),
    Stated(key="collect.ema_warmup", value=False, where=_FINAL),
    Stated(key="collect.asynchronous", value=False, where="3.3"),
    Stated(key="search.preset", value="paper", where="3.4, A.3"),
    Stated(
        key="search.budgets",
        value=[{"flops": budget} for budget in (450e6, 550e6, 650e6, 750e6)],
        where="4.2",
        recipe_only=[{"flops": 423e6}],
        shown="450M, 550M, 650M, 750M",
    ),
    Stated(
        key="family.scale",
        value=[{"flops": budget} for budget in (357e6, 1.18e9, 2.13e9)],
        where="4, 4.3",
        recipe_only=[],
        shown="A 357M, F 1.18G, G 2.13G",
    ),
    Stated(key="final.epochs", value=400, where=_FINAL),
    Stated(key="final.warmup_epochs", value=5, where=_FINAL),
    Stated(key="final.schedule", value="exponential", where=_FINAL),
    Stated(key="final.decay", value=0.9875, where=_FINAL),
    Stated(key="final.batch_size", value=8 * 256, where=_FINAL, shown="8 nodes x 256"),
    Stated(key="final.scale_learning_rate", value=True, where=_FINAL),
    Stated(key="final.label_smoothing", value=0.1, where=_FINAL, shown="on, share not stated"),
    Stated(key="final.policy", value="autoaugment", where=_FINAL),
    Stated(key="final.ema_decay", value=0.99985, where=_FINAL),
    Stated(key="final.ema_warmup", value=False, where=_FINAL),
    Stated(key="final.teacher", value="largest", where="4.3", recipe_only="none", shown="G, the largest"),
    Stated(key="final.distillation", value=0.8, where="4.3"),
    Stated(key="final.teacher_temperature", value=1.0, where="4.3"),
)
"""What a configuration can say of it. Everything else, file by file: docs/paper.md."""


def beside_the_paper(config: RunConfig, *, recipe_only: bool) -> Table:
    """The paper's values, the run's, and which of these are others."""
    document = config.model_dump(mode="json")
    table = Table("", "key", "paper", "this run", "section", title=f"{config.name} beside the paper")
    deviations = 0
    for stated in STATED:
        paper = stated.recipe_only if recipe_only and stated.recipe_only is not None else stated.value
        ours = value_at(document, stated.key)
        other = not _same(ours, paper)
        deviations += other
        words = stated.shown if paper is stated.value and stated.shown else _spelled(paper)
        table.add_row("!" if other else "", stated.key, words, _spelled(ours) if other else "the same", stated.where)
    table.caption = "No deviation" if deviations == 0 else counted(deviations, "deviation")
    table.caption += ". The paper does not say how images are cropped: see data.cropping."
    return table


def _same(ours: Any, paper: Any) -> bool:
    if isinstance(paper, Mapping) and isinstance(ours, Mapping):
        return ours.keys() == paper.keys() and all(_same(ours[key], paper[key]) for key in paper)
    if isinstance(paper, list) and isinstance(ours, list):
        return len(ours) == len(paper) and all(map(_same, ours, paper))
    return bool(_number(ours) == _number(paper))


def _number(value: Any) -> Any:
    """A budget's upper limit alone is written as one number."""
    return value["high"] if isinstance(value, Mapping) and set(value) == {"high"} else value


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_spelled(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(_spelled, value)) or "none"
    if isinstance(value, float) and value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value:,}" if isinstance(value, int) else str(value)
