from .archive import Archive as Archive, Score as Score
from .family import Family as Family, Price as Price, search_family as search_family
from .genetic import Genetic as Genetic, Progress as Progress
from .pareto import Front as Front, non_dominated as non_dominated, pareto_search as pareto_search, ranks as ranks
from .rounds import cost_bins as cost_bins, propose_round as propose_round, shrink_pool as shrink_pool
from .search import SearchResult as SearchResult, search as search
from .settings import DEFAULT as DEFAULT, PAPER as PAPER, PRESETS as PRESETS, SearchSettings as SearchSettings
from .verification import (
    VerificationPlan as VerificationPlan,
    near_ties as near_ties,
    verification_plan as verification_plan,
)
