"""A torchvision detector learns on our feature pyramid: real digits (scikit-learn) placed on a canvas."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from nars.network import PyramidBackbone, build_features
from nars.space import Architecture, Head, Stage, Stem

BLOCK = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=16, depth=1, stride=2, se=True)
SMALL = Architecture(
    resolution=64,
    stem=Stem(channels=8, stride=1),
    stages=(BLOCK, BLOCK, BLOCK),
    head=Head(expand=2, channels=32),
    in_channels=1,
)
SIDE, DIGIT = 64, 16


def canvas(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Two digits, enlarged to 16 px, in the left and the right half of a 64 px canvas; boxes (x0, y0, x1, y1)."""
    digits = load_digits()
    image = torch.zeros(1, SIDE, SIDE)
    boxes, labels = [], []
    for half in (0, SIDE // 2):
        chosen = rng.integers(len(digits.images))
        x, y = half + rng.integers(SIDE // 2 - DIGIT), rng.integers(SIDE - DIGIT)
        image[0, y : y + DIGIT, x : x + DIGIT] = torch.from_numpy(np.kron(digits.images[chosen] / 16, np.ones((2, 2))))
        boxes.append([x, y, x + DIGIT, y + DIGIT])
        labels.append(1 + digits.target[chosen])  # 0 is the background
    return image, {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def test_faster_rcnn_trains_on_the_pyramid() -> None:
    with torch.random.fork_rng(devices=[]):  # torchvision draws its heads and its samples of boxes globally
        torch.manual_seed(0)
        losses = _train()
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


def _train() -> list[float]:
    backbone = PyramidBackbone(build_features(SMALL, seed=0, out_indices=(1, 2, 3)), channels=16, seed=0)
    levels = backbone(torch.zeros(1, 1, SIDE, SIDE))
    assert {name: tuple(level.shape) for name, level in levels.items()} == {
        "0": (1, 16, 32, 32),
        "1": (1, 16, 16, 16),
        "2": (1, 16, 8, 8),
    }
    detector = FasterRCNN(
        backbone,
        num_classes=11,
        min_size=SIDE,
        max_size=SIDE,
        image_mean=[0.0],
        image_std=[1.0],
        rpn_anchor_generator=AnchorGenerator(sizes=((12,), (16,), (24,)), aspect_ratios=((1.0,),) * 3),
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], output_size=4, sampling_ratio=2),
        rpn_post_nms_top_n_train=100,
        box_batch_size_per_image=64,
    )
    rng = np.random.default_rng(0)
    images, targets = zip(*(canvas(rng) for _ in range(8)), strict=True)
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.02, momentum=0.9)
    losses: list[float] = []
    for _ in range(12):
        terms = detector(list(images), [dict(target) for target in targets])
        loss = sum(terms.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    gradients = [parameter.grad for parameter in backbone.features.conv_stem.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
    with torch.inference_mode():
        found = detector.eval()(list(images[:1]))[0]
    assert set(found) == {"boxes", "labels", "scores"}
    return losses
