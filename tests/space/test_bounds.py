"""Limits as people write them, and what is said of wrong ones."""

import math
import pickle
import re
from decimal import Decimal

import numpy as np
import pytest

from nars.space import Bounds, SpaceError, feasible_fraction, load_space, sobol


def test_numbers_and_texts_are_the_same_limits() -> None:
    written = Bounds({"flops": ("1M", "3M"), "params": (0, "25k"), "latency": (np.float32(0.5), "12ms")})
    assert written == Bounds({"flops": (1e6, 3e6), "params": (0.0, 25e3), "latency": [0.5, Decimal(12)]})
    assert Bounds.at_most(flops="3M", params=np.int64(5)) == Bounds({"flops": (0, 3e6), "params": (0, 5)})
    assert Bounds(limits={"flops": (0, math.inf)}) == Bounds({"flops": (0, math.inf)})
    assert Bounds() == Bounds({}) == Bounds.at_most()
    assert pickle.loads(pickle.dumps(written)) == written
    assert eval(repr(written), {"Bounds": Bounds}) == written


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bounds(flops=3e5), r"got flops=300000\.0; the costs of networks are flops, params, .* resolution"),
        (lambda: Bounds(3e5), r"takes a mapping .*at_most\(flops=3e6\), got 300000\.0; the costs of networks are"),
        (lambda: Bounds("flops"), r"takes a mapping .*got 'flops'"),
        (lambda: Bounds({"flops": 3e5}), r"on flops: the limits are a pair .*got 300000\.0; .*at_most\(flops=\.\.\.\)"),
        (lambda: Bounds({"flops": "3M"}), r"bounds on flops: the limits are a pair .*got '3M'"),
        (lambda: Bounds({"flops": (1, 2, 3)}), r"a pair \(low, high\).*got \(1, 2, 3\)"),
        (lambda: Bounds({"flops": None}), r"a pair \(low, high\).*got None"),
        (lambda: Bounds({3: (0, 1)}), r"by name, e\.g\. 'flops', got 3; the costs of networks are"),
        (lambda: Bounds({"flops": (3, 1)}), r"bounds on flops: the lower limit must not exceed .* got 3 \.\. 1"),
        (lambda: Bounds({"flops": (0, math.nan)}), r"bounds on flops: a limit is a number, got nan"),
        (lambda: Bounds.at_most(flops=math.nan), r"bounds on flops: a limit is a number, got nan"),
        (lambda: Bounds.at_most(flops=-1), r"bounds on flops: .*must not be negative, got 0 \.\. -1"),
        (lambda: Bounds.at_most(flops="3X"), r"bounds on flops: a quantity is a number .*got '3X'; write e\.g\. 450M"),
        (lambda: Bounds.at_most(flops="nan"), r"bounds on flops: a quantity is a number"),
        (lambda: Bounds.at_most(flops=None), r"bounds on flops: a limit is a number, e\.g\. 3e6 or '3M', got None"),
        (lambda: Bounds.at_most(flops=True), r"a limit is a number, e\.g\. 3e6 or '3M', got True"),
        (lambda: Bounds.at_most(flops=(0, 3e6)), r"a limit is a number, .*got \(0, 3000000\.0\)"),
        (lambda: Bounds.at_most(3e5), r"has the name of its cost, e\.g\. .*\(flops=300000\.0\).*costs of networks"),
    ],
)
def test_wrong_limits_are_told_at_once(make, message) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


def test_an_unknown_cost_is_told_when_it_meets_a_space() -> None:
    space = load_space("digits")
    wrong = Bounds.at_most(flop=3e5)
    message = re.escape("no cost is called 'flop'; digits has flops, params, ") + r".*resolution; did you mean flops\?$"
    with pytest.raises(SpaceError, match=message):
        sobol(space, 4, seed=0, bounds=wrong)
    with pytest.raises(SpaceError, match=r"no cost is called 'flop'; .* did you mean flops"):
        feasible_fraction(space, wrong, seed=0, samples=10)
    with pytest.raises(SpaceError, match=r"'latency'; digits has .* \(latency needs a device table: nars latency\)"):
        sobol(space, 4, seed=0, bounds=Bounds.at_most(latency="3ms"))
