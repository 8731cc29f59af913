from .accuracy import DivergedError as DivergedError, evaluate as evaluate
from .augmentation import Augmentation as Augmentation
from .batches import Normalizer as Normalizer
from .loop import EpochStats as EpochStats, TrainingLoop as TrainingLoop
from .peers import ALONE as ALONE, Peers as Peers, joined_peers as joined_peers
from .recipe import Recipe as Recipe, RecipeError as RecipeError
from .settings import (
    FINAL_DECAY as FINAL_DECAY,
    SEARCH_DECAY as SEARCH_DECAY,
    Schedule as Schedule,
    Teaching as Teaching,
    TrainingSettings as TrainingSettings,
)
