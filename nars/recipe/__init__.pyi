from .accuracy import DivergedError as DivergedError, evaluate as evaluate, outputs as outputs
from .augmentation import Augmentation as Augmentation, PolicyName as PolicyName
from .batches import Normalizer as Normalizer
from .labels import check_metric as check_metric
from .learned import (
    AUGMENTATION as AUGMENTATION,
    POLICY_FILE as POLICY_FILE,
    Choices as Choices,
    LearnedPolicy as LearnedPolicy,
    likeliest_recipe as likeliest_recipe,
    likely as likely,
    read_policy as read_policy,
)
from .loop import EpochStats as EpochStats, TrainingLoop as TrainingLoop
from .online import BUILT_IN as BUILT_IN, Drawn as Drawn, Online as Online, OnlinePolicy as OnlinePolicy
from .peers import ALONE as ALONE, Peers as Peers, joined_peers as joined_peers
from .recipe import Recipe as Recipe, RecipeError as RecipeError
from .scores import (
    ClassTable as ClassTable,
    class_table as class_table,
    right as right,
    score as score,
    scores as scores,
)
from .settings import (
    FINAL_DECAY as FINAL_DECAY,
    SEARCH_DECAY as SEARCH_DECAY,
    Schedule as Schedule,
    Teaching as Teaching,
    TrainingSettings as TrainingSettings,
)
