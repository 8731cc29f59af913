"""Parts of a network that stay as they are for the first steps of a training, as fine-tuning has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from torch import Tensor, nn

from nars.recipe.optimizer import FlatGroup


@final
class Frozen:
    """Keeps the frozen groups of parameters out of a training, until a step.

    Their gradients are not computed and no optimizer looks at them; their batch norms keep their statistics too.
    """

    def __init__(self, model: nn.Module, groups: Sequence[FlatGroup], *, steps: int) -> None:
        """`steps` of the training, counted from its start, are without the groups that are frozen."""
        self._steps = steps
        self._groups = [group for group in groups if group.frozen]
        members = {parameter for group in self._groups for parameter in group.members}
        self._norms = [module for module in model.modules() if _is_norm_of(module, members)]
        self._gradients: list[tuple[nn.Parameter, Tensor | None]] | None = None
        """Where they are frozen: the gradients of vectors and parameters, to be put back."""

    def begin(self, step: int) -> bool:
        """Before a step, the network in training mode: freeze or thaw; whether another part is trained than before."""
        if not self._groups:
            return False
        wanted = step < self._steps
        if wanted:
            for norm in self._norms:
                norm.eval()
        if wanted == (self._gradients is not None):
            return False
        self._freeze() if wanted else self._thaw()
        return True

    def _freeze(self) -> None:
        tensors = [tensor for group in self._groups for tensor in (group.vector, *group.members)]
        self._gradients = [(tensor, tensor.grad) for tensor in tensors]
        for tensor in tensors:
            tensor.grad = None
            tensor.requires_grad_(False)

    def _thaw(self) -> None:
        assert self._gradients is not None
        for tensor, gradient in self._gradients:
            tensor.requires_grad_(True)
            tensor.grad = gradient
        self._gradients = None
        for norm in self._norms:
            norm.train()


def _is_norm_of(module: Any, members: set[nn.Parameter]) -> bool:
    own = list(module.parameters(recurse=False))
    return getattr(module, "running_mean", None) is not None and bool(own) and members.issuperset(own)
