"""Known image sets as Parquet files, in the forms in which people pass them around."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from nars.errors import DataError
from nars.images import ImageData, load_images

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CHANCE = np.random.default_rng(0)
NOISE = CHANCE.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
LABELS = [number % 10 for number in range(20)]
SLOPE = np.add.outer(np.arange(32), np.arange(32))[None, ..., None]
SMOOTH = np.uint8(SLOPE * np.array([1, 2, 3]) + CHANCE.integers(0, 40, (20, 1, 1, 3)))
"""Colors that change little from pixel to pixel, as in photos."""


def encoded(pixels: NDArray[np.uint8], kind: str = "png") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def write(root: Path, images: Any, labels: Any = None, *, name: str = "cifar10", **metadata: Any) -> Path:
    """The same table as training and as test part."""
    labels = pa.array(LABELS[: len(images)]) if labels is None else labels
    table = pa.table({"image": images, "label": labels})
    if metadata:
        features = {"label": {"_type": "ClassLabel", **metadata}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (root / name).mkdir(exist_ok=True)
    for part in ("train", "test"):
        pq.write_table(table, root / name / f"{part}-00000-of-00001.parquet")
    return root


def load(root: Path, name: str = "cifar10", side: int = 32) -> ImageData:
    return load_images(name, resolution=side, root=root, validation_fraction=0.5, seed=0)


BYTES = [encoded(image) for image in NOISE]
STRUCTS = [{"bytes": content, "path": None} for content in BYTES]
NESTED = pa.list_(pa.list_(pa.list_(pa.uint8())))


def nested(pixels: NDArray[Any], kind: Any = None) -> Any:
    return pa.array(pixels.tolist(), type=kind)


FORMS: dict[str, tuple[Any, NDArray[np.uint8]]] = {
    "struct": (STRUCTS, NOISE),
    "struct of bytes alone": ([{"bytes": content} for content in BYTES], NOISE),
    "binary": (pa.array(BYTES, type=pa.binary()), NOISE),
    "large binary": (pa.array(BYTES, type=pa.large_binary()), NOISE),
    "binary view": (pa.array(BYTES, type=pa.binary_view()), NOISE),
    "lists of rows": (nested(NOISE, NESTED), NOISE),
    "lists of planes": (nested(NOISE.transpose(0, 3, 1, 2), NESTED), NOISE),
    "long integers": (nested(NOISE.astype(int)), NOISE),
    "floats to 255": (nested(NOISE.astype(np.float32)), NOISE),
    "floats to 1": (nested(NOISE / 255), NOISE),
    "lists of fixed size": (nested(NOISE, pa.list_(pa.list_(pa.list_(pa.uint8(), 3), 32), 32)), NOISE),
    "flat rows": (nested(SMOOTH.reshape(20, -1)), SMOOTH),
    "flat planes": (nested(SMOOTH.transpose(0, 3, 1, 2).reshape(20, -1)), SMOOTH),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_in_every_form(tmp_path: Path, form: str) -> None:
    images, expected = FORMS[form]
    data = load(write(tmp_path, images))
    np.testing.assert_array_equal(data.test.images, expected.transpose(0, 3, 1, 2))
    assert data.test.labels.tolist() == LABELS
    assert [("C x H x W" in note, "H x W x C" in note) for note in data.notes] == (
        [(form == "flat planes", form == "flat rows")] if form.startswith("flat") else []
    )


def test_the_form_does_not_change_the_set(tmp_path: Path) -> None:
    found = []
    for number, form in enumerate(("struct", "binary", "large binary")):
        (tmp_path / str(number)).mkdir()
        found.append(load(write(tmp_path / str(number), FORMS[form][0])).fingerprint)
    assert len(set(found)) == 1


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28), (784,)])
def test_grey_images_as_lists(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = CHANCE.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    root = write(tmp_path, nested(pixels.reshape(10, *shape)), pa.array(range(10)), name="fashion-mnist")
    np.testing.assert_array_equal(load(root, "fashion-mnist", 28).test.images[:, 0], pixels)


def test_several_files_in_several_forms(tmp_path: Path) -> None:
    write(tmp_path, STRUCTS)
    (tmp_path / "cifar10" / "test-00000-of-00001.parquet").unlink()
    for number, images in enumerate((STRUCTS[:7], nested(NOISE[7:12]), pa.array(BYTES[12:]))):
        labels = [LABELS[:7], [CLASSES[label] for label in LABELS[7:12]], LABELS[12:]][number]
        pq.write_table(pa.table({"img": images, "label": labels}), tmp_path / "cifar10" / f"test-{number}.parquet")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.test.images, NOISE.transpose(0, 3, 1, 2))
    assert data.test.labels.tolist() == LABELS


NAMES = [CLASSES[label] for label in LABELS]
KINDS: dict[str, Any] = {
    "names": pa.array(NAMES),
    "other case": pa.array([name.upper() for name in NAMES]),
    "large names": pa.array(NAMES, type=pa.large_string()),
    "name views": pa.array(NAMES, type=pa.string_view()),
    "categories": pa.array(NAMES).dictionary_encode(),
    "bytes": pa.array(LABELS, type=pa.uint8()),
    "floats": pa.array([float(label) for label in LABELS]),
    "numbers as text": pa.array([str(label) for label in LABELS]),
    "categories of numbers": pa.array(LABELS).dictionary_encode(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_in_every_form(tmp_path: Path, kind: str) -> None:
    assert load(write(tmp_path, STRUCTS, KINDS[kind])).test.labels.tolist() == LABELS


def test_numbers_are_read_by_the_names_beside_them(tmp_path: Path) -> None:
    backwards = list(CLASSES[::-1])
    data = load(write(tmp_path, STRUCTS, pa.array([9 - label for label in LABELS]), names=backwards))
    assert data.test.labels.tolist() == LABELS
    assert load(write(tmp_path, STRUCTS, names=list("0123456789"))).test.labels.tolist() == LABELS
    with pytest.raises(DataError, match=r"column label of .*train.*numbers the classes .*\(cat has another number"):
        load(write(tmp_path, STRUCTS, names=["cat", "dog", *"01234567"]))


def test_names_of_fashion_mnist_as_hugging_face_spells_them(tmp_path: Path) -> None:
    names = ["T - shirt / top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"]
    pixels = CHANCE.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    images = pa.array([encoded(image) for image in pixels])
    data = load(write(tmp_path, images, pa.array([*names, "Ankle boot"]), name="fashion-mnist"), "fashion-mnist", 28)
    assert data.test.labels.tolist() == list(range(10))


def with_null(values: list[Any]) -> list[Any]:
    return [*values[:3], None, *values[4:]]


WRONG: dict[str, tuple[Any, Any, str]] = {
    "paths alone": ([{"bytes": None, "path": "1.png"}] * 20, None, "column image of .* holds paths instead of images"),
    "a struct of something": ([{"path": "1.png"}] * 20, None, "column image of .* got struct<path: string>"),
    "texts": (["1.png"] * 20, None, "column image of .* got string"),
    "an empty image": (pa.array(with_null(BYTES)), None, "column image of .* is empty in 1 rows, the first is row 3"),
    "no image": (pa.array([b"raw"] * 20), None, r"image 0 of .*train.*parquet is in no format"),
    "other size": (nested(NOISE[:, :16, :16]), None, "must be 32 x 32 pixels with 3 channels, .* has 16 x 16 x 3"),
    "other size, encoded": ([encoded(image[:16]) for image in NOISE], None, "image 0 of .* is 32 x 16"),
    "gray": (nested(NOISE[..., 0]), None, "with 3 channels, column image of .* has 32 x 32"),
    "ragged": (pa.array([[[[1, 2, 3]]], [[[1, 2]]]] * 10), None, "lists of different lengths"),
    "empty pixels": (pa.array([[[[1, None, 3]]]] * 20), None, "numbers as pixels"),
    "negative": (nested(NOISE.astype(int) - 128), None, "pixels from -128 to 127"),
    "bits": (nested(NOISE // 128), None, "pixels from 0 to 1;"),
    "too large": (nested(NOISE.astype(int) * 257), None, "pixels from 0 to 65535"),
    "nan": (nested(np.where(NOISE > 3, NOISE / 255, np.nan)), None, "pixels from nan to nan"),
    "flat noise": (nested(NOISE.reshape(20, -1)), None, "could be C x H x W or H x W x C"),
    "no rows": (pa.array([], type=pa.binary()), pa.array([], type=pa.int64()), "has no rows"),
    "unknown name": (STRUCTS, ["plane", *NAMES[1:]], r"column label of .* has 'plane'; the classes are airplane, "),
    "label too large": (STRUCTS, [10, *LABELS[1:]], r"column label of .*: labels must be 0\.\.9, got 10"),
    "label too small": (STRUCTS, [-1, *LABELS[1:]], r"labels must be 0\.\.9, got -1"),
    "fraction": (STRUCTS, [0.5, *map(float, LABELS[1:])], r"labels must be 0\.\.9, got 0\.5"),
    "no number": (STRUCTS, [float("nan"), *map(float, LABELS[1:])], r"labels must be 0\.\.9, got nan"),
    "no label": (STRUCTS, with_null(LABELS), "column label of .* is empty in 1 rows, the first is row 3"),
    "a list": (STRUCTS, [[label] for label in LABELS], "whole numbers or names of classes, got list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_with_file_and_column(tmp_path: Path, case: str) -> None:
    images, labels, message = WRONG[case]
    with pytest.raises(DataError, match=message) as error:
        load(write(tmp_path, images, labels))
    assert str(tmp_path / "cifar10") in str(error.value)
