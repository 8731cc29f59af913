"""Where the files are that a configuration names: whole paths, good from any working directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nars.files.home import expanded
from nars.images import FOLDER_PREFIX
from nars.run.config import RunConfig
from nars.run.teaching import LARGEST, NONE, TIMM, member_names


def absolute(config: RunConfig, at: Callable[[str], str] | None = None) -> RunConfig:
    """The configuration with whole paths: of space, device table, images, teacher and learned policy.

    Args:
        config: paths in it are relative to the working directory.
        at: the whole path of one; that from the working directory when None.
    """
    at = at or whole
    data = config.data
    if data is not None:
        name = data.name
        if name.startswith(FOLDER_PREFIX):
            name = FOLDER_PREFIX + at(name.removeprefix(FOLDER_PREFIX))
        data = data.model_copy(update={"name": name, "root": data.root and at(data.root)})
    final: dict[str, str] = {}
    if config.final.teacher_weights is not None:
        final["teacher_weights"] = at(config.final.teacher_weights)
    if _is_folder(config.final.teacher, config):
        final["teacher"] = at(config.final.teacher)
    if config.final.draws:
        final["policy"] = at(config.final.policy)
    space = at(config.space) if Path(config.space).suffix in (".yaml", ".yml") else config.space
    latency = None if config.latency is None else at(config.latency)
    own = {"space": space, "latency": latency, "data": data}
    return config.model_copy(update=own | {"final": config.final.model_copy(update=final)})


def _is_folder(teacher: str, config: RunConfig) -> bool:
    """Whether it is the folder of a network; words, models and members are not, whatever lies in the working folder."""
    words = (LARGEST, NONE, *member_names(config))
    return teacher not in words and not teacher.startswith(TIMM) and Path(teacher).is_dir()


def whole(path: str) -> str:
    """A path from the root."""
    return os.path.normpath(expanded(path).absolute())


def whole_or_near(path: str, folder: Path) -> str:
    """The same of a path that was relative to a working directory that nobody has noted.

    It is looked for from the working directory and from each folder above the run's; kept as it is where it is not.
    """
    for base in (Path(), *folder.absolute().parents):
        if (found := base / expanded(path)).exists():
            return whole(str(found))
    return path
