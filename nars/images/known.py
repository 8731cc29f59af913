"""The image sets known by name, as they are stored: training and test part at their own resolution.

Nothing here depends on a seed: which images are test images is part of the set.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray

from nars.errors import DataError
from nars.images.names import CLASSES
from nars.images.parquet import read_parquet
from nars.images.pixels import OnRead
from nars.images.unsplit import TEST, TRAIN, Source, array_source, hold_out_test

DIGITS_TEST = 360
"""Digits kept for the final accuracy: a fifth of 1,797, the same ones whatever the seed."""


def digits() -> Source:
    """Scikit-learn's 1,797 scans of handwritten digits, 8 x 8, 1 channel (17 gray levels, spread over 0..255)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int64)
    everything = array_source(
        classes=CLASSES["digits"],
        images=torch.from_numpy(pixels)[:, None],
        labels=labels,
        part=np.full(len(labels), TRAIN, dtype=np.int8),
    )
    return hold_out_test(everything, DIGITS_TEST)


def fashion_mnist(root: Path, progress: OnRead | None) -> Source:
    """Fashion-MNIST, 28 x 28, 1 channel, 60,000 + 10,000.

    Looked for below `root` as Parquet (fashion-mnist/train*.parquet, test*.parquet), as the original idx files, packed
    or not (in root, fashion-mnist/ or torchvision's FashionMNIST/raw/), and downloaded by torchvision when missing.
    """
    found = _from_parquet("fashion-mnist", root / "fashion-mnist", channels=1, side=28, progress=progress)
    if found is not None:
        return found
    folder = _idx_folder(root)
    if folder is None:
        from torchvision.datasets import FashionMNIST

        _download("fashion-mnist", FashionMNIST, root)
        folder = root / "FashionMNIST" / "raw"
    images, labels = (
        [_read_idx(folder, f"{part}-{kind}-idx{dimensions}-ubyte") for part in ("train", "t10k")]
        for kind, dimensions in (("images", 3), ("labels", 1))
    )
    return array_source(
        classes=CLASSES["fashion-mnist"],
        images=torch.from_numpy(np.concatenate(images))[:, None],
        labels=np.concatenate(labels).astype(np.int64),
        part=_train_then_test(*(len(part) for part in labels)),
    )


def count_idx(root: Path) -> tuple[int, int] | None:
    """Training and test images of Fashion-MNIST's idx files below `root`; None if they are not there."""
    folder = _idx_folder(root)
    if folder is None:
        return None
    return len(_read_idx(folder, "train-labels-idx1-ubyte")), len(_read_idx(folder, "t10k-labels-idx1-ubyte"))


def cifar10(root: Path, progress: OnRead | None) -> Source:
    """CIFAR-10, 32 x 32, 3 channels, 50,000 + 10,000.

    Looked for below `root` as Parquet (cifar10/train*.parquet, test*.parquet), as torchvision's cifar-10-batches-py,
    and downloaded by torchvision when missing.
    """
    found = _from_parquet("cifar10", root / "cifar10", channels=3, side=32, progress=progress)
    if found is not None:
        return found
    from torchvision.datasets import CIFAR10

    # These files are pickles. torchvision checks their MD5 against the published ones before it opens them.
    train, test = _download("cifar10", CIFAR10, root)
    pixels = np.concatenate([train.data, test.data]).transpose(0, 3, 1, 2)
    return array_source(
        classes=CLASSES["cifar10"],
        images=torch.from_numpy(np.ascontiguousarray(pixels)),
        labels=np.asarray(train.targets + test.targets, dtype=np.int64),
        part=_train_then_test(len(train.targets), len(test.targets)),
    )


def _train_then_test(train: int, test: int) -> NDArray[np.int8]:
    return np.repeat(np.array([TRAIN, TEST], dtype=np.int8), [train, test])


def _download(name: str, dataset: Any, root: Path) -> tuple[Any, Any]:
    """Training and test set by torchvision, which downloads what is not in `root`."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        return dataset(root, train=True, download=True), dataset(root, train=False, download=True)
    except (OSError, RuntimeError, URLError) as error:
        reason = " ".join(str(error).split())  # torchvision's are several lines long
        raise DataError(
            f"{name} is not in {str(root)!r} and downloading it failed ({reason}). Put its files there (Parquet: "
            f"{name}/train.parquet and {name}/test.parquet), or name another folder by --data-root or NARS_DATA."
        ) from error


def _from_parquet(name: str, folder: Path, *, channels: int, side: int, progress: OnRead | None) -> Source | None:
    """The set from the Parquet files below a folder, if there are any."""
    files = {part: sorted(folder.rglob(f"{part}*.parquet")) for part in ("train", "test")}
    if not files["train"]:
        return None
    if not files["test"]:
        raise DataError(f"{str(folder)!r} has train*.parquet but no test*.parquet. Add the test part of {name}.")
    table = read_parquet(
        [*files["train"], *files["test"]], classes=CLASSES[name], channels=channels, side=side, progress=progress
    )
    train = sum(table.rows[: len(files["train"])])
    return array_source(
        classes=CLASSES[name],
        images=table.images,
        labels=table.labels,
        part=_train_then_test(train, len(table.labels) - train),
        digests=table.digests,
        notes=table.notes,
    )


def _idx_folder(root: Path) -> Path | None:
    folders = (root / "fashion-mnist", root / "FashionMNIST" / "raw", root)
    return next((folder for folder in folders if _idx_file(folder, "train-images-idx3-ubyte")), None)


def _idx_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read an idx file of bytes: two zero bytes, type, dimensions, each size as big-endian uint32, the data."""
    path = _idx_file(folder, name)
    if path is None:
        raise DataError(f"{str(folder)!r} lacks {name} (or {name}.gz), which belongs to fashion-mnist. Add it.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        if (zero, kind) != (0, 8):
            raise ValueError("not an idx file of bytes")
        values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions)
        return np.array(values.reshape(shape))
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise DataError(f"{path} is not a readable idx file ({error}). Fetch it again.") from error
