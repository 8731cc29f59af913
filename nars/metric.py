"""What candidates are measured by: accuracy in percent, a loss, anything with a name and a direction."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from nars.errors import UserError, require

Goal = Literal["maximize", "minimize"]
Values = TypeVar("Values", float, np.ndarray[Any, Any])


class MetricError(UserError):
    """A metric that cannot be; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Values are kept, predicted and shown as they are measured; whoever looks for the best compares their `score`.

    Raises:
        MetricError: a name that is no word, an unknown goal, or an empty range.
    """

    name: str
    """Letters, digits and underscores: the sample store has a column of that name."""
    unit: str = ""
    """Such as "%"; empty for a plain number."""
    goal: Goal = "maximize"
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        word = isinstance(self.name, str) and re.fullmatch(r"[^\W\d]\w*", self.name) is not None
        require(MetricError, word, "the name of a metric", "letters, digits and underscores", self.name)
        goals = ("maximize", "minimize")
        require(MetricError, self.goal in goals, f"the goal of {self.name}", " or ".join(goals), self.goal)
        range_ = f"{self.low:g} to {self.high:g}"
        require(MetricError, self.low < self.high, f"the range of {self.name}", "low below high", range_)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def averaged(self) -> str:
        """What the same of averaged weights is called."""
        return f"ema_{self.name}"

    @property
    def maximized(self) -> bool:
        """Whether more is better."""
        return self.goal == "maximize"

    @property
    def best_word(self) -> str:
        """What its best value is: "highest" or "lowest"."""
        return "highest" if self.maximized else "lowest"

    @property
    def title(self) -> str:
        """The name as people read it, with the unit: "accuracy (%)"."""
        return self.name.replace("_", " ") + (f" ({self.unit})" if self.unit else "")

    @property
    def document(self) -> dict[str, Any]:
        """For JSON, which has no infinity; `Metric(**document)` is the same metric."""
        ends = {name: value for name, value in (("low", self.low), ("high", self.high)) if math.isfinite(value)}
        return {"name": self.name, "unit": self.unit, "goal": self.goal, **ends}

    def inside(self, values: Values) -> Values:
        """Values that are predicted, none beyond what can be measured."""
        inside: Values = np.clip(values, self.low, self.high)
        return inside

    def score(self, values: Values) -> Values:
        """Values such that more is better; applied twice, what they were."""
        return values if self.maximized else -values

    def figure(self, value: float) -> str:
        """A value for people without its unit: two decimals in percent, else four digits."""
        return f"{value:.2f}" if self.unit == "%" else f"{value:.4g}"

    def spell(self, value: float, std: float | None = None) -> str:
        """A value for people, with its standard deviation where that is given: "93.21 %", "0.0312 ± 0.0011"."""
        spread = "" if std is None else f" ± {self.figure(std) if self.unit == '%' else f'{std:.2g}'}"
        return f"{self.figure(value)}{spread} {self.unit}".rstrip()


ACCURACY = Metric(name="accuracy", unit="%", low=0.0, high=100.0)
"""Top-1 accuracy in percent: the metric of classified images, unless a run has another."""

IMAGE_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric(name="balanced_accuracy", unit="%", low=0.0, high=100.0),
        Metric(name="macro_f1", unit="%", low=0.0, high=100.0),
        Metric(name="top5", unit="%", low=0.0, high=100.0),
        Metric(name="auroc", unit="%", low=0.0, high=100.0),
        Metric(name="log_loss", goal="minimize", low=0.0),
        Metric(name="mean_average_precision", unit="%", low=0.0, high=100.0),
    )
}
"""What classified images can be measured by; `nars.recipe.scores` computes them."""

MULTI_LABEL_METRICS = ("accuracy", "macro_f1", "auroc", "mean_average_precision")
"""Those of images with several labels. Accuracy is the share of images all of whose labels are right; the others are
means over classes."""


def metrics_for(*, multi_label: bool) -> tuple[str, ...]:
    """The image metrics of images with several labels, or of images with one class each."""
    one = tuple(name for name in IMAGE_METRICS if name != "mean_average_precision")
    return MULTI_LABEL_METRICS if multi_label else one
