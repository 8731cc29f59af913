"""What a recipe may do to each training image beside cropping and mirroring.

A new way is a `Variation` in a module of its own and a line in `VARIATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from nars.recipe.color import color_of
from nars.recipe.policies import policy_of
from nars.recipe.recipe import Recipe


class Variation(Protocol):
    """Varies images one by one: drawn for a whole epoch at its start, done to a batch at a time."""

    def draw(self, rng: Generator, shape: tuple[int, int]) -> NDArray[Any]:
        """The draws of each image of each step, (S, B, ...) for a shape (S, B)."""

    def __call__(self, pixels: Tensor, drawn: NDArray[Any]) -> Tensor:
        """Images uint8 (B, C, H, W), which may be changed, varied by their draws (B, ...)."""

    def enlarged(self, factor: float) -> Variation:
        """What does the same, by the same draws, to images of so many times the side."""


VARIATIONS: Mapping[int, Callable[[Recipe, int], Variation | None]] = {2: policy_of, 3: color_of}
"""By the number of its random stream, in the order in which they are done: what a recipe asks for at a resolution. Each
has a stream of its own, so that one more leaves the draws of all others as they are; 1 is cutmix's."""


def variations_of(recipe: Recipe, resolution: int, *, policy: str = "none", color: float = 0.0) -> dict[int, Variation]:
    """What a recipe asks for, by the number of the random stream; empty for the recipes of the paper.

    `policy` and `color` are the run's, for a recipe that has none of its own.
    """
    if recipe.augment is None:
        recipe = replace(recipe, augment=policy)
    if recipe.color == 0.0:
        recipe = replace(recipe, color=color)
    asked = {number: ask(recipe, resolution) for number, ask in VARIATIONS.items()}
    return {number: variation for number, variation in asked.items() if variation is not None}
