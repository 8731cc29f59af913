"""How networks are trained, beside the recipe that the search chooses: the same for all that are compared."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from nars.recipe.augmentation import Augmentation
from nars.recipe.recipe import Recipe, require

if TYPE_CHECKING:
    from torch import nn  # a second that a run's settings are read without

Decay = Literal["exponential", "cosine", "linear"]

Sight = Literal["augmented", "clean", "whole"]
"""What a teacher looks at."""

Origin = Literal["resized", "rendered"]
"""Where a teacher's images come from whose side is another than the batch's."""

SEARCH_DECAY = 0.963
"""Per epoch, in the trainings of stage 2 (150 epochs)."""

FINAL_DECAY = 0.9875
"""Per epoch, in final training (400 epochs)."""

IMAGENET_DECAY = 0.99985
"""Decay of the moving average in the paper on ImageNet; 0.999 on CIFAR-10, 0.9998 on COCO."""

DISTILLATION = 0.8
"""Weight of the teacher's part of the loss; the labels have the rest (FBNetV3)."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The factor on the learning rate by the epochs done: linear warm-up, then the paper's decay, a cosine or a line.

    FBNetV3 decays by a constant factor per epoch, which needs a hundred epochs to come down: after 10 epochs 0.963^10
    is still 0.69. Trainings of a few epochs want "cosine" or "linear", which reach 0 at the end whatever the length.

    A function rather than a scheduler of torch's or timm's: those count whole steps or epochs in a state that a
    training resumed in the middle of an epoch would have to restore, and their warm-up is not the paper's.
    """

    epochs: int
    """Length of the whole training, > 0. One that stops early still follows the schedule of the whole."""
    warmup_epochs: float = 5.0
    """Linear warm-up from 0, in epochs (fractions allowed), 0 <= warm-up <= epochs."""
    kind: Decay = "exponential"
    decay: float = SEARCH_DECAY
    """Exponential: the factor per epoch after warm-up, 0 < decay <= 1."""

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", ">= 1", self.epochs)
        allowed = f"between 0 and epochs ({self.epochs})"
        require(0.0 <= self.warmup_epochs <= self.epochs, "warmup_epochs", allowed, self.warmup_epochs)
        require(self.kind in get_args(Decay), "the schedule", f"one of {', '.join(get_args(Decay))}", self.kind)
        require(0.0 < self.decay <= 1.0, "decay", "> 0 and <= 1 (FBNetV3: 0.963 search, 0.9875 final)", self.decay)

    def factor(self, epoch: float) -> float:
        """The factor in [0, 1] when `epoch` epochs are done, fractions included: 0 <= epoch <= epochs.

        Exponential: decay^k in the k-th epoch after warm-up, constant within an epoch. Cosine: half a wave over the
        epochs after warm-up, falling with each step. Linear: a straight line over them.
        """
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        after = epoch - self.warmup_epochs
        if self.kind == "exponential":
            return float(self.decay ** math.floor(after))
        length = self.epochs - self.warmup_epochs
        done = min(after / length, 1.0) if length > 0 else 0.0
        return 1.0 - done if self.kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained: all candidates of a search alike, or their accuracies could not be compared."""

    schedule: Schedule
    """The learning rate's; its length is the end of the training."""
    batch_size: int = 256
    """Images per step over all processes, >= 1; when there are fewer training images, all of them."""
    augmentation: Augmentation = Augmentation()  # noqa: RUF009  # frozen
    learning_rate_scale: float = 1.0
    """Factor on the recipe's learning rate, > 0: for another batch than the recipe's, linear scaling."""
    ema_decay: float = IMAGENET_DECAY
    """Decay of the moving average, in [0, 1); used when the recipe has one."""
    ema_warmup: bool = True
    """Let the decay rise to that over the first steps, for short trainings; false keeps it constant, as in the
    paper."""
    accumulation: int = 1
    """Parts that a batch goes through the network in, >= 1, to save memory; each is a batch of its own to batch
    norm."""
    amp: bool = False
    """Compute in bfloat16 where torch's autocast does, in float16 on GPUs that lack it; weights and optimizer stay
    float32. For GPUs: on CPUs without bfloat16 units it is slower."""
    channels_last: bool = True
    """Show the network batches with the channels innermost in memory, which most convolutions are faster on; false for
    the few networks that are not."""
    record: bool = True
    """On CUDA devices record a step once and replay it, which small networks train ten times as fast by; it changes
    results in rounding only. False computes every step anew."""
    compiler: str | None = None
    """Backend of `torch.compile` for the network in training, such as "inductor"; None does not compile. It changes
    results in rounding only."""

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "batch_size", ">= 1", self.batch_size)
        scale = self.learning_rate_scale
        require(0.0 < scale < math.inf, "learning_rate_scale", "> 0", scale)
        require(0.0 <= self.ema_decay < 1.0, "ema_decay", ">= 0 and < 1", self.ema_decay)
        require(self.accumulation >= 1, "accumulation", ">= 1", self.accumulation)

    def described(self) -> dict[str, Any]:
        """What decides the weights, as plain values; how it is computed does not count."""
        document = asdict(self)
        del document["compiler"], document["record"]
        document["augmentation"] = self.augmentation.described()
        if self.ema_warmup:  # as below
            del document["ema_warmup"]
        if self.channels_last:  # written only where it is unusual, as trainings before it lack it
            del document["channels_last"]
        return document

    def fidelity(self, epochs: int) -> str:
        """How thoroughly these settings train for `epochs` epochs, as canonical JSON: equal text, comparable
        accuracies."""
        document = self.described() | {"epochs": epochs}
        if self.accumulation == 1:  # as above
            del document["accumulation"]
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def settings_by(recipe: Recipe, settings: TrainingSettings) -> TrainingSettings:
    """How a network is trained by a recipe: what the recipe says takes the place of what the run says."""
    varied: dict[str, Any] = {} if recipe.augment is None else {"policy": "none"}
    varied |= {name: value for name in ("crop", "erasing") if (value := getattr(recipe, name)) is not None}
    varied |= {} if recipe.crop is None else {"cropping": "pad"}
    configured = settings.schedule
    epochs = recipe.epochs_of(configured.epochs)
    share = configured.warmup_epochs / configured.epochs if recipe.warmup is None else recipe.warmup
    paced: dict[str, Any] = {} if recipe.schedule is None else {"kind": recipe.schedule}
    if recipe.warmup is not None or epochs != configured.epochs:
        paced |= {"epochs": epochs, "warmup_epochs": share * epochs}
    # The learning rate was chosen with the recipe's batch, not with the run's.
    batch: dict[str, Any] = {}
    if recipe.batch_size is not None:
        batch = {"batch_size": recipe.batch_size, "learning_rate_scale": 1.0}
    return replace(
        settings, augmentation=replace(settings.augmentation, **varied), schedule=replace(configured, **paced), **batch
    )


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """Who teaches a network by distillation, and how much (FBNetV3: 0.8 teacher + 0.2 labels)."""

    network: nn.Module
    """Any with the same classes; put on the device of the training in evaluation mode, its weights do not change."""
    resolution: int | None = None
    """Side of the images that the teacher gets, pixels; None shows them as they are."""
    images: Origin = "resized"
    """resized: the batch, bilinear; rendered: cut from the originals at its side, as the batch is at the network's."""
    weight: float = DISTILLATION
    """Weight of the teacher's part of the loss, in [0, 1]; the labels have the rest."""
    temperature: float = 1.0
    """Both sides' logits are divided by it, > 0; its square keeps the gradient's size (arXiv 1503.02531, section 2)."""
    sees: Sight = "augmented"
    """augmented: the batch as the student gets it; clean: cropped, mirrored and mixed like it, but without policy,
    colors and erasing; whole: each image once, as it is judged, before the training: its answers are kept, and mixed as
    the images are."""

    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and deviation per channel that its input is normalized by; None: those of the training images."""

    def __post_init__(self) -> None:
        require(0.0 <= self.weight <= 1.0, "distillation", "between 0 and 1", self.weight)
        require(0.0 < self.temperature < math.inf, "the teacher's temperature", "> 0", self.temperature)
        require(self.sees in get_args(Sight), "what the teacher sees", " or ".join(get_args(Sight)), self.sees)
        require(self.images in get_args(Origin), "the teacher's images", " or ".join(get_args(Origin)), self.images)

    @property
    def renders(self) -> int | None:
        """The side at which it wants images from the originals, pixels; None where it does not."""
        return self.resolution if self.images == "rendered" else None

    def described(self) -> dict[str, Any]:
        """What decides the weights, beside the network, as plain values."""
        # What is as it always was goes unwritten: trainings from before lack it.
        later = {
            "teacher_temperature": (self.temperature, 1.0),
            "teacher_sees": (self.sees, "augmented"),
            "teacher_images": (self.images, "resized"),
        }
        return {
            "distillation": self.weight,
            "teacher_resolution": self.resolution,
            **{name: value for name, (value, usual) in later.items() if value != usual},
        }
