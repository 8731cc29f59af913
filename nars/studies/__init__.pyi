from .decomposition import Shares as Shares, shares as shares
from .growing import Grown as Grown, grow as grow
from .proposals import Proposals as Proposals
from .replay import (
    Evolution as Evolution,
    Measured as Measured,
    Replay as Replay,
    Strategy as Strategy,
    as_measured as as_measured,
    at_random as at_random,
    measured as measured,
    replay as replay,
)
from .swapping import Swap as Swap, swap as swap
from .training_other import train_other as train_other
