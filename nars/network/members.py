"""Searched and trained networks as pretrained ones: built for other classes, with what they have learned."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from nars.network.errors import NetworkError
from nars.space.families.timm.weights import MARK

if TYPE_CHECKING:
    from torch import nn

    from nars.space.families.members.architecture import MemberArchitecture


def build_member(architecture: MemberArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """As in `Family.builder`, by the builder of the family that it was found in.

    Raises:
        NetworkError: it cannot be built for such images.
    """
    from nars.network.building import build

    # Inside `build`, which has seeded the weights already: no seed of its own, and no weights.
    return build(architecture.searched, dropout=dropout, stochastic_depth=stochastic_depth, seed=None)


def initial_weights(network: nn.Module, architecture: MemberArchitecture) -> None:
    """As in `Family.initializer`: all that has the shape that it had; the last layer begins at 0 where the classes are
    others, the first anew where the channels are.

    Raises:
        NetworkError: the file cannot be read, has changed, or is of another network.
    """
    import torch
    from safetensors.torch import load

    name, _, digest = architecture.weights.rpartition(MARK)
    file = Path(name)
    try:
        content = file.read_bytes()
        state = load(content)
    except Exception as error:  # no file, or another format
        raise NetworkError(
            f"the weights of {architecture.member}, {file}, cannot be read ({error}); put the exported member back"
        ) from error
    if hashlib.sha256(content).hexdigest()[:16] != digest:
        raise NetworkError(f"{file} has other weights than it had; put the old file back, or begin a new run")
    own = network.state_dict()
    same = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    others = sorted(key for key in own if key not in same)
    if set(state) != set(own) or len({key.rpartition(".")[0] for key in others}) > _ENDS:
        raise NetworkError(
            f"{file} does not hold weights of {architecture.member} ({len(others)} of {len(own)} tensors do not fit); "
            f"name its own folder"
        )
    # Of the last layer only the number of classes, its first axis, is another; of the first layer the second.
    last = [key for key in others if own[key].shape[1:] == state[key].shape[1:]]
    new = {key: torch.zeros_like(own[key]) for key in last}
    network.load_state_dict(own | same | new)


_ENDS = 2
"""Layers that other classes and channels change: the last, the first."""
