"""How good logits are, by each metric of classified images, and class by class; computed by scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nars.metric import IMAGE_METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]

_MOST_CLASSES = 100
"""For which a confusion matrix is kept."""


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """A classifier class by class, in the order of its logits; percentages."""

    names: tuple[str, ...]
    images: tuple[int, ...]
    """Of the class."""
    recall: tuple[float, ...]
    """Of the images of the class, those that are taken for it; 0 where there are none."""
    precision: tuple[float, ...]
    """Of the images that are taken for the class, those that are of it; 0 where there are none."""
    f1: tuple[float, ...]
    """The harmonic mean of the two."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """(classes, classes): images of the row's class that are taken for the column's; () of more than 100 classes, and
    of images with several labels."""

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The figures of each class as text: name, images, recall, precision, F1."""
        figures = zip(self.recall, self.precision, self.f1, strict=True)
        for name, images, shares in zip(self.names, self.images, figures, strict=True):
            yield name, f"{images:,}", *(f"{share:.1f}" for share in shares)

    @staticmethod
    def read(document: Mapping[str, Any]) -> ClassTable:
        """Read what `asdict` of one became as JSON."""
        rows = tuple(tuple(row) for row in document["confusion"])
        return ClassTable(**{name: tuple(values) for name, values in document.items()} | {"confusion": rows})


def score(metric: Metric, logits: Tensor, labels: Tensor) -> float:
    """The value of one of `IMAGE_METRICS`, in its unit.

    Classes without images count in none of those that are means over classes.

    Args:
        metric: Which, one that `nars.metric.metrics_for` has for such labels.
        logits: (N, classes), finite.
        labels: int64 (N,), or of images with several labels (N, classes) of 0 and 1: an image is said to have those
            whose logit is above 0, a probability above a half.
    """
    probabilities, table = _read(logits, labels)
    return table[metric.name](probabilities, labels.cpu().numpy())


def scores(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The value of each of `IMAGE_METRICS` that is of such labels; the arguments are those of `score`."""
    probabilities, table = _read(logits, labels)
    truth = labels.cpu().numpy()
    return {name: table[name](probabilities, truth) for name in IMAGE_METRICS if name in table}


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """bool (N,): whether the class with the largest logit is the image's; of several labels, whether all are right."""
    if labels.ndim == 2:
        return ((logits > 0) == labels.bool()).all(dim=1)
    return logits.argmax(dim=1) == labels


def _read(logits: Tensor, labels: Tensor) -> tuple[Probabilities, Mapping[str, _Score]]:
    """What logits say, and the metrics of it."""
    exact = logits.cpu().double()  # in this order: Apple's GPUs have no float64
    if labels.ndim == 2:
        return exact.sigmoid().numpy(), _MULTI_LABEL_SCORES
    return exact.softmax(1).numpy(), _SCORES


def class_table(logits: Tensor, labels: Tensor, names: Sequence[str]) -> ClassTable:
    """The classes one by one, with their names; the other arguments are those of `score`."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    count, truth = logits.shape[1], labels.cpu().numpy()
    every = range(count)
    single = labels.ndim == 1
    found = (logits.argmax(1) if single else (logits > 0).long()).cpu().numpy()
    precision, recall, f1, images = precision_recall_fscore_support(truth, found, labels=every, zero_division=0)
    counted = single and count <= _MOST_CLASSES
    matrix = confusion_matrix(truth, found, labels=every) if counted else np.zeros((0, 0), dtype=int)
    return ClassTable(
        names=tuple(names),
        images=tuple(images.tolist()),
        recall=tuple((100 * recall).tolist()),
        precision=tuple((100 * precision).tolist()),
        f1=tuple((100 * f1).tolist()),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
    )


def _accuracy(probabilities: Probabilities, truth: Labels) -> float:
    return 100.0 * int((probabilities.argmax(1) == truth).sum()) / len(truth)


def _balanced_accuracy(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import balanced_accuracy_score

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true", category=UserWarning)
        return 100.0 * float(balanced_accuracy_score(truth, probabilities.argmax(1)))


def _macro_f1(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import f1_score

    found = probabilities.argmax(1)
    return 100.0 * float(f1_score(truth, found, labels=np.unique(truth), average="macro", zero_division=0))


def _top5(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import top_k_accuracy_score

    classes = probabilities.shape[1]
    if classes <= 5:
        return 100.0
    return 100.0 * float(top_k_accuracy_score(truth, probabilities, k=5, labels=np.arange(classes)))


def _auroc(probabilities: Probabilities, truth: Labels) -> float:
    """Mean over classes of one against the rest."""
    from sklearn.metrics import roc_auc_score

    present = np.unique(truth)
    if len(present) < 2:
        return 50.0  # nothing to tell apart
    return 100.0 * float(np.mean([roc_auc_score(truth == name, probabilities[:, name]) for name in present]))


def _log_loss(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import log_loss

    # A class that the network rules out costs 36, not infinity: scikit-learn stays 2e-16 away from 0.
    return float(log_loss(truth, probabilities, labels=np.arange(probabilities.shape[1])))


def _share_all_right(probabilities: Probabilities, truth: Labels) -> float:
    """Images all of whose labels are right: what scikit-learn's accuracy is of several labels."""
    return 100.0 * int(((probabilities > 0.5) == truth).all(axis=1).sum()) / len(truth)


def _macro_f1_of_labels(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import f1_score

    present = np.flatnonzero(truth.any(axis=0))
    if not len(present):
        return 0.0
    found = (probabilities > 0.5).astype(np.int64)
    return 100.0 * float(f1_score(truth, found, labels=present, average="macro", zero_division=0))


def _auroc_of_labels(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import roc_auc_score

    both = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    if not len(both):
        return 50.0  # nothing to tell apart
    return 100.0 * float(roc_auc_score(truth[:, both], probabilities[:, both], average="macro"))


def _mean_average_precision(probabilities: Probabilities, truth: Labels) -> float:
    from sklearn.metrics import average_precision_score

    present = np.flatnonzero(truth.any(axis=0))
    if not len(present):
        return 0.0
    return 100.0 * float(np.mean([average_precision_score(truth[:, at], probabilities[:, at]) for at in present]))


_Score = Callable[[Probabilities, Labels], float]

_SCORES: Mapping[str, _Score] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "macro_f1": _macro_f1,
    "top5": _top5,
    "auroc": _auroc,
    "log_loss": _log_loss,
}

_MULTI_LABEL_SCORES: Mapping[str, _Score] = {
    "accuracy": _share_all_right,
    "macro_f1": _macro_f1_of_labels,
    "auroc": _auroc_of_labels,
    "mean_average_precision": _mean_average_precision,
}
