"""A teacher sees the crops of its network at a side of its own: against torch's interpolation of the originals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional

from nars.images import ImageData, load_images
from nars.recipe import ALONE, Augmentation, Recipe, Schedule, Teaching, TrainingLoop, TrainingSettings
from nars.recipe.batches import Batches
from nars.recipe.policies import policy_of

SIDE, LARGER = 16, 48


def larger(pixels: Tensor, side: int) -> Tensor:
    return functional.interpolate(pixels.float(), size=(side, side), mode="bilinear", antialias=True).round()


def batches(data: ImageData, augmentation: Augmentation, *, clean: bool = False, **said: Any) -> Batches:
    recipe, device = Recipe(learning_rate=0.1, **said), torch.device("cpu")
    kept: dict[str, Any] = {"seed": 3, "peers": ALONE, "device": device, "clean": clean, "rendered": LARGER}
    return Batches(data, batch_size=16, augmentation=augmentation, recipe=recipe, **kept)


def test_padded_crops_mirrors_and_mixtures_are_those_of_the_network(digits: ImageData) -> None:
    made = batches(digits.at(SIDE), Augmentation(), cutmix=1.0)
    plan = made.plan(0)
    batch = made.batch(plan, 2)
    rows, factor = torch.from_numpy(plan.rows[2]), LARGER // SIDE
    padded = functional.pad(larger(digits.train.images[rows], LARGER), (6, 6, 6, 6), mode="reflect")
    cut = [
        padded[i, :, factor * top : factor * top + LARGER, factor * left : factor * left + LARGER]
        for i, (top, left) in enumerate(zip(plan.top[2], plan.left[2], strict=True))
    ]
    images = torch.stack([image.flip(-1) if flip else image for image, flip in zip(cut, plan.flipped[2], strict=True)])
    top, bottom, left, right = (factor * plan.boxes[2]).tolist()
    images[:, :, top:bottom, left:right] = images.flip(0)[:, :, top:bottom, left:right]
    torch.testing.assert_close(batch.shown, made.normalize(images.to(torch.uint8)))
    assert batch.images.shape[-1] == SIDE


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cuts of many sizes from two photographs; JPEG files are decoded at half their size for the network."""
    folder, chance = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, scene in enumerate(load_sample_images().images):
        (folder / str(label)).mkdir()
        for number in range(12):
            height, width = (int(side) for side in chance.integers(70, 180, 2))
            top, left = (int(at) for at in chance.integers(0, 200, 2))
            image = Image.fromarray(np.ascontiguousarray(scene[top : top + height, left : left + width]))
            exif = image.getexif()
            exif[0x0112] = 1 + number % 8  # some lie on their side
            image.save(folder / str(label) / f"{number}.{'png' if number % 3 else 'jpg'}", exif=exif, quality=95)
    return folder


@pytest.mark.parametrize("cropping", ["resized", "pad"])
def test_photos_are_cut_alike_in_memory_and_streamed(photos: Path, cropping: Any) -> None:
    how: dict[str, Any] = {"resolution": SIDE, "validation_fraction": 0.3, "seed": 0, "whole": cropping == "resized"}
    held = load_images(f"imagefolder:{photos}", streaming=False, **how)
    streamed = load_images(f"imagefolder:{photos}", streaming=True, loaders=1, **how)
    augmentation = Augmentation(cropping=cropping, scale=(0.3, 1.0), policy="autoaugment", erasing=0.4)
    shown = []
    for data in (held, streamed):
        made = batches(data, augmentation)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            batch = made.batch(made.plan(0), 0)
        assert batch.shown.shape[-1] == LARGER
        shown.append(batch.shown)
    assert torch.equal(*shown)
    made = batches(held, replace(augmentation, policy="none", erasing=0.0), clean=True, mixup=0.3)
    batch = made.batch(made.plan(1), 0)
    seen = functional.interpolate(batch.shown, size=(SIDE, SIDE), mode="bilinear", antialias=True)
    # The same parts: what it sees, made small, is what the network sees.
    assert (seen - batch.images).abs().mean() < 0.12
    assert (seen - batch.images.flip(-1)).abs().mean() > 0.3


@pytest.mark.parametrize("name", ["autoaugment", "randaugment"])
def test_policies_do_to_larger_images_what_torchvision_has_for_their_size(name: str) -> None:
    recipe = Recipe(learning_rate=0.1, augment=name, **({"magnitude": 7, "operations": 2} if name[0] == "r" else {}))
    small, large = policy_of(recipe, SIDE), policy_of(recipe, LARGER)
    assert small is not None
    assert large is not None
    found = small.enlarged(LARGER / SIDE).steps
    assert [step for step, _ in found] == [step for step, _ in large.steps]
    assert [size for _, size in found] == pytest.approx([size for _, size in large.steps], rel=1e-5)


def test_kept_answers_are_of_the_originals_and_a_training_shows_them(digits: ImageData, network: nn.Module) -> None:
    class Pixels(nn.Module):
        """Answers by some pixels."""

        def forward(self, x: Tensor) -> Tensor:
            sides.append(x.shape[-1])
            return x.flatten(1)[:, 700:1700:100]

    sides: list[int] = []
    settings = TrainingSettings(schedule=Schedule(epochs=1, warmup_epochs=0.0), batch_size=32)
    for sees in ("whole", "augmented"):
        teaching = Teaching(network=Pixels(), resolution=LARGER, images="rendered", sees=sees)  # type: ignore[arg-type]
        loop = TrainingLoop(network, Recipe(learning_rate=0.01), digits, settings, seed=0, teaching=teaching)
        if sees == "whole":
            expected = Pixels()(loop._batches.normalize(larger(digits.train.images, LARGER).to(torch.uint8)))
            assert loop._batches.answers is not None
            torch.testing.assert_close(loop._batches.answers.float(), expected, atol=5e-3, rtol=1e-3)
        loop.train_epoch(max_steps=1)
    assert set(sides) == {LARGER}
    assert loop.settings["teacher_images"] == "rendered"
