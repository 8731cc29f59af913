"""Losses for classes of unequal size: classes weighed, or logits moved, by how many training images each has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nars.arrays import Ints
from nars.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What a recipe's `class_balance` does to the loss of labels. Both None: nothing, which most recipes want."""

    weights: Tensor | None = None
    """(classes,) factor on the loss of an image of each class, its mean over all training images 1."""
    shift: Tensor | None = None
    """(classes,) is added to the logits before the loss."""


UNBALANCED = Balance()


def class_weights(counts: Tensor, recipe: Recipe) -> Balance:
    """(1 - beta) / (1 - beta^n) for a class of n images, its inverse effective number (arXiv 1901.05555, eq. 2 and 3).

    The mean over images is 1, not the paper's over classes: with few images in most classes the loss would shrink, and
    learning rates would not carry over. beta 0 weighs all classes alike; 1, excluded, would weigh them by 1 / n.
    """
    weights = (1.0 - recipe.balance_beta) / (1.0 - recipe.balance_beta**counts)
    return Balance(weights=(weights * counts.sum() / (weights * counts).sum()).float())


def logit_adjustment(counts: Tensor, recipe: Recipe) -> Balance:
    """tau x the logarithm of each class's share (arXiv 2007.07314, eq. 10): at 1, plain logits know of no prior."""
    return Balance(shift=(recipe.balance_tau * (counts / counts.sum()).log()).float())


def balanced_rows(labels: Tensor, *, shape: tuple[int, ...], seed: int, epoch: int) -> Ints:
    """Images of an epoch by number, int64 of `shape`, each class equally likely and each of its images as well.

    Args:
        labels: (N,) of the training images.
        shape: (steps, batch).
        seed, epoch: what decides the draws.
    """
    counts = np.bincount(labels.cpu().numpy())
    chance = 1.0 / (counts[labels.cpu().numpy()] * np.count_nonzero(counts))
    rng = np.random.default_rng([seed, epoch, _SAMPLING])
    return rng.choice(len(labels), size=shape, p=chance / chance.sum()).astype(np.int64)


_SAMPLING = 5
"""Number of the random stream that `balanced_rows` draws from."""


def _by_rows(counts: Tensor, recipe: Recipe) -> Balance:
    """Nothing: what is shown is balanced already."""
    return UNBALANCED


BALANCES: Mapping[str, Callable[[Tensor, Recipe], Balance]] = {
    "weights": class_weights,
    "logit_adjustment": logit_adjustment,
    "sampling": _by_rows,
}
"""Those that a recipe may name: (training images of each class, (classes,) float64 >= 1; recipe) -> what to do."""


def balance_of(recipe: Recipe, labels: Tensor, *, classes: int, device: torch.device) -> Balance:
    """What a recipe asks for by the training labels (N,), on a device; a class without images counts as one of 1.

    Images with several labels are not balanced (`check_labels`).
    """
    if recipe.class_balance == "none":
        return UNBALANCED
    counts = torch.bincount(labels.cpu(), minlength=classes).double().clamp_min(1.0)
    made = BALANCES[recipe.class_balance](counts, recipe)
    return Balance(
        weights=None if made.weights is None else made.weights.to(device),
        shift=None if made.shift is None else made.shift.to(device),
    )
