from .adopting import adopt as adopt
from .compression.compressing import compress as compress
from .compression.results import Compressed as Compressed
from .exporting_other import (
    export_trained as export_trained,
    training_of as training_of,
    verify_trained as verify_trained,
)
from .growing import Grown as Grown, grow as grow
from .pairs import Pair as Pair, find_pair as find_pair
from .proposals import (
    answered as answered,
    pretrained_on as pretrained_on,
    replay_rounds as replay_rounds,
    seeds_from as seeds_from,
    table_rounds as table_rounds,
    unanswered as unanswered,
)
from .replay import Measured as Measured, Replay as Replay, replay as replay
from .rivals import (
    RIVALS as RIVALS,
    UNANSWERABLE as UNANSWERABLE,
    Unanswered as Unanswered,
    curves_of as curves_of,
    nearest as nearest,
    optuna_study as optuna_study,
    replay_rival as replay_rival,
    searched_by_optuna as searched_by_optuna,
    suggest as suggest,
)
from .swapping import Shares as Shares, Swap as Swap, shares as shares, swap as swap
from .training_other import train_found as train_found, train_other as train_other, train_pair as train_pair
from .transferring import Transferred as Transferred, transfer as transfer
