"""The loss of a training: labels (smoothed, mixed), and a teacher (FBNetV3, two-step distillation)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from nars.arrays import Ints
from nars.recipe.balance import UNBALANCED, Balance
from nars.recipe.recipe import Recipe
from nars.recipe.settings import Teaching


def mix(images: Tensor, share: float) -> Tensor:
    """Each image of a float batch (B, ...) mixed with its counterpart from the end: share x + (1 - share) x[::-1].

    timm's `Mixup` does the same, but draws the share itself, from NumPy's global generator.
    """
    # In place: torch.lerp would lay a batch of one channel out anew, channels first, and the whole training would take
    # 1.5 times as long.
    return images.flip(0).lerp_(images, share)


def paste(images: Tensor, box: Ints) -> Tensor:
    """Each image of a batch (B, C, H, W) with a rectangle (4,), as in `EpochPlan`, of its counterpart from the end.

    timm's `Mixup` does the same with a rectangle from NumPy's global generator.
    """
    top, bottom, left, right = box.tolist()
    images[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right].flip(0)
    return images


def label_loss(
    logits: Tensor, labels: Tensor, *, share: float | Tensor, recipe: Recipe, balance: Balance = UNBALANCED
) -> Tensor:
    """Mean loss with the recipe's name, of images that were mixed.

    Cross entropy, poly-1 and binary cross entropy are linear in their target, so the loss of a mixed target is the mix
    of the losses; the focal loss is mixed alike.

    Args:
        logits: (B, classes).
        labels: (B,) of the images before mixing, or of images with several labels (B, classes) of 0 and 1.
        share: Of each image in its mixture; 1 for images as they are. A scalar tensor is not looked into.
        recipe: The loss, its parameter, and the share of the target spread evenly over all classes.
        balance: How classes are weighed, or the logits moved.

    Returns: scalar.
    """
    if balance.shift is not None:
        logits = logits + balance.shift

    def of(targets: Tensor) -> Tensor:
        if targets.ndim == 2:
            return MULTI_LABEL_LOSSES[recipe.loss](logits, targets.to(logits.dtype), recipe)
        weights = None if balance.weights is None else balance.weights[targets]
        return LOSSES[recipe.loss](logits, targets, recipe, weights)

    own = of(labels)
    if not isinstance(share, Tensor) and share == 1.0:
        return own
    return share * own + (1.0 - share) * of(labels.flip(0))


Weights = Tensor | None
"""(B,) factor on the loss of each image; None weighs all alike."""


def _mean(losses: Tensor, weights: Weights) -> Tensor:
    return (losses if weights is None else losses * weights).mean()


def _cross_entropy(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Weights) -> Tensor:
    if weights is None:
        return functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    smoothing = recipe.label_smoothing
    return _mean(functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none"), weights)


def _focal(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Weights) -> Tensor:
    """(1 - p)^gamma x cross entropy, p the probability of the label (arXiv 1708.02002, eq. 4)."""
    entropy = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing, reduction="none")
    missing = 1.0 - logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    # A probability that rounds to 1 would have an infinite slope at powers below 1.
    return _mean(missing.clamp_min(_LEAST) ** recipe.focal_gamma * entropy, weights)


def _poly1(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Weights) -> Tensor:
    """Cross entropy + epsilon (1 - p), both with the smoothed target (arXiv 2204.12511, eq. 6)."""
    smoothing = recipe.label_smoothing
    probability = logits.softmax(dim=1)
    hit = (1.0 - smoothing) * probability.gather(1, labels[:, None])[:, 0] + smoothing / logits.shape[1]
    return _cross_entropy(logits, labels, recipe, weights) + recipe.poly1_epsilon * _mean(1.0 - hit, weights)


def _bce(logits: Tensor, labels: Tensor, recipe: Recipe, weights: Weights) -> Tensor:
    """Binary cross entropy of each class, summed over classes as timm's `BinaryCrossEntropy(sum_classes=True)`.

    With the sum, the gradient on a logit is as large as that of cross entropy; with the mean, learning rates would not
    carry over.
    """
    rest = recipe.label_smoothing / logits.shape[1]
    target = torch.full_like(logits, rest).scatter_(1, labels[:, None], 1.0 - recipe.label_smoothing + rest)
    each = None if weights is None else weights[:, None]
    return functional.binary_cross_entropy_with_logits(logits, target, each, reduction="sum") / len(logits)


LOSSES: Mapping[str, Callable[[Tensor, Tensor, Recipe, Weights], Tensor]] = {
    "cross_entropy": _cross_entropy,
    "focal": _focal,
    "poly1": _poly1,
    "bce": _bce,
}
"""The losses that a recipe may name: (logits (B, classes), labels (B,), recipe, weights) -> scalar, the mean over the
batch."""

_LEAST = 1e-6


def _bce_of_labels(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Binary cross entropy of each label, summed over classes and smoothed as `_bce` does it for one."""
    target = _smoothed(labels, recipe)
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(logits)


def _focal_of_labels(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """(1 - p)^gamma x binary cross entropy, p the probability of what is right (arXiv 1708.02002, eq. 4), summed over
    classes."""
    entropy = functional.binary_cross_entropy_with_logits(logits, _smoothed(labels, recipe), reduction="none")
    missing = (logits.sigmoid() - labels).abs()
    return (missing.clamp_min(_LEAST) ** recipe.focal_gamma * entropy).sum() / len(logits)


def _smoothed(labels: Tensor, recipe: Recipe) -> Tensor:
    return (1.0 - recipe.label_smoothing) * labels + recipe.label_smoothing / labels.shape[1]


MULTI_LABEL_LOSSES: Mapping[str, Callable[[Tensor, Tensor, Recipe], Tensor]] = {
    "cross_entropy": _bce_of_labels,
    "focal": _focal_of_labels,
    "bce": _bce_of_labels,
}
"""Those that a recipe may name for images with several labels: (logits (B, classes), labels (B, classes) of 0 and 1 as
floats, recipe) -> scalar, the mean over the batch. Cross entropy is that of each label by itself, which is binary."""


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, *, temperature: float = 1.0, multi_label: bool = False
) -> Tensor:
    """Kullback-Leibler divergence of the teacher's distribution from the student's, mean over the batch; 0 when equal.

    At temperature 1 its gradient is that of the cross entropy with the teacher's probabilities as target; at T it is
    T^2 x that of the logits over T (arXiv 1503.02531, section 2). Both (B, classes). Of images with several labels
    each label is a distribution of its own, and their divergences are summed.
    """
    if multi_label:
        return _divergence_of_labels(logits / temperature, teacher_logits / temperature) * temperature**2
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _divergence_of_labels(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    # With log sigmoids of both signs, which stay finite where probabilities round to 0 and 1.
    pairs = [(functional.logsigmoid(sign * logits), functional.logsigmoid(sign * teacher_logits)) for sign in (1, -1)]
    return sum(
        (functional.kl_div(student, teacher, reduction="batchmean", log_target=True) for student, teacher in pairs),
        torch.zeros((), device=logits.device),
    )


def mixed_answers(
    answers: Tensor, share: float | Tensor, *, temperature: float = 1.0, multi_label: bool = False
) -> Tensor:
    """What a teacher says of mixtures that it has not seen, as logits: its probabilities, mixed as the labels are.

    Args:
        answers: (B, classes) logits for the images before mixing.
        share: As in `label_loss`.
        temperature: By which the logits are divided before, as they are in `distillation_loss` after.
        multi_label: Whether each label has a probability of its own.

    Returns: (B, classes).
    """
    if not isinstance(share, Tensor) and share == 1.0:
        return answers
    if multi_label:
        each = (answers / temperature).sigmoid()
        return temperature * (share * each + (1.0 - share) * each.flip(0)).logit(eps=_LEAST)
    chances = functional.softmax(answers / temperature, dim=1)
    mixture = share * chances + (1.0 - share) * chances.flip(0)
    return temperature * mixture.clamp_min(_LEAST**2).log()


def training_loss(
    logits: Tensor,
    shown: Tensor,
    labels: Tensor,
    *,
    share: float | Tensor,
    recipe: Recipe,
    teaching: Teaching | None,
    balance: Balance = UNBALANCED,
    answers: Tensor | None = None,
) -> Tensor:
    """Scalar: weight x teacher + (1 - weight) x labels; the labels alone without a teacher.

    `teaching` has its network on the device of the batch, in evaluation mode; it looks at the images `shown`, float
    (B, C, H, W), or has said its `answers`, (B, classes), before. The rest is as in `label_loss`.
    """
    loss = label_loss(logits, labels, share=share, recipe=recipe, balance=balance)
    if teaching is None or teaching.weight == 0.0:
        return loss
    multi_label = labels.ndim == 2
    if answers is None:
        told = answer(teaching, shown)
    else:
        told = mixed_answers(answers, share, temperature=teaching.temperature, multi_label=multi_label)
    taught = distillation_loss(logits, told, temperature=teaching.temperature, multi_label=multi_label)
    return teaching.weight * taught + (1.0 - teaching.weight) * loss


@torch.no_grad()
def answer(teaching: Teaching, images: Tensor) -> Tensor:
    """A teacher's logits (B, classes) for images (B, C, H, W), which it gets at its resolution."""
    side = teaching.resolution
    if side is not None and side != images.shape[-1]:
        images = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    logits: Tensor = teaching.network(images)
    return logits
