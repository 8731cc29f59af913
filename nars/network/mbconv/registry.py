"""Names for timm: `timm.create_model` builds our networks once they are registered here.

timm finds a model by the name of a registered function, so registering is an explicit call (`register_network`), never
something that an import does behind the user's back.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from nars.network.errors import NetworkError
from nars.network.mbconv.models import create, pretrained_config
from nars.space import Architecture

GENERIC = "nars"
"""The timm model that takes its architecture as an argument: `config.json` of an exported member names it, with the
architecture among the `model_args`, and so timm's `local-dir:` and `hf-hub:` schemes can build any of our networks."""

default_cfgs: dict[str, dict[str, Any]] = {}
"""Pretrained configurations by model name. timm looks for a global of this name beside the registered function."""


def register_generic() -> None:
    """Make timm know the model "nars", for `timm.create_model("local-dir:FOLDER")` on an exported member."""
    from timm.models import is_model

    if is_model(GENERIC):
        return

    def nars(pretrained: bool = False, *, network: Mapping[str, Any] | None = None, **options: Any) -> nn.Module:
        if network is None:
            raise NetworkError(
                'timm\'s model "nars" takes its network as an argument: pass network=architecture.to_dict(), or load '
                'an exported member with "local-dir:FOLDER".'
            )
        return create(GENERIC, Architecture.from_dict(network), pretrained=pretrained, **options)

    _register(nars)


def register_network(name: str, architecture: Architecture, *, config: Mapping[str, Any] | None = None) -> None:
    """Make timm know `architecture` as `name`, for this process; registering a name again replaces it.

    Args:
        name: `nars_` and letters, digits and underscores, such as `nars_digits_1M`.
        architecture: What `timm.create_model(name)` builds; `num_classes`, `in_chans`, `drop_rate`, `drop_path_rate`,
            `features_only` and `out_indices` work on it as on timm's own.
        config: timm's `pretrained_cfg`, such as normalization, labels and, under "file", the weights that
            `pretrained=True` loads; what it leaves out comes from the architecture.

    Raises:
        NetworkError: the name is not of that form.
    """
    if not re.fullmatch(r"nars_\w+", name):
        raise NetworkError(
            f"A model name for timm must be nars_ and letters, digits or underscores, "
            f"e.g. nars_digits_1M; got {name!r}."
        )
    default_cfgs[name] = {**pretrained_config(architecture), **(config or {})}

    def entry(pretrained: bool = False, *, pretrained_cfg: Any = None, **options: Any) -> nn.Module:
        return create(
            name, architecture, pretrained=pretrained, pretrained_cfg=pretrained_cfg or default_cfgs[name], **options
        )

    entry.__name__ = name
    _register(entry)


def _register(entry: Any) -> None:
    from timm.models import register_model

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Overwriting nars", category=UserWarning)  # replacing is our contract
        register_model(entry)
