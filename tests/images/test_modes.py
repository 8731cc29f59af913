"""Every kind of pixel that Pillow knows, against what numpy makes of the numbers that the test wrote."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nars.errors import DataError
from nars.images import load_images
from nars.images.modes import reading_of
from nars.images.pixels import decode, read_one

SIDE = 6
CHANCE = np.random.default_rng(0)
GREY = CHANCE.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
ALPHA = CHANCE.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
ALPHA[0, 0], ALPHA[0, 1] = 0, 255
COLOUR = CHANCE.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
DEEP = CHANCE.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
DEEP[0, :3] = 0, 65535, 256
DEEP_COLOUR = CHANCE.integers(0, 65536, (SIDE, SIDE, 3), dtype=np.uint16)
PALETTE = CHANCE.integers(0, 256, (256, 3), dtype=np.uint8)

Pixels = NDArray[np.generic]
Write = Callable[[Path], object]


def gray(values: Pixels) -> Pixels:
    return np.repeat(np.asarray(values)[..., None], 3, axis=-1)


def scaled(values: Pixels, largest: int) -> Pixels:
    """Linear from 0..largest."""
    return gray(np.floor(values.astype(float) * 255 / largest + 0.5))


def over_white(color: Pixels, alpha: Pixels) -> Pixels:
    share = alpha.astype(float)[..., None] / 255
    return np.rint(color.astype(float) * share + 255 * (1 - share))


def png(pixels: Pixels, kind: int, *, depth: int = 8, key: Sequence[int] = ()) -> bytes:
    """A PNG written by hand: `pixels` (H, W) or (H, W, C), `kind` 0 gray, 2 RGB, 4 gray and alpha, 6 RGB and alpha."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = pixels.shape[:2]
    if depth < 8:
        bits = np.unpackbits(pixels.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(height, -1)
        rows = [np.packbits(row).tobytes() for row in bits]
    else:
        rows = [row.astype(">u2" if depth == 16 else np.uint8).tobytes() for row in pixels]
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    transparent = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + transparent + data + chunk(b"IEND", b"")


def tiff(
    data: bytes,
    *,
    bits: int,
    samples: int = 1,
    photometric: int = 1,
    sample_format: int = 1,
    extra: int | None = None,
    order: str = "<",
) -> bytes:
    """A TIFF of SIDE x SIDE written by hand; `extra` says what a last sample is: 1 premultiplied alpha, 2 alpha."""
    sizes = struct.pack(f"{order}{samples}H", *[bits] * samples) if samples > 1 else b""
    tags = [(256, 1, SIDE), (257, 1, SIDE), (258, samples, 8 if samples > 2 else bits), (259, 1, 1)]
    tags += [(262, 1, photometric), (273, 1, 8 + len(sizes)), (277, 1, samples), (278, 1, SIDE), (279, 1, len(data))]
    tags += [(338, 1, extra)] * (extra is not None) + [(339, 1, sample_format)]
    entries = b"".join(
        struct.pack(order + "HHI", tag, 3, count)
        + (sizes if count == 2 else struct.pack(order + ("I" if count > 2 else "H2x"), value))
        for tag, count, value in tags
    )
    body = sizes + data
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(body))
    return head + body + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0"


def twelve_bits(values: Pixels) -> bytes:
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(SIDE, SIDE, 2), axis=-1)[..., 4:]
    return b"".join(np.packbits(row.reshape(-1)).tobytes() for row in bits)


def content(written: bytes) -> Write:
    return lambda file: file.write_bytes(written)


def saved(image: Image.Image, **options: object) -> Write:
    return lambda file: image.save(file, **options)


def indexed() -> Image.Image:
    image = Image.fromarray(GREY).copy()
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(PALETTE.tobytes())
    return image


def stack(*layers: Pixels, mode: str) -> Image.Image:
    return Image.frombytes(mode, (SIDE, SIDE), np.dstack(layers).astype(np.uint8).tobytes())


def frames(*, mode: str) -> dict[str, object]:
    other = Image.fromarray(255 - COLOUR).convert(mode)
    return {"save_all": True, "append_images": [other, other]}


TABLE_ALPHA = bytes(CHANCE.integers(0, 256, 256, dtype=np.uint8))
BOOLEAN = GREY > 127
TWO, FOUR, TWELVE = GREY >> 6, GREY >> 4, DEEP >> 4
INK = np.dstack([COLOUR, ALPHA])
UNIT = DEEP.astype(np.float32) / 65535
PREMULTIPLIED = (COLOUR.astype(int) * ALPHA[..., None] // 255).astype(np.uint8)
GREY_PREMULTIPLIED = (GREY.astype(int) * ALPHA // 255).astype(np.uint8)
KEYED = COLOUR[2, 3]
IS_KEY = (COLOUR == KEYED).all(axis=-1)
DEEP_KEY = [int(value) for value in DEEP_COLOUR[2, 3]]
PAPER = (255 - INK[..., :3].astype(float)) * (255 - INK[..., 3:].astype(float)) / 255
"""CMYK: what each ink and black let through."""
LAB = np.array([(255, 0, 0), (0, 0, 0), (138, 81, 70), (128, 0, 0)]).astype(np.int8)
LAB_SEEN = np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0), (119, 119, 119)])
"""White, black, red and middle gray of sRGB; in CIELAB (D50): (100, 0, 0), (0, 0, 0), (54.3, 80.8, 69.9), (50.2, 0, 0),
the first number stored as a share of 255."""
PGM_10 = b"P5 6 6 1023\n" + (DEEP >> 6).astype(">u2").tobytes()
PGM_PLAIN = b"P2 6 6 65535\n" + " ".join(str(value) for value in DEEP.flat).encode()
PFM = b"Pf\n6 6\n-1.0\n" + UNIT[::-1].astype("<f4").tobytes()

READ: dict[str, tuple[Write, Pixels, float]] = {
    # name of the file -> how it is written, pixels that must come out, largest difference
    "1.png": (saved(Image.fromarray(BOOLEAN)), gray(BOOLEAN * 255), 0),
    "1-key.png": (content(png(BOOLEAN, 0, depth=1, key=[0])), gray(np.full((SIDE, SIDE), 255)), 0),
    "1.bmp": (saved(Image.fromarray(BOOLEAN)), gray(BOOLEAN * 255), 0),
    "1.pbm": (saved(Image.fromarray(BOOLEAN)), gray(BOOLEAN * 255), 0),
    "1.tif": (saved(Image.fromarray(BOOLEAN), compression="group4"), gray(BOOLEAN * 255), 0),
    "L.png": (saved(Image.fromarray(GREY)), gray(GREY), 0),
    "L-key.png": (content(png(GREY, 0, key=[int(GREY[1, 1])])), gray(np.where(GREY[1, 1] == GREY, 255, GREY)), 0),
    "L-2-bits.png": (content(png(TWO, 0, depth=2, key=[1])), gray(np.where(TWO == 1, 255, TWO * 85)), 0),
    "L-4-bits.png": (content(png(FOUR, 0, depth=4, key=[9])), gray(np.where(FOUR == 9, 255, FOUR * 17)), 0),
    "L-white-is-0.tif": (content(tiff(GREY.tobytes(), bits=8, photometric=0)), gray(255 - GREY), 0),
    "L.pgm": (saved(Image.fromarray(GREY)), gray(GREY), 0),
    "L.jp2": (saved(Image.fromarray(GREY)), gray(GREY), 0),
    "LA.png": (saved(stack(GREY, ALPHA, mode="LA")), over_white(gray(GREY), ALPHA), 0.5),
    "LA.tif": (saved(stack(GREY, ALPHA, mode="LA")), over_white(gray(GREY), ALPHA), 0.5),
    "LA-16-bits.png": (
        content(png(np.dstack([DEEP, ALPHA.astype(int) * 257]), 4, depth=16)),
        over_white(scaled(DEEP, 65535), ALPHA),
        1.5,
    ),
    "La.tif": (
        content(tiff(np.dstack([GREY_PREMULTIPLIED, ALPHA]).tobytes(), bits=8, samples=2, extra=1)),
        gray(GREY_PREMULTIPLIED) + (255 - ALPHA[..., None].astype(int)),
        1,
    ),
    "P.png": (saved(indexed()), PALETTE[GREY], 0),
    "P.gif": (saved(indexed()), PALETTE[GREY], 0),
    "P.tif": (saved(indexed()), PALETTE[GREY], 0),
    "P-one-clear.png": (
        saved(indexed(), transparency=int(GREY[3, 3])),
        np.where((GREY[3, 3] == GREY)[..., None], 255, PALETTE[GREY]),
        0,
    ),
    "P-one-clear.gif": (
        saved(indexed(), transparency=int(GREY[3, 3])),
        np.where((GREY[3, 3] == GREY)[..., None], 255, PALETTE[GREY]),
        0,
    ),
    "P-table.png": (
        saved(indexed(), transparency=TABLE_ALPHA),
        over_white(PALETTE[GREY], np.frombuffer(TABLE_ALPHA, dtype=np.uint8)[GREY]),
        0.5,
    ),
    "RGB.png": (saved(Image.fromarray(COLOUR)), COLOUR, 0),
    "RGB.bmp": (saved(Image.fromarray(COLOUR)), COLOUR, 0),
    "RGB.tga": (saved(Image.fromarray(COLOUR)), COLOUR, 0),
    "RGB.qoi": (saved(Image.fromarray(COLOUR)), COLOUR, 0),
    "RGB.webp": (saved(Image.fromarray(COLOUR), lossless=True), COLOUR, 0),
    "RGB-key.png": (
        content(png(COLOUR, 2, key=[int(value) for value in KEYED])),
        np.where(IS_KEY[..., None], 255, COLOUR),
        0,
    ),
    "RGB-16-bits.png": (content(png(DEEP_COLOUR, 2, depth=16)), np.rint(DEEP_COLOUR / 257), 1),
    "RGB-16-bits-key.png": (
        content(png(DEEP_COLOUR, 2, depth=16, key=DEEP_KEY)),
        np.where((DEEP_COLOUR == DEEP_KEY).all(axis=-1)[..., None], 255, np.rint(DEEP_COLOUR / 257)),
        1,
    ),
    "RGB-16-bits.ppm": (
        content(b"P6 6 6 65535\n" + DEEP_COLOUR.astype(">u2").tobytes()),
        np.rint(DEEP_COLOUR / 257),
        1,
    ),
    "RGBA.png": (saved(stack(COLOUR, ALPHA, mode="RGBA")), over_white(COLOUR, ALPHA), 0.5),
    "RGBA.tif": (saved(stack(COLOUR, ALPHA, mode="RGBA")), over_white(COLOUR, ALPHA), 0.5),
    "RGBA.webp": (saved(stack(COLOUR, ALPHA, mode="RGBA"), lossless=True, exact=True), over_white(COLOUR, ALPHA), 0.5),
    "RGBA-16-bits.png": (
        content(png(np.dstack([DEEP_COLOUR, ALPHA.astype(int) * 257]), 6, depth=16)),
        over_white(np.rint(DEEP_COLOUR / 257), ALPHA),
        1.5,
    ),
    "RGBa.tif": (
        content(tiff(np.dstack([PREMULTIPLIED, ALPHA]).tobytes(), bits=8, samples=4, photometric=2, extra=1)),
        PREMULTIPLIED + (255 - ALPHA[..., None].astype(int)),
        1,
    ),
    "RGBX.tif": (saved(stack(COLOUR, ALPHA, mode="RGBX")), COLOUR, 0),
    "CMYK.tif": (saved(stack(INK, mode="CMYK")), PAPER, 1),
    "YCbCr.tif": (saved(Image.fromarray(COLOUR).convert("YCbCr")), COLOUR, 3),
    "LAB.tif": (
        content(tiff(np.resize(LAB, (SIDE, SIDE, 3)).tobytes(), bits=8, samples=3, photometric=8)),
        np.resize(LAB_SEEN, (SIDE, SIDE, 3)),
        5,
    ),
    "I16.png": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535), 0),
    "I16-key.png": (
        content(png(DEEP, 0, depth=16, key=[256])),
        np.where(gray(DEEP) == 256, 255, scaled(DEEP, 65535)),
        0,
    ),
    "I16.tif": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535), 0),
    "I16-packed.tif": (saved(Image.fromarray(DEEP), compression="tiff_deflate"), scaled(DEEP, 65535), 0),
    "I16B.tif": (content(tiff(DEEP.astype(">u2").tobytes(), bits=16, order=">")), scaled(DEEP, 65535), 0),
    "I16-white-is-0.tif": (
        content(tiff(DEEP.astype("<u2").tobytes(), bits=16, photometric=0)),
        255 - scaled(DEEP, 65535),
        0,
    ),
    "I12.tif": (content(tiff(twelve_bits(TWELVE), bits=12)), scaled(TWELVE, 4095), 0),
    "I16.jp2": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535), 0),
    "I16.pgm": (content(b"P5 6 6 65535\n" + DEEP.astype(">u2").tobytes()), scaled(DEEP, 65535), 0),
    "I16-plain.pgm": (content(PGM_PLAIN), scaled(DEEP, 65535), 0),
    "I10.pgm": (content(PGM_10), scaled(DEEP >> 6, 1023), 0),
    "F.tif": (saved(Image.fromarray(UNIT)), np.rint(gray(UNIT) * 255), 0),
    "F.pfm": (content(PFM), np.rint(gray(UNIT) * 255), 0),
    "frames.gif": (saved(Image.fromarray(COLOUR).quantize(64), **frames(mode="P")), COLOUR, 0),
    "frames.png": (saved(Image.fromarray(COLOUR), **frames(mode="RGB")), COLOUR, 0),
    "frames.webp": (saved(Image.fromarray(COLOUR), lossless=True, **frames(mode="RGB")), COLOUR, 0),
    "frames.tif": (saved(Image.fromarray(COLOUR), **frames(mode="RGB")), COLOUR, 0),
}


@pytest.mark.parametrize("name", READ)
def test_every_mode_has_its_reading(tmp_path: Path, name: str) -> None:
    write, expected, tolerance = READ[name]
    write(tmp_path / name)
    found = read_one(tmp_path / name, SIDE).transpose(1, 2, 0)
    assert np.abs(found.astype(float) - expected).max() <= tolerance
    in_parquet = decode([(tmp_path / name).read_bytes()], names=["it"], channels=3, side=SIDE, progress=None)
    np.testing.assert_array_equal(in_parquet[0].permute(1, 2, 0), found)


def test_all_of_them_streamed_and_in_memory(tmp_path: Path) -> None:
    """Their own size, smaller and larger: the same bits, whoever reads them."""
    for number, name in enumerate(READ):
        file = tmp_path / "ab"[number % 2] / f"{number}-{name}"
        file.parent.mkdir(exist_ok=True)
        READ[name][0](file)
    for resolution in (SIDE, 3, 9):
        held, streamed = (
            load_images(
                f"imagefolder:{tmp_path}",
                resolution=resolution,
                validation_fraction=0.2,
                seed=0,
                streaming=streaming,
                loaders=0,
            )
            for streaming in (False, True)
        )
        assert held.fingerprint == streamed.fingerprint
        for part in ("train", "validation", "test"):
            one, other = getattr(held, part), getattr(streamed, part)
            np.testing.assert_array_equal(one.images, other.images)
            cuts = np.stack([np.arange(len(one)), *[np.zeros(len(one), dtype=int)] * 4], axis=1)
            (batch,) = other.reader(padding=0, border="constant").read([cuts])
            np.testing.assert_array_equal(batch, one.images)


def test_a_16_bit_folder_is_the_8_bit_one(tmp_path: Path) -> None:
    """Dark and bright images, as the first user of 16 bits had them: what is learnt from must be the same."""
    for number in range(10):
        for label, (low, high) in {"bright": (128, 256), "dark": (0, 128)}.items():
            pixels = CHANCE.integers(low, high, (8, 8), dtype=np.uint8)
            for bits, values in (("8", pixels), ("16", pixels.astype(np.uint16) * 257)):
                file = tmp_path / bits / label / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(file)
    for streaming in (False, True):
        one, other = (
            load_images(
                f"imagefolder:{tmp_path / bits}", resolution=8, validation_fraction=0.2, seed=0, streaming=streaming
            )
            for bits in ("8", "16")
        )
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(one, part).images, getattr(other, part).images)


@pytest.mark.parametrize("mode", ["La", "PA", "RGBa", "RGBX", "HSV", "I;16L", "I;16N", "I;16B"])
def test_modes_that_files_seldom_have(mode: str) -> None:
    if mode.startswith("I;16"):
        stored = DEEP.astype({"I;16L": "<u2", "I;16N": "=u2", "I;16B": ">u2"}[mode])
        image, expected = Image.frombytes(mode, (SIDE, SIDE), stored.tobytes()), scaled(DEEP, 65535)
    elif mode == "PA":
        image = stack(GREY, ALPHA, mode="PA")
        image.putpalette(PALETTE.tobytes())
        expected = over_white(PALETTE[GREY], ALPHA)
    elif mode == "La":
        image = stack(GREY_PREMULTIPLIED, ALPHA, mode="La")
        expected = gray(GREY_PREMULTIPLIED) + (255 - ALPHA[..., None].astype(int))
    elif mode == "RGBa":
        image, expected = stack(PREMULTIPLIED, ALPHA, mode="RGBa"), PREMULTIPLIED + (255 - ALPHA[..., None].astype(int))
    elif mode == "RGBX":
        image, expected = stack(COLOUR, ALPHA, mode="RGBX"), COLOUR
    else:
        image = Image.frombytes("HSV", (3, 1), bytes([0, 255, 255, 85, 255, 255, 0, 0, 77]))
        expected = np.array([[[255, 0, 0], [0, 255, 0], [77, 77, 77]]])
    read = reading_of(image, name="it")(image)
    assert read.mode in ("L", "RGB")
    assert np.abs(np.asarray(read.convert("RGB")).astype(float) - expected).max() <= 1


def test_jpeg_of_inks_is_the_paper_not_the_negative(tmp_path: Path) -> None:
    inks = {(0, 0, 0, 0): (255, 255, 255), (0, 255, 255, 0): (255, 0, 0), (0, 0, 0, 255): (0, 0, 0)}
    for number, (ink, light) in enumerate(inks.items()):
        file = tmp_path / f"{number}.jpg"
        Image.new("CMYK", (64, 64), ink).save(file, quality=95)
        assert b"Adobe" in file.read_bytes()
        for side in (64, 8):  # 8: decoded at a quarter of its size
            middle = read_one(file, side)[:, side // 2, side // 2]
            assert np.abs(middle.astype(int) - light).max() <= 3


REFUSED: dict[str, tuple[Write, str]] = {
    "I.tif": (saved(Image.fromarray(GREY.astype(np.int32))), r"mode I: integers of 32 bits or with a sign"),
    "I-unsigned.tif": (content(tiff(DEEP.astype("<u4").tobytes(), bits=32)), "mode I: integers of 32 bits"),
    "I16-signed.tif": (content(tiff(DEEP.tobytes(), bits=16, sample_format=2)), "mode I: integers of 32 bits or with"),
    "L-signed.tif": (content(tiff(GREY.tobytes(), bits=8, sample_format=2)), "mode L: signed 8-bit"),
    "F.tif": (saved(Image.fromarray(UNIT * 255)), r"mode F with values from 0 to 255; .* between 0 and 1"),
    "F-nan.tif": (saved(Image.fromarray(UNIT * np.float32(np.nan))), "mode F with values from nan"),
    "empty.png": (content(b""), "is empty, 0 bytes"),
    "page.jpg": (content(b"<!DOCTYPE html><title>404</title>"), "in no format that Pillow knows"),
    "cut.jpg": (content(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"), "could not be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_reading_is_refused_by_name(tmp_path: Path, name: str) -> None:
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(DataError, match=message) as error:
        read_one(tmp_path / name, SIDE)
    assert str(tmp_path / name) in str(error.value)
    with pytest.raises(DataError, match=message):
        decode([(tmp_path / name).read_bytes()], names=["it"], channels=3, side=SIDE, progress=None)


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "gif", "webp", "bmp"])
def test_truncated_files_are_refused(tmp_path: Path, kind: str) -> None:
    pixels = CHANCE.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(pixels).save(whole, {"jpg": "jpeg", "tif": "tiff"}.get(kind, kind))
    file = tmp_path / f"cut.{kind}"
    file.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(DataError, match=rf"could not be read: .*cut\.{kind}"):
        read_one(file, 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("most", [30, 10])
def test_bombs_are_an_error_from_the_first_pixel_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)  # Pillow itself warns from 30 and stops at 10
    with pytest.raises(DataError, match=r"too large: .*bomb\.png.*Scale it down") as error:
        read_one(tmp_path / "bomb.png", SIDE)
    assert "Warning" not in str(error.value)


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    # EXIF's orientation -> how the upright image is stored
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_images_are_turned_upright_once(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, upright in (("c.png", COLOUR), ("c.tif", COLOUR), ("c.webp", COLOUR), ("d.png", DEEP)):
        stored = np.ascontiguousarray(TURNS[orientation](upright))
        Image.fromarray(stored).save(tmp_path / name, exif=exif, **({"lossless": True} if "webp" in name else {}))
        found = read_one(tmp_path / name, SIDE).transpose(1, 2, 0)
        np.testing.assert_array_equal(found, scaled(upright, 65535) if upright is DEEP else upright, err_msg=name)


def test_draft_changes_the_size_that_is_decoded_never_the_mode(tmp_path: Path) -> None:
    waves = np.sin(np.arange(64) / 9)[:, None] * np.cos(np.arange(64) / 7)
    level = (127 + 120 * waves).astype(np.uint8)
    Image.fromarray(level).save(tmp_path / "gray.jpg", quality=95)
    Image.fromarray(np.dstack([level, level[::-1], 255 - level])).save(tmp_path / "rgb.jpg", quality=95)
    for name in ("gray.jpg", "rgb.jpg"):
        with Image.open(tmp_path / name) as opened:
            full = np.asarray(opened.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR), dtype=float)
        assert np.abs(read_one(tmp_path / name, 8).transpose(1, 2, 0) - full).max() <= 6
