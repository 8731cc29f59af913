"""What a compression has found: the front, its files, and the table of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from nars.export import onnx_accuracy
from nars.files.atomic import write_bytes, write_json, write_text
from nars.metric import IMAGE_METRICS
from nars.search import first_of_equals, non_dominated
from nars.studies.compression.limits import Limits, drop
from nars.studies.compression.measuring import CARD, MODEL, Measured
from nars.studies.compression.workshop import Workshop

HEADINGS = ("model", "bytes", "smaller", "ms", "valid.", "test", "lost")
_TABLE, _README = "front.json", "README.md"
_LEGEND = (
    "Names have a part for each stage: f float32 or q int8, then the percent of its channels that are taken out. Bytes "
    "of the ONNX file; ms of one image by ONNX Runtime on one CPU thread; {metric} of the file as ONNX "
    "Runtime runs it; lost: how much worse on validation images than the network as it was trained."
)


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """The smaller forms of a network of which none is beaten in the metric, bytes and latency at once."""

    name: str
    """The network's."""
    folder: Path
    """front/NAME in it has each model with its card, README.md and front.json the table."""
    stages: tuple[str, ...]
    whole: Measured
    """The float32 file of the network as it was trained."""
    front: tuple[Measured, ...]
    """By falling size."""
    measured: int
    """Models that were made."""
    chosen: Measured | None = None
    """The one that keeps the limits; None where there were none."""

    def __repr__(self) -> str:
        rows = [HEADINGS, *self.rows()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([f"Compressed: {self.name}, {len(self.front)} of {self.measured} models", *lines])

    @property
    def headings(self) -> tuple[str, ...]:
        """Of the table."""
        return HEADINGS

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of the table, under `HEADINGS`."""
        return [self._row(one) for one in self.front]

    @property
    def legend(self) -> str:
        """What the table says, in words."""
        return f"Stages: {', '.join(self.stages)}. {_LEGEND.format(metric=IMAGE_METRICS[self.whole.metric].title)}"

    def model(self, one: Measured) -> Path:
        """The ONNX file of a model of the front."""
        return self.folder / "front" / one.name / MODEL

    def _row(self, one: Measured) -> tuple[str, ...]:
        metric, lost = IMAGE_METRICS[self.whole.metric], drop(one, self.whole)
        marked = self.chosen is not None and one.name == self.chosen.name
        return (
            f"{one.name}{' <-' * marked}",
            f"{one.bytes:,}",
            f"{self.whole.bytes / one.bytes:.2f}x",
            f"{one.latency_ms:g}",
            metric.figure(one.accuracy["validation"]),
            metric.figure(one.accuracy["test"]),
            f"{'-' if lost < 0 else '+'}{metric.figure(abs(lost))}",
        )


def front_of(measured: Sequence[Measured]) -> list[Measured]:
    """Those that no other beats on validation images, in bytes and in milliseconds at once, by falling size; of equal
    ones the first."""
    F = np.array([[-one.score, one.bytes, one.latency_ms] for one in measured], dtype=np.float64)
    front = np.flatnonzero(non_dominated(F))
    kept = [measured[at] for at in front[first_of_equals(F[front])].tolist()]
    return sorted(kept, key=lambda one: (-one.bytes, one.name))


def keep_front(workshop: Workshop, whole: Measured, measured: Sequence[Measured]) -> Compressed:
    """Write the front: each model with its card, to which its value on the test images is added, and the table."""
    found = front_of(measured)
    with workshop.reporter.bar("the front on test images", len(found)) as advance:
        front = []
        for one in found:
            front.append(_shipped(workshop, one))
            advance(1, one.name)
    for card in workshop.front.glob(f"*/{CARD}"):
        if card.parent.name not in {one.name for one in front}:
            shutil.rmtree(card.parent)
    return Compressed(
        name=workshop.source.name,
        folder=workshop.folder,
        stages=tuple(stage.name for stage in workshop.stages),
        whole=_tested(workshop, whole, workshop.measured(whole.name) / MODEL),
        front=tuple(front),
        measured=len(measured),
    )


def write_table(found: Compressed, limits: Limits) -> None:
    """Write front.json and README.md."""
    document = {
        "network": found.name,
        "stages": list(found.stages),
        "whole": asdict(found.whole),
        "front": [asdict(one) for one in found.front],
        "measured": found.measured,
        "max_bytes": limits.max_bytes,
        "max_drop": limits.max_drop,
        "chosen": None if found.chosen is None else found.chosen.name,
    }
    write_json(found.folder / _TABLE, document)
    lines = [f"# {found.name}, smaller", "", _markdown(HEADINGS), _markdown(("---",) + ("---:",) * (len(HEADINGS) - 1))]
    lines += [_markdown(row) for row in found.rows()]
    lines += ["", f"{found.legend} On {found.whole.device}.", ""]
    lines += [f"The network as it was trained, in float32, has {found.whole.bytes:,} bytes.", ""]
    if found.chosen is not None:
        lines += [f"Of {limits}, the choice is `front/{found.chosen.name}/{MODEL}`.", ""]
    write_text(found.folder / _README, "\n".join(lines))


def _shipped(workshop: Workshop, one: Measured) -> Measured:
    """A model of the front in its place, with what the metric says of the test images."""
    home, made = workshop.front / one.name, workshop.measured(one.name)
    if (home / CARD).is_file():
        kept = Measured.load(home)
        if kept.sha256 == one.sha256:
            return kept
    write_bytes(home / MODEL, (made / MODEL).read_bytes())
    shipped = _tested(workshop, one, home / MODEL)
    shipped.save(home)
    return shipped


def _tested(workshop: Workshop, one: Measured, file: Path) -> Measured:
    """The same with what the metric says of its file on the test images."""
    source = workshop.source
    value = onnx_accuracy(file, source.images.test, source.config.normalize, metric=source.metric)
    return replace(one, accuracy={**one.accuracy, "test": value})


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
