"""A teacher who looks at each training image once, before the training, and whose answers are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from nars.images import ImageData, RenderedSplit, Split, StreamedSplit
from nars.recipe.accuracy import outputs
from nars.recipe.batches import Normalizer
from nars.recipe.loss import answer
from nars.recipe.peers import Peers
from nars.recipe.settings import Teaching


def answers_of(
    teaching: Teaching, data: ImageData, normalize: Normalizer, *, device: torch.device, peers: Peers
) -> Tensor:
    """Its logits for every training image as it would be judged, (N, classes) in half precision on the device.

    Images that stay in their files are read at the teacher's resolution; those in memory are resized to it, unless they
    are to be rendered.
    """
    split: Split | StreamedSplit | RenderedSplit = data.train
    if teaching.renders is not None:
        split = data.rendered(teaching.renders)
    elif isinstance(split, StreamedSplit) and split.held is None and teaching.resolution is not None:
        split = replace(split, resolution=teaching.resolution)
    (found,) = outputs([_Asked(teaching).to(device)], split, normalize, device=device, peers=peers)
    return found.to(torch.float16)


@final
class _Asked(nn.Module):
    """The teacher as a network that takes images of any side."""

    def __init__(self, teaching: Teaching) -> None:
        super().__init__()
        self._teaching = teaching
        self.network = teaching.network

    def forward(self, images: Tensor) -> Tensor:
        return answer(self._teaching, images)
