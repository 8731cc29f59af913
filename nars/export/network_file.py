"""One network, complete in this file: PyTorch builds and runs it, predict() reads images with Pillow.

    python model.py photo.jpg           # what is in the picture; without one, the logits of a fixed input

    predict("photo.jpg")                # from your code: {class: probability}, the likeliest first
    model = load()                      # the trained network in eval mode, from model.safetensors beside this file
    logits = model(normalize(images))   # images: uint8 (N, C, R, R), as pixels() makes them -> logits (N, classes)

The weights have timm's names (MobileNetV3), so they fit timm's models as well. Dropout and stochastic depth, which only
act in training, are left out.
"""

from __future__ import annotations

import json
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# <settings>
NAME = "template"
ARCHITECTURE: dict[str, Any] = {}
CLASSES: list[str] = []
MEAN: list[float] = []  # of the training images, per channel; a pixel of 255 counts as 1
STD: list[float] = []
ARRAY_SIDE: int | None = None  # images were arrays of this side; None: files of any size
RESIZED: int = 0  # the middle square of an image is resized to this side, then its middle cut out
MULTI_LABEL: bool = False  # whether an image may have several of the classes, or none
# </settings>

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "hard_swish": nn.Hardswish,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
}


def round_to_eight(width: float, keep: float) -> int:
    """Nearest multiple of 8, at least 8; one step up where that loses more than 1 - keep."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < keep * width else rounded


def convolution(inputs: int, outputs: int, kernel: int = 1, **options: Any) -> nn.Conv2d:
    """Without bias: a batch norm follows."""
    return nn.Conv2d(inputs, outputs, kernel, bias=False, **options)


class SqueezeExcite(nn.Module):
    """Scales the channels by what a small network sees in their means."""

    def __init__(self, channels: int, squeezed: int, activation: str) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = ACTIVATIONS[activation]()
        self.conv_expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        means = x.mean((2, 3), keepdim=True)
        gate: Tensor = functional.hardsigmoid(self.conv_expand(self.act(self.conv_reduce(means))))
        return x * gate


class Block(nn.Module):
    """MBConv: 1x1 expansion (not at ratio 1), depthwise k x k, squeeze-excite, 1x1 projection, identity added."""

    def __init__(self, inputs: int, stage: dict[str, Any], first: bool) -> None:
        super().__init__()
        kernel = stage["kernel_first" if first else "kernel_rest"]
        expand = stage["expand_first" if first else "expand_rest"]
        stride = stage["stride"] if first else 1
        padding = stage["first_padding"] if first and stage["first_padding"] is not None else kernel // 2
        outputs, activation = stage["channels"], stage["activation"]
        width = inputs if expand == 1 else round_to_eight(inputs * expand, keep=0.9)
        depthwise = convolution(width, width, kernel, stride=stride, padding=padding, groups=width)
        self.expands = expand != 1
        self.identity = stride == 1 and inputs == outputs and padding == kernel // 2
        self.act = ACTIVATIONS[activation]()
        squeezed = round_to_eight(width * (0.25 / expand), keep=0.95)
        gate = SqueezeExcite(width, squeezed, activation) if stage["se"] else nn.Identity()
        if self.expands:
            self.conv_pw = convolution(inputs, width)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv_dw = depthwise
            self.bn2 = nn.BatchNorm2d(width)
            self.se = gate
            self.conv_pwl = convolution(width, outputs)
            self.bn3 = nn.BatchNorm2d(outputs)
        else:
            self.conv_dw = depthwise
            self.bn1 = nn.BatchNorm2d(width)
            self.se = gate
            self.conv_pw = convolution(width, outputs)
            self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        y: Tensor
        if self.expands:
            y = self.act(self.bn1(self.conv_pw(x)))
            y = self.se(self.act(self.bn2(self.conv_dw(y))))
            y = self.bn3(self.conv_pwl(y))
        else:
            y = self.se(self.act(self.bn1(self.conv_dw(x))))
            y = self.bn2(self.conv_pw(y))
        return x + y if self.identity else y


class Pointwise(nn.Module):
    """1x1 convolution, batch norm, activation."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        y: Tensor = self.act(self.bn1(self.conv(x)))
        return y


class Network(nn.Module):
    """Stem, stages of blocks, and MBPool: 1x1 convolution, average pool, 1x1 convolution, linear classifier."""

    def __init__(self, architecture: dict[str, Any]) -> None:
        super().__init__()
        stem, head, stages = architecture["stem"], architecture["head"], architecture["stages"]
        width = stem["channels"]
        self.conv_stem = convolution(architecture["in_channels"], width, 3, stride=stem["stride"], padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = ACTIVATIONS[stem["activation"]]()
        stacks: list[list[nn.Module]] = []
        for number, stage in enumerate(stages):
            # A last stage of stride 1 continues the stack before it (the layout of timm's fbnetv3 models).
            if not (stacks and number == len(stages) - 1 and stage["stride"] == 1):
                stacks.append([])
            for index in range(stage["depth"]):
                stacks[-1].append(Block(width, stage, first=index == 0))
                width = stage["channels"]
        pooled = head["expand"] * width
        stacks.append([Pointwise(width, pooled, head["activation"])])
        self.blocks = nn.Sequential(*(nn.Sequential(*stack) for stack in stacks))
        self.conv_head = convolution(pooled, head["channels"])
        self.act2 = ACTIVATIONS[head["activation"]]()
        self.classifier = nn.Linear(head["channels"], architecture["classes"])

    def forward(self, images: Tensor) -> Tensor:
        """Normalized images, float32 (N, C, R, R) -> logits (N, classes)."""
        features = self.blocks(self.act1(self.bn1(self.conv_stem(images))))
        pooled: Tensor = self.act2(self.conv_head(features.mean((2, 3), keepdim=True)))
        logits: Tensor = self.classifier(pooled.flatten(1))
        return logits


def normalize(images: Tensor) -> Tensor:
    """uint8 (N, C, R, R) -> the float32 that the network was trained on."""
    mean, std = torch.tensor(MEAN).view(-1, 1, 1), torch.tensor(STD).view(-1, 1, 1)
    return (images.float() / 255 - mean) / std


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file: a JSON header of names, types and places, then the bytes."""
    types = {"F32": torch.float32, "I64": torch.int64}
    content = bytearray(path.read_bytes())
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors: dict[str, Tensor] = {}
    for name, entry in header.items():
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        # A copy per tensor, as the places in the file need not be multiples of the number's size.
        flat = torch.frombuffer(content[start:end], dtype=types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def reading_of(opened: Any, name: str) -> Any:
    """How the pixels of an image become 8 bits, grey or RGB: a function of the image."""
    # <modes>
    from nars.images.modes import reading_of
    # </modes>

    return reading_of(opened, name=name)


def pixels(image: Any) -> Tensor:
    """A picture as the network was measured on: uint8 (1, C, R, R).

    It is turned upright, the middle square cut out and resized, its middle cut out where that is larger. A JPEG file is
    decoded at a fraction of its size where that is enough, as it was in training; so a path, or what Image.open(path)
    gives, comes closest to that.

    Args:
        image: A path, or a Pillow image of any size.

    Raises:
        ValueError: its pixels are numbers without an agreed range.
    """
    from PIL import Image, ImageOps

    side, mode = RESIZED, "L" if ARCHITECTURE["in_channels"] == 1 else "RGB"
    if getattr(image, "tile", None) and getattr(image, "filename", ""):
        image = image.filename  # opened and not yet decoded
    if isinstance(image, (str, Path)):
        with Image.open(image) as opened:
            reading = reading_of(opened, str(image))
            if ARRAY_SIDE is None:
                opened.draft(None, (2 * side, 2 * side))
            picture = reading(ImageOps.exif_transpose(opened)).convert(mode)
    else:
        picture = reading_of(image, "the image")(ImageOps.exif_transpose(image)).convert(mode)
    if ARRAY_SIDE is None or picture.size != (ARRAY_SIDE, ARRAY_SIDE):
        return middle_of(as_tensor(ImageOps.fit(picture, (side, side), method=Image.Resampling.BILINEAR)))
    resized = functional.interpolate(as_tensor(picture).float(), size=(side, side), mode="bilinear", antialias=True)
    return middle_of(resized.round().clamp(0, 255).to(torch.uint8))


def middle_of(images: Tensor) -> Tensor:
    """uint8 (N, C, H, H) -> their middle, (N, C, R, R)."""
    side = ARCHITECTURE["resolution"]
    start = round((images.shape[-1] - side) / 2)
    return images[..., start : start + side, start : start + side].contiguous()


def as_tensor(picture: Any) -> Tensor:
    """A Pillow image in mode L or RGB -> uint8 (1, C, H, W)."""
    flat = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return flat.view(1, picture.height, picture.width, -1).permute(0, 3, 1, 2).contiguous()


def build() -> Network:
    """The network with random weights."""
    return Network(ARCHITECTURE)


def load(path: str | Path | None = None) -> Network:
    """The trained network in eval mode; `path` is its .safetensors file, by default the one beside this file."""
    model = build()
    model.load_state_dict(read_safetensors(Path(path) if path else Path(__file__).with_name("model.safetensors")))
    return model.eval()


@cache
def trained() -> Network:
    """`load()`, once."""
    return load()


def predict(image: Any) -> dict[str, float]:
    """Class names with their probabilities, the likeliest first, of a picture: a path or a Pillow image.

    Where it may have several classes, each has a probability by itself: it has those above a half.
    """
    with torch.inference_mode():
        logits = trained()(normalize(pixels(image)))[0]
    shares = logits.sigmoid() if MULTI_LABEL else logits.softmax(0)
    order = shares.argsort(descending=True, stable=True).tolist()
    return {CLASSES[index]: float(shares[index]) for index in order}


def main() -> None:
    """Say what is in the pictures that are named; without any, run a fixed input that the model card knows."""
    for picture in sys.argv[1:]:
        likeliest = list(predict(picture).items())[:5]
        print(f"{picture}: " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in likeliest))
    if sys.argv[1:]:
        return
    model = load()
    side, channels = ARCHITECTURE["resolution"], ARCHITECTURE["in_channels"]
    pixels = torch.arange(channels * side * side) * 37 % 256
    with torch.inference_mode():
        logits = model(pixels.reshape(1, channels, side, side) / 127.5 - 1)[0]
    print(f"{NAME}: {sum(p.numel() for p in model.parameters()):,} parameters, {len(CLASSES)} classes")
    print("Logits of the fixed input:", " ".join(f"{value:.3f}" for value in logits[:10].tolist()))


if __name__ == "__main__":
    main()
