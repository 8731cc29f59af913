"""What goes with images of several labels, and what with images of one class each."""

from __future__ import annotations

from nars.metric import Metric, metrics_for
from nars.recipe.recipe import Recipe, require
from nars.space import MULTI_LABEL_LOSSES


def check_labels(recipe: Recipe, metric: Metric, *, multi_label: bool) -> None:
    """See that a recipe and a metric go with the labels.

    Args:
        recipe: to train by.
        metric: to measure by.
        multi_label: whether an image may have several labels, or none.

    Raises:
        RecipeError: one of them does not.
    """
    labels = "images with several labels" if multi_label else "images with one class each"
    metrics = metrics_for(multi_label=multi_label)
    require(metric.name in metrics, f"the metric of {labels}", f"one of {', '.join(metrics)}", metric.name)
    if not multi_label:
        return
    losses = ", ".join(MULTI_LABEL_LOSSES)
    require(recipe.loss in MULTI_LABEL_LOSSES, f"the loss of {labels}", f"one of {losses}", recipe.loss)
    balance, fix = recipe.class_balance, "No image is of one class that it could be weighed by: leave it out."
    require(balance == "none", f"class_balance of {labels}", "none", balance, fix=fix)
