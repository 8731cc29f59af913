"""The standalone Python file of a member: `network_file.py` of this folder, with the member's settings filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pprint import pformat

from nars.space.architecture import Architecture


def standalone_source(
    name: str, architecture: Architecture, *, classes: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> str:
    """Python source that needs torch alone and finds `model.safetensors` beside itself."""
    settings = "\n".join(
        (
            f"NAME = {name!r}",
            f"ARCHITECTURE: dict[str, Any] = {pformat(architecture.to_dict(), width=110, sort_dicts=False)}",
            f"CLASSES: list[str] = {pformat(list(classes), width=110, compact=True)}",
            f"MEAN: list[float] = {list(mean)!r}  # of the training images, per channel; a pixel of 255 counts as 1",
            f"STD: list[float] = {list(std)!r}",
        )
    )
    template = resources.files("nars.export").joinpath("network_file.py").read_text(encoding="utf-8")
    source, found = re.subn(r"# <settings>\n.*# </settings>\n", lambda _: f"{settings}\n", template, flags=re.DOTALL)
    assert found == 1
    return source
