from .archive import Archive as Archive, row_keys as row_keys
from .climbing import Climbs as Climbs
from .genetic import Genetic as Genetic
from .given import (
    AmongGiven as AmongGiven,
    InOrder as InOrder,
    RandomSearch as RandomSearch,
    RegularizedEvolution as RegularizedEvolution,
)
from .pareto import (
    Front as Front,
    ParetoSearch as ParetoSearch,
    first_of_equals as first_of_equals,
    non_dominated as non_dominated,
    pareto_search as pareto_search,
    ranks as ranks,
)
from .rounds import cost_bins as cost_bins, propose_round as propose_round, shrink_pool as shrink_pool
from .search import (
    Family as Family,
    Price as Price,
    SearchResult as SearchResult,
    search as search,
    search_family as search_family,
)
from .settings import DEFAULT as DEFAULT, PAPER as PAPER, PRESETS as PRESETS, SearchSettings as SearchSettings
from .strategy import Score as Score, Step as Step, Strategy as Strategy, drive as drive
from .verification import (
    Belief as Belief,
    VerificationPlan as VerificationPlan,
    certainty as certainty,
    gains_of_one_training as gains_of_one_training,
    near_ties as near_ties,
    verification_plan as verification_plan,
)
