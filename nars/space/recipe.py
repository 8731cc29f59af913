"""A training recipe: the h of max acc(A, h) (FBNetV3, eq. 1), and what a space file may say for each of its settings.

A new setting is a field of `Recipe` and a function of `nars.recipe` that reads it. The field says all there is to know:
its type, its values in a space file, what it does, and the default, at which training is what it was without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np

from nars import errors
from nars.files import Value
from nars.space.families.rules import Rule

Purpose = Literal["optimization", "augmentation", "loss", "regularization"]

SGD_FACTOR = 4.0
"""The learning rate of the search space is RMSProp's; SGD trains with four times as much (search-space table)."""


class RecipeError(errors.UserError):
    """A recipe that cannot be trained with; the message names the setting, what it got and what is allowed."""


require = partial(errors.require, RecipeError)
"""Refuse a setting of a recipe or of a training."""


@dataclass(frozen=True, kw_only=True)
class Says:
    """What holds for a setting of a recipe."""

    purpose: Purpose
    """What it is for: those of one purpose are shown together."""
    rule: Rule
    """Its values in a space file."""
    below: float | None = None
    """A recipe that is written by hand may go up to this, excluded; None is as far as a space file may."""
    above_zero: bool = False
    """Whether 0 is excluded."""

    def checked(self, name: str, value: Any) -> Any:
        """The value as Python's own type: numpy's scalars come out of a space, JSON wants Python's.

        Raises:
            RecipeError: it is none that the setting may have.
        """
        rule = self.rule
        if rule.switch:
            require(isinstance(value, (bool, np.bool_)), name, "true or false", value)
            return bool(value)
        if rule.words:
            require(value in rule.words, name, f"one of {', '.join(rule.words)}", value)
            return value
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if self.below is not None:
            allowed = "a finite number >= 0" if self.below == math.inf else f"a number >= 0 and < {self.below:g}"
            require(number and 0.0 <= value < self.below, name, allowed, value)
            require(not self.above_zero or value > 0.0, name, "> 0", value)
            return float(value)
        assert rule.low is not None
        assert rule.high is not None
        allowed = f"a {'whole ' * rule.whole}number from {rule.low:g} to {rule.high:g}"
        require(number and rule.low <= value <= rule.high, name, allowed, value)
        require(not rule.whole or int(value) == value, name, allowed, value)
        return int(value) if rule.whole else float(value)


POLICIES = ("none", "randaugment", "trivialaugment", "autoaugment", "autoaugment-cifar10")

LOSSES = ("cross_entropy", "focal", "poly1", "bce")

MULTI_LABEL_LOSSES = ("cross_entropy", "focal", "bce")
"""Those that images with several labels can be trained by: of each label by itself."""

BALANCES = ("none", "weights", "logit_adjustment", "sampling")

REGULARIZERS = ("none", "dropblock", "disout")

SCHEDULES = ("exponential", "cosine", "linear")

FREEZES = ("none", "early", "features")

_RANDAUGMENT = ("recipe.augment", ("randaugment",))


def _at(loss: str) -> tuple[str, tuple[str, ...]]:
    return "recipe.loss", (loss,)


def _balanced_by(how: str) -> tuple[str, tuple[str, ...]]:
    return "recipe.class_balance", (how,)


_LEARNING_RATE = Says(purpose="optimization", rule=Rule(low=1e-7, high=100.0), below=math.inf, above_zero=True)


def _share(purpose: Purpose, high: float = 0.95) -> Says:
    return Says(purpose=purpose, rule=Rule(low=0.0, high=high), below=1.0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training that the search chooses together with the architecture.

    None leaves a setting to the configuration of the run.
    """

    learning_rate: Annotated[float, _LEARNING_RATE]
    """Initial learning rate after warm-up, > 0, before the factor for SGD; see `effective_learning_rate`."""
    optimizer: Annotated[str, Says(purpose="optimization", rule=Rule(words=("rmsprop", "sgd", "adamw", "lamb")))] = (
        "rmsprop"
    )
    """rmsprop, sgd, adamw or lamb."""
    ema: Annotated[bool, Says(purpose="optimization", rule=Rule(switch=True))] = True
    """Whether the exponential moving average of the weights is the trained network."""
    dropout: Annotated[float, _share("regularization")] = 0.0
    """Probability of dropping a feature before the classifier, 0 <= p < 1."""
    stochastic_depth: Annotated[float, _share("regularization")] = 0.0
    """Probability of dropping the residual branch of the last block, 0 <= p < 1; linear in depth from 0."""
    mixup: Annotated[float, Says(purpose="augmentation", rule=Rule(low=0.0, high=10.0), below=math.inf)] = 0.0
    """alpha of the mixing weight's Beta(alpha, alpha), >= 0; 0 mixes nothing. With `cutmix` too, each batch has one of
    the two, by the toss of a coin."""
    weight_decay: Annotated[float, Says(purpose="regularization", rule=Rule(low=0.0, high=1.0), below=math.inf)] = 0.0
    """Decay of convolution and linear weights, >= 0; norm parameters and biases have none."""
    label_smoothing: Annotated[float, _share("loss")] = 0.0
    """Share of the target spread evenly over all classes, 0 <= s < 1."""
    augment: Annotated[str | None, Says(purpose="augmentation", rule=Rule(words=POLICIES))] = None
    """Policy by which each image is varied, torchvision's (transforms.v2), in place of the configuration's."""
    magnitude: Annotated[
        int, Says(purpose="augmentation", rule=Rule(low=0, high=30, whole=True, read=_RANDAUGMENT))
    ] = 9
    """RandAugment's strength of each operation, 0..30."""
    operations: Annotated[
        int, Says(purpose="augmentation", rule=Rule(low=1, high=8, whole=True, read=_RANDAUGMENT))
    ] = 2
    """RandAugment's operations on an image, one after the other."""
    crop: Annotated[float | None, _share("augmentation")] = None
    """Random crop: share of its side by which an image is enlarged before it is cut back, 0 <= c < 1."""
    erasing: Annotated[float | None, Says(purpose="augmentation", rule=Rule(low=0.0, high=1.0))] = None
    """Probability of blanking a rectangle of 2 to 33 % of an image, in [0, 1]."""
    cutmix: Annotated[float, Says(purpose="augmentation", rule=Rule(low=0.0, high=10.0), below=math.inf)] = 0.0
    """alpha of the Beta(alpha, alpha) that the share of an image which stays is drawn from, >= 0: a rectangle shows
    another image, and the label is mixed by area (arXiv 1905.04899). 0 cuts nothing."""
    color: Annotated[float, Says(purpose="augmentation", rule=Rule(low=0.0, high=1.0))] = 0.0
    """Brightness, contrast and saturation of each image times a factor from 1 - color to 1 + color, in [0, 1]."""

    loss: Annotated[str, Says(purpose="loss", rule=Rule(words=LOSSES))] = "cross_entropy"
    """What is minimized on the labels."""
    focal_gamma: Annotated[float, Says(purpose="loss", rule=Rule(low=0.0, high=10.0, read=_at("focal")))] = 2.0
    """Power of 1 - p by which the focal loss weighs an image less, the surer its class is; 0 is cross entropy."""
    poly1_epsilon: Annotated[float, Says(purpose="loss", rule=Rule(low=-1.0, high=10.0, read=_at("poly1")))] = 1.0
    """Weight of 1 - p that poly-1 adds to cross entropy; -1 takes its first term away."""
    class_balance: Annotated[str, Says(purpose="loss", rule=Rule(words=BALANCES))] = "none"
    """For classes of unequal size, beside any loss: weights makes images of rare classes count more, logit_adjustment
    lets the loss expect each class as often as it is there, so that the network need not, sampling shows each class as
    often as any other: images of rare ones several times in an epoch, some of common ones not at all."""
    balance_beta: Annotated[
        float, Says(purpose="loss", rule=Rule(low=0.0, high=0.999999, read=_balanced_by("weights")), below=1.0)
    ] = 0.999
    """How far weights go, 0 <= beta < 1: 0 weighs all classes alike, else by 1 / n for n images up to about
    1 / (1 - beta), beyond which more images of a class change nothing."""
    balance_tau: Annotated[
        float, Says(purpose="loss", rule=Rule(low=0.0, high=5.0, read=_balanced_by("logit_adjustment")))
    ] = 1.0
    """How far logit adjustment goes, in [0, 5]: 0 is none, 1 aims at equal accuracy in each class."""

    regularizer: Annotated[str, Says(purpose="regularization", rule=Rule(words=REGULARIZERS))] = "none"
    """What disturbs the feature maps of a network's last stages in training."""
    regularizer_rate: Annotated[
        float,
        Says(
            purpose="regularization",
            rule=Rule(low=0.0, high=0.95, read=("recipe.regularizer", REGULARIZERS[1:])),
            below=1.0,
        ),
    ] = 0.1
    """Share of a feature map that is disturbed, 0 <= r < 1."""
    regularizer_stages: Annotated[
        int,
        Says(
            purpose="regularization",
            rule=Rule(low=1, high=8, whole=True, read=("recipe.regularizer", REGULARIZERS[1:])),
        ),
    ] = 2
    """How many of the last stages, counted by the sizes of their feature maps, are disturbed; all of a network that has
    fewer."""

    batch_size: Annotated[int | None, Says(purpose="optimization", rule=Rule(low=1, high=65_536, whole=True))] = None
    """Images per step over all processes. The learning rate is the recipe's, as it stands: it was chosen for it."""
    schedule: Annotated[str | None, Says(purpose="optimization", rule=Rule(words=SCHEDULES))] = None
    """How the learning rate falls after warm-up."""
    warmup: Annotated[float | None, Says(purpose="optimization", rule=Rule(low=0.0, high=0.9), below=1.0)] = None
    """Share of the epochs over which the learning rate rises to its start value, 0 <= w < 1."""
    epochs_share: Annotated[float, Says(purpose="optimization", rule=Rule(low=0.01, high=1.0))] = 1.0
    """Share of the configuration's epochs that it is trained for, in [0.01, 1], of the search's and of final training's
    alike: warm-up and the fall of the learning rate fit into them."""

    layer_decay: Annotated[float, Says(purpose="optimization", rule=Rule(low=0.1, high=1.0))] = 1.0
    """Factor on the learning rate from each layer to the one before it, in [0.1, 1], as timm counts layers: the first
    ones of a pretrained network know most and change least."""
    head_factor: Annotated[float, Says(purpose="optimization", rule=Rule(low=0.01, high=100.0))] = 1.0
    """Factor on the learning rate of the layer that gives logits, which is new to a pretrained network."""
    freeze: Annotated[str, Says(purpose="optimization", rule=Rule(words=FREEZES))] = "none"
    """What stays as it is at first: early, the first half of the layers; features, all but the layer that gives
    logits."""
    freeze_share: Annotated[
        float, Says(purpose="optimization", rule=Rule(low=0.0, high=1.0, read=("recipe.freeze", FREEZES[1:])))
    ] = 1.0
    """Share of the training for which it does, in [0, 1]; 1 to its end."""

    def __post_init__(self) -> None:
        for name, says in RECIPE_SAYS.items():
            value = getattr(self, name)
            if value is not None or _fields()[name].default is not None:
                object.__setattr__(self, name, says.checked(name, value))
        for name, says in RECIPE_SAYS.items():
            # Equal trainings are equal recipes, and no file says what nothing reads.
            if says.rule.read is not None and not says.rule.reads(getattr(self, _own_name(says.rule.read[0]))):
                object.__setattr__(self, name, _fields()[name].default)

    @property
    def effective_learning_rate(self) -> float:
        """What the optimizer gets: `learning_rate`, times `SGD_FACTOR` for SGD."""
        return self.learning_rate * (SGD_FACTOR if self.optimizer == "sgd" else 1.0)

    def epochs_of(self, configured: int) -> int:
        """Epochs that it is trained for where the configuration says `configured` >= 1; at least one."""
        return max(1, round(self.epochs_share * configured))

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON types; `from_dict` reads them back.

        Those that came later than the first eight are written only where they are not at their default: recipes and
        checkpoints from before lack them.
        """
        written = {name: getattr(self, name) for name in _fields()}
        return {k: v for k, v in written.items() if k in _ALWAYS_WRITTEN or v != _fields()[k].default}

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> Recipe:
        """A recipe from a mapping of settings; those left out take their default.

        Raises:
            RecipeError: an unknown or missing key, or a value out of range.
        """
        known = list(_fields())
        unknown = sorted(set(document) - set(known))
        if unknown:
            raise RecipeError(f"a recipe has no setting {', '.join(map(repr, unknown))}; it has {', '.join(known)}.")
        if "learning_rate" not in document:
            raise RecipeError(f"a recipe needs a learning_rate; got only {', '.join(document) or 'nothing'}.")
        return Recipe(**document)


_ALWAYS_WRITTEN = (
    "learning_rate", "optimizer", "ema", "dropout", "stochastic_depth", "mixup", "weight_decay", "label_smoothing",
)  # fmt: skip


def _fields() -> dict[str, Field[Any]]:
    return {field.name: field for field in fields(Recipe)}


def _said(annotation: Any) -> Says:
    (says,) = (note for note in annotation.__metadata__ if isinstance(note, Says))
    return says


RECIPE_SAYS: Mapping[str, Says] = MappingProxyType(
    {name: _said(annotation) for name, annotation in get_type_hints(Recipe, include_extras=True).items()}
)
"""What holds for each setting, in the order in which they are shown."""

RECIPE_SETTINGS: Mapping[str, Rule] = MappingProxyType({name: says.rule for name, says in RECIPE_SAYS.items()})
"""What a space file may say for the recipe of a network that is trained here."""


def recipe_in(record: Mapping[str, Value]) -> dict[str, Value]:
    """The recipe's settings in a candidate's record by their own names, without those that nothing reads in it."""
    found = {_own_name(name): value for name, value in record.items() if name.startswith(_PREFIX)}
    unread = [
        name
        for name, rule in RECIPE_SETTINGS.items()
        if rule.read is not None and not rule.reads(record.get(rule.read[0], rule.read[1][0]))
    ]
    return {name: value for name, value in found.items() if name not in unread}


def _own_name(full: str) -> str:
    return full.removeprefix(_PREFIX)


_PREFIX = "recipe."
