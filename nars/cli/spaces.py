"""Which space the samples of a store belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nars.space import Space

SpaceName = Annotated[str | None, typer.Option("--space", help="Their space: built-in name or YAML file.")]


def space_of(name: str | None, store: str) -> Space:
    """The named space, else that of the predictor of the run in the folder `store`.

    Raises:
        ConfigError: neither is there.
    """
    from nars.space import load_space
    from nars.stages import ConfigError, open_predictor

    if name is not None:
        return load_space(name)
    if (Path(store) / "predictor" / "card.json").is_file():
        return open_predictor(Path(store))[0]
    raise ConfigError(f"{store}: say by --space which space these trials belong to")
