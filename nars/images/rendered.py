"""Images of one size in memory, shown at another: rendered some at a time, since all of them may be too many."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nars.arrays import Ints
from nars.images.unsplit import Render
from nars.printing import brief_repr


@dataclass(frozen=True, kw_only=True, eq=False)
class RenderedSplit:
    """Labelled images that are rendered when they are asked for."""

    __repr__ = brief_repr

    render: Render
    indices: Ints
    """(N,) places in what is rendered."""
    labels: Tensor
    """int64 (N,), 0..classes-1."""
    resolution: int
    """Side that they are rendered at, pixels."""

    def __len__(self) -> int:
        return len(self.labels)

    def some(self, rows: Ints) -> Tensor:
        """uint8 (n, C, H, W): the images of these rows."""
        return self.render(self.indices[rows], self.resolution, None)
