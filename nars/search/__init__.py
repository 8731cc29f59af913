"""Searching with a predictor: the rounds of stage 2, the adaptive genetic search of stage 3. Never trains anything."""

from nars.search.archive import Archive
from nars.search.costing import CostFunction, ExtraCosts, Score, cost_function
from nars.search.family import Family, Price, search_family
from nars.search.feasible import feasible_rows, widened
from nars.search.genetic import Genetic, Progress
from nars.search.rounds import cost_bins, propose_round, shrink_pool
from nars.search.search import SearchResult, search
from nars.search.settings import DEFAULT, PAPER, PRESETS, SearchSettings

__all__ = [
    "DEFAULT",
    "PAPER",
    "PRESETS",
    "Archive",
    "CostFunction",
    "ExtraCosts",
    "Family",
    "Genetic",
    "Price",
    "Progress",
    "Score",
    "SearchResult",
    "SearchSettings",
    "cost_bins",
    "cost_function",
    "feasible_rows",
    "propose_round",
    "search",
    "search_family",
    "shrink_pool",
    "widened",
]
