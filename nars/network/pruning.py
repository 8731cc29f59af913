"""A network with fewer channels: its stages, and what is left of each when the weakest channels are taken out.

torch-pruning finds which layers have channels in common (residual shortcuts, depthwise convolutions, squeeze-excite
gates), so that they lose the same ones: G. Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nars.network.errors import NetworkError

_MULTIPLE = 4
"""Channels are left in multiples of this: kernels compute four at a time."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution or linear layer."""

    name: str
    """Of the module, such as "blocks.0.0.conv_pw"."""
    shape: tuple[int, ...]
    """Of its weights, (out, in, ...)."""
    positions: int
    """Places of its output for one image: height x width; 1 of a linear layer."""


@dataclass(frozen=True, kw_only=True)
class NetworkStage:
    """Neighbouring layers that are pruned and quantised alike."""

    name: str
    """Of the module that holds them, such as "blocks.0", or of the first."""
    layers: tuple[Layer, ...]


def network_stages(model: nn.Module, images: Tensor) -> tuple[NetworkStage, ...]:
    """The stages of any network, in the order in which images pass them.

    A stage is a module directly below the network, or below the part that has more than half of the layers; single
    layers side by side are one.

    Args:
        model: In eval mode; it is left as it is.
        images: float32 (1, C, R, R).
    """
    layers = _layers(model, images)
    homes = _homes([layer.name for layer in layers], "")
    found: list[NetworkStage] = []
    single = False
    for home in dict.fromkeys(homes.values()):
        own = tuple(layer for layer in layers if homes[layer.name] == home)
        if single and len(own) == 1:
            found[-1] = NetworkStage(name=found[-1].name, layers=found[-1].layers + own)
        else:
            found.append(NetworkStage(name=home, layers=own))
        single = len(own) == 1
    return tuple(found)


def require_pruning() -> Any:
    """The library torch-pruning.

    Raises:
        NetworkError: it is not installed.
    """
    try:
        import torch_pruning
    except ModuleNotFoundError as error:
        raise NetworkError("pruning needs the package torch-pruning: pip install 'nars[compress]'") from error
    return torch_pruning


def kept_channels(channels: int, share: float) -> int:
    """How many of so many channels are left when a share of them (0 to 1) is taken out: a multiple of 4, 4 at least."""
    multiples = int((1.0 - share) * channels / _MULTIPLE + 0.5)
    return min(channels, _MULTIPLE * max(multiples, 1))


def prunable_channels(model: nn.Module, stages: Sequence[NetworkStage], images: Tensor) -> tuple[tuple[int, ...], ...]:
    """How many channels each group of each stage has that can be taken out; nothing of stages without any.

    Raises:
        NetworkError: torch-pruning is not installed, or cannot follow this network.
    """
    with _followed():
        groups = [(len(group[0].idxs), owner) for group, owner in _groups(copy.deepcopy(model), stages, images)]
    return tuple(tuple(size for size, owner in groups if owner == number) for number in range(len(stages)))


def prune(model: nn.Module, stages: Sequence[NetworkStage], shares: Sequence[float], images: Tensor) -> nn.Module:
    """A copy of a network in eval mode, with the channels of least magnitude (L2 norm over all that read or write them)
    taken out.

    Channels that several stages have in common, by a shortcut or from one to the next, belong to the stage that has
    most of their layers.

    Args:
        model: In eval mode; it is left as it is.
        stages: `network_stages` of it.
        shares: Of the channels of each stage to take out, 0 <= share < 1; `kept_channels` says how many are left.
        images: float32 (1, C, R, R).

    Raises:
        NetworkError: torch-pruning is not installed, or cannot follow this network.
    """
    pruned = copy.deepcopy(model)
    importance = require_pruning().importance.GroupMagnitudeImportance(p=2)
    with _followed():
        for group, owner in _groups(pruned, stages, images):
            channels = len(group[0].idxs)
            kept = kept_channels(channels, shares[owner])
            if kept < channels:
                group.prune(importance(group).argsort()[: channels - kept].tolist())
        with torch.no_grad():
            pruned(images)
    return pruned


@torch.no_grad()
def renew_statistics(model: nn.Module, batches: Sequence[Tensor]) -> nn.Module:
    """The same network with batch norm's statistics of these images: those of before do not hold once it is pruned.

    The accuracy then ranks pruned networks without training them (B. Li et al., "EagleEye", arXiv 2007.02491).

    Args:
        model: In eval mode, on the CPU; changed in place.
        batches: Normalized training images, float32 (N, C, R, R) each.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    for batch in batches if norms else ():
        model(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


@contextmanager
def _followed() -> Iterator[None]:
    """What torch-pruning raises about a network that it cannot follow is said to the user."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError, AttributeError, TypeError, AssertionError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(
            f"channels of this network cannot be taken out: torch-pruning meets {type(error).__name__}: {error}. "
            f"Quantise it only (nars export --int8)"
        ) from error


def _groups(model: nn.Module, stages: Sequence[NetworkStage], images: Tensor) -> Iterator[tuple[Any, int]]:
    """Channels that can only be taken out together, and the number of the stage that they belong to.

    A group is to be pruned before the next one is asked for.
    """
    graph = require_pruning().DependencyGraph().build_dependency(model, example_inputs=images)
    names = {module: name for name, module in model.named_modules()}
    stage_of = {layer.name: number for number, stage in enumerate(stages) for layer in stage.layers}
    last = model.get_submodule(stages[-1].layers[-1].name)  # its channels are the classes
    for group in graph.get_all_groups(ignored_layers=[last], root_module_types=[nn.Conv2d, nn.Linear]):
        written = [names.get(dep.target.module) for dep, _ in group if graph.is_out_channel_pruning_fn(dep.handler)]
        counts = Counter(stage_of[name] for name in written if name in stage_of)
        yield group, max(sorted(counts), key=lambda number: counts[number])


def _layers(model: nn.Module, images: Tensor) -> list[Layer]:
    """All of them, in the order of their first call."""
    found: dict[str, Layer] = {}

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        weight: Tensor = module.weight  # type: ignore[assignment]  # a parameter of both kinds
        positions = output[0].numel() // weight.shape[0]
        found.setdefault(name, Layer(name=name, shape=tuple(weight.shape), positions=positions))

    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.values())


def _homes(names: Sequence[str], below: str) -> dict[str, str]:
    """The stage that each layer is in, in the order given."""
    homes = {name: below + name.removeprefix(below).partition(".")[0] for name in names}
    home, count = Counter(homes.values()).most_common(1)[0]
    inner = [name for name in names if homes[name] == home]
    numbered = home.rpartition(".")[2].isdigit()
    if 2 * count > len(names) and not numbered and home not in names:
        homes |= _homes(inner, f"{home}.")
    return homes
