"""Disturbances of feature maps in training: DropBlock and Disout, after the blocks of any network's last stages.

They are forward hooks: the network keeps its parameters, their names and its behavior in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nars.recipe.recipe import Recipe, RecipeError

_LARGEST_BLOCK = 7
"""Side of a disturbed block (arXiv 1810.12890, section 4)."""

_DISTURBANCE = 0.3
"""Deviation of Disout's disturbance over that of the map: alpha = 30 of its CIFAR-10 experiments, in hundredths as in
its authors' code for maps whose next layer is not known."""


def drop_block(x: Tensor, rate: float) -> Tensor:
    """DropBlock (arXiv 1810.12890): blocks set to zero in all channels of a map, the rest scaled up.

    Args:
        x: float (B, C, H, W).
        rate: Share of a map in blocks, counted where they overlap as often as they do.
    """
    kept = 1.0 - _blocks(x[:, :1], rate)
    return x * (kept / _mean(kept))


def disout(x: Tensor, rate: float) -> Tensor:
    """Disout (arXiv 2002.11022): blocks of single channels replaced by noise of the map's scale, the rest scaled up."""
    blocks = _blocks(x, rate)
    kept = 1.0 - blocks
    # torch.randn_like would draw one by one for channels that lie innermost, and take three times as long.
    noise = _DISTURBANCE * x.detach().std() * torch.randn(x.shape, dtype=x.dtype, device=x.device)
    return (x * kept + noise * blocks) / _mean(kept)


def _blocks(x: Tensor, rate: float) -> Tensor:
    """1 in the blocks of each map of x (B, C, H, W), 0 elsewhere (arXiv 1810.12890, algorithm 1 and eq. 1).

    timm's `drop_block_2d` draws blocks that reach over the border as well, at the chance of those that do not: it drops
    twice the share that it is asked for on maps as small as 8 pixels.
    """
    batch, channels, height, width = x.shape
    # Half the map's side: whole maps of 4 pixels would go in blocks of 7.
    side = max(1, min(_LARGEST_BLOCK, min(height, width) // 2))
    places = (height - side + 1, width - side + 1)
    chance = rate * height * width / side**2 / (places[0] * places[1])
    corners = torch.empty((batch, channels, *places), dtype=x.dtype, device=x.device).bernoulli_(min(chance, 1.0))
    corners = corners.contiguous(memory_format=torch.channels_last)  # pooled in a fifth of the time
    return functional.max_pool2d(functional.pad(corners, [side - 1] * 4), side, stride=1)


def _mean(kept: Tensor) -> Tensor:
    """The share that is kept; not 0, where all of it is gone."""
    return kept.mean().clamp_min(1e-6)


REGULARIZERS: Mapping[str, Callable[[Tensor, float], Tensor]] = {"dropblock": drop_block, "disout": disout}
"""Those that a recipe may name: (map (B, C, H, W), rate) -> map. They draw from torch's global generator."""


def disturb(model: nn.Module, recipe: Recipe, shape: tuple[int, int, int, int]) -> None:
    """Let the recipe's regularizer disturb the network in training mode, after the blocks that `last_blocks` names.

    Args:
        model: Its forward is hooked.
        recipe: Names the regularizer, its rate and how many stages it disturbs.
        shape: Of a batch of one image.

    Raises:
        RecipeError: the network has no feature maps.
    """
    if recipe.regularizer == "none" or recipe.regularizer_rate == 0.0:
        return
    for block in last_blocks(model, shape, stages=recipe.regularizer_stages):
        block.register_forward_hook(_Disturbance(recipe.regularizer, recipe.regularizer_rate))


@dataclass(frozen=True)
class _Disturbance:
    """A hook of plain values, so that the network can still be copied and sent to other processes."""

    name: str
    rate: float

    def __call__(self, module: nn.Module, _: object, output: Tensor) -> Tensor:
        return REGULARIZERS[self.name](output, self.rate) if module.training else output


def last_blocks(model: nn.Module, shape: tuple[int, int, int, int], *, stages: int) -> list[nn.Module]:
    """The blocks whose maps have one of the `stages` smallest sizes above 1 x 1, in their order.

    A block is a member of a list or sequence of modules that has modules of its own but no blocks among them. Where a
    network is not made of such, its convolutions count.

    Args:
        model: On any device; looked at in evaluation mode.
        shape: Of a batch of one image.
        stages: >= 1; two are groups 3 and 4 of a ResNet, which DropBlock's authors disturb.

    Raises:
        RecipeError: it has no feature maps.
    """
    sequences = [module for module in model.modules() if isinstance(module, (nn.Sequential, nn.ModuleList))]
    members = {id(child): child for sequence in sequences for child in sequence if any(True for _ in child.children())}
    blocks = [
        module
        for module in members.values()
        if not any(id(inner) in members for inner in module.modules() if inner is not module)
    ]
    for candidates in (blocks, [module for module in model.modules() if isinstance(module, nn.Conv2d)]):
        sides = _sides(model, candidates, shape)
        smallest = sorted({side for side in sides.values() if side > 1})[:stages]
        found = [module for module in candidates if sides.get(module) in smallest]
        if found:
            return found
    raise RecipeError(
        "the recipe's regularizer disturbs feature maps, and this network has none larger than one pixel. Set "
        "regularizer: none, or train at a higher resolution."
    )


@torch.no_grad()
def _sides(model: nn.Module, modules: Sequence[nn.Module], shape: tuple[int, int, int, int]) -> dict[nn.Module, int]:
    """The side of the map (B, C, H, W) that each module gives, of those that do."""
    sides: dict[nn.Module, int] = {}

    def look(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            sides[module] = min(output.shape[2:])

    hooks = [module.register_forward_hook(look) for module in modules]
    training = model.training
    model.eval()
    try:
        model(torch.zeros(shape, device=next(model.parameters()).device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return sides
