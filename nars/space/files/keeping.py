"""A space as files of its own, which are whole wherever they are moved."""

from __future__ import annotations

from pathlib import Path

from nars.space.errors import SpaceError
from nars.space.files.scalars import alone, dump_yaml
from nars.space.space import Space


def space_files(space: Space, name: str) -> dict[str, bytes]:
    """The files that `load_space` reads as the same space, {file name: content}.

    Args:
        space: as it is used, with the number of classes and image channels of its data.
        name: of the space file, e.g. "space.yaml". A table of costs that the space reads from a file goes beside it;
            costs that were given in Python have no file and stay out.

    Raises:
        SpaceError: its table of costs cannot be read any more.
    """
    content, beside = dict(space.document.content), {}
    if space.family.builder is not None:
        shape = {"classes": space.classes, "in_channels": space.in_channels}
        content["architecture"] = dict(content["architecture"]) | shape
    else:
        for part in ("architecture", "recipe"):
            if part in content:
                content[part] = {setting: alone(entry) for setting, entry in (content[part] or {}).items()}
    costs = content.get("costs")
    if isinstance(costs, str):
        path = Path(space.document.source).parent / costs
        content["costs"] = f"{Path(name).stem}.costs{path.suffix}"
        try:
            beside = {content["costs"]: path.read_bytes()}
        except OSError as error:
            raise SpaceError(f"{path}: the costs of {space.name} cannot be read ({error}); put them back") from error
    return beside | {name: dump_yaml(content).encode()}
