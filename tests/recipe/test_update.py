"""Optimizers, moving average and losses against torch's and timm's."""

import copy
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from timm.data.mixup import mixup_target
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.optim import Lamb, RMSpropTF, param_groups_weight_decay
from timm.utils import ModelEmaV3
from torch import nn

from nars.recipe import Recipe
from nars.recipe.balance import BALANCES, UNBALANCED, Balance, balance_of, balanced_rows
from nars.recipe.ema import MovingAverage
from nars.recipe.loss import LOSSES, distillation_loss, label_loss, mix
from nars.recipe.optimizer import build_optimizer, flatten
from nars.space.recipe import RECIPE_SETTINGS

REFERENCES = {
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9),
    "rmsprop": lambda groups, lr: RMSpropTF(groups, lr=lr, alpha=0.9, eps=1e-3, momentum=0.9),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr=lr),
    "lamb": lambda groups, lr: Lamb(groups, lr=lr),
}


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, clear: object, steps: int = 6) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        x = torch.rand(16, 1, 8, 8, generator=generator)
        y = torch.randint(10, (16,), generator=generator)
        clear()  # type: ignore[operator]
        with torch.random.fork_rng():
            torch.manual_seed(1)
            nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_flattened_parameters_take_the_steps_of_the_plain_optimizer(name: str, network: nn.Module) -> None:
    plain, flat = copy.deepcopy(network), network
    reference = REFERENCES[name](param_groups_weight_decay(plain, 0.1), 0.01)
    groups = flatten(flat, weight_decay=0.1)
    optimizer = build_optimizer(Recipe(learning_rate=1.0, optimizer=name), groups, learning_rate=0.01)
    _train(plain, reference, reference.zero_grad)
    _train(flat, optimizer, lambda: [group.vector.grad.zero_() for group in groups])  # type: ignore[union-attr]
    for (label, expected), (_, found) in zip(plain.named_parameters(), flat.named_parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7, msg=label)


def test_norm_and_bias_do_not_decay(network: nn.Module) -> None:
    without = {p.data_ptr() for p in network.parameters() if p.ndim <= 1}
    sizes = {False: 0, True: 0}
    for parameter in network.parameters():
        sizes[parameter.data_ptr() not in without] += parameter.numel()
    assert {g.weight_decay > 0: g.vector.numel() for g in flatten(network, weight_decay=0.1)} == sizes


def test_moving_average_is_timms(network: nn.Module) -> None:
    reference = ModelEmaV3(network, decay=0.9, use_warmup=True)
    ours = MovingAverage(network, decay=0.9, warmup=True)
    for step in range(1, 9):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(step)
        reference.update(network, step=step)
        ours.update(step)
    for name, value in reference.module.state_dict().items():
        torch.testing.assert_close(ours.model.state_dict()[name], value, msg=name)
    assert ours.decay(1) == 0.0
    assert ours.decay(8) == pytest.approx(1 - 8 ** (-2 / 3))
    assert ours.decay(10**6) == 0.9


def test_without_warmup_the_moving_average_is_the_papers_formula(network: nn.Module) -> None:
    """w_ema <- a w_ema + (1 - a) w from the first step on, from the same weights (FBNetV3, eq. 2)."""
    ours = MovingAverage(network, decay=0.9, warmup=False)
    expected = {name: value.double() for name, value in network.state_dict().items() if value.is_floating_point()}
    for step in range(1, 9):
        with torch.no_grad():
            for value in network.parameters():
                value.add_(step)
        ours.update(step)
        expected = {name: 0.9 * before + 0.1 * network.state_dict()[name] for name, before in expected.items()}
    for name, value in expected.items():
        torch.testing.assert_close(ours.model.state_dict()[name].double(), value, msg=name, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_loss_is_timms_with_mixed_targets(share: float, smoothing: float) -> None:
    logits, labels = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5
    recipe = Recipe(learning_rate=1.0, label_smoothing=smoothing)
    target = mixup_target(labels, 5, lam=share, smoothing=smoothing)
    expected = SoftTargetCrossEntropy()(logits, target)
    torch.testing.assert_close(label_loss(logits, labels, share=share, recipe=recipe), expected)
    if share == 1.0 and smoothing > 0:
        torch.testing.assert_close(LabelSmoothingCrossEntropy(smoothing)(logits, labels), expected)


def _focal(p: torch.Tensor, target: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    return ((1 - (p * target).sum(1)) ** 1.5 * -(smooth * p.log()).sum(1)).mean()


def _poly1(p: torch.Tensor, target: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    return (-(smooth * p.log()).sum(1) + 2.5 * (smooth * (1 - p)).sum(1)).mean()


@pytest.mark.parametrize(("loss", "formula"), [("focal", _focal), ("poly1", _poly1)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_and_their_gradients_are_those_of_the_formulas(loss: str, formula: Any, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(8) % 5
    target = nn.functional.one_hot(labels, 5).double()
    recipe = Recipe(learning_rate=1.0, loss=loss, focal_gamma=1.5, poly1_epsilon=2.5, label_smoothing=smoothing)
    ours = label_loss(logits, labels, share=1.0, recipe=recipe)
    expected = formula(logits.softmax(1), target, (1 - smoothing) * target + smoothing / 5)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, logits), torch.autograd.grad(expected, logits))


def test_focal_without_its_power_and_poly1_without_its_term_are_cross_entropy() -> None:
    logits, labels = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5
    expected = nn.functional.cross_entropy(logits, labels)
    for settings in ({"loss": "focal", "focal_gamma": 0.0}, {"loss": "poly1", "poly1_epsilon": 0.0}):
        recipe = Recipe.from_dict({"learning_rate": 1.0} | settings)
        torch.testing.assert_close(label_loss(logits, labels, share=1.0, recipe=recipe), expected)
    sure = torch.tensor([[200.0, 0.0]], requires_grad=True)
    recipe = Recipe(learning_rate=1.0, loss="focal", focal_gamma=0.5)
    label_loss(sure, torch.tensor([0]), share=1.0, recipe=recipe).backward()  # type: ignore[no-untyped-call]
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy_is_timms(share: float, smoothing: float) -> None:
    logits, labels = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5
    recipe = Recipe(learning_rate=1.0, loss="bce", label_smoothing=smoothing)
    target = mixup_target(labels, 5, lam=share, smoothing=smoothing)
    expected = BinaryCrossEntropy(smoothing=0.0, sum_classes=True)(logits, target)
    torch.testing.assert_close(label_loss(logits, labels, share=share, recipe=recipe), expected)


def test_every_loss_that_a_space_may_offer_is_there() -> None:
    assert tuple(LOSSES) == RECIPE_SETTINGS["loss"].words
    assert ("none", *BALANCES) == RECIPE_SETTINGS["class_balance"].words


def test_sampling_shows_each_class_as_often_as_any_other() -> None:
    rows = balanced_rows(LONG_TAIL, shape=(400, 20), seed=3, epoch=2)
    shown = np.bincount(LONG_TAIL.numpy()[rows.reshape(-1)], minlength=5)
    assert shown[3] == 0
    assert scipy.stats.chisquare(shown[[0, 1, 2, 4]]).pvalue > 0.01
    assert scipy.stats.chisquare(np.bincount(rows[LONG_TAIL.numpy()[rows] == 0], minlength=53)[:40]).pvalue > 0.01
    assert np.array_equal(rows, balanced_rows(LONG_TAIL, shape=(400, 20), seed=3, epoch=2))
    assert not np.array_equal(rows, balanced_rows(LONG_TAIL, shape=(400, 20), seed=3, epoch=1))


LONG_TAIL = torch.tensor([0] * 40 + [1] * 9 + [2] * 3 + [4])
"""Labels of five classes; none has the fourth."""


def _balanced(**settings: Any) -> tuple[Recipe, Balance]:
    recipe = Recipe(learning_rate=1.0, **settings)
    return recipe, balance_of(recipe, LONG_TAIL, classes=5, device=torch.device("cpu"))


def _logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(LONG_TAIL), 5, generator=generator, dtype=torch.float64, requires_grad=True)


def _shifted(p: torch.Tensor, share: torch.Tensor, target: torch.Tensor, tau: float) -> torch.Tensor:
    """log(1 + sum over the others of (share / own share)^tau exp(f - f own)), arXiv 2007.07314, eq. 10."""
    odds = p * share**tau
    return -((odds / odds.sum(1, keepdim=True) * target).sum(1)).log()


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_logit_adjustment_is_the_papers_formula_with_the_shares_of_the_labels(tau: float) -> None:
    recipe, balance = _balanced(class_balance="logit_adjustment", balance_tau=tau)
    logits, target = _logits(), nn.functional.one_hot(LONG_TAIL, 5).double()
    share = torch.tensor([40, 9, 3, 1, 1], dtype=torch.float64) / 54  # the class without images counts as one
    ours = label_loss(logits, LONG_TAIL, share=1.0, recipe=recipe, balance=balance)
    expected = _shifted(logits.softmax(1), share, target, tau).mean()
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)  # shifts are float32, as logits are
    for found, wanted in zip(torch.autograd.grad(ours, logits), torch.autograd.grad(expected, logits), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.999])
def test_weights_are_inverse_effective_numbers_and_torchs_weighted_mean(beta: float) -> None:
    recipe, balance = _balanced(class_balance="weights", balance_beta=beta)
    assert balance.weights is not None
    # An effective number is the sum of the powers of beta (arXiv 1901.05555, eq. 1); eq. 2 is its closed form.
    number = torch.tensor([sum(beta**power for power in range(n)) for n in (40, 9, 3, 1, 1)], dtype=torch.float64)
    torch.testing.assert_close(balance.weights.double() / balance.weights[4], number[4] / number, rtol=1e-5, atol=0)
    logits = _logits()
    ours = label_loss(logits, LONG_TAIL, share=1.0, recipe=recipe, balance=balance)
    # Over all training images torch's weighted mean, over the sum of the weights, is the mean of weighed losses.
    counts = torch.bincount(LONG_TAIL, minlength=5).clamp_min(1)
    scale = (balance.weights * counts).sum() / counts.sum()
    assert scale.item() == pytest.approx(1.0, rel=1e-5)
    expected = nn.functional.cross_entropy(logits, LONG_TAIL, weight=1 / number, reduction="sum")
    expected = expected / (counts / number).sum() * counts.sum() / len(LONG_TAIL)
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6)
    for found, wanted in zip(torch.autograd.grad(ours, logits), torch.autograd.grad(expected, logits), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_balanced_alike_and_not_at_all_by_default(loss: str) -> None:
    labels = LONG_TAIL[[0, 45, 50, 52, 1, 2, 3, 46]]
    logits = _logits().detach().float()[: len(labels)]
    plain, nothing = _balanced(loss=loss, label_smoothing=0.1)
    assert nothing == UNBALANCED

    recipe, balance = _balanced(class_balance="weights", balance_beta=0.9, loss=loss, label_smoothing=0.1)
    assert balance.weights is not None
    expected = torch.zeros(())
    for share, targets in ((0.3, labels), (0.7, labels.flip(0))):
        for image, target in zip(logits.split(1), targets.split(1), strict=True):
            alone = label_loss(image, target, share=1.0, recipe=plain)
            expected = expected + share * balance.weights[target].squeeze() * alone / len(labels)
    torch.testing.assert_close(label_loss(logits, labels, share=0.3, recipe=recipe, balance=balance), expected)

    recipe, balance = _balanced(class_balance="logit_adjustment", loss=loss, label_smoothing=0.1)
    assert balance.shift is not None
    expected = label_loss(logits + balance.shift, labels, share=0.3, recipe=plain)
    torch.testing.assert_close(label_loss(logits, labels, share=0.3, recipe=recipe, balance=balance), expected)


def test_mix_is_timms_batch_mode() -> None:
    images = torch.rand(6, 1, 2, 2)
    expected = images.numpy() * np.float32(0.7) + images.numpy()[::-1] * np.float32(0.3)
    np.testing.assert_allclose(mix(images, 0.7).numpy(), expected, rtol=1e-6)
    channels_last = images.as_strided((6, 1, 2, 2), (4, 1, 2, 1))
    assert mix(channels_last, 0.7).stride() == (4, 1, 2, 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_at_a_temperature_has_the_gradient_of_hintons_eq_2(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    loss = distillation_loss(logits, teacher, temperature=temperature)
    p, q = (teacher / temperature).softmax(1), (logits / temperature).softmax(1)
    torch.testing.assert_close(loss, temperature**2 * (p * (p / q).log()).sum(1).mean())
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, temperature * (q - p).detach() / len(logits))


def test_distillation_is_zero_for_equals_and_has_the_gradient_of_the_soft_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 5, generator=generator, requires_grad=True)
    teacher = torch.randn(8, 5, generator=generator)
    (ours,) = torch.autograd.grad(distillation_loss(logits, teacher), logits)
    (expected,) = torch.autograd.grad(SoftTargetCrossEntropy()(logits, teacher.softmax(1)), logits)
    torch.testing.assert_close(ours, expected)
    assert distillation_loss(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
