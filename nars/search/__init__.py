"""Searching with a predictor: the rounds of stage 2, the adaptive genetic search of stage 3. Never trains anything."""

from nars.search.archive import Archive, Score
from nars.search.family import Family, Price, search_family
from nars.search.genetic import Genetic, Progress
from nars.search.pareto import Front, non_dominated, pareto_search, ranks
from nars.search.rounds import cost_bins, propose_round, shrink_pool
from nars.search.search import SearchResult, search
from nars.search.settings import DEFAULT, PAPER, PRESETS, SearchSettings
from nars.search.verification import VerificationPlan, near_ties, verification_plan

__all__ = [
    "DEFAULT",
    "PAPER",
    "PRESETS",
    "Archive",
    "Family",
    "Front",
    "Genetic",
    "Price",
    "Progress",
    "Score",
    "SearchResult",
    "SearchSettings",
    "VerificationPlan",
    "cost_bins",
    "near_ties",
    "non_dominated",
    "pareto_search",
    "propose_round",
    "ranks",
    "search",
    "search_family",
    "shrink_pool",
    "verification_plan",
]
