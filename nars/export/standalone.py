"""The standalone Python file of a member: `network_file.py` of this folder, with the member's settings filled in."""

from __future__ import annotations

import re
from importlib import resources
from pprint import pformat

from nars.export.layout import MemberConfig


def standalone_source(config: MemberConfig) -> str:
    """Python source that needs torch alone (and Pillow to read images); `model.safetensors` lies beside it."""
    settings = "\n".join(
        (
            f"NAME = {config.name!r}",
            f"ARCHITECTURE: dict[str, Any] = {pformat(config.architecture.to_dict(), width=110, sort_dicts=False)}",
            f"CLASSES: list[str] = {pformat(list(config.classes), width=110, compact=True)}",
            f"MEAN: list[float] = {list(config.mean)!r}"
            "  # of the training images, per channel; a pixel of 255 counts as 1",
            f"STD: list[float] = {list(config.std)!r}",
            f"ARRAY_SIDE: int | None = {config.array_side!r}"
            "  # images were arrays of this side; None: files of any size",
        )
    )
    template = resources.files("nars.export").joinpath("network_file.py").read_text(encoding="utf-8")
    source, found = re.subn(r"# <settings>\n.*# </settings>\n", lambda _: f"{settings}\n", template, flags=re.DOTALL)
    assert found == 1
    return source
