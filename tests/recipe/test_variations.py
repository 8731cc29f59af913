"""What recipes do to images, against torchvision's and timm's operations; draws by their statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from nars.images import ImageData
from nars.recipe import ALONE, Augmentation, Recipe
from nars.recipe.augmentation import plan_epoch
from nars.recipe.batches import Batch, Batches, parts
from nars.recipe.color import ColorJitter
from nars.recipe.loss import label_loss, paste
from nars.recipe.policies import GEOMETRY, Policy, policy_of
from nars.recipe.variations import variations_of

SIDE = 24


def _images(count: int, channels: int = 3) -> torch.Tensor:
    """Smooth pictures with edges, as uint8."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 6, 6, generator=generator)
    return (torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear") * 255).to(torch.uint8)


def _recipe(**settings: Any) -> Recipe:
    return Recipe(learning_rate=0.1, **settings)


def _policy(**settings: Any) -> Policy:
    policy = policy_of(_recipe(**settings), SIDE)
    assert policy is not None
    return policy


def _by_torchvision(image: torch.Tensor, name: str, magnitude: float) -> torch.Tensor:
    """One operation on one image, as RandAugment's paper and torchvision's public functions have it."""
    nearest = InterpolationMode.NEAREST
    shear = math.degrees(math.atan(magnitude))
    still: dict[str, Any] = {"angle": 0.0, "scale": 1.0, "interpolation": nearest}
    done = {
        "Identity": lambda: image,
        "ShearX": lambda: functional.affine(image, translate=[0, 0], shear=[shear, 0.0], center=[0, 0], **still),
        "ShearY": lambda: functional.affine(image, translate=[0, 0], shear=[0.0, shear], center=[0, 0], **still),
        "TranslateX": lambda: functional.affine(image, translate=[int(magnitude), 0], shear=[0.0, 0.0], **still),
        "TranslateY": lambda: functional.affine(image, translate=[0, int(magnitude)], shear=[0.0, 0.0], **still),
        "Rotate": lambda: functional.rotate(image, magnitude, interpolation=nearest),
        "Brightness": lambda: functional.adjust_brightness(image, 1.0 + magnitude),
        "Color": lambda: functional.adjust_saturation(image, 1.0 + magnitude),
        "Contrast": lambda: functional.adjust_contrast(image, 1.0 + magnitude),
        "Sharpness": lambda: functional.adjust_sharpness(image, 1.0 + magnitude),
        "Posterize": lambda: functional.posterize(image, int(magnitude)),
        "Solarize": lambda: functional.solarize(image, 255.0 * magnitude),
        "AutoContrast": lambda: functional.autocontrast(image),
        "Equalize": lambda: functional.equalize(image),
        "Invert": lambda: functional.invert(image),
    }
    result: torch.Tensor = done[name]()
    return result


@pytest.mark.parametrize("augment", ["randaugment", "trivialaugment", "autoaugment", "autoaugment-cifar10"])
@pytest.mark.parametrize("channels", [1, 3])
def test_policies_do_what_torchvision_does_to_one_image(augment: str, channels: int) -> None:
    policy, count = _policy(augment=augment, magnitude=17, operations=1), 96
    images, rng = _images(count, channels), np.random.default_rng(1)
    drawn = rng.integers(len(policy.steps), size=(count, 1))
    drawn[0] = 0
    varied = policy(images.clone(), drawn)
    for image, found, (place,) in zip(images, varied, drawn.tolist(), strict=True):
        name, magnitude = policy.steps[place]
        expected = _by_torchvision(image, name, magnitude)
        different = (found != expected).float().mean().item()
        # Halfway between two pixels either is the nearest; a blend is cut off at whole steps, and may round past one.
        assert different <= (0.02 if name in GEOMETRY else 0.03 if name in ("Color", "Sharpness") else 0.0), name
        assert name in GEOMETRY or (found.int() - expected.int()).abs().max() <= 1, name


def test_randaugment_has_torchvisions_operations_at_its_magnitude() -> None:
    table, levels = v2.RandAugment._AUGMENTATION_SPACE, 31
    policy = _policy(augment="randaugment", magnitude=12)
    assert {name for name, _ in policy.steps} == set(table)
    for name, magnitude in policy.steps[1:]:
        expected = table[name][0](levels, SIDE, SIDE)
        assert abs(magnitude) == pytest.approx(0.0 if expected is None else float(expected[12])), name


def test_draws_of_policies_are_uniform_and_of_their_chances() -> None:
    rng, shape = np.random.default_rng(0), (40, 256)
    policy = _policy(augment="randaugment", operations=3)
    places = policy.draw(rng, shape)
    assert places.shape == (*shape, 3)
    assert stats.chisquare(np.bincount(places.reshape(-1), minlength=len(policy.steps))[1:]).pvalue > 1e-3
    auto = _policy(augment="autoaugment-cifar10")
    drawn = auto.draw(rng, shape)
    pairs = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)._policies
    for operation in range(2):
        # How often the operation of a pair is done: the mean of its chances over pairs, torchvision's table.
        chance = np.mean([pair[operation][1] for pair in pairs])
        assert np.mean(drawn[..., operation] > 0) == pytest.approx(chance, abs=0.02)


def test_color_is_torchvisions_jitter_with_the_factors_drawn() -> None:
    jitter, images = ColorJitter(0.5), _images(32)
    factors = jitter.draw(np.random.default_rng(0), (1, 32))[0]
    assert stats.kstest(factors.reshape(-1), stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    for image, found, (bright, contrast, saturation) in zip(images, jitter(images, factors), factors, strict=True):
        expected = functional.adjust_brightness(image, bright)
        expected = functional.adjust_saturation(functional.adjust_contrast(expected, contrast), saturation)
        assert (found.int() - expected.int()).abs().max() <= 2  # rounding, once for each
    gray = _images(8, 1)
    assert jitter(gray, factors[:8]).shape == gray.shape
    assert torch.equal(ColorJitter(0.5)(images, np.ones((32, 3))), images)


def _plan(**changes: Any) -> Any:
    arguments = {
        "images": 6400, "batch_size": 32, "padding": 2, "augmentation": Augmentation(), "mixup": 0.0, "cutmix": 0.0,
        "side": SIDE, "variations": {}, "seed": 5, "epoch": 2,
    }  # fmt: skip
    return plan_epoch(**arguments | changes)


def test_cutmix_cuts_the_share_that_it_says_and_mixes_labels_by_it() -> None:
    plan = _plan(cutmix=1.0)
    areas = (plan.boxes[:, 1] - plan.boxes[:, 0]) * (plan.boxes[:, 3] - plan.boxes[:, 2])
    np.testing.assert_allclose(plan.mixing, 1.0 - areas / SIDE**2)
    assert plan.boxes.min() >= 0
    assert plan.boxes.max() <= SIDE
    # E[share that goes] of a square around any pixel, cut off at the border: by integrating its definition.
    length = np.sqrt(1.0 - np.random.default_rng(0).random(200_000))
    center = np.random.default_rng(1).random((2, 200_000))
    inside = np.clip(center + length / 2, 0, 1) - np.clip(center - length / 2, 0, 1)
    assert np.mean(1.0 - plan.mixing) == pytest.approx(inside.prod(axis=0).mean(), abs=0.05)
    both = _plan(cutmix=1.0, mixup=0.2)
    assert stats.binomtest(int(both.boxes.any(axis=1).sum()), len(both.boxes), 0.5).pvalue > 1e-3
    images = torch.rand(6, 3, 8, 8)
    expected = images.clone()
    expected[:, :, 2:5, 1:8] = images.flip(0)[:, :, 2:5, 1:8]
    assert torch.equal(paste(images.clone(), np.array([2, 5, 1, 8])), expected)
    logits, labels = torch.randn(8, 5), torch.arange(8) % 5
    target = mixup_target(labels, 5, lam=0.4, smoothing=0.1)  # timm mixes cutmix's labels alike
    found = label_loss(logits, labels, share=0.4, recipe=_recipe(label_smoothing=0.1))
    torch.testing.assert_close(found, SoftTargetCrossEntropy()(logits, target))


def test_more_variations_leave_the_other_draws_as_they_are() -> None:
    plain = _plan()
    recipe = _recipe(augment="randaugment", color=0.3)
    varied = _plan(cutmix=1.0, variations=variations_of(recipe, SIDE))
    for name in ("rows", "top", "left", "flipped", "torch_seeds"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(varied, name))
    alone = _plan(variations=variations_of(_recipe(color=0.3), SIDE))
    np.testing.assert_array_equal(alone.varied[0], varied.varied[1])


@pytest.mark.parametrize(
    "settings", [{"augment": "trivialaugment"}, {"color": 0.5}, {"erasing": 0.9}, {"crop": 0.4}, {"cutmix": 1.0}]
)
def test_each_setting_changes_the_images_and_none_is_as_without(digits: ImageData, settings: dict[str, Any]) -> None:
    from nars.recipe.settings import Schedule, TrainingSettings, settings_by

    def batch(recipe: Recipe, **run: Any) -> torch.Tensor:
        training = settings_by(recipe, TrainingSettings(schedule=Schedule(epochs=9), augmentation=Augmentation(**run)))
        batches = Batches(
            digits,
            batch_size=32,
            augmentation=training.augmentation,
            recipe=recipe,
            seed=0,
            peers=ALONE,
            device=torch.device("cpu"),
        )
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return batches.batch(batches.plan(0), 0).images

    plain = batch(_recipe())
    assert torch.equal(plain, batch(_recipe(augment="none", erasing=0.0, crop=0.125, color=0.0, cutmix=0.0)))
    assert not torch.equal(plain, batch(_recipe(**settings)))
    assert torch.equal(batch(_recipe(**settings)), batch(_recipe(**settings)))
    if "color" in settings:  # said by the run, for recipes that do not say it
        assert torch.equal(batch(_recipe(), **settings), batch(_recipe(**settings)))
        assert torch.equal(batch(_recipe(color=0.2), **settings), batch(_recipe(color=0.2)))
        assert "color" not in Augmentation().described()


@pytest.mark.parametrize("said", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_a_clean_image_is_the_same_crop_in_the_same_mixture_without_what_varies_it(
    digits: ImageData, said: dict[str, Any]
) -> None:
    def batch(recipe: Recipe, *, clean: bool, **augmentation: Any) -> Batch:
        batches = Batches(
            digits,
            batch_size=32,
            augmentation=Augmentation(**augmentation),
            recipe=recipe,
            seed=0,
            peers=ALONE,
            device=torch.device("cpu"),
            clean=clean,
        )
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return batches.batch(batches.plan(0), 1)

    strong = {"policy": "randaugment", "erasing": 0.9}
    plain = batch(_recipe(**said), clean=False)
    assert plain.shown is plain.images
    for recipe, augmentation in ((_recipe(color=0.5, augment="trivialaugment", **said), {}), (_recipe(**said), strong)):
        varied, alone = (batch(recipe, clean=clean, **augmentation) for clean in (True, False))
        assert torch.equal(varied.shown, plain.images)
        assert torch.equal(varied.images, alone.images)
        assert not torch.equal(varied.images, varied.shown)
        one, other = parts(varied, 2)
        assert torch.equal(one.shown[0], varied.shown[0])
        assert torch.equal(other.shown[-1], varied.shown[-9])
