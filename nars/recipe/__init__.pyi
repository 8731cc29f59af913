from .accuracy import DivergedError as DivergedError, evaluate as evaluate
from .augmentation import NO_AUGMENTATION as NO_AUGMENTATION, Augmentation as Augmentation
from .batches import Normalizer as Normalizer
from .ema import IMAGENET_DECAY as IMAGENET_DECAY
from .loop import EpochStats as EpochStats, TrainingLoop as TrainingLoop
from .loss import DISTILLATION as DISTILLATION
from .peers import ALONE as ALONE, Peers as Peers, joined_peers as joined_peers
from .recipe import OPTIMIZERS as OPTIMIZERS, SGD_FACTOR as SGD_FACTOR, Recipe as Recipe, RecipeError as RecipeError
from .schedule import (
    FINAL_DECAY as FINAL_DECAY,
    SEARCH_DECAY as SEARCH_DECAY,
    Schedule as Schedule,
    batch_scale as batch_scale,
)
