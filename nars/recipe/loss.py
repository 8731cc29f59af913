"""The loss of a training: labels (smoothed, mixed), and a teacher (FBNetV3, two-step distillation)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nars.recipe.settings import Teaching


def mix(images: Tensor, share: float) -> Tensor:
    """Each image of a float batch (B, ...) mixed with its counterpart from the end: share x + (1 - share) x[::-1].

    timm's `Mixup` does the same, but draws the share itself, from NumPy's global generator.
    """
    # In place: torch.lerp would lay a batch of one channel out anew, channels first, and the whole training would take
    # 1.5 times as long.
    return images.flip(0).lerp_(images, share)


def label_loss(logits: Tensor, labels: Tensor, *, share: float, smoothing: float) -> Tensor:
    """Mean cross entropy with smoothed labels, of images that `mix` mixed.

    Cross entropy is linear in its target, so the loss of the mixed target is the mix of the losses.

    Args:
        logits: (B, classes).
        labels: (B,) of the images before mixing.
        share: What `mix` got; 1 for images as they are.
        smoothing: Share of the target spread evenly over all classes.

    Returns: scalar.
    """
    own = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
    if share == 1.0:
        return own
    other = functional.cross_entropy(logits, labels.flip(0), label_smoothing=smoothing)
    return share * own + (1.0 - share) * other


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the teacher's distribution from the student's, mean over the batch; 0 when equal.

    Its gradient is that of the cross entropy with the teacher's probabilities as target; both (B, classes).
    """
    student = functional.log_softmax(logits, dim=1)
    teacher = functional.log_softmax(teacher_logits, dim=1)
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def training_loss(
    logits: Tensor, images: Tensor, labels: Tensor, *, share: float, smoothing: float, teaching: Teaching | None
) -> Tensor:
    """Scalar: weight x teacher + (1 - weight) x labels; the labels alone without a teacher.

    `teaching` has its network on the device of the batch, in evaluation mode; the rest is as in `label_loss`.
    """
    loss = label_loss(logits, labels, share=share, smoothing=smoothing)
    if teaching is None or teaching.weight == 0.0:
        return loss
    taught = distillation_loss(logits, _answer(teaching, images))
    return teaching.weight * taught + (1.0 - teaching.weight) * loss


@torch.no_grad()
def _answer(teaching: Teaching, images: Tensor) -> Tensor:
    side = teaching.resolution
    if side is not None and side != images.shape[-1]:
        images = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    logits: Tensor = teaching.network(images)
    return logits
