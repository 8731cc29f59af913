"""Random resized crops and policies of a run against torchvision: draws by their statistics, pixels by Pillow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.datasets import load_sample_images
from torchvision.transforms import v2

from nars.images import ImageData, ResizedCrop, Split, StreamedSplit, load_images
from nars.images.crops import Box
from nars.network import build
from nars.recipe import ALONE, Augmentation, Recipe, RecipeError, Schedule, TrainingLoop, TrainingSettings
from nars.recipe.augmentation import plan_epoch
from nars.recipe.batches import Batches
from nars.recipe.policies import Policy
from nars.recipe.variations import variations_of
from nars.space import Architecture, Head, Stage, Stem

RESIZED = Augmentation(cropping="resized")
PLAIN = Recipe(learning_rate=0.1)
COUNT = 3000


def _plan(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"images": COUNT, "batch_size": 100, "padding": 0, "augmentation": RESIZED}
    arguments |= {"mixup": 0.0, "cutmix": 0.0, "side": 32, "variations": {}, "seed": 5, "epoch": 0}
    return plan_epoch(**arguments | changes)


@pytest.mark.parametrize(
    ("size", "scale", "ratio"),
    [
        ((375, 500), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((300, 90), (0.3, 0.9), (0.5, 2.0)),
        ((40, 40), (0.5, 1.0), (1.0, 1.0)),
    ],
)
def test_crops_are_drawn_as_torchvision_draws_them(
    size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    ours, theirs = ResizedCrop(scale=scale, ratio=ratio), v2.RandomResizedCrop(1, scale=scale, ratio=ratio)
    drawn = [ours.box(seed, *size) for seed in _plan().seeds.reshape(-1).tolist()]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = [theirs.make_params([torch.empty(3, *size)]) for _ in range(COUNT)]
    expected = [tuple(box[name] for name in ("top", "left", "height", "width")) for box in made]
    assert all(0 <= top <= top + h <= size[0] and 0 <= left <= left + w <= size[1] for top, left, h, w in drawn)
    measures: dict[str, Callable[[Box], float]] = {
        "scale": lambda box: box[2] * box[3] / (size[0] * size[1]),
        "ratio": lambda box: box[3] / box[2],
        "top": lambda box: box[0],
        "left": lambda box: box[1],
    }
    for name, measure in measures.items():
        found, wanted = ([measure(box) for box in boxes] for boxes in (drawn, expected))
        assert stats.ks_2samp(found, wanted).pvalue > 1e-3, name


def test_where_no_part_fits_the_largest_middle_one_is_taken() -> None:
    wide = ResizedCrop(scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3))
    theirs = v2.RandomResizedCrop(1, scale=wide.scale, ratio=wide.ratio)
    for size in ((100, 700), (700, 100)):
        made = theirs.make_params([torch.empty(3, *size)])
        assert wide.box(0, *size) == (made["top"], made["left"], made["height"], made["width"])


class _Recorded(v2.AutoAugment):
    """torchvision's, which notes what it draws."""

    drew: list[tuple[str, float]]

    def _apply_image_or_video_transform(
        self, image: Any, transform_id: str, magnitude: float, *_: Any, **__: Any
    ) -> Any:
        self.drew.append((transform_id, round(magnitude, 6)))
        return image


def test_a_runs_policy_is_drawn_for_each_image_as_torchvision_draws_it() -> None:
    variations = variations_of(PLAIN, 32, policy="autoaugment")
    (policy,) = variations.values()
    assert isinstance(policy, Policy)
    (drawn,) = _plan(variations=variations).varied
    ours = Counter((name, round(size, 6)) for name, size in (policy.steps[place] for place in drawn.reshape(-1)))
    ours.pop(("Identity", 0.0))
    theirs = _Recorded()
    theirs.drew = []
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for _ in range(COUNT):
            theirs(torch.zeros(3, 32, 32, dtype=torch.uint8))
    expected = Counter(theirs.drew)
    assert set(expected) == set(ours)
    table = np.array([[counts[step] for step in sorted(expected)] for counts in (ours, expected)])
    assert stats.chi2_contingency(table).pvalue > 1e-3
    first = drawn.reshape(-1, 2)
    assert (first[1:] != first[:-1]).any(axis=1).mean() > 0.8  # neighbours have draws of their own


def test_parts_have_the_pixels_that_pillow_gives_them() -> None:
    photo = np.ascontiguousarray(load_sample_images().images[0][:300, :400])
    crop = ResizedCrop(scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
    for seed in range(8):
        top, left, h, w = crop.box(seed, 300, 400)
        part = Image.fromarray(photo[top : top + h, left : left + w])
        expected = np.asarray(part.resize((64, 64), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        found = crop.cut(torch.from_numpy(photo).permute(2, 0, 1), seed, 64).numpy()
        assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cuts of many sizes from two photographs, JPEG and PNG; some JPEG files are decoded at half their size."""
    folder, chance = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, scene in enumerate(load_sample_images().images):
        (folder / str(label)).mkdir()
        for number in range(24):
            height, width = (int(side) for side in chance.integers(17, 90, 2))
            top, left = (int(at) for at in chance.integers(0, 300, 2))
            cut = np.ascontiguousarray(scene[top : top + height, left : left + width])
            Image.fromarray(cut).save(folder / str(label) / f"{number}.{'png' if number % 3 else 'jpg'}")
    return folder


def _load(folder: Path, **how: Any) -> ImageData:
    return load_images(f"imagefolder:{folder}", resolution=16, validation_fraction=0.25, seed=0, **how)


def _training(data: ImageData, augmentation: Augmentation) -> TrainingLoop:
    stage = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=1, stride=2, se=False)
    network = Architecture(
        resolution=16,
        stem=Stem(channels=8, stride=2),
        stages=(stage,),
        head=Head(expand=2, channels=16),
        in_channels=3,
        classes=2,
    )
    settings = TrainingSettings(
        schedule=Schedule(epochs=2, warmup_epochs=0), batch_size=12, augmentation=augmentation, ema_decay=0.9
    )
    return TrainingLoop(build(network, seed=0), Recipe(learning_rate=0.05, mixup=0.2), data, settings, seed=0)


def test_streamed_and_in_memory_train_and_are_judged_alike(photos: Path) -> None:
    whole = {"whole": True, "evaluation_crop": 0.8}
    held = _load(photos, streaming=False, **whole)
    streamed = _load(photos, streaming=True, loaders=1, **whole)
    assert isinstance(held.train, StreamedSplit)
    assert held.train.held is not None
    assert isinstance(held.validation, Split)
    assert held.fingerprint == streamed.fingerprint != _load(photos).fingerprint
    assert torch.equal(held.mean, streamed.mean)
    assert torch.equal(held.mean, _load(photos).mean)
    for augmentation in (replace(RESIZED, policy="autoaugment", erasing=0.2), Augmentation()):
        one, two = _training(held, augmentation), _training(streamed, augmentation)
        assert one.train_epoch() == two.train_epoch()
        assert one.accuracy(held.validation) == two.accuracy(streamed.validation)
        for name, value in one.model.state_dict().items():
            assert torch.equal(value, two.model.state_dict()[name]), name
    larger = held.at(20)
    assert torch.equal(larger.test.images, streamed.at(20).test.images)
    assert torch.equal(larger.train.images, streamed.at(20).train.images)


def test_judged_images_are_those_of_torchvisions_resize_and_center_crop(tmp_path: Path) -> None:
    scene = load_sample_images().images[1]
    for label in range(2):
        (tmp_path / str(label)).mkdir()
        for number in range(5):
            cut = np.ascontiguousarray(scene[40 * number :, 60 * label :][:61, :61])
            Image.fromarray(cut).save(tmp_path / str(label) / f"{number}.png")
    data = load_images(f"imagefolder:{tmp_path}", resolution=28, validation_fraction=0.3, seed=0, evaluation_crop=0.875)
    transform = v2.Compose([v2.Resize(32), v2.CenterCrop(28)])
    files = sorted(tmp_path.rglob("*.png"))
    expected = [np.asarray(transform(Image.open(file))).transpose(2, 0, 1) for file in files]
    for image in (*data.validation.images.numpy(), *data.test.images.numpy()):
        assert any(np.array_equal(image, other) for other in expected)


def test_arrays_are_cut_too_and_middle_squares_of_files_are_not(digits: ImageData, photos: Path) -> None:
    def batches(data: ImageData, augmentation: Augmentation) -> Batches:
        kept: dict[str, Any] = {"recipe": PLAIN, "seed": 0, "peers": ALONE, "device": torch.device("cpu")}
        return Batches(data, batch_size=20, augmentation=augmentation, **kept)

    made = batches(digits, RESIZED)
    plan = made.plan(0)
    found, crop = made.batch(plan, 1).images, RESIZED.resized
    assert crop is not None
    images = digits.train.images[torch.from_numpy(plan.rows[1])]
    cut = torch.stack([crop.cut(image, int(seed), 8) for image, seed in zip(images, plan.seeds[1], strict=True)])
    flipped = torch.from_numpy(plan.flipped[1])[:, None, None, None]
    assert torch.equal(found, made.normalize(torch.where(flipped, cut.flip(-1), cut)))
    with pytest.raises(RecipeError, match="whole=True"):
        batches(_load(photos, streaming=False), RESIZED)
    for wrong in ({"scale": (0.5, 1.2)}, {"scale": (0.9, 0.5)}, {"ratio": (0.0, 1.0)}, {"cropping": "random"}):
        with pytest.raises(RecipeError, match=next(iter(wrong))):
            replace(RESIZED, **wrong)
