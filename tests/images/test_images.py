import gzip
import io
import pickle
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from nars.errors import DataError, StoreError
from nars.images import load_images
from nars.images.pixels import check_memory, mean_and_std, resize
from nars.images.split import stratified_order
from nars.store import SampleStore


def digits(**changes):
    return load_images("digits", **{"resolution": 8, "validation_fraction": 0.2, "seed": 0} | changes)


def rows(images):
    return {image.tobytes() for image in images.numpy()}


def test_digits_are_scikit_learns_and_all_there_once():
    data = digits()
    assert (data.in_channels, data.resolution, data.classes) == (1, 8, tuple("0123456789"))
    together = torch.cat([data.train.images, data.validation.images, data.test.images])[:, 0].numpy()
    reference = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    assert sorted(image.tobytes() for image in together) == sorted(image.tobytes() for image in reference)
    assert together.dtype == np.uint8
    assert (len(data.train), len(data.validation), len(data.test)) == (1150, 287, 360)
    of = {image.tobytes(): label for image, label in zip(reference, load_digits().target, strict=True)}
    for split in (data.train, data.validation, data.test):
        assert [of[image.tobytes()] for image in split.images[:, 0].numpy()] == split.labels.tolist()
        shares = np.bincount(split.labels.numpy()) / len(split)
        assert np.abs(shares - np.bincount(load_digits().target) / 1797).max() < 0.006


def test_the_test_split_ignores_seed_and_fraction():
    one, other = digits(), digits(seed=7, validation_fraction=0.4, max_train=100)
    assert torch.equal(one.test.images, other.test.images)
    assert not torch.equal(one.validation.labels, other.validation.labels)
    assert one.fingerprint != other.fingerprint
    assert not rows(one.test.images) & (rows(one.train.images) | rows(one.validation.images))


def test_same_seed_same_data():
    one, other = digits(max_train=200), digits(max_train=200)
    assert one.fingerprint == other.fingerprint
    assert torch.equal(one.train.images, other.train.images)
    assert one.fingerprint != digits(max_train=201).fingerprint != digits().fingerprint


def test_smaller_training_subsets_lie_in_larger_ones():
    small, large = digits(max_train=50), digits(max_train=300)
    assert np.bincount(small.train.labels.numpy()).tolist() == [5] * 10
    assert rows(small.train.images) <= rows(large.train.images)
    assert torch.equal(small.validation.images, large.validation.images)


def test_some_classes_are_a_set_of_their_own():
    some, everything = digits(max_classes=4, resolution=9), digits()
    names = some.classes
    assert len(names) == 4
    assert list(names) == sorted(names)
    for split in ("train", "validation", "test"):
        assert set(getattr(some, split).labels.tolist()) == {0, 1, 2, 3}
    expected = {
        number: rows(everything.test.images[everything.test.labels == int(name)]) for number, name in enumerate(names)
    }
    for number, images in expected.items():
        assert rows(some.at(8).test.images[some.test.labels == number]) == images
    assert names != digits(max_classes=4, seed=1).classes
    assert some.fingerprint != everything.fingerprint
    with pytest.raises(DataError, match="at least 2 classes"):
        digits(max_classes=1)


def test_validation_images_are_counted_not_shared_out():
    data = digits(validation_images=100)
    assert (len(data.train), len(data.validation), len(data.test)) == (1337, 100, 360)
    with pytest.raises(DataError, match=r"data\.validation.* leave some of 1,437 training images, got 1,437"):
        digits(validation_images=1437)


def test_data_goes_to_another_process(tmp_path):
    for label in ("a", "b"):
        fill(tmp_path / label, 8)
    for data in (digits(max_classes=3), folder(tmp_path)):
        copy = pickle.loads(pickle.dumps(data))
        assert copy.fingerprint == data.fingerprint
        assert torch.equal(copy.train.images, data.train.images)
        assert torch.equal(copy.at(5).test.images, data.at(5).test.images)


def test_another_resolution_is_made_from_the_original():
    data = digits(resolution=16)
    smaller = data.at(12)
    assert smaller.train.images.shape == (1150, 1, 12, 12)
    assert torch.equal(smaller.train.images, digits(resolution=12).train.images)
    assert torch.equal(smaller.mean, digits(resolution=12).mean)
    assert smaller.at(16) is data
    assert data.at(12) is smaller
    assert smaller.fingerprint == data.fingerprint


def test_resize_keeps_flat_images_and_halves_by_averaging_like_pillow():
    flat = torch.full((3, 2, 5, 5), 77, dtype=torch.uint8)
    assert torch.equal(resize(flat, 9), torch.full((3, 2, 9, 9), 77, dtype=torch.uint8))
    noise = np.random.default_rng(0).integers(0, 256, (4, 1, 32, 32), dtype=np.uint8)
    pillow = [Image.fromarray(image[0]).resize((16, 16), Image.Resampling.BILINEAR) for image in noise]
    difference = resize(torch.from_numpy(noise), 16)[:, 0].int() - torch.from_numpy(np.stack(pillow)).int()
    assert difference.abs().max() <= 1


def test_mean_and_std_against_numpy():
    images = np.random.default_rng(1).integers(0, 256, (50, 3, 7, 7), dtype=np.uint8)
    mean, std = mean_and_std(torch.from_numpy(images))
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 2, 3)), rtol=1e-6)


def test_every_run_of_the_order_is_stratified():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    order = stratified_order(labels, rng=np.random.default_rng(3))
    assert sorted(order) == list(range(1000))
    for start, stop in ((0, 100), (100, 350), (0, 777)):
        counts = np.bincount(labels[order[start:stop]], minlength=3)
        assert np.abs(counts - (stop - start) * np.array([0.6, 0.3, 0.1])).max() <= 1


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write_parquet(path, pixels, labels, column="img"):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": encoded(image), "path": None} for image in pixels]
    pq.write_table(pa.table({column: images, "label": labels}), path)


@pytest.fixture
def cifar_pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


def test_cifar10_from_parquet(tmp_path, cifar_pixels, monkeypatch):
    write_parquet(tmp_path / "cifar10" / "train.parquet", cifar_pixels[:30], [i % 10 for i in range(30)])
    write_parquet(tmp_path / "cifar10" / "test.parquet", cifar_pixels[30:], list(range(10)), column="image")
    monkeypatch.setenv("NARS_DATA", str(tmp_path))
    heard = []
    data = load_images(
        "cifar10", resolution=32, validation_fraction=1 / 3, seed=1, progress=lambda *done: heard.append(done)
    )
    assert heard[-1] == (40, 40)
    np.testing.assert_array_equal(data.test.images, cifar_pixels[30:].transpose(0, 3, 1, 2))
    assert data.test.labels.tolist() == list(range(10))
    assert (len(data.train), len(data.validation), data.classes[3]) == (20, 10, "cat")


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_from_idx_files(tmp_path, packed):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, part in (("train", slice(0, 40)), ("t10k", slice(40, 60))):
        count = part.stop - part.start
        images = struct.pack(">HBBIII", 0, 8, 3, count, 28, 28) + pixels[part].tobytes()
        classes = struct.pack(">HBBI", 0, 8, 1, count) + labels[part].tobytes()
        for kind, content in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", classes)):
            if packed:
                (raw / f"{name}-{kind}.gz").write_bytes(gzip.compress(content))
            else:
                (raw / f"{name}-{kind}").write_bytes(content)
    data = load_images("fashion-mnist", resolution=28, root=tmp_path, validation_fraction=0.25, seed=0)
    np.testing.assert_array_equal(data.test.images[:, 0], pixels[40:])
    assert data.test.labels.tolist() == labels[40:].tolist()
    assert (len(data.train), len(data.validation), data.in_channels) == (30, 10, 1)


def fill(folder, count, *, size=(12, 9), kind="png", seed=0):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{index}.{kind}")


def folder(path, **changes):
    return load_images(f"imagefolder:{path}", **{"resolution": 8, "validation_fraction": 0.25, "seed": 0} | changes)


def test_flat_image_folder(tmp_path):
    fill(tmp_path / "cat", 20)
    fill(tmp_path / "dog" / "deeper", 30, size=(9, 15), kind="jpg", seed=1)
    fill(tmp_path / ".hidden", 3)
    (tmp_path / "cat" / "notes.txt").write_text("no image", encoding="utf-8")
    data = folder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert np.bincount(data.test.labels.numpy()).tolist() == [4, 6]
    assert np.bincount(data.validation.labels.numpy()).tolist() == [4, 6]
    assert len(data.train) == 30
    assert data.train.images.shape[1:] == (3, 8, 8)
    assert torch.equal(data.at(10).test.images, folder(tmp_path, resolution=10, seed=5).test.images)
    assert data.at(10).fingerprint == data.fingerprint == folder(tmp_path, resolution=10).fingerprint


def test_image_folder_at_its_own_size_is_read_exactly_and_upright(tmp_path):
    fill(tmp_path / "a", 10, size=(8, 8))
    fill(tmp_path / "b", 10, size=(8, 8), seed=1)
    turned = Image.open(tmp_path / "a" / "0.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    turned.rotate(180).save(tmp_path / "a" / "0.png", exif=exif)
    data = folder(tmp_path)
    everything = torch.cat([data.train.images, data.validation.images, data.test.images])
    expected = [
        np.asarray(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)))
        for seed in (0, 1)
    ]
    for first in expected:  # the first image of each class, the turned one included
        assert first.transpose(2, 0, 1).tobytes() in rows(everything)


@pytest.mark.parametrize("names", [("train", "test"), ("train", "val"), ("train", "valid", "test"), ("train",)])
def test_divided_image_folder(tmp_path, names):
    for seed, name in enumerate(names):
        for label in ("a", "b"):
            fill(tmp_path / name / label, 20 if name == "train" else 5, seed=seed)
    data = folder(tmp_path)
    expected = {1: (24, 8, 8), 2: (30, 10, 10), 3: (40, 10, 10)}[len(names)]
    assert (len(data.train), len(data.validation), len(data.test)) == expected
    train, validation, test = expected
    if len(names) == 1:
        where = f"{validation} validation / {test} test images (a fifth of the folder, always the same)"
    elif len(names) == 2:
        where = f"{validation} validation / {test} test images ({names[1]}/ of the folder)"
    else:
        where = f"{validation} validation (valid/ of the folder) / {test} test images (test/ of the folder)"
    assert data.summary == f"2 classes, {train} training / {where}"


def test_errors_name_what_is_wrong(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"digits, fashion-mnist, cifar10, .*imagefolder:PATH; got 'mnist'"):
        load_images("mnist", resolution=8, validation_fraction=0.2, seed=0)
    with pytest.raises(DataError, match=r"existing folder, got '.*nowhere'"):
        folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has none"):
        folder(tmp_path)
    fill(tmp_path / "cat", 10)
    with pytest.raises(DataError, match="has one, cat"):
        folder(tmp_path)
    (tmp_path / "dog").mkdir()
    with pytest.raises(DataError, match=r"have none: dog"):
        folder(tmp_path)
    (tmp_path / "dog" / "broken.png").write_bytes(b"\x89PNG nothing")
    with pytest.raises(DataError, match=r"dog.broken\.png"):
        folder(tmp_path, validation_fraction=0.5)
    monkeypatch.setenv("NARS_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match=r"NARS_DATA must name an existing folder, got '.*gone'"):
        load_images("cifar10", resolution=8, validation_fraction=0.2, seed=0)
    for wrong in ({"validation_fraction": 0.0}, {"validation_fraction": 1.0}, {"resolution": 0}, {"max_train": 0}):
        with pytest.raises(DataError, match=next(iter(wrong))):
            digits(**wrong)
    with pytest.raises(DataError, match="leaves 1437 for training and 0 for validation"):
        digits(validation_fraction=1e-5)
    with pytest.raises(DataError, match=r"10,000,000,000 of 224 x 224 x 3 .* this machine has"):
        check_memory(10**10, 3, 224)


def test_a_user_without_a_home_directory(tmp_path, monkeypatch):
    """A container runs as a number that the system has no entry for, and HOME is not set."""

    def no_entry(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for variable in ("HOME", "XDG_CACHE_HOME", "NARS_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    for name in ("cifar10", "fashion-mnist", "imagenet"):
        with pytest.raises(DataError, match=r"home directory, and this user has none.*--data-root.*NARS_DATA"):
            load_images(name, resolution=8, validation_fraction=0.2, seed=0)
    for path in ("~/photos", "~nobody-of-this-name/photos"):
        with pytest.raises(DataError, match=r"home directory that is not known\. Write the whole path"):
            folder(path)
        with pytest.raises(DataError, match="home directory that is not known"):
            load_images("cifar10", root=path, resolution=8, validation_fraction=0.2, seed=0)
        with pytest.raises(StoreError, match="home directory that is not known"):
            SampleStore(path)
    assert len(digits().train) == 1150
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cifar10 is not in '.*file/nars/data' and downloading it failed.*NARS_DATA"):
        load_images("cifar10", resolution=8, validation_fraction=0.2, seed=0)


def test_unknown_class_in_the_test_folder(tmp_path):
    for name in ("a", "b"):
        fill(tmp_path / "train" / name, 4)
    fill(tmp_path / "test" / "c", 2)
    with pytest.raises(DataError, match="training folder lacks: c"):
        folder(tmp_path)


def test_wrong_parquet_files(tmp_path, cifar_pixels):
    def load():
        return load_images("cifar10", resolution=32, root=tmp_path, validation_fraction=0.2, seed=0)

    train, test = tmp_path / "cifar10" / "train.parquet", tmp_path / "cifar10" / "test.parquet"
    write_parquet(train, cifar_pixels[:10], list(range(10)))
    with pytest.raises(DataError, match=r"no test\*\.parquet"):
        load()
    test.write_bytes(train.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"test\.parquet is not a readable Parquet file"):
        load()
    pq.write_table(pa.table({"label": [1], "pixels": [b""]}), test)
    with pytest.raises(DataError, match="needs a column img or image"):
        load()
    write_parquet(test, cifar_pixels[:1], [10])
    with pytest.raises(DataError, match=r"must be 0\.\.9"):
        load()
    write_parquet(test, cifar_pixels[:1, :16, :16], [1])
    with pytest.raises(DataError, match=r"must be 32 x 32 pixels, image 0 of .*test\.parquet is 16 x 16"):
        load()
