"""Test images that a trained network takes for another class, as small pictures: for a report, which reads files."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nars.files.atomic import write_json
from nars.images import name_of
from nars.train.result import TrainError

if TYPE_CHECKING:
    from torch import Tensor

    from nars.images import ImageData

MISTAKES = "mistakes.json"
"""In the folder of a training."""

_MOST = 24
_EACH = 3
"""Of one pair of classes, at most."""
_SIDE = 64
"""Of a picture, pixels; smaller images stay as they are."""
_EXACT = 32
"""Side up to which a picture is kept to the pixel."""
_START = "data:image/"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One image."""

    truth: str
    """Its class, or its labels."""
    taken: str
    """The class that the network says, or the labels."""
    sure: float
    """Probability that the network gives that class, in [0, 1]; of several labels, what it gives the wrong answer about
    one of them, the one that it is surest of."""
    doubt: float
    """Probability that it gives the right one."""
    picture: str
    """A data URI, a few hundred bytes to 3 kB."""


def keep_mistakes(logits: Tensor, data: ImageData, folder: Path) -> None:
    """Write those of the test split that the network is surest of, of as many pairs of classes as there are.

    Args:
        logits: (N, classes), of the test split.
        data: that holds it.
        folder: of the training.
    """
    write_json(folder / MISTAKES, [asdict(mistake) for mistake in _mistakes(logits, data)])


def read_mistakes(folder: Path) -> tuple[Mistake, ...]:
    """What `keep_mistakes` wrote; () where it wrote nothing, as in trainings of earlier versions.

    Raises:
        TrainError: the file is damaged.
    """
    file = folder / MISTAKES
    if not file.is_file():
        return ()
    try:
        found = tuple(Mistake(**one) for one in json.loads(file.read_text(encoding="utf-8")))
        if not all(mistake.picture.startswith(_START) for mistake in found):
            raise ValueError("a picture is none")
    except (ValueError, TypeError, AttributeError) as error:
        raise TrainError(f"{file} does not hold the mistakes of a training ({error}). Delete it.") from error
    return found


@dataclass(frozen=True, kw_only=True)
class _Wrong:
    """An image that the network is wrong about, by its row of the test split."""

    row: int
    truth: str
    taken: str
    sure: float
    doubt: float
    pair: Hashable
    """What was taken for what."""


def _mistakes(logits: Tensor, data: ImageData) -> Iterator[Mistake]:
    wrong = _wrong_labels(logits, data) if data.multi_label else _wrong_classes(logits, data)
    shown, pairs = list[_Wrong](), Counter[Hashable]()
    for one in wrong:
        if len(shown) == _MOST:
            break
        if pairs[one.pair] < _EACH:
            shown.append(one)
            pairs[one.pair] += 1
    for one, picture in zip(shown, _pictures(data, [one.row for one in shown]), strict=True):
        yield Mistake(
            truth=one.truth, taken=one.taken, sure=round(one.sure, 4), doubt=round(one.doubt, 4), picture=picture
        )


def _wrong_classes(logits: Tensor, data: ImageData) -> Iterator[_Wrong]:
    """The surest first."""
    import torch  # whoever reads needs none

    probabilities, truth = torch.softmax(logits.cpu().double(), dim=1), data.test.labels.cpu()
    sure, taken = probabilities.max(dim=1)
    wrong = torch.nonzero(taken != truth).flatten()
    for row in wrong[sure[wrong].argsort(descending=True, stable=True)].tolist():
        pair = int(truth[row]), int(taken[row])
        yield _Wrong(
            row=row,
            truth=data.classes[pair[0]],
            taken=data.classes[pair[1]],
            sure=float(sure[row]),
            doubt=float(probabilities[row, truth[row]]),
            pair=pair,
        )


def _wrong_labels(logits: Tensor, data: ImageData) -> Iterator[_Wrong]:
    """The same of images with several labels, by the label of each that the network is most sure and wrong about."""
    import torch

    probabilities, truth = logits.cpu().double().sigmoid(), data.test.labels.cpu().bool()
    said = probabilities > 0.5
    sure, label = torch.where(said == truth, 0.0, (probabilities - 0.5).abs() + 0.5).max(dim=1)
    wrong = torch.nonzero(sure > 0).flatten()
    for row in wrong[sure[wrong].argsort(descending=True, stable=True)].tolist():
        at = int(label[row])
        yield _Wrong(
            row=row,
            truth=name_of(truth[row].numpy(), data.classes),
            taken=name_of(said[row].numpy(), data.classes),
            sure=float(sure[row]),
            doubt=1.0 - float(sure[row]),
            pair=(at, bool(said[row, at])),
        )


def _pictures(data: ImageData, rows: Sequence[int]) -> Iterator[str]:
    import torch
    from PIL import Image

    from nars.images import StreamedSplit

    split, at = data.test, np.array(rows, dtype=np.int64)
    images = split.some(at) if isinstance(split, StreamedSplit) else split.images[torch.from_numpy(at)]
    for pixels in images.permute(0, 2, 3, 1).cpu().numpy():
        picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
        exact = picture.width <= _EXACT
        picture.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG" if exact else "JPEG", **({} if exact else {"quality": 80}))
        text = base64.b64encode(buffer.getvalue()).decode()
        yield f"{_START}{'png' if exact else 'jpeg'};base64,{text}"
