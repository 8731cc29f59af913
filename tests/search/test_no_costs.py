"""A space without any costs is searched by accuracy alone."""

import numpy as np
import pytest

from nars.search import DEFAULT, PAPER, SearchSettings, pareto_search, search, search_family
from nars.space import Bounds, SpaceError, parse_document, read_space

SPACE = """
name: bare
kind: generic
architecture: {a: [1, 2, 3, 4, 5], b: [x, y, z], c: {low: 1, high: 9}}
recipe: {lr: [0.1, 0.2, 0.4], ema: [yes, no]}
"""


@pytest.mark.parametrize("settings", [DEFAULT, PAPER], ids=["climbs", "genetic"])
def test_the_best_of_all_is_found(settings: SearchSettings) -> None:
    space = read_space(parse_document(SPACE, source="bare"))
    shape = tuple(space.cardinalities.tolist())
    everything = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    weights = np.random.default_rng(0).normal(size=(5, 9))

    def score(X: np.ndarray) -> np.ndarray:
        one_by_one = sum(weights[column, X[:, column]] for column in range(5))
        return 50 + np.asarray(one_by_one) + weights[0, X[:, 0]] * weights[2, X[:, 2]]

    best = score(everything).max()
    found = search(space, score, Bounds(), rng=np.random.default_rng(1), settings=settings)
    assert found.score == pytest.approx(best)
    assert found.costs == {}
    family = search_family(space, score, [Bounds(), Bounds()], rng=np.random.default_rng(1), settings=settings)
    assert [member.score for member in family.members] == pytest.approx([best, best])
    with pytest.raises(SpaceError, match="no cost is called 'flops'; bare has none"):
        search(space, score, Bounds.at_most(flops=3), rng=np.random.default_rng(1), settings=settings)
    with pytest.raises(SpaceError, match="bare has none; give it `costs:`"):
        pareto_search(space, score, ["flops"], Bounds(), rng=np.random.default_rng(1), settings=settings)
