"""The README of a member: its card for people, with code that runs as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from nars.export.card import CARD, Card, Int8
from nars.export.layout import ARCHITECTURE, INT8, ONNX, PROGRAM, README, RECIPE, STANDALONE, WEIGHTS, MemberConfig
from nars.export.onnx import OPSET
from nars.export.program import ABOUT
from nars.files.atomic import write_json, write_text
from nars.metric import ACCURACY, IMAGE_METRICS
from nars.network.timm_models import has_fixed_size, timm_name
from nars.recipe import POLICY_FILE, ClassTable

_STANDALONE = """
from model import predict

print(predict("photo.jpg"))  # {class: probability}, the likeliest first
"""

_TIMM = """
import nars
import timm
from PIL import Image

nars.register(".")  # this folder
model = timm.create_model("NAME", pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
logits = model(transform(Image.open("photo.jpg").convert("MODE"))[None])[0]
print(model.pretrained_cfg["label_names"][logits.argmax()])
"""

_TIMM_MODEL = """
import timm

options = {"num_classes": CLASSES, "in_chans": CHANNELSSIZE}
model = timm.create_model("MODEL", **options, checkpoint_path="WEIGHTS").eval()
"""

_SHORT = """
import json, numpy as np, onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("FILE")
facts = session.get_modelmeta().custom_metadata_map
photo = ImageOps.fit(Image.open("photo.jpg").convert("MODE"), (WIDTH, WIDTH), Image.Resampling.BILINEARBLEED)
images = (np.atleast_3d(np.float32(photo)) / 255 - json.loads(facts["mean"])) / json.loads(facts["std"])
logits = session.run(None, {"images": images.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
print(json.loads(facts["classes"])[logits.argmax()])
"""

_ONNX = """
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("FILE")
facts = session.get_modelmeta().custom_metadata_map
*_, width = json.loads(facts["input_size"])
mean, std = (np.array(json.loads(facts[key]), np.float32) for key in ("mean", "std"))
picture = Image.open("photo.jpg")
RESIZEDDRAFTpicture = ImageOps.exif_transpose(picture).convert(facts["color"])
picture = ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.BILINEAR)
CROPimages = (np.atleast_3d(np.asarray(picture, np.float32)) / 255 - mean) / std
logits = session.run(None, {"images": images.transpose(2, 0, 1)[None]})[0][0]
print(json.loads(facts["classes"])[logits.argmax()])
"""

_DRAWN = f"""
Augmentation was drawn anew every few epochs from the distribution in `{POLICY_FILE}`, learned while training; the
recipe has its likeliest settings. Another training draws from it with `--set final.policy={POLICY_FILE}`."""

_DRAFT = "picture.draft(None, (2 * SIDE, 2 * SIDE))\n"

_CROP = """start = round((side - width) / 2)
picture = picture.crop((start, start, start + width, start + width))
"""

_SIGMOID = ", each of which stands by itself: its sigmoid is the probability of that label, above a half from 0 on"

_MOST_MISTAKES = 10
"""Pairs of classes that the README names."""


def write_card(card: Card, config: MemberConfig, folder: Path) -> None:
    """Write the README, then the card."""
    write_text(folder / README, readme(card, config))
    write_json(folder / CARD, asdict(card))


def readme(card: Card, config: MemberConfig) -> str:
    """The card in Markdown."""
    size, channels = config.architecture.resolution, config.architecture.in_channels
    differences = ", ".join(f"{file} {difference:.1e}" for file, difference in card.max_difference.items())
    by_timm = config.standalone or bool(_timm_model(config))
    onnx = _onnx(config)
    return "\n".join(
        (
            f"# {card.name}\n",
            f"{_kind(config)} for {len(config.classes)} classes ({size} x {size} px, {channels} channel"
            f"{'s' if channels > 1 else ''}), found by nars: architecture and training recipe searched together "
            "(FBNetV3, arXiv 2006.02049).\n",
            "| | |",
            "|---|---|",
            f"| data | {_plain(str(card.data['name']))} |",
            *(f"| {split} {_accuracy(config)} | {percent:.2f} % |" for split, percent in card.accuracy.items()),
            *(f"| test {name.replace('_', ' ')} | {value} |" for name, value in _other_scores(card)),
            f"| multiply-accumulates (conv + linear) | {_twice(card, 'flops')} |",
            f"| parameters | {_twice(card, 'params')} |",
            f"| ms per image, PyTorch | {card.latency_ms['eager']:.3f} |",
            f"| ms per image, ONNX Runtime | {card.latency_ms['onnxruntime']:.3f} |",
            "",
            f"Latency on one thread of {card.device}. Largest difference of a logit from PyTorch: {differences}.",
            *(() if card.int8 is None else ("", _quantized(card.int8))),
            "\n## Classes\n",
            f"In the order of the logits{_SIGMOID if config.multi_label else ''}:\n",
            *(f"{number}. {_plain(name)}" for number, name in enumerate(config.classes)),
            *(() if card.test_classes is None else _class_by_class(card.test_classes)),
            "\n## Preprocessing\n",
            f"Of an image: {config.preprocessing}.\n",
            f"- mean: {_numbers(config.mean)}",
            f"- std: {_numbers(config.std)}",
            "\n## Use\n",
            *(_own_forms(card, config) if config.standalone else _timm_model(config)),
            f"`{ONNX}` (opset {OPSET}, any batch size), with ONNX Runtime alone. The normalization is not in its "
            "graph: mean, deviation and the names of the classes are in its metadata.",
            _block(_short(config)),
            "To the last bit as it was judged (here for images of 8 bits without transparency):",
            _block(onnx),
            f'`{PROGRAM}` is `torch.export.load("{PROGRAM}").module()`, any batch size; its extra file `{ABOUT}` and '
            f"the metadata of `{WEIGHTS}` say what the ONNX file does, the classes too. `{WEIGHTS}` has "
            f"{'timm' if by_timm else 'the network'}'s names. `{ARCHITECTURE}` and `{RECIPE}` train it "
            f"again, also on other images: `nars train CONFIG --model {ARCHITECTURE} --recipe {RECIPE}`. "
            f"{f'`python {STANDALONE}` prints the' if config.standalone else 'The'} logits of a fixed input: "
            f"{_numbers(card.fixed_logits)}.",
            "\n## Recipe\n",
            *(f"- {setting}: {value}" for setting, value in card.recipe.items()),
            *((_DRAWN,) if POLICY_FILE in card.files else ()),
            "",
        )
    )


def _kind(config: MemberConfig) -> str:
    return "A multi-label image classifier" if config.multi_label else "An image classifier"


def _accuracy(config: MemberConfig) -> str:
    return "images all of whose labels are right" if config.multi_label else "accuracy"


def _for_labels(code: str, config: MemberConfig) -> str:
    """The code with what it prints at the end for images that may have several labels."""
    if not config.multi_label:
        return code
    start, _, printed = code.rpartition("print(")
    names = printed.partition("[logits")[0]
    return f"{start}print([name for name, logit in zip({names}, logits) if logit > 0])\n"


def _onnx(config: MemberConfig) -> str:
    """How the ONNX file is used."""
    code = _ONNX.replace("FILE", ONNX).replace("DRAFT", _DRAFT if config.array_side is None else "")
    cropped = config.resized != config.architecture.resolution
    code = code.replace("RESIZED", 'side = int(width / json.loads(facts["crop_pct"]))\n' if cropped else "")
    code = code.replace("CROP", _CROP if cropped else "").replace("SIDE", "side" if cropped else "width")
    return _for_labels(code, config)


def _short(config: MemberConfig) -> str:
    """The same to a rounding, in a few lines."""
    code = _SHORT.replace("FILE", ONNX).replace("MODE", config.mode)
    code = code.replace("WIDTH", str(config.architecture.resolution))
    border = (1 - config.evaluation_crop) / 2
    return _for_labels(code.replace("BLEED", f", bleed={border:g}" if border else ""), config)


def _other_scores(card: Card) -> list[tuple[str, str]]:
    """The metrics beside accuracy."""
    others = {name: value for name, value in card.test_scores.items() if name != ACCURACY.name}
    return [(name, IMAGE_METRICS[name].spell(value)) for name, value in others.items()]


def _class_by_class(table: ClassTable) -> tuple[str, ...]:
    """The classes on the test images, and the commonest mistakes; the card has the whole matrix."""
    pairs = [
        (count, table.names[row], table.names[column])
        for row, counts in enumerate(table.confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:_MOST_MISTAKES]
    return (
        "\n## Class by class\n",
        "On the test images, in percent:\n",
        "| class | images | recall | precision | F1 |",
        "|---|---:|---:|---:|---:|",
        *(f"| {' | '.join((_plain(name), *figures))} |" for name, *figures in table.rows()),
        *(("\nTaken most often for another:\n",) if worst else ()),
        *(f"- {count:,} of {_plain(true)} for {_plain(taken)}" for count, true, taken in worst),
    )


def _own_forms(card: Card, config: MemberConfig) -> tuple[str, ...]:
    """The forms that need none of the family's builder."""
    return (
        f"`{STANDALONE}` needs PyTorch alone (for images Pillow and NumPy), and does exactly that preprocessing:",
        _block(_STANDALONE),
        "timm's own transform does it to a rounding, but does not turn images upright, and where one is not square "
        "its middle can lie half a pixel off:",
        _block(_for_labels(_TIMM.replace("NAME", card.name).replace("MODE", config.mode), config)),
    )


def _timm_model(config: MemberConfig) -> tuple[str, ...]:
    """A network of timm, which timm opens; nothing of others."""
    name = timm_name(config.architecture)
    if name is None:
        return ()
    code = _TIMM_MODEL.replace("CLASSES", str(config.architecture.classes)).replace("WEIGHTS", WEIGHTS)
    size = f', "img_size": {config.architecture.resolution}' if has_fixed_size(name) else ""
    code = code.replace("CHANNELS", str(config.architecture.in_channels)).replace("SIZE", size)
    return "A network of timm:", _block(code.replace("MODEL", name))


def _quantized(int8: Int8) -> str:
    return (
        f"`{INT8}`, the int8 form, was calibrated on {int8.calibration_images} training images. On {int8.images} "
        f"images it has {int8.accuracy:.2f} % (float32: {int8.accuracy_float32:.2f} %) and takes {int8.latency_ms:.3f} "
        f"ms per image (float32: {int8.latency_ms_float32:.3f} ms)."
        f"{_sizes(int8)}"
    )


def _sizes(int8: Int8) -> str:
    return "" if int8.bytes is None else f" The file has {int8.bytes:,} bytes (float32: {int8.bytes_float32:,})."


def _block(code: str) -> str:
    return f"\n```python{code}```\n"


def _plain(name: str) -> str:
    """A name that Markdown leaves as it is."""
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|" else character for character in name)


def _twice(card: Card, cost: str) -> str:
    return f"{card.costs[cost]:,}; fvcore counts {card.counted[cost]:,}"


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
