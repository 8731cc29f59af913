"""Images that stay in their files train and are judged as those in memory are, bit for bit."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from timm.models.mobilenetv3 import MobileNetV3

from nars.errors import DataError
from nars.evaluate import open_engine
from nars.images import ImageData, StreamedSplit, load_images, streaming
from nars.metric import ACCURACY, IMAGE_METRICS, Metric
from nars.network import build
from nars.recipe import Augmentation, Recipe, Schedule, TrainingLoop, TrainingSettings
from nars.space import Architecture, Head, Stage, Stem
from nars.tasks import ImageClassification, Trial

SIDE = 16
NETWORK = Architecture(
    resolution=SIDE,
    stem=Stem(channels=8, stride=2),
    stages=(
        Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=1, stride=2, se=False),
    ),
    head=Head(expand=2, channels=16),
    in_channels=3,
    classes=3,
)
RECIPE = {"learning_rate": 0.02, "optimizer": "rmsprop", "dropout": 0.2, "stochastic_depth": 0.1, "mixup": 0.2}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real images of many sizes and kinds: scans of two digits, and cuts from scikit-learn's two photographs."""
    folder, chance = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    digits, scenes = load_digits(), load_sample_images().images
    for name in ("zero", "one", "scene"):
        (folder / name).mkdir()
    for number in range(32):
        width, height = (int(side) for side in chance.integers(17, 50, 2))
        for label, name in enumerate(("zero", "one")):
            scan = digits.images[digits.target == label][number] * 15
            image = Image.fromarray(scan.astype(np.uint8)).resize((width, height))
            image.save(folder / name / f"{number}.{'png' if number % 2 else 'jpg'}")
        top, left = (int(at) for at in chance.integers(0, 300, 2))
        cut = scenes[number % 2][top : top + height, left : left + width]
        Image.fromarray(np.ascontiguousarray(cut)).save(folder / "scene" / f"{number}.jpg")
    return folder


def load(folder: Path, **how: Any) -> ImageData:
    return load_images(f"imagefolder:{folder}", resolution=SIDE, validation_fraction=0.25, seed=0, **how)


def training(data: ImageData, *, border: Any = "reflect", metric: Metric = ACCURACY, **said: Any) -> TrainingLoop:
    return TrainingLoop(
        build(NETWORK, dropout=0.2, stochastic_depth=0.1, seed=0),
        Recipe.from_dict(RECIPE | said),
        data,
        TrainingSettings(
            schedule=Schedule(epochs=3, warmup_epochs=1),
            batch_size=16,
            augmentation=Augmentation(border=border, erasing=0.3),
            ema_decay=0.9,
        ),
        seed=0,
        metric=metric,
    )


def weights(loop: TrainingLoop) -> dict[str, torch.Tensor]:
    assert isinstance(loop.model, MobileNetV3)
    return loop.model.state_dict()


@pytest.mark.parametrize("loaders", [0, 2])
def test_training_and_accuracy_are_those_of_images_in_memory(photos: Path, loaders: int) -> None:
    held, streamed = load(photos, streaming=False), load(photos, streaming=True, loaders=loaders)
    assert isinstance(streamed.train, StreamedSplit)
    assert streamed.fingerprint == held.fingerprint
    assert torch.equal(streamed.mean, held.mean)
    assert torch.equal(streamed.test.images, held.test.images)
    assert streamed.at(12).train.shape == held.at(12).train.shape == (58, 3, 12, 12)
    border = "constant" if loaders == 0 else "reflect"
    said = (
        {} if loaders == 0 else {"augment": "trivialaugment", "color": 0.3, "cutmix": 1.0, "regularizer": "dropblock"}
    )
    one, two = training(held, border=border, **said), training(streamed, border=border, **said)
    before = torch.get_rng_state()
    for _ in range(2):
        assert one.train_epoch().loss == two.train_epoch().loss
        assert one.accuracy(held.validation) == two.accuracy(streamed.validation)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in weights(one).items():
        assert torch.equal(value, weights(two)[name]), name


@pytest.mark.parametrize("metric", [ACCURACY, IMAGE_METRICS["log_loss"]])
def test_network_and_average_are_judged_on_images_that_are_read_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch, metric: Metric
) -> None:
    data = load(photos, streaming=True, loaders=0)
    loop = training(data, metric=metric)
    loop.train_epoch()
    expected = loop.measure(data.validation), loop.measure(data.validation, ema=True)
    assert metric == ACCURACY or expected[0] != expected[1]
    read: list[Path] = []
    original = streaming.read_one
    monkeypatch.setattr(streaming, "read_one", lambda file, side: (read.append(file), original(file, side))[1])
    assert loop.measure_both(data.validation) == expected
    assert len(read) == len(set(read)) == len(data.validation)
    assert loop.model.training
    assert training(data, ema=False).measure_both(data.validation)[1] is None


def test_it_goes_on_in_the_middle_of_an_epoch(photos: Path) -> None:
    data = load(photos, streaming=True, loaders=1)
    whole, stopped, resumed = training(data), training(data), training(data)
    whole.train_epoch()
    stopped.train_epoch(max_steps=2)
    resumed.load_state_dict(stopped.state_dict())
    resumed.train_epoch()
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


@pytest.mark.parametrize("loaders", [0, 1])
def test_a_file_that_cannot_be_read_is_named(photos: Path, tmp_path: Path, loaders: int) -> None:
    data = load(photos, streaming=True, loaders=loaders)
    split = data.train
    assert isinstance(split, StreamedSplit)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    broken = StreamedSplit(
        files=np.array([str(tmp_path / "broken.png").encode()]), labels=split.labels[:1], resolution=8, loaders=loaders
    )
    with pytest.raises(DataError, match=r"broken\.png") as error:
        list(broken.reader(padding=0, border="constant").read([np.zeros((1, 5), dtype=np.int64)]))
    assert "Traceback" not in str(error.value)


def test_the_same_processes_read_all_epochs_and_end_with_the_training(photos: Path) -> None:
    def readers() -> set[int | None]:
        return {process.pid for process in multiprocessing.active_children()}

    before = readers()
    loop = training(load(photos, streaming=True, loaders=1))
    loop.train_epoch()
    reading = readers() - before
    assert len(reading) == 1
    loop.train_epoch(max_steps=1)  # the rest of this epoch is on its way when the training begins anew
    loop.load_state_dict(loop.state_dict())
    loop.train_epoch()
    assert readers() - before == reading
    del loop
    assert not readers() & reading


def test_a_folder_is_streamed_where_it_would_fill_the_memory(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(load(photos).train, StreamedSplit)
    monkeypatch.setattr("nars.images.images.installed_memory", lambda: 4 * 96 * 3 * SIDE**2 - 1)
    assert isinstance(load(photos).train, StreamedSplit)
    assert not isinstance(load(photos).at(SIDE // 2).train, StreamedSplit)
    monkeypatch.setattr("nars.images.images.installed_memory", lambda: 2 * 3 * 96 * 3 * SIDE**2)
    assert not isinstance(load(photos, copies=3).train, StreamedSplit)
    assert isinstance(load(photos, copies=4).train, StreamedSplit)
    data = load(photos)  # and the larger images would take the rest, together with these
    assert isinstance(data.at(SIDE + 4).train, StreamedSplit)
    assert not isinstance(data.at(SIDE).train, StreamedSplit)


def test_worker_processes_stream_too(photos: Path) -> None:
    settings = TrainingSettings(schedule=Schedule(epochs=1, warmup_epochs=0), batch_size=16)
    trial = Trial(
        choices=(0,),
        record={},
        costs={},
        architecture=NETWORK,
        recipe=RECIPE,
        space="s",
        data=load(photos).fingerprint,
        fidelity=settings.fidelity(1),
        epochs=1,
        seed=0,
    )
    found = {}
    for name, how in (("in-process", {"streaming": False}), ("processes", {"streaming": True, "loaders": 1})):
        with open_engine(name, ImageClassification(load(photos, **how), settings), workers=1) as engine:
            engine.run([trial], on_result=lambda sample, name=name: found.update({name: sample}))
    assert found["processes"].status == "ok", found["processes"].message
    assert found["processes"].curve == found["in-process"].curve
