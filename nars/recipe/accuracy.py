"""How right a network is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nars.errors import UserError
from nars.images import Split, StreamedSplit
from nars.recipe.batches import Normalizer
from nars.recipe.peers import ALONE, Peers
from nars.recipe.recipe import RecipeError


class DivergedError(UserError, ArithmeticError):
    """The training left the numbers: its loss or its outputs became infinite or undefined."""


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Split | StreamedSplit,
    normalize: Normalizer,
    *,
    device: str | torch.device = "cpu",
    batch_size: int = 512,
    peers: Peers = ALONE,
) -> float:
    """Top-1 accuracy of any network on `split` in percent; the network is left in the mode it was in.

    Args:
        model: On `device`; float (B, C, H, W) -> logits (B, classes).
        split: Not empty.
        normalize: What the network was trained with.
        device: Where the network is.
        batch_size: Images at once; the result depends on it in rounding only.
        peers: Processes that call this together, each of which looks at its share of the images.

    Raises:
        DivergedError: the outputs are not finite.
        RecipeError: the split is empty.
    """
    if len(split) == 0:
        raise RecipeError("there are no images to measure the accuracy on; hold some out for validation.")
    training = model.training
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    starts = range(peers.rank * batch_size, len(split), peers.count * batch_size)
    parts = [slice(start, start + batch_size) for start in starts]
    for part, images in zip(parts, _images(split, parts), strict=True):
        logits = model(normalize(images.to(device)))
        finite &= logits.isfinite().all()
        correct += (logits.argmax(dim=1) == split.labels[part].to(device)).sum()
    model.train(training)
    peers.sum_(correct)
    if peers.sum_((~finite).to(torch.int64)).item():
        raise DivergedError("the outputs of the network on validation images are not finite.")
    return 100.0 * correct.item() / len(split)


def _images(split: Split | StreamedSplit, parts: Sequence[slice]) -> Iterator[Tensor]:
    """The images of each part, as they are."""
    if isinstance(split, Split):
        return (split.images[part] for part in parts)
    rows = np.arange(len(split))
    whole = [np.stack([rows[part], *np.zeros((4, len(rows[part])), dtype=np.int64)], axis=1) for part in parts]
    return split.reader(padding=0, border="constant").read(whole)
