"""The standalone Python file of a member: `network_file.py` of this folder, with the member's settings filled in."""

from __future__ import annotations

import re
import textwrap
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
            f"RESIZED: int = {config.resized}"
            "  # the middle square of an image is resized to this side, then its middle cut out",
            f"MULTI_LABEL: bool = {config.multi_label}  # whether an image may have several of the classes, or none",
        )
    )
    source = resources.files("nars.export").joinpath("network_file.py").read_text(encoding="utf-8")
    source = _filled(source, "settings", settings)
    return _filled(source, "modes", textwrap.indent(_modes(), "    "))


def _filled(source: str, mark: str, content: str) -> str:
    """The source with `content` instead of what stands between two marks."""
    pattern = rf"^ *# <{mark}>\n.*^ *# </{mark}>\n"
    filled, found = re.subn(pattern, lambda _: content.rstrip("\n") + "\n", source, flags=re.DOTALL | re.MULTILINE)
    assert found == 1
    return filled


def _modes() -> str:
    """The source of `nars.images.modes` with an error of its own; it needs Pillow and NumPy."""
    source = resources.files("nars.images").joinpath("modes.py").read_text(encoding="utf-8")
    source = source.partition("from __future__ import annotations\n")[2]
    ours = "from nars.errors import DataError\n"
    assert source.count(ours) == 1
    error = 'class DataError(ValueError):\n    """The pixels of an image have no defined reading."""\n'
    return source.replace(ours, "\n" + error).strip()
