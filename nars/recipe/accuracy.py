"""How right a network is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nars.errors import UserError
from nars.images import RenderedSplit, Split, StreamedSplit
from nars.metric import ACCURACY, Metric
from nars.recipe.batches import Normalizer
from nars.recipe.peers import ALONE, Peers
from nars.recipe.recipe import RecipeError
from nars.recipe.scores import right, score


class DivergedError(UserError, ArithmeticError):
    """The training left the numbers: its loss or its outputs became infinite or undefined."""


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Split | StreamedSplit,
    normalize: Normalizer,
    *,
    metric: Metric = ACCURACY,
    device: str | torch.device = "cpu",
    batch_size: int = 512,
    peers: Peers = ALONE,
) -> float:
    """How good any network is on `split`; the network is left in the mode it was in.

    Args:
        model: On `device`; float (B, C, H, W) -> logits (B, classes).
        split: Not empty.
        normalize: What the network was trained with.
        metric: One of `nars.metric.IMAGE_METRICS`; accuracy in percent, unless told otherwise: top-1, or of images with
            several labels the share all of whose labels are right.
        device: Where the network is.
        batch_size: Images at once; the result depends on it in rounding only.
        peers: Processes that call this together, each of which looks at its share of the images.

    Raises:
        DivergedError: the outputs are not finite.
        RecipeError: the split is empty.
    """
    (value,) = evaluate_together(
        [model], split, normalize, metric=metric, device=device, batch_size=batch_size, peers=peers
    )
    return value


@torch.inference_mode()
def evaluate_together(
    models: Sequence[nn.Module],
    split: Split | StreamedSplit,
    normalize: Normalizer,
    *,
    metric: Metric = ACCURACY,
    device: str | torch.device = "cpu",
    batch_size: int = 512,
    peers: Peers = ALONE,
) -> list[float]:
    """How good each of several networks is, as `evaluate` says it; each image is read once for all of them."""
    if metric != ACCURACY:
        found = outputs(models, split, normalize, device=device, batch_size=batch_size, peers=peers)
        return [score(metric, logits, split.labels) for logits in found]
    correct = torch.zeros(len(models), dtype=torch.int64, device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    for part, answers in _logits(models, split, normalize, device=device, batch_size=batch_size, peers=peers):
        labels = split.labels[part].to(device)
        for number, logits in enumerate(answers):
            finite &= logits.isfinite().all()
            correct[number] += right(logits, labels).sum()
    peers.sum_(correct)
    _require_finite(peers.sum_((~finite).to(torch.int64)))
    return [100.0 * count / len(split) for count in correct.tolist()]


@torch.inference_mode()
def outputs(
    models: Sequence[nn.Module],
    split: Split | StreamedSplit | RenderedSplit,
    normalize: Normalizer,
    *,
    device: str | torch.device = "cpu",
    batch_size: int = 512,
    peers: Peers = ALONE,
) -> list[Tensor]:
    """Logits of each of some networks for a split, float32 (N, classes) on `device`, each image read once.

    Arguments and errors are `evaluate`'s.
    """
    found: list[Tensor] = []
    for part, answers in _logits(models, split, normalize, device=device, batch_size=batch_size, peers=peers):
        found = found or [torch.zeros(len(split), logits.shape[1], device=device) for logits in answers]
        for whole, logits in zip(found, answers, strict=True):
            whole[part] = logits
    for whole in found:
        peers.sum_(whole)
        _require_finite((~whole.isfinite()).sum())
    return found


def _require_finite(others: Tensor) -> None:
    if others.item():
        raise DivergedError("the outputs of the network on validation images are not finite.")


def _logits(
    models: Sequence[nn.Module],
    split: Split | StreamedSplit | RenderedSplit,
    normalize: Normalizer,
    *,
    device: str | torch.device,
    batch_size: int,
    peers: Peers,
) -> Iterator[tuple[slice, list[Tensor]]]:
    """Parts of a split, this process's share, with each network's logits (B, classes); one part at least."""
    if len(split) == 0:
        raise RecipeError("there are no images to measure the accuracy on; hold some out for validation.")
    training = [model.training for model in models]
    for model in models:
        model.eval()
    starts = range(peers.rank * batch_size, len(split), peers.count * batch_size)
    parts = [slice(start, start + batch_size) for start in starts] or [slice(0, 0)]
    for part, images in zip(parts, _images(split, parts), strict=True):
        shown = normalize(images.to(device))
        yield part, [model(shown) for model in models]
    for model, mode in zip(models, training, strict=True):
        model.train(mode)


def _images(split: Split | StreamedSplit | RenderedSplit, parts: Sequence[slice]) -> Iterator[Tensor]:
    """The images of each part, as they are."""
    if isinstance(split, Split):
        return (split.images[part] for part in parts)
    rows = np.arange(len(split))
    if isinstance(split, RenderedSplit):
        return (split.some(rows[part]) for part in parts)
    whole = [np.stack([rows[part], *np.zeros((4, len(rows[part])), dtype=np.int64)], axis=1) for part in parts]
    return split.reader(padding=0, border="constant").read(whole)
