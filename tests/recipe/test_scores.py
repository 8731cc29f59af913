"""The metrics of classified images, against scikit-learn's own way to call them and against closed forms."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor, nn

from nars.images import ImageData
from nars.metric import ACCURACY, IMAGE_METRICS, metrics_for
from nars.recipe import ClassTable, Normalizer, class_table, evaluate, score, scores

CLASSES = 7


@pytest.fixture(scope="module")
def answers() -> tuple[Tensor, Tensor]:
    """Logits of unequal classes, right about half of the time."""
    rng = np.random.default_rng(0)
    labels = rng.choice(CLASSES, size=400, p=np.array([40, 20, 15, 10, 8, 5, 2]) / 100)
    return torch.from_numpy(2.0 * np.eye(CLASSES)[labels] + rng.normal(size=(400, CLASSES))).float(), torch.from_numpy(
        labels
    )


def test_every_metric_is_scikit_learns(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    p, truth = torch.softmax(logits.double(), 1).numpy(), labels.numpy()
    expected = {
        "accuracy": 100 * metrics.accuracy_score(truth, p.argmax(1)),
        "balanced_accuracy": 100 * metrics.balanced_accuracy_score(truth, p.argmax(1)),
        "macro_f1": 100 * metrics.f1_score(truth, p.argmax(1), average="macro"),
        "top5": 100 * metrics.top_k_accuracy_score(truth, p, k=5),
        "auroc": 100 * metrics.roc_auc_score(truth, p, multi_class="ovr", average="macro"),
        "log_loss": nn.functional.cross_entropy(logits, labels).item(),
    }
    assert scores(logits, labels) == pytest.approx(expected, rel=1e-6)
    assert (*expected,) == metrics_for(multi_label=False)
    for name, value in expected.items():
        metric = IMAGE_METRICS[name]
        assert score(metric, logits, labels) in metric
        assert score(metric, logits, labels) == pytest.approx(value, rel=1e-6)


class _OfApple(Tensor):
    """Lies on a device without float64, as Apple's GPUs are."""

    def double(self) -> Tensor:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64.")

    def cpu(self) -> Tensor:  # type: ignore[override]
        return self.as_subclass(Tensor)


def test_devices_without_float64_are_measured(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    several = torch.nn.functional.one_hot(labels, CLASSES)
    for truth in (labels, several):
        assert scores(logits.as_subclass(_OfApple), truth) == scores(logits, truth)


def test_classes_without_images_count_in_no_mean(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    some = labels < 5
    p, truth = torch.softmax(logits[some].double(), 1).numpy(), labels[some].numpy()
    found = scores(logits[some], labels[some])
    recalls = [float((p[truth == name].argmax(1) == name).mean()) for name in range(5)]
    assert found["balanced_accuracy"] == pytest.approx(100 * np.mean(recalls))
    rest = [metrics.roc_auc_score(truth == name, p[:, name]) for name in range(5)]
    assert found["auroc"] == pytest.approx(100 * np.mean(rest))
    sure = torch.tensor([[1e4, 0.0], [0.0, 1e4]])
    assert scores(sure, torch.tensor([1, 1]))["log_loss"] == pytest.approx(-np.log(np.finfo(np.float64).eps) / 2)
    assert scores(sure, torch.tensor([1, 1]))["auroc"] == 50.0


def test_the_table_of_classes(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    table = class_table(logits, labels, "abcdefg")
    matrix = np.array(table.confusion)
    assert (matrix.sum(1) == table.images).all()
    assert np.allclose(table.recall, 100 * np.diag(matrix) / matrix.sum(1))
    assert np.allclose(table.precision, 100 * np.diag(matrix) / matrix.sum(0))
    assert np.mean(table.f1) == pytest.approx(scores(logits, labels)["macro_f1"])
    assert ClassTable.read(asdict(table)) == table
    assert next(table.rows())[:2] == ("a", f"{table.images[0]}")


def test_a_network_is_measured_by_any(digits: ImageData, network: nn.Module) -> None:
    normalize = Normalizer(digits.mean, digits.std, device=torch.device("cpu"))
    split = digits.validation
    by = {
        name: evaluate(network, split, normalize, metric=IMAGE_METRICS[name], batch_size=50)
        for name in metrics_for(multi_label=False)
    }
    with torch.no_grad():
        logits = network.eval()(normalize(split.images))  # type: ignore[union-attr]
    assert by == pytest.approx(scores(logits, split.labels), rel=1e-5)
    assert by["accuracy"] == evaluate(network, split, normalize, metric=ACCURACY)
