"""Networks of timm: built, counted, and given the weights that their training starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from nars.network.errors import NetworkError
from nars.space import Flat, Rule
from nars.space.families.generic.flat import FlatArchitecture
from nars.space.families.timm.architecture import KIND, NO_WEIGHTS, TIMMS, TimmArchitecture
from nars.space.families.timm.counted import Count, Plane
from nars.space.families.timm.weights import MARK

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nars.space import AnyArchitecture

FAMILY = "nars.network.timm_models:TIMM"

TIMM = Flat(settings={"model": Rule()}, builder="nars.network.timm_models:build")
"""The family of `nars train --model timm:NAME`: its costs are counted when it is exported, and spaces have `kind: timm`
instead."""

_REASON = 300
"""Characters of what torch, timm or the network says that an error repeats."""


def timm_architecture(name: str, *, resolution: int, in_channels: int, classes: int) -> FlatArchitecture:
    """A model of timm for these images; `name` as timm has it, such as "resnet18"."""
    return FlatArchitecture(
        family=FAMILY, resolution=resolution, settings={"model": name}, in_channels=in_channels, classes=classes
    )


def timm_name(architecture: AnyArchitecture) -> str | None:
    """timm's name of a network, None where it is none of timm's."""
    return str(architecture.record()["model"]) if architecture.family in (FAMILY, KIND) else None


def build(architecture: FlatArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """As in `Family.builder`; stochastic depth is left out of models that have none.

    Raises:
        NetworkError: timm has no such model, or it cannot be built for such images.
    """
    named = TimmArchitecture(
        model=str(architecture.settings["model"]),
        resolution=architecture.resolution,
        in_channels=architecture.in_channels,
        classes=architecture.classes,
    )
    return _model(named, drops={"drop_rate": dropout, "drop_path_rate": stochastic_depth})


def create(name: str, options: Mapping[str, Any], drops: Mapping[str, Any]) -> nn.Module:
    """timm's model with options of `timm.create_model`; of `drops`, those that it knows."""
    import timm

    try:
        model: nn.Module = timm.create_model(name, **options, **drops)
    except TypeError:  # a model without stochastic depth
        model = timm.create_model(name, **options, **{k: v for k, v in drops.items() if k != "drop_path_rate"})
    return model


# ---- the family `timm`


def classifier(architecture: TimmArchitecture, *, dropout: float, stochastic_depth: float) -> nn.Module:
    """As in `Family.builder`; stochastic depth is left out of models that have none.

    Raises:
        NetworkError: timm has no such model, or it cannot be built for such images.
    """
    return _model(architecture, drops={"drop_rate": dropout, "drop_path_rate": stochastic_depth})


def initial_weights(network: nn.Module, architecture: TimmArchitecture) -> None:
    """As in `Family.initializer`. For other classes than the weights', the last layer begins at 0: timm draws it so
    large that the first epochs go into getting it down again. Of EfficientNet-Lite 0 for ten classes the loss begins at
    6.5, where log 10 is 2.3, and five epochs on 394 photos end at 57 % instead of 72 % of test images. The weights of a
    first layer for other channels are adapted as timm does it.

    Raises:
        NetworkError: the weights cannot be downloaded, read, or are of another network.
    """
    if architecture.weights == NO_WEIGHTS:
        return
    if architecture.weights == TIMMS:
        network.load_state_dict(_model(architecture, downloading=True).state_dict())
        if architecture.classes != _facts(architecture.model).num_classes:
            _begin_at_zero(network, _classifiers(architecture.model))
        return
    file, _, digest = architecture.weights.rpartition(MARK)
    state = read_state(Path(file), digest)
    heads = _classifiers(architecture.model)
    classes = next((len(state[f"{head}.weight"]) for head in heads if f"{head}.weight" in state), 0)
    try:
        # Of as many classes as the file has, so that timm insists on every tensor.
        overlay = {"state_dict": state, "num_classes": classes, "label_offset": 0, "custom_load": False}
        source = _model(replace(architecture, classes=classes), pretrained=overlay).state_dict()
        if classes != architecture.classes:
            source = {name: value for name, value in source.items() if name.rpartition(".")[0] not in heads}
            source |= {k: v for k, v in network.state_dict().items() if k.rpartition(".")[0] in heads}
        network.load_state_dict(source)
        if classes != architecture.classes:
            _begin_at_zero(network, heads)
    except Exception as error:
        raise NetworkError(
            f"{file} does not hold weights of timm's {architecture.model} for {architecture.in_channels} channels "
            f"({_short(error)}); name a file of that model"
        ) from error


def _begin_at_zero(network: nn.Module, layers: Sequence[str]) -> None:
    """Set weights and biases of these layers to 0."""
    state = network.state_dict()
    for name, value in state.items():
        if name.rpartition(".")[0] in layers:
            value.zero_()


def weights_at_hand(models: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Those of timm's models whose weights training could start from here, and why no others: all where the hub
    answers, else those in its cache on this machine."""
    silent = _silence()
    return tuple(model for model in models if not silent or _is_cached(_facts(model).hf_hub_id)), silent


def why_no_weights(model: str) -> str:
    """Why timm's weights of a model cannot be had here; "" where they can. The hub's own library would try for a minute
    and say so each time.

    Raises:
        NetworkError: timm has no such model.
    """
    repository = _facts(model).hf_hub_id
    return "" if not repository or _is_cached(repository) else _silence()


def _silence() -> str:
    """Why no weights can be downloaded; "" where the hub answers within a few seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_PATIENCE):
            return ""
    except HTTPError:  # it does answer, whatever it thinks of the question
        return ""
    except (OSError, ValueError) as error:
        return f"{constants.ENDPOINT} does not answer ({getattr(error, 'reason', error)})"


def _is_cached(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repository, file), str) for file in _HUB_FILES)


_HUB_FILES, _PATIENCE = ("model.safetensors", "pytorch_model.bin"), 4.0


def _classifiers(model: str) -> tuple[str, ...]:
    """Names of the layers that give logits."""
    named = _facts(model).classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


def count_model(model: str, *, sides: Sequence[int]) -> Count:
    """Count a model of timm at each side, in pixels.

    Raises:
        NetworkError: timm has no such model, or it cannot take such images.
    """
    from nars.network.building import seeded

    with seeded(0):
        counts = {side: _planes(model, side) for side in sides}
    known = _facts(model)
    return Count(mean=tuple(known.mean), std=tuple(known.std), has_weights=bool(known.has_weights), sides=counts)


def own_resolution(model: str) -> int:
    """Side of the images that timm trains a model on, pixels.

    Raises:
        NetworkError: timm has no such model.
    """
    return int(_facts(model).input_size[-1])


def _planes(model: str, side: int) -> dict[str, Plane]:
    """Each cost over channels and classes, through three counts."""
    usual, gray, more = (
        _counted(TimmArchitecture(model=model, resolution=side, in_channels=channels, classes=classes))
        for channels, classes in ((3, 10), (1, 10), (3, 20))
    )
    found = {}
    for name in ("flops", "params", "activations"):
        x, y = (usual[name] - gray[name]) // 2, (more[name] - usual[name]) // 10
        found[name] = (usual[name] - 3 * x - 10 * y, x, y)
    return found


def _counted(architecture: TimmArchitecture) -> dict[str, int]:
    from nars.network.counts import count, count_activations

    network, of = _model(architecture), (architecture.resolution, architecture.in_channels)
    try:
        return count(network, *of) | {"activations": count_activations(network, *of)}
    except Exception as error:  # whatever a network does with images that it is not made for
        raise NetworkError(
            f"{architecture.model} cannot take images of {architecture.resolution} px ({_short(error)}); "
            f"choose another resolution"
        ) from error


def _model(
    architecture: TimmArchitecture,
    *,
    drops: Mapping[str, Any] | None = None,
    downloading: bool = False,
    pretrained: Mapping[str, Any] | None = None,
) -> nn.Module:
    """The model, with timm's weights, or with those of an overlay of its `pretrained_cfg`."""
    name = architecture.model
    known = _facts(name)
    options: dict[str, Any] = {"num_classes": architecture.classes, "in_chans": architecture.in_channels}
    if known.fixed_input_size:
        options["img_size"] = architecture.resolution
    if downloading or pretrained is not None:
        options |= {"pretrained": True, "pretrained_cfg_overlay": pretrained}
    if downloading and (why := why_no_weights(name)):
        raise _undownloaded(name, why)
    try:
        network = create(name, options, drops or {})
        _check_patches(network, architecture)
        return network
    except NetworkError:
        raise
    except Exception as error:
        if pretrained is not None:
            raise
        if downloading:
            raise _undownloaded(name, _short(error)) from error
        raise NetworkError(
            f"timm cannot build {name} for {architecture.in_channels} channels and {architecture.resolution} px "
            f"({_short(error)}); choose another model or resolution"
        ) from error


def _check_patches(network: nn.Module, architecture: TimmArchitecture) -> None:
    """Refuse images that a transformer cannot cut into its patches; it would say so when it trains."""
    embedding = getattr(network, "patch_embed", None)
    if getattr(embedding, "strict_img_size", True) or getattr(embedding, "dynamic_img_pad", True):
        return  # of others what is left over is cut off, or filled up
    side, wanted = int(embedding.patch_size[0]), architecture.resolution  # type: ignore[union-attr]
    if wanted % side:
        raise NetworkError(
            f"{architecture.model} cuts images into patches of {side} px, and {wanted} px are no multiple; take "
            f"{max(side, side * round(wanted / side))} px"
        )


def _undownloaded(name: str, why: str) -> NetworkError:
    return NetworkError(
        f"timm's weights of {name} cannot be downloaded ({why}); check the network, put them into Hugging Face's "
        f"cache, or name a file of them: weights: {{{name}: FILE}}"
    )


def has_fixed_size(name: str) -> bool:
    """Whether a model is made for images of one size, which has to be said where it is another.

    Raises:
        As `_facts`.
    """
    return bool(_facts(name).fixed_input_size)


def _facts(name: str) -> Any:
    """timm's `PretrainedCfg` of a model.

    Raises:
        NetworkError: timm has none of that name, or no weights of that tag.
    """
    from timm.models import get_pretrained_cfg, is_model, list_models

    release = f"timm {metadata.version('timm')}"
    base, _, tag = name.partition(".")
    if not is_model(base):
        near = ", ".join(get_close_matches(base, list_models(), n=3)) or "timm.list_models() names all"
        raise NetworkError(f"{release} has no model {name!r}; near it: {near}")
    try:
        return get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise NetworkError(f"{release} has no weights {tag!r} of {base}; leave out the part after the dot") from error


def read_state(path: Path, digest: str | None = None) -> dict[str, Tensor]:
    """A state dict in a file: safetensors, or what torch saved of tensors alone; `digest` is what it must have.

    Raises:
        NetworkError: it cannot be read, or has changed.
    """
    import torch
    from safetensors.torch import load

    try:
        content = path.read_bytes()
        if digest is not None and hashlib.sha256(content).hexdigest()[:16] != digest:
            raise NetworkError(f"{path} has other weights than it had; put the old file back, or begin a new run")
        if path.suffix == ".safetensors":
            return load(content)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except NetworkError:
        raise
    except Exception as error:  # no file, another format, or objects beside tensors
        raise NetworkError(
            f"{path} does not hold weights ({_short(error)}); name a .safetensors file or a state dict that torch saved"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise NetworkError(f"{path} holds {type(found).__name__}, not a state dict; name a file of weights")
    return {name.removeprefix("module."): value for name, value in found.items()}


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_REASON]
