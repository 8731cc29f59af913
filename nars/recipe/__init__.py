"""A training recipe, and the one loop that trains by it."""

from nars.recipe.accuracy import DivergedError, evaluate
from nars.recipe.augmentation import NO_AUGMENTATION, Augmentation
from nars.recipe.batches import Normalizer
from nars.recipe.ema import IMAGENET_DECAY
from nars.recipe.loop import EpochStats, TrainingLoop
from nars.recipe.loss import DISTILLATION
from nars.recipe.peers import ALONE, Peers, joined_peers
from nars.recipe.recipe import OPTIMIZERS, SGD_FACTOR, Recipe, RecipeError
from nars.recipe.schedule import FINAL_DECAY, SEARCH_DECAY, Schedule, batch_scale

__all__ = [
    "ALONE",
    "DISTILLATION",
    "FINAL_DECAY",
    "IMAGENET_DECAY",
    "NO_AUGMENTATION",
    "OPTIMIZERS",
    "SEARCH_DECAY",
    "SGD_FACTOR",
    "Augmentation",
    "DivergedError",
    "EpochStats",
    "Normalizer",
    "Peers",
    "Recipe",
    "RecipeError",
    "Schedule",
    "TrainingLoop",
    "batch_scale",
    "evaluate",
    "joined_peers",
]
