"""What a user does with an exported member, each way against the network itself and its own data pipeline."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import timm
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from sklearn.datasets import load_digits

import nars
from nars.export import load_member, read_config
from nars.images.pixels import read_one

Photo = Callable[[tuple[int, int], int], Image.Image]


def by_metadata(file: Path, picture: Path) -> tuple[np.ndarray, list[str]]:
    """Logits and classes by what the ONNX file says of itself, and nothing else."""
    session = onnxruntime.InferenceSession(file)
    facts = session.get_modelmeta().custom_metadata_map
    channels, height, width = json.loads(facts["input_size"])
    assert (facts["interpolation"], facts["crop_mode"], json.loads(facts["crop_pct"])) == ("bilinear", "center", 1)
    image: Any = Image.open(picture)
    if "draft(" in facts["preprocessing"]:
        found = re.search(r"draft\(None, \((\d+), (\d+)\)\)", facts["preprocessing"])
        assert found is not None
        image.draft(None, (int(found[1]), int(found[2])))
    image = ImageOps.exif_transpose(image).convert(facts["color"])
    image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32).reshape(height, width, channels)
    mean, std = (np.array(json.loads(facts[name]), np.float32) for name in ("mean", "std"))
    images = ((pixels / 255 - mean) / std).transpose(2, 0, 1)[None]
    (name,) = (given.name for given in session.get_inputs())
    return session.run(None, {name: images})[0][0], json.loads(facts["classes"])


@pytest.mark.parametrize("size", [(33, 27), (40, 40), (301, 200), (90, 500)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_the_same_by_every_way(
    of_photos: Any, photo: Photo, tmp_path: Path, size: tuple[int, int], orientation: int
) -> None:
    file = tmp_path / "a photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(size, 5).save(file, quality=95, exif=exif)
    expected = of_photos.logits(read_one(file, 20))
    logits, classes = by_metadata(of_photos.folder / "model.onnx", file)
    assert np.abs(logits - expected.numpy()).max() < 1e-4
    assert classes == sorted(["Füchse", "it's a_b*", "猫"])
    standalone = runpy.run_path(str(of_photos.folder / "model.py"))
    shares = expected.softmax(0)
    with Image.open(file) as opened:
        answers = [standalone["predict"](given) for given in (file, str(file), opened)]
        assert opened.size == size  # nobody has changed it
    for found in answers:
        assert found == {classes[i]: pytest.approx(float(shares[i]), abs=1e-5) for i in range(3)}
        assert list(found.values()) == sorted(found.values(), reverse=True)
    assert max(shares) < 0.999  # else the comparison would say nothing


def test_pictures_in_every_mode_as_the_search_reads_them(of_photos: Any, photo: Photo, tmp_path: Path) -> None:
    standalone = runpy.run_path(str(of_photos.folder / "model.py"))
    original = photo((64, 48), 3)
    deep = Image.fromarray(np.asarray(original.convert("L")).astype(np.uint16) * 257)
    see_through = original.copy()
    see_through.putalpha(Image.linear_gradient("L").resize(original.size))
    kinds = {"L": original.convert("L"), "P": original.convert("P"), "1": original.convert("1"), "I16": deep}
    for name, picture in (kinds | {"RGBA": see_through, "LA": see_through.convert("LA")}).items():
        picture.save(file := tmp_path / f"{name}.png")
        expected = read_one(file, 20)
        assert np.array_equal(standalone["pixels"](file)[0].numpy(), expected), name
        before = (picture.size, picture.mode, picture.tobytes())
        assert np.array_equal(standalone["pixels"](picture)[0].numpy(), expected), name
        assert (picture.size, picture.mode, picture.tobytes()) == before
    for mode in ("CMYK", "YCbCr"):
        original.convert(mode).save(file := tmp_path / f"{mode}.jpg", quality=95)
        assert np.array_equal(standalone["pixels"](file)[0].numpy(), read_one(file, 20)), mode
    signed = Image.fromarray(np.asarray(original.convert("L")).astype(np.int32) - 100)
    with pytest.raises(ValueError, match="the image has mode I"):
        standalone["predict"](signed)


def test_loading_needs_pytorch_alone(of_photos: Any) -> None:
    hidden = (
        "import sys; sys.modules['numpy'] = sys.modules['PIL'] = None; import warnings; warnings.simplefilter('ignore')"
    )
    run = f"{hidden}; import runpy; print(type(runpy.run_path(sys.argv[1])['load']()).__name__)"
    command = [sys.executable, "-I", "-c", run, str(of_photos.folder / "model.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Network\n"


def test_arrays_are_resized_as_the_accuracy_was_measured(of_digits: Any) -> None:
    standalone = runpy.run_path(str(of_digits.folder / "model.py"))
    scans = np.rint(load_digits().images * (255 / 16)).astype(np.uint8)
    chosen = [*of_digits.data._indices[2][:40]]  # the test split
    for place, index in enumerate(chosen):
        pixels = standalone["pixels"](Image.fromarray(scans[index]))
        assert torch.equal(pixels[0], of_digits.data.test.images[place])
        found = standalone["predict"](Image.fromarray(scans[index]))
        shares = of_digits.logits(pixels[0].numpy()).softmax(0)
        assert found == {str(i): pytest.approx(float(shares[i]), abs=1e-5) for i in range(10)}


def test_timms_own_transform_gives_the_same_pixels(of_photos: Any, of_digits: Any, photo: Photo) -> None:
    for member, mode in ((of_photos, "RGB"), (of_digits, "L")):
        standalone = runpy.run_path(str(member.folder / "model.py"))
        (name,) = nars.register(member.folder)
        for model in (
            timm.create_model(name, pretrained=True).eval(),
            timm.create_model(f"local-dir:{member.folder}", pretrained=True).eval(),
        ):
            seen = timm.data.resolve_model_data_config(model)
            assert (seen["interpolation"], seen["crop_pct"], seen["crop_mode"]) == ("bilinear", 1.0, "center")
            transform = timm.data.create_transform(**seen)
            side = member.data.resolution
            # Where both sides shrink alike to even numbers, timm rounds no position; else by half a pixel.
            for size in ((side, side), (97, 97), (3 * side, 6 * side), (8, 8)):
                picture = photo(size, 2).convert(mode)
                theirs = transform(picture) * member.data.std.view(-1, 1, 1) + member.data.mean.view(-1, 1, 1)
                ours = standalone["pixels"](picture)[0]
                assert (theirs * 255 - ours).abs().max() <= 1 + 1e-3, size
            picture = photo((131, 77), 4).convert(mode)
            theirs = transform(picture) * member.data.std.view(-1, 1, 1) + member.data.mean.view(-1, 1, 1)
            assert (theirs * 255 - standalone["pixels"](picture)[0]).abs().mean() < 6


def test_what_the_onnx_file_says(of_photos: Any, of_digits: Any) -> None:
    for member in (of_photos, of_digits):
        facts = {entry.key: entry.value for entry in onnx.load(member.folder / "model.onnx").metadata_props}
        session = onnxruntime.InferenceSession(member.folder / "model.onnx")
        assert session.get_modelmeta().custom_metadata_map == facts
        torch.export.load(member.folder / "model.pt2", extra_files=(also := {"metadata.json": ""}))
        with safe_open(member.folder / "model.safetensors", "pt") as weights:
            assert weights.metadata() == {"format": "pt"} | facts
        assert json.loads(also["metadata.json"]) == facts
        assert json.loads(facts["classes"]) == list(member.data.classes)
        assert json.loads(facts["input_size"]) == session.get_inputs()[0].shape[1:]
        assert json.loads(facts["mean"]) == member.data.mean.tolist()
        assert json.loads(facts["std"]) == member.data.std.tolist()
        assert facts["version"] == nars.__version__
        assert facts["name"] == read_config(member.folder).name
        assert facts["color"] == ("RGB" if member.data.in_channels == 3 else "L")


def test_a_member_shows_the_middle_that_it_was_judged_on(of_middles: Any) -> None:
    """20 of 25 pixels, by the standalone file and by timm, which reads the share from config.json."""
    standalone, split = runpy.run_path(str(of_middles.folder / "model.py")), of_middles.data.test
    (name,) = nars.register(of_middles.folder)
    assert timm.data.resolve_model_data_config(timm.create_model(name))["crop_pct"] == 0.8
    for file, expected in zip(split.files, split.images, strict=True):
        assert torch.equal(standalone["pixels"](file.decode())[0], expected)


_EACH = "import sys\nfor block in sys.argv[1:]: exec(block, {'__name__': '__main__'})"
"""Each block by itself, in one process: loading the libraries is most of the time."""


def test_the_code_of_the_readme_runs_and_agrees(
    of_photos: Any, of_digits: Any, of_middles: Any, photo: Photo, tmp_path: Path
) -> None:
    pictures = (of_photos, photo((200, 150), 8)), (of_digits, photo((12, 12), 8).convert("L"))
    for member, picture in (*pictures, (of_middles, photo((200, 150), 8))):
        folder = Path(shutil.copytree(member.folder, tmp_path / member.folder.name / "moved"))
        picture.save(folder / "photo.jpg")
        text = (folder / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        assert len(blocks) == 4
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _EACH, *blocks],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(Path(nars.__file__).parents[1]), "PATH": ""},
        )
        assert done.returncode == 0, done.stderr
        likeliest = [said.partition(":")[0].strip("{'\"") for said in done.stdout.strip().splitlines()]
        assert len(likeliest) == len(blocks)
        assert set(likeliest) == {likeliest[0]}
        assert likeliest[0] in [name.replace("'", "'") for name in member.data.classes]
        for number, name in enumerate(member.data.classes):
            assert f"\n{number}. {name.replace('_', chr(92) + '_').replace('*', chr(92) + '*')}\n" in text
        assert ", ".join(f"{value:.4f}" for value in member.data.mean.tolist()) in text


def test_the_standalone_file_names_what_is_in_pictures(of_photos: Any, photo: Photo, tmp_path: Path) -> None:
    photo((60, 60), 9).save(tmp_path / "one.png")
    done = subprocess.run(
        [sys.executable, "-I", of_photos.folder / "model.py", tmp_path / "one.png"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONIOENCODING": "utf-8", "PATH": ""},
    )
    expected = runpy.run_path(str(of_photos.folder / "model.py"))["predict"](tmp_path / "one.png")
    first, share = next(iter(expected.items()))
    assert f"one.png: {first} {100 * share:.1f} %" in done.stdout


def test_an_export_of_an_earlier_version_is_read(of_photos: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(of_photos.folder, tmp_path / "old"))
    document = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del document["array_side"]
    document["name"] = "nars_old_2M"
    for key in ("interpolation", "crop_mode"):
        del document["pretrained_cfg"][key]
    (folder / "config.json").write_text(json.dumps(document), encoding="utf-8")
    assert nars.register(folder) == ("nars_old_2M",)
    model = timm.create_model("nars_old_2M", pretrained=True)
    assert timm.data.resolve_model_data_config(model)["interpolation"] == "bilinear"
    assert torch.equal(model.classifier.weight, load_member(folder).classifier.weight)
