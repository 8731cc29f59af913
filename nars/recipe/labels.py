"""What goes with images of several labels, and what with images of one class each."""

from __future__ import annotations

from nars.metric import Metric, metrics_for
from nars.recipe.recipe import Recipe, require
from nars.space import MULTI_LABEL_LOSSES


def check_metric(metric: Metric, *, multi_label: bool) -> None:
    """See that a metric goes with the labels.

    Raises:
        RecipeError: it does not.
    """
    metrics = metrics_for(multi_label=multi_label)
    require(metric.name in metrics, f"the metric of {_of(multi_label)}", f"one of {', '.join(metrics)}", metric.name)


def check_labels(recipe: Recipe, metric: Metric, *, multi_label: bool) -> None:
    """See that a recipe and a metric go with the labels.

    Args:
        recipe: to train by.
        metric: to measure by.
        multi_label: whether an image may have several labels, or none.

    Raises:
        RecipeError: one of them does not.
    """
    check_metric(metric, multi_label=multi_label)
    if not multi_label:
        return
    labels, losses = _of(multi_label), ", ".join(MULTI_LABEL_LOSSES)
    require(recipe.loss in MULTI_LABEL_LOSSES, f"the loss of {labels}", f"one of {losses}", recipe.loss)
    balance, fix = recipe.class_balance, "No image is of one class that it could be weighed by: leave it out."
    require(balance == "none", f"class_balance of {labels}", "none", balance, fix=fix)


def _of(multi_label: bool) -> str:
    return "images with several labels" if multi_label else "images with one class each"
