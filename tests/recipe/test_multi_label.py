"""Images with several labels: metrics against scikit-learn, losses against torchvision and torch's distributions."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import Tensor
from torch.distributions import Bernoulli, kl_divergence
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from nars.images.labels import per_class
from nars.images.split import stratified_order
from nars.metric import IMAGE_METRICS, MULTI_LABEL_METRICS
from nars.recipe import Recipe, RecipeError, class_table, score, scores
from nars.recipe.labels import check_labels
from nars.recipe.loss import distillation_loss, label_loss, mixed_answers

CLASSES = 6


@pytest.fixture(scope="module")
def answers() -> tuple[Tensor, Tensor]:
    """Logits of labels of unequal frequency, of which images have none to five; the last class has no image."""
    rng = np.random.default_rng(0)
    labels = (rng.random((300, CLASSES)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05, 0.0])).astype(np.int64)
    logits = 2.0 * labels - 1.0 + 1.5 * rng.normal(size=labels.shape)
    return torch.from_numpy(logits).float(), torch.from_numpy(labels)


def test_metrics_are_scikit_learns(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    p, truth = torch.sigmoid(logits.double()).numpy(), labels.numpy()
    there, found = truth[:, :-1], (p > 0.5).astype(int)
    expected = {
        "accuracy": 100 * metrics.accuracy_score(truth, found),
        "macro_f1": 100 * metrics.f1_score(there, found[:, :-1], average="macro"),
        "auroc": 100 * metrics.roc_auc_score(there, p[:, :-1], average="macro"),
        "mean_average_precision": 100 * metrics.average_precision_score(there, p[:, :-1], average="macro"),
    }
    assert scores(logits, labels) == pytest.approx(expected, rel=1e-9)
    assert set(expected) == set(MULTI_LABEL_METRICS)
    for name, value in expected.items():
        assert score(IMAGE_METRICS[name], logits, labels) == pytest.approx(value, rel=1e-9)
    table = class_table(logits, labels, list("abcdef"))
    assert table.images == tuple(truth.sum(axis=0))
    assert table.recall[1] == pytest.approx(100 * metrics.recall_score(truth[:, 1], found[:, 1]))
    assert table.precision[1] == pytest.approx(100 * metrics.precision_score(truth[:, 1], found[:, 1]))
    assert table.confusion == ()


def test_losses(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    targets = labels.float()
    by = {name: Recipe(learning_rate=0.1, loss=name) for name in ("cross_entropy", "bce", "focal")}
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1).mean()
    for name in ("cross_entropy", "bce"):
        torch.testing.assert_close(label_loss(logits, labels, share=1.0, recipe=by[name]), entropy)
    focal = sigmoid_focal_loss(logits, targets, alpha=-1, gamma=2.0, reduction="sum") / len(logits)
    torch.testing.assert_close(label_loss(logits, labels, share=1.0, recipe=by["focal"]), focal)
    mixture = 0.3 * targets + 0.7 * targets.flip(0)
    mixed = functional.binary_cross_entropy_with_logits(logits, mixture, reduction="none").sum(1).mean()
    torch.testing.assert_close(label_loss(logits, labels, share=0.3, recipe=by["bce"]), mixed)
    smoothed = Recipe(learning_rate=0.1, loss="bce", label_smoothing=0.1)  # of one label each, what it is of a class
    one = torch.arange(len(logits)) % CLASSES
    several = label_loss(logits, functional.one_hot(one), share=1.0, recipe=smoothed)
    torch.testing.assert_close(several, label_loss(logits, one, share=1.0, recipe=smoothed))


def test_distillation_by_sigmoids(answers: tuple[Tensor, Tensor]) -> None:
    student = answers[0].clone().requires_grad_()
    teacher = answers[0].flip(1) * 2
    for temperature in (1.0, 3.0):
        given, told = (Bernoulli(logits=logits / temperature) for logits in (student, teacher))
        expected = temperature**2 * kl_divergence(told, given).sum(1).mean()
        found = distillation_loss(student, teacher, temperature=temperature, multi_label=True)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(*(torch.autograd.grad(loss, student)[0] for loss in (found, expected)))
    assert distillation_loss(teacher, teacher, multi_label=True).item() == 0.0
    mixed = mixed_answers(teacher, 0.3, multi_label=True).sigmoid()
    torch.testing.assert_close(mixed, 0.3 * teacher.sigmoid() + 0.7 * teacher.flip(0).sigmoid(), atol=2e-6, rtol=1e-4)


def test_what_does_not_go_with_labels_is_refused() -> None:
    accuracy, precision = IMAGE_METRICS["accuracy"], IMAGE_METRICS["mean_average_precision"]
    with pytest.raises(RecipeError, match=r"loss of images with several labels .*cross_entropy, focal, bce.*'poly1'"):
        check_labels(Recipe(learning_rate=0.1, loss="poly1"), accuracy, multi_label=True)
    with pytest.raises(RecipeError, match=r"class_balance of images with several labels .*'weights'.*leave it out"):
        check_labels(Recipe(learning_rate=0.1, class_balance="weights"), accuracy, multi_label=True)
    with pytest.raises(RecipeError, match=r"metric of images with several labels .*mean_average_precision.*'top5'"):
        check_labels(Recipe(learning_rate=0.1), IMAGE_METRICS["top5"], multi_label=True)
    with pytest.raises(RecipeError, match=r"metric of images with one class each .*'mean_average_precision'"):
        check_labels(Recipe(learning_rate=0.1), precision, multi_label=False)


def test_every_part_of_a_stratified_order_has_every_label_in_its_proportion(answers: tuple[Tensor, Tensor]) -> None:
    labels = np.concatenate([answers[1].numpy()[:, :-1]] * 2)
    shares = per_class(labels, CLASSES - 1) / len(labels)

    def off(rows: np.ndarray) -> float:
        return float(np.abs(labels[rows].mean(axis=0) / shares - 1).max())

    found = [off(stratified_order(labels, rng=np.random.default_rng(seed))[:120]) for seed in range(20)]
    by_chance = [off(np.random.default_rng(seed).permutation(len(labels))[:120]) for seed in range(20)]
    assert np.mean(found) < 0.7 * np.mean(by_chance)
    assert all(labels[stratified_order(labels, rng=np.random.default_rng(s))[:60]].any(axis=0).all() for s in range(20))
