from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from nars.images import ImageData
from nars.recipe import ALONE, Augmentation, Normalizer, Peers, Recipe, RecipeError, Schedule, TrainingSettings
from nars.recipe.augmentation import EpochPlan, plan_epoch
from nars.recipe.batches import Batches, erase, parts
from nars.recipe.settings import settings_by
from nars.recipe.stores import ImageStore
from nars.space.recipe import POLICIES


def _plan(**changes: object) -> EpochPlan:
    arguments: dict[str, object] = {
        "images": 320,
        "batch_size": 48,
        "padding": 2,
        "augmentation": Augmentation(),
        "mixup": 0.0,
        "cutmix": 0.0,
        "side": 8,
        "variations": {},
        "seed": 5,
        "epoch": 2,
    }
    return plan_epoch(**arguments | changes)


@pytest.mark.parametrize(("border", "mode"), [("reflect", "reflect"), ("constant", "constant")])
def test_batches_are_the_crops_and_mirrors_that_numpy_cuts(digits: ImageData, border: str, mode: str) -> None:
    store = ImageStore(digits.train.images, padding=2, border=border, device=torch.device("cpu"))
    plan = _plan()
    batch = store.batch(plan, 3, slice(None))
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.dtype == torch.uint8
    padded = np.pad(digits.train.images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode=mode)
    for i in range(48):
        top, left = plan.top[3, i], plan.left[3, i]
        expected = padded[plan.rows[3, i], :, top : top + 8, left : left + 8]
        np.testing.assert_array_equal(batch[i].numpy(), expected[:, :, ::-1] if plan.flipped[3, i] else expected)


def test_an_epoch_shows_each_image_at_most_once_and_is_drawn_alike_everywhere() -> None:
    plan, again, other = _plan(), _plan(), _plan(epoch=3)
    assert plan.rows.shape == (6, 48)
    assert len(np.unique(plan.rows)) == plan.rows.size
    np.testing.assert_array_equal(plan.rows, again.rows)
    np.testing.assert_array_equal(plan.torch_seeds, again.torch_seeds)
    assert (plan.rows != other.rows).any()
    # As drawn by numpy 2.4: should numpy ever change its streams, equal keys stop meaning equal trainings.
    assert plan.rows[0, :4].tolist() == [214, 306, 172, 183]


def test_draws_have_their_distributions() -> None:
    plan = _plan(images=48_000, mixup=0.2)
    assert set(np.unique(plan.top)) == set(np.unique(plan.left)) == {0, 1, 2, 3, 4}
    assert stats.binomtest(int(plan.flipped.sum()), plan.flipped.size).pvalue > 1e-3
    assert stats.kstest(plan.mixing, stats.beta(0.2, 0.2).cdf).pvalue > 1e-3
    assert not _plan(augmentation=Augmentation(flip=False)).flipped.any()


def test_normalized_training_images_have_mean_0_and_deviation_1(digits: ImageData) -> None:
    images = Normalizer(digits.mean, digits.std, device=torch.device("cpu"))(digits.train.images)
    assert images.mean().item() == pytest.approx(0.0, abs=1e-5)
    assert images.std(correction=0).item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalized_images_are_the_same_numbers_however_they_lie(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, channels, 100, 100), dtype=torch.uint8, generator=generator)
    mean, std = torch.rand(2, channels, generator=generator) + 0.1
    normalize = Normalizer(mean, std, device=torch.device("cpu"))
    scale, shift = (number.view(1, -1, 1, 1) for number in (1.0 / (255.0 * std), mean / std))
    for form in (torch.contiguous_format, torch.channels_last):
        found = normalize(images.clone(memory_format=form))
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(found, images.float() * scale - shift)


def test_an_augmentation_that_cannot_be_is_refused(digits: ImageData) -> None:
    with pytest.raises(RecipeError, match="crop"):
        Augmentation(crop=1.0)
    with pytest.raises(RecipeError, match="policy"):
        Augmentation(policy="auto")
    with pytest.raises(RecipeError, match="erasing"):
        Augmentation(erasing=1.5)
    with pytest.raises(RecipeError, match="border"):
        Augmentation(border="wrap")
    with pytest.raises(RecipeError, match="mirror"):
        ImageStore(digits.train.images, padding=8, border="reflect", device=torch.device("cpu"))


@pytest.mark.parametrize("policy", ["autoaugment", "autoaugment-cifar10", "randaugment", "trivialaugment"])
@pytest.mark.parametrize("channels", [1, 3])
def test_policies_change_images_and_repeat_with_the_generator(digits: ImageData, policy: Any, channels: int) -> None:
    data = replace(digits, train=replace(digits.train, images=digits.train.images.repeat(1, channels, 1, 1)))

    def batch(policy: Any) -> torch.Tensor:
        augmentation = Augmentation(crop=0.0, flip=False, policy=policy)
        batches = Batches(
            data,
            batch_size=64,
            augmentation=augmentation,
            recipe=Recipe(learning_rate=0.1),
            seed=0,
            peers=ALONE,
            device=torch.device("cpu"),
        )
        with torch.random.fork_rng():
            torch.manual_seed(3)
            batch = batches.batch(batches.plan(0), 0)
        assert (batch.images.shape, batch.labels.shape, batch.share) == ((64, channels, 8, 8), (64,), 1.0)
        return batch.images

    assert torch.equal(batch(policy), batch(policy))
    assert not torch.equal(batch(policy), batch("none"))


@pytest.mark.parametrize("varied", ["crop", "erasing", "color", "mixup", "cutmix", *POLICIES])
def test_channels_lie_innermost_however_images_are_varied(digits: ImageData, varied: str) -> None:
    """Else every convolution after them is computed in the order of memory that is slower on CPUs."""
    data = replace(digits, train=replace(digits.train, images=digits.train.images.repeat(1, 3, 1, 1)))
    settings: dict[str, Any] = (
        {"augment": varied} if varied in POLICIES else {varied: 1.0 if varied in ("color", "erasing") else 0.5}
    )
    recipe = Recipe(learning_rate=0.1, **settings)
    training = settings_by(recipe, TrainingSettings(batch_size=64, schedule=Schedule(epochs=1, warmup_epochs=0)))
    batches = Batches(
        data,
        batch_size=64,
        augmentation=training.augmentation,
        recipe=recipe,
        seed=0,
        peers=ALONE,
        device=torch.device("cpu"),
    )
    batch = batches.batch(batches.plan(0), 0)
    for part in (batch, *parts(batch, 2)):
        assert part.images.is_contiguous(memory_format=torch.channels_last)


def test_erasing_blanks_rectangles_of_the_right_size() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blank = erase(torch.ones(4000, 2, 32, 32), 0.75, torch.rand((5, 4000))) == 0
    assert torch.equal(blank[:, 0], blank[:, 1])
    hit = blank[:, 0].flatten(1).any(1)
    assert stats.binomtest(int(hit.sum()), 4000, 0.75).pvalue > 1e-3
    rows, columns = blank[hit, 0].any(2), blank[hit, 0].any(1)
    assert torch.equal(blank[hit, 0], rows[:, :, None] & columns[:, None, :])  # one rectangle each
    share = blank[hit, 0].float().mean((1, 2))
    assert share.min() > 0.005
    assert share.max() < 0.37
    assert share.mean().item() == pytest.approx((0.02 + 1 / 3) / 2, abs=0.02)


def test_processes_share_a_batch_in_mixup_pairs() -> None:
    shares = [Peers(rank, 3).columns(12) for rank in range(3)]
    assert [share.tolist() for share in shares] == [[0, 1, 10, 11], [2, 3, 8, 9], [4, 5, 6, 7]]
    for share in shares:
        np.testing.assert_array_equal(share[::-1], 11 - share)
    with pytest.raises(RecipeError, match="multiple of 6"):
        Peers(0, 3).columns(10)
