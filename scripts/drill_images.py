"""Image folders and files as people have them."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from drill_case import Case, Check, Outcome, WrongError, equal
from nars.images import ImageData, load_images

SIDE = 12


def image_cases() -> list[Case]:
    """All of them."""
    return [*_pixels(), *_unreadable(), *_splits(), *_junk(), *_shapes(), *_parquet()]


def _load(folder: Path, name: str = "photos", *, resolution: int = 8) -> ImageData:
    return load_images(f"imagefolder:{folder / name}", resolution=resolution, validation_fraction=0.25, seed=0)


def photos(
    folder: Path, *, classes: Sequence[str] = ("cat", "dog"), each: int = 8, seed: int = 0, suffix: str = ".png"
) -> Path:
    """Folders of different images, one per class; the folder that they are in."""
    rng = np.random.default_rng([seed, len(str(folder))])
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}-{number}{suffix}")
    return folder


# Pixels: a class of flat images in some mode, whose value after reading is known.


def _grey16(value: int) -> Image.Image:
    return Image.fromarray(np.full((SIDE, SIDE), value, dtype=np.uint16))


def _png(path: Path, values: Sequence[int], *, kind: int, depth: int) -> None:
    """A flat PNG by hand, for what Pillow cannot write: `kind` is the colour type, `depth` the bits of a sample."""

    def chunk(tag: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    pixel = b"".join(value.to_bytes(depth // 8, "big") for value in values)
    lines = (b"\0" + pixel * SIDE) * SIDE
    head = struct.pack(">IIBBBBB", SIDE, SIDE, depth, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def _flat(mode: str, colour: object) -> Callable[[Path], None]:
    return lambda path: Image.new(mode, (SIDE, SIDE), colour).save(path)  # type: ignore[arg-type]


def _palette(colour: tuple[int, int, int], *, transparency: object = None) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        image = Image.new("P", (SIDE, SIDE), 1)
        image.putpalette([9, 9, 9, *colour, 7, 7, 7])
        if transparency is not None:
            image.info["transparency"] = transparency
        image.save(path)

    return save


def _pgm(value: int, most: int) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        pixels = np.full((SIDE, SIDE), value, dtype=">u2" if most > 255 else "u1").tobytes()
        path.write_bytes(f"P5\n{SIDE} {SIDE}\n{most}\n".encode() + pixels)

    return save


def _adobe_cmyk(path: Path) -> None:
    Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)).save(path, quality=95)


def _animation(path: Path) -> None:
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ((200, 30, 60), (0, 0, 255), (0, 255, 0))]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _turned(path: Path) -> None:
    """Left half black, right half white, to be shown turned by 90 degrees: the top is black or white then."""
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:, SIDE // 2 :] = 255
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # the visual top is the stored left side
    image.save(path, exif=exif, quality=100, subsampling=0)


_FLAT: list[tuple[str, str, Callable[[Path], object], tuple[int, int, int]]] = [
    ("1-bit white", ".png", _flat("1", 1), (255, 255, 255)),
    ("1-bit black", ".png", _flat("1", 0), (0, 0, 0)),
    ("1-bit TIFF", ".tif", _flat("1", 1), (255, 255, 255)),
    ("grey", ".png", _flat("L", 100), (100, 100, 100)),
    ("grey BMP", ".bmp", _flat("L", 100), (100, 100, 100)),
    ("grey JPEG", ".jpg", _flat("L", 100), (100, 100, 100)),
    ("grey with alpha, opaque", ".png", _flat("LA", (100, 255)), (100, 100, 100)),
    ("palette", ".png", _palette((10, 200, 30)), (10, 200, 30)),
    ("palette GIF", ".gif", _palette((10, 200, 30)), (10, 200, 30)),
    ("palette, another entry transparent", ".png", _palette((10, 200, 30), transparency=2), (10, 200, 30)),
    ("palette, table of alphas", ".png", _palette((10, 200, 30), transparency=b"\x00\xff\x00"), (10, 200, 30)),
    ("RGB", ".png", _flat("RGB", (10, 200, 30)), (10, 200, 30)),
    ("RGB PPM", ".ppm", _flat("RGB", (10, 200, 30)), (10, 200, 30)),
    ("RGB WebP", ".webp", _flat("RGB", (10, 200, 30)), (10, 200, 30)),
    ("RGB TIFF", ".tiff", _flat("RGB", (10, 200, 30)), (10, 200, 30)),
    ("RGB BMP", ".BMP", _flat("RGB", (10, 200, 30)), (10, 200, 30)),
    ("JPEG", ".JPG", _flat("RGB", (60, 60, 60)), (60, 60, 60)),
    ("RGBA, opaque", ".png", _flat("RGBA", (10, 200, 30, 255)), (10, 200, 30)),
    ("RGBA TIFF, opaque", ".tif", _flat("RGBA", (10, 200, 30, 255)), (10, 200, 30)),
    ("CMYK JPEG, no ink", ".jpg", _flat("CMYK", (0, 0, 0, 0)), (255, 255, 255)),
    ("CMYK JPEG, black ink", ".jpg", _flat("CMYK", (0, 0, 0, 255)), (0, 0, 0)),
    ("CMYK JPEG, red", ".jpg", _adobe_cmyk, (255, 0, 0)),
    ("CMYK TIFF", ".tif", _flat("CMYK", (255, 0, 0, 0)), (0, 255, 255)),
    ("16-bit, 0", ".png", lambda path: _grey16(0).save(path), (0, 0, 0)),
    ("16-bit, dark", ".png", lambda path: _grey16(20 * 257).save(path), (20, 20, 20)),
    ("16-bit, middle", ".png", lambda path: _grey16(128 * 257).save(path), (128, 128, 128)),
    ("16-bit, white", ".png", lambda path: _grey16(65535).save(path), (255, 255, 255)),
    ("16-bit TIFF", ".tif", lambda path: _grey16(40 * 257).save(path), (40, 40, 40)),
    ("16-bit PGM", ".pgm", _pgm(77 * 257, 65535), (77, 77, 77)),
    ("PGM of 1,023 levels", ".pgm", _pgm(1023, 1023), (255, 255, 255)),
    ("8-bit PGM", ".pgm", _pgm(77, 255), (77, 77, 77)),
    ("16-bit RGB", ".png", lambda p: _png(p, [v * 257 for v in (9, 128, 200)], kind=2, depth=16), (9, 128, 200)),
    ("16-bit grey with alpha", ".png", lambda p: _png(p, [90 * 257, 65535], kind=4, depth=16), (90, 90, 90)),
    ("16-bit RGBA", ".png", lambda p: _png(p, [v * 257 for v in (9, 128, 200, 255)], kind=6, depth=16), (9, 128, 200)),
    ("animated GIF: its first image", ".gif", _animation, (200, 30, 60)),
    ("animated WebP: its first image", ".webp", _animation, (200, 30, 60)),
    ("TIFF of several pages: the first", ".tif", _animation, (200, 30, 60)),
    ("JFIF", ".jfif", lambda path: Image.new("L", (SIDE, SIDE), 100).save(path, "JPEG"), (100, 100, 100)),
]
_LOSSY = 6
"""Grey levels that JPEG, WebP and palettes may be off."""


def _pixels() -> list[Case]:
    return [
        Case(
            name=f"pixels: {name}",
            make=lambda folder, suffix=suffix, save=save: _beside(folder, suffix, save),  # type: ignore[misc]
            do=_keep_pixels,
            works=_is_colour(colour),
        )
        for name, suffix, save, colour in _FLAT
    ] + [
        Case(
            name="pixels: turned by EXIF", make=lambda f: _beside(f, ".jpg", _turned), do=_keep_pixels, works=_is_turned
        ),
        Case(name="pixels: what is transparent does not show", make=_transparent, do=_keep_pixels, works=_all_equal),
        Case(
            name="pixels: streamed as in memory",
            make=lambda f: [_beside(f, suffix, save) for _, suffix, save, _ in (_FLAT[24], _FLAT[27], _FLAT[20])],
            do=_both_ways,
            works=lambda outcome: "",
        ),
    ]


def _link(at: Path, to: Path) -> Path:
    """A symbolic link."""
    at.symlink_to(to)
    return at


def _beside(folder: Path, suffix: str, save: Callable[[Path], object]) -> Path:
    """A class of ordinary photos, and a class with copies of one flat image in it."""
    photos(folder / "photos", classes=("other",))
    (folder / "photos" / "flat").mkdir(exist_ok=True)
    for number in range(4):
        save(folder / "photos" / "flat" / f"{len(list((folder / 'photos' / 'flat').iterdir()))}{number}{suffix}")
    return folder


def _transparent(folder: Path) -> None:
    """Images that are transparent everywhere, over different hidden colours."""
    _beside(folder, ".png", _flat("RGBA", (255, 0, 0, 0)))
    target = folder / "photos" / "flat"
    _flat("LA", (40, 0))(target / "grey.png")
    _palette((10, 200, 30), transparency=1)(target / "palette.png")
    _png(target / "deep.png", [90 * 257, 0], kind=4, depth=16)


def _flat_images(folder: Path) -> np.ndarray:
    data = _load(folder, resolution=SIDE)
    number = data.classes.index("flat")
    parts = [split.images[split.labels == number].numpy() for split in (data.train, data.validation, data.test)]
    return np.concatenate(parts)


def _keep_pixels(folder: Path) -> None:
    np.save(folder / "pixels.npy", _flat_images(folder))


def _is_colour(colour: tuple[int, int, int]) -> Check:
    def check(outcome: Outcome) -> str:
        pixels = np.load(outcome.folder / "pixels.npy").astype(int)
        if len(pixels) != 4:
            return f"{len(pixels)} images of 4"
        off = np.abs(pixels - np.array(colour)[:, None, None]).max()
        return "" if off <= _LOSSY else f"a pixel is {pixels[0, :, 0, 0].tolist()}, not {list(colour)}"

    return check


def _is_turned(outcome: Outcome) -> str:
    pixels = np.load(outcome.folder / "pixels.npy").astype(int)[0].mean(axis=0)
    top, bottom = pixels[: SIDE // 3].mean(), pixels[-SIDE // 3 :].mean()
    return "" if top < 40 and bottom > 215 else f"top {top:.0f}, bottom {bottom:.0f}: not turned"


def _all_equal(outcome: Outcome) -> str:
    pixels = np.load(outcome.folder / "pixels.npy").astype(int)
    return "" if np.ptp(pixels) == 0 else f"what is hidden shows: {np.unique(pixels)[:8].tolist()}"


def _both_ways(folder: Path) -> None:
    name = f"imagefolder:{folder / 'photos'}"
    kept, streamed = (
        load_images(name, resolution=9, validation_fraction=0.25, seed=0, streaming=streaming, loaders=0)
        for streaming in (False, True)
    )
    for one, other in zip((kept.train, kept.test), (streamed.train, streamed.test), strict=True):
        if not (one.images == other.images).all():
            raise WrongError("streamed pixels differ")


# Files that are no images.


def _unreadable() -> list[Case]:
    def with_file(name: str, content: bytes) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            photos(folder / "photos")
            (folder / "photos" / "cat" / name).write_bytes(content)

        return make

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
        for t, d in ((b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b""))
    )
    contents = {
        "empty.jpg": b"",
        "text.png": b"not an image",
        "cut.jpg": jpeg[: len(jpeg) // 3],
        "page.jpg": b"<html></html>",
        "zero.png": bytes(2000),
        "bomb.png": bomb,
    }
    cases = [
        Case(name=f"unreadable: {name}", make=with_file(name, content), do=_load_quietly, says=(name,))
        for name, content in contents.items()
    ]
    dangling = Case(
        name="unreadable: a link to nothing",
        make=lambda f: [photos(f / "photos"), _link(f / "photos" / "cat" / "gone.png", f / "nowhere.png")],
        do=_load_quietly,
        says=("gone.png",),
    )
    return [*cases, dangling]


def _load_quietly(folder: Path) -> None:
    _load(folder)


# Train, validation and test folders, however they are called.

_TRAIN_TEST = [
    ("train", "test"),
    ("Train", "Test"),
    ("TRAIN", "TEST"),
    ("Training", "Testing"),
    ("training", "testing"),
    ("training_set", "test_set"),
    ("train_set", "test_set"),
    ("seg_train", "seg_test"),
    ("train", "val"),
    ("Train", "Val"),
    ("train", "valid"),
    ("train", "validation"),
    ("Train", "Validation"),
    ("TRAINING", "VALIDATION"),
]


def _splits() -> list[Case]:
    cases = [
        Case(
            name=f"splits: {train}/ and {test}/",
            make=lambda f, train=train, test=test: [  # type: ignore[misc]
                photos(f / "photos" / train, each=8),
                photos(f / "photos" / test, each=3, seed=1),
            ],
            do=_keep_counts,
            works=_counted(("cat", "dog"), held=6, test=6),
        )
        for train, test in _TRAIN_TEST
    ]
    for train, val, test in (("train", "val", "test"), ("Train", "Valid", "Test"), ("TRAIN", "VALIDATION", "TEST")):
        cases.append(
            Case(
                name=f"splits: {train}/, {val}/ and {test}/",
                make=lambda f, train=train, val=val, test=test: [  # type: ignore[misc]
                    photos(f / "photos" / train, each=8),
                    photos(f / "photos" / val, each=2, seed=1),
                    photos(f / "photos" / test, each=3, seed=2),
                ],
                do=_keep_counts,
                works=_counted(("cat", "dog"), validation=4, test=6),
            )
        )
    return [
        *cases,
        Case(
            name="splits: a class called train",
            make=lambda f: photos(f / "photos", classes=("bus", "car", "train")),
            do=_keep_counts,
            works=_counted(("bus", "car", "train")),
        ),
        Case(
            name="splits: images right in Training/ and Testing/: both readings are told",
            make=lambda f: photos(f / "photos", classes=("Testing", "Training")),
            do=_load_quietly,
            says=("Testing", "splits", "classes"),
        ),
        Case(
            name="splits: test/ has other classes",
            make=lambda f: [
                photos(f / "photos" / "train"),
                photos(f / "photos" / "test", classes=("cat", "horse"), each=3, seed=1),
            ],
            do=_load_quietly,
            says=("horse",),
        ),
        Case(
            name="splits: Training/ and Testing/ of different classes",
            make=lambda f: [
                photos(f / "photos" / "Training"),
                photos(f / "photos" / "Testing", classes=("horse", "cow"), each=3, seed=1),
            ],
            do=_load_quietly,
            says=("Testing",),
        ),
        Case(
            name="splits: train/ beside a class folder",
            make=lambda f: [photos(f / "photos" / "train"), photos(f / "photos", classes=("horse",), seed=1)],
            do=_load_quietly,
            says=("train", "horse"),
        ),
        Case(
            name="splits: train/ and Train/",
            make=lambda f: [photos(f / "photos" / "train"), photos(f / "photos" / "Train", seed=1)],
            do=_load_quietly,
            says=("train", "Train"),
        ),
    ]


def _keep_counts(folder: Path) -> None:
    data = _load(folder)
    held = len(data.train) + len(data.validation)
    (folder / "counts").write_text(repr((data.classes, held, len(data.validation), len(data.test))))


def _counted(
    classes: tuple[str, ...],
    *,
    all: int | None = None,
    held: int = 0,
    validation: int | None = None,
    test: int | None = None,
) -> Check:
    """Classes and numbers of images; `all` counts every split."""

    def check(outcome: Outcome) -> str:
        names, training, validated, tested = eval((outcome.folder / "counts").read_text())
        return (
            equal("classes", names, classes)
            or ("" if test is None else equal("test images", tested, test))
            or ("" if validation is None else equal("validation images", validated, validation))
            or ("" if all is None else equal("images", training + tested, all))
        )

    return check


# What lies about in folders.


def _junk() -> list[Case]:
    def with_(put: Callable[[Path], object]) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            photos(folder / "photos")
            put(folder / "photos")

        return make

    def text(*names: str) -> Callable[[Path], object]:
        def put(root: Path) -> None:
            for name in names:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(b"\x00\x05\x16\x07Mac OS X" + bytes(50))

        return put

    def real(name: str) -> Callable[[Path], object]:
        def put(root: Path) -> None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (SIDE, SIDE), (1, 2, 3)).save(root / name, "PNG")

        return put

    passed_over = {
        "._cat-0.png of macOS": text("cat/._cat-0.png", "dog/._dog-1.jpg"),
        ".DS_Store": text(".DS_Store", "cat/.DS_Store"),
        "Thumbs.db and desktop.ini": text("Thumbs.db", "cat/Thumbs.db", "cat/desktop.ini"),
        "@eaDir of a NAS": real("@eaDir/cat-0.png/thumb.png"),
        "@eaDir in a class": real("cat/@eaDir/cat-0.png/thumb.png"),
        "__MACOSX": text("__MACOSX/cat/._cat-0.png"),
        "__MACOSX with images": real("__MACOSX/cat/cat-0.png"),
        ".git": text(".git/config", ".git/objects/a.png"),
        ".ipynb_checkpoints": real(".ipynb_checkpoints/cat-0-checkpoint.png"),
        ".ipynb_checkpoints in a class": real("cat/.ipynb_checkpoints/cat-0-checkpoint.png"),
        ".cache": real(".cache/x/y.png"),
        "$RECYCLE.BIN": real("$RECYCLE.BIN/x.png"),
        "System Volume Information": text("System Volume Information/x"),
        "a read-me and a list of labels": text("README.md", "labels.csv", "cat/notes.txt"),
    }
    cases = [
        Case(name=f"lying about: {name}", make=with_(put), do=_keep_counts, works=_counted(("cat", "dog"), all=16))
        for name, put in passed_over.items()
    ]

    def deeper(root: Path) -> None:
        photos(root / "cat", classes=("indoors.jpg",), each=3, seed=4)

    def linked(root: Path) -> None:
        photos(root.parent / "elsewhere", classes=("cat",), each=5, seed=5)
        (root / "cat" / "more").symlink_to(root.parent / "elsewhere" / "cat")

    def linked_class(root: Path) -> None:
        photos(root.parent / "elsewhere", classes=("emu",), each=5, seed=5)
        (root / "emu").symlink_to(root.parent / "elsewhere" / "emu")

    def linked_files(root: Path) -> None:
        photos(root.parent / "elsewhere", classes=("cat",), each=3, seed=5)
        for number, file in enumerate(sorted((root.parent / "elsewhere" / "cat").iterdir())):
            (root / "cat" / f"link-{number}.png").symlink_to(file)

    def circle(root: Path) -> None:
        (root / "cat" / "again").symlink_to(root)

    def underscore(root: Path) -> None:
        photos(root, classes=("_background",), each=4, seed=6)

    def nothing(root: Path) -> None:
        (root / "empty").mkdir()

    return [
        *cases,
        Case(
            name="lying about: a folder called indoors.jpg",
            make=with_(deeper),
            do=_keep_counts,
            works=_counted(("cat", "dog"), all=19),
        ),
        Case(
            name="links: a folder in a class",
            make=with_(linked),
            do=_keep_counts,
            works=_counted(("cat", "dog"), all=21),
        ),
        Case(
            name="links: a class",
            make=with_(linked_class),
            do=_keep_counts,
            works=_counted(("cat", "dog", "emu"), all=21),
        ),
        Case(name="links: files", make=with_(linked_files), do=_keep_counts, works=_counted(("cat", "dog"), all=19)),
        Case(name="links: in a circle", make=with_(circle), do=_keep_counts, works=_counted(("cat", "dog"))),
        Case(
            name="classes: _background",
            make=with_(underscore),
            do=_keep_counts,
            works=_counted(("_background", "cat", "dog"), all=20),
        ),
        Case(name="classes: one without images", make=with_(nothing), do=_load_quietly, says=("empty",)),
        Case(
            name="copies: never in train and test at once",
            make=lambda f: [
                photos(f / "photos", each=12),
                *(
                    shutil.copy(f / "photos" / "cat" / f"cat-{n}.png", f / "photos" / "cat" / f"copy-{n}.png")
                    for n in range(12)
                ),
            ],
            do=_no_leak,
            works=lambda outcome: "",
        ),
    ]


def _no_leak(folder: Path) -> None:
    data = _load(folder, resolution=SIDE)
    seen = [{image.numpy().tobytes() for image in part.images} for part in (data.train, data.validation, data.test)]
    if sum(map(len, seen)) > len(set().union(*seen)):
        raise WrongError("a copy is on both sides")


# Folders of unusual shape.


def _shapes() -> list[Case]:
    def one_each(folder: Path) -> None:
        photos(folder / "photos", each=1)

    def wide(folder: Path) -> None:
        photos(folder / "photos")
        Image.new("RGB", (600, 3)).save(folder / "photos" / "cat" / "wide.png")
        Image.new("RGB", (1, 1)).save(folder / "photos" / "cat" / "dot.png")

    def only(*names: str) -> Callable[[Path], object]:
        return lambda folder: photos(folder / "photos", classes=names)

    return [
        Case(name="shape: no folder", make=lambda f: None, do=_load_quietly, says=("photos",)),
        Case(name="shape: an empty folder", make=lambda f: (f / "photos").mkdir(), do=_load_quietly, says=("photos",)),
        Case(name="shape: a file", make=lambda f: (f / "photos").write_text("x"), do=_load_quietly, says=("photos",)),
        Case(name="shape: one class", make=only("cat"), do=_load_quietly, says=("cat",)),
        Case(
            name="shape: images without class folders",
            make=lambda f: (photos(f, classes=("cat",)) / "cat").rename(f / "photos"),
            do=_load_quietly,
            says=("photos",),
        ),
        Case(name="shape: one image per class", make=one_each, do=_load_quietly, says=("validation", "images")),
        Case(
            name="shape: very wide and very small images",
            make=wide,
            do=_keep_counts,
            works=_counted(("cat", "dog"), all=18),
        ),
        Case(
            name="shape: names in other alphabets",
            make=only("Füchse", "犬", "so so"),
            do=_keep_counts,
            works=_counted(("Füchse", "so so", "犬"), all=24),
        ),
        Case(
            name="shape: names that are no UTF-8",
            make=lambda f: [
                photos(f / "photos"),
                (f / "photos" / "cat" / "cat-0.png").rename(f / "photos" / "cat" / os.fsdecode(b"\xff.png")),
            ],
            do=_keep_counts,
            works=_counted(("cat", "dog"), all=16),
        ),
    ]


# Parquet files of the sets known by name.


def _parquet() -> list[Case]:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def write(folder: Path, images: Callable[[np.ndarray], object], labels: Callable[[int], object]) -> None:
        (folder / "cifar10").mkdir()
        for part, each in (("train", 3), ("test", 1)):
            pixels = [np.full((32, 32, 3), 20 * label, dtype=np.uint8) for label in range(10) for _ in range(each)]
            table = pa.table(
                {
                    "img": pa.array([images(image) for image in pixels]),
                    "label": pa.array([labels(label) for label in range(10) for _ in range(each)]),
                }
            )
            pq.write_table(table, folder / "cifar10" / f"{part}.parquet")

    def png(pixels: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    def whole(folder: Path) -> None:
        data = load_images("cifar10", root=folder, resolution=32, validation_fraction=0.3, seed=0)
        for split in (data.train, data.validation, data.test):
            for image, label in zip(split.images, split.labels, strict=True):
                if not (image == 20 * int(label)).all():
                    raise WrongError(f"an image of {names[int(label)]} has other pixels")

    forms: dict[str, tuple[Callable[[np.ndarray], object], Callable[[int], object]]] = {
        "bytes and path": (lambda p: {"bytes": png(p), "path": "x.png"}, int),
        "plain binary": (png, int),
        "lists of pixels": (lambda p: p.tolist(), int),
        "labels as names": (png, lambda label: names[label]),
        "labels as text numbers": (png, str),
    }
    bad: dict[str, tuple[Callable[[np.ndarray], object], Callable[[int], object], str]] = {
        "a label out of range": (png, lambda label: label + 90, "label"),
        "an unknown name": (png, lambda label: "zebra" if label == 3 else names[label], "zebra"),
        "a path without bytes": (lambda p: {"bytes": None, "path": "x.png"}, int, "train.parquet"),
        "no image": (lambda p: b"nothing", int, "train.parquet"),
        "another size": (lambda p: png(p[:16, :16]), int, "32"),
    }
    return [
        Case(
            name=f"parquet: {name}",
            make=lambda f, image=image, label=label: write(f, image, label),  # type: ignore[misc]
            do=whole,
            works=lambda outcome: "",
        )
        for name, (image, label) in forms.items()
    ] + [
        Case(
            name=f"parquet: {name}",
            make=lambda f, image=image, label=label: write(f, image, label),  # type: ignore[misc]
            do=whole,
            says=(word,),
        )
        for name, (image, label, word) in bad.items()
    ]
