"""The loss of a training: labels (smoothed, mixed), and a teacher (FBNetV3, two-step distillation)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

DISTILLATION = 0.8
"""Weight of the teacher's part; the labels have the rest."""


def mix(images: Tensor, share: float) -> Tensor:
    """Each image of a float batch (B, ...) mixed with its counterpart from the end: share x + (1 - share) x[::-1]."""
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


@final
class Objective:
    """The whole loss of a training step."""

    def __init__(
        self, *, smoothing: float, teacher: nn.Module | None, teacher_resolution: int | None, distillation: float
    ) -> None:
        """`teacher` on the device of the batches; it is put into evaluation mode, its weights do not change."""
        self._smoothing = smoothing
        self._teacher = None if teacher is None or distillation == 0.0 else teacher.eval()
        self._resolution, self._distillation = teacher_resolution, distillation

    def __call__(self, logits: Tensor, images: Tensor, labels: Tensor, share: float) -> Tensor:
        """Scalar: distillation x teacher + (1 - distillation) x labels; the labels alone without a teacher."""
        loss = label_loss(logits, labels, share=share, smoothing=self._smoothing)
        if self._teacher is None:
            return loss
        taught = distillation_loss(logits, self._ask(self._teacher, images))
        return self._distillation * taught + (1.0 - self._distillation) * loss

    @torch.no_grad()
    def _ask(self, teacher: nn.Module, images: Tensor) -> Tensor:
        side = self._resolution
        if side is not None and side != images.shape[-1]:
            images = functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
        logits: Tensor = teacher(images)
        return logits
