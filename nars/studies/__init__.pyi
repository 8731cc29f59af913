from .growing import Grown as Grown, grow as grow
from .proposals import (
    answered as answered,
    pretrained_on as pretrained_on,
    replay_rounds as replay_rounds,
    seeds_from as seeds_from,
    table_rounds as table_rounds,
    unanswered as unanswered,
)
from .replay import Measured as Measured, Replay as Replay, replay as replay
from .swapping import Shares as Shares, Swap as Swap, shares as shares, swap as swap
from .training_other import train_other as train_other
