"""What a run keeps of what it was made from, to see later whether that is still the same."""

from __future__ import annotations

import hashlib
import json
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nars
from nars.errors import DataError, NarsWarning
from nars.files.atomic import write_json
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json
from nars.space import Space, SpaceError, load_space

if TYPE_CHECKING:
    from nars.images import ImageData

_VERSIONED = ("torch", "timm", "numpy", "scipy", "pyarrow")

_SOME = 5
"""Class names that a message repeats."""
_DIFFERENCES = 10
"""Differences that a message repeats."""


class RunWarning(NarsWarning):
    """Something about a run that is not as it was and does not count: an edited file of its space, another library."""


def warn(text: str) -> None:
    """Warn of such a thing."""
    warnings.warn(text, RunWarning, stacklevel=3)


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What a run keeps of its images, or of what a trainer of one's own trains on."""

    name: str
    fingerprint: str
    count: int | None = None
    """Number of classes; None where there are no images."""
    in_channels: int | None = None
    classes: tuple[str, ...] | None = None
    """None in a run of an earlier version that has not loaded its images since."""
    images: tuple[int, int, int] | None = None
    """Training, validation and test images; None as above."""

    @staticmethod
    def of(document: Mapping[str, Any]) -> DataFacts:
        """What `to_dict` has written."""
        classes, images = document.get("classes"), document.get("images")
        return DataFacts(
            name=document["name"],
            fingerprint=document["fingerprint"],
            count=document.get("count"),
            in_channels=document.get("in_channels"),
            classes=None if classes is None else tuple(classes),
            images=None if images is None else tuple(images),
        )

    @staticmethod
    def about(images: ImageData, *, name: str) -> DataFacts:
        """Facts about loaded images; `name` is what people call them."""
        return DataFacts(
            name=name,
            fingerprint=images.fingerprint,
            count=len(images.classes),
            in_channels=images.in_channels,
            classes=images.classes,
            images=(len(images.train), len(images.validation), len(images.test)),
        )

    def to_dict(self) -> dict[str, Any]:
        """For the run's file."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        parts = self.name if self.count is None else f"{self.count} classes"
        if self.images is not None:
            train, validation, test = self.images
            parts += f", {train:,} training / {validation:,} validation / {test:,} test images"
        return parts


def space_with(file: str | Path, facts: DataFacts) -> Space | None:
    """A space with the classes and channels of these images; None if the file is not there, or is none."""
    try:
        return load_space(file, classes=facts.count, in_channels=facts.in_channels)
    except SpaceError:
        return None


def check_images(folder: RunFolder, images: ImageData, config: RunConfig, *, whole: bool = False) -> None:
    """See that the images are those that the run began with; final training's, `whole`, are noted when first loaded.

    Raises:
        DataError: they are others.
    """
    document, key = read_json(folder.run_file), "final_data" if whole else "data"
    known = document.get(key)
    found = DataFacts.about(images, name=known["name"] if known else document["data"]["name"])
    if known is None or (known["fingerprint"] == found.fingerprint and "classes" not in known):
        write_json(folder.run_file, document | {key: found.to_dict()})
    elif known["fingerprint"] != found.fingerprint:
        raise other_images(folder, DataFacts.of(known), found, place=config.images.name)


def other_images(folder: RunFolder, before: DataFacts, now: DataFacts, *, place: str) -> DataError:
    """What to say where the images of a run have changed."""
    return DataError(
        f"{place} does not hold the images that the run in {folder.path} began with: it began with {before}, there are "
        f"now {now}{_classes_changed(before.classes, now.classes)}. Put them back as they were, name the place where "
        f"they are (--set data.name=imagefolder:PATH), or begin another run in another folder with --out."
    )


def of_another_run(file: Path, fix: str) -> DataError:
    """What to say where a file of a run's folder carries another run's origin; `fix` is what deleting it leads to."""
    return DataError(
        f"{file} belongs to another run: its space, images, seed or settings were others. Put this run's own back, or "
        f"delete it: {fix}"
    )


def origin_of(config: RunConfig, *, space: str, data: str) -> str:
    """Hash of all that decides the samples of a run, by which its files are known.

    Args:
        config: of the run.
        space, data: fingerprints.
    """
    decides = {"seed", "range", "task", "metric", "pretraining", "collect", "data"}
    document = config.model_dump(mode="json", include=decides)
    for key in ("name", "root", "streaming") if config.trains_images else ():
        del document["data"][key]
    del document["collect"]["rounds"]
    return digest([space, data, document])


def digest(document: Any) -> str:
    """Hash of anything that JSON can say, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of what computes here."""
    libraries = {name: version(name) for name in _VERSIONED}
    return {"nars": nars.__version__, "python": platform.python_version()} | libraries


def with_versions(document: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The run's file with today's versions in it; warns where they are not those of last time.

    Results are the same to the bit with the same versions only, but all of them can go on.
    """
    continued = document.get("continued", [])
    last = continued[-1]["versions"] if continued else document.get("versions", {})
    now = versions()
    changed = [f"{name} {last[name]} then, {now[name]} now" for name in now if name in last and last[name] != now[name]]
    if not changed:
        return document
    warn(
        f"{folder.path} was last computed with other versions ({'; '.join(changed)}): it goes on, but not to the bit "
        f"as it would have"
    )
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return document | {"continued": [*continued, {"at": at, "versions": now}]}


def spell(found: Sequence[str]) -> str:
    """Differences in a sentence; of many the first and a count."""
    more = f"; and {len(found) - _DIFFERENCES} more" if len(found) > _DIFFERENCES else ""
    return "; ".join(found[:_DIFFERENCES]) + more


def _classes_changed(before: tuple[str, ...] | None, now: tuple[str, ...] | None) -> str:
    if before is None or now is None or before == now:
        return ""
    gone, new = ([name for name in a if name not in b] for a, b in ((before, now), (now, before)))
    parts = [
        f"{what}: {', '.join(names[:_SOME])}{', ...' if len(names) > _SOME else ''}"
        for what, names in (("new", new), ("gone", gone))
        if names
    ]
    return f" ({'; '.join(parts)})" if parts else " (in another order)"
