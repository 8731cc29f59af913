"""Limits as people write them, and what is said of wrong ones."""

import math
import pickle
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from nars.space import (
    Bounds,
    InfeasibleError,
    SpaceError,
    check_reachable,
    enumerate_architectures,
    feasible_fraction,
    load_space,
    parse_document,
    quantity,
    read_space,
    sobol,
)


def test_numbers_and_texts_are_the_same_limits() -> None:
    written = Bounds({"flops": ("1M", "3M"), "params": (0, "25k"), "latency": (np.float32(0.5), "12ms")})
    assert written == Bounds({"flops": (1e6, 3e6), "params": (0.0, 25e3), "latency": [0.5, Decimal(12)]})
    assert Bounds.at_most(flops="3M", params=np.int64(5)) == Bounds({"flops": (0, 3e6), "params": (0, 5)})
    assert Bounds(limits={"flops": (0, math.inf)}) == Bounds({"flops": (0, math.inf)})
    assert Bounds() == Bounds({}) == Bounds.at_most()
    assert pickle.loads(pickle.dumps(written)) == written
    assert eval(repr(written), {"Bounds": Bounds}) == written


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(".5s", 0.5), ("1e3s", 1000), ("1E1 s", 10), (".5m", 30), ("1.1h", 3960), ("500ms", 0.5), ("2e-1m", 12)],
)
def test_seconds_are_read_in_any_unit_and_notation(written, seconds) -> None:
    assert Bounds.read({"seconds": written}).high("seconds") == seconds


def test_a_quantity_is_the_nearest_float_of_what_is_written() -> None:
    factors = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "ms": 1, "s": 10**3}
    for number in ("1.001", "1.1", "0.07", ".3", "4.35", "16.1", "1e-3", "5E+2"):
        for suffix, factor in factors.items():
            assert quantity(number + suffix) == float(Fraction(number) * factor), number + suffix
    assert quantity("1e400") == quantity("1e9999999999999999999k") == math.inf


def test_a_plus_within_a_number_parts_no_limits() -> None:
    assert Bounds.read("flops=1e+6") == Bounds.at_most(flops=1e6)
    assert Bounds.read("flops=1e+6+latency=.5e+1ms+params=3M") == Bounds.at_most(flops=1e6, latency=5, params=3e6)


def _space(costs: str):
    text = f"name: sums\nkind: generic\narchitecture: {{a: [1, 2, 3], b: [1, 2, 3]}}\ncosts: {{c: {costs}}}\n"
    return read_space(parse_document(text, source="sums"))


@pytest.mark.parametrize(("low", "high"), [(0, "0.3"), ("0.5", 1), ("0.3", "0.3"), ("0.7", "0.7")])
def test_costs_that_add_up_to_a_limit_keep_it(low, high) -> None:
    space = _space("{a: [0.1, 0.3, 0.4], b: [0.2, 0.4, 0.7]}")
    # What the sums are in decimals, where 0.1 + 0.2 is 0.3 and 0.3 + 0.4 is 0.7.
    tenths = np.add.outer([1, 3, 4], [2, 4, 7]).ravel() / 10
    bounds, X = Bounds({"c": (low, high)}), enumerate_architectures(space)
    inside = (tenths >= float(low)) & (tenths <= float(high))
    assert np.array_equal(bounds.admits(space.costs(X)), inside)
    assert [bounds.keeps({"c": cost}) for cost in space.costs(X)["c"].tolist()] == inside.tolist()
    check_reachable(space, bounds)
    found = sobol(space, 9, seed=0, bounds=bounds)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, X[inside].tolist()))


def test_rounding_forgives_no_more_than_itself() -> None:
    bounds = Bounds({"c": (0.3, 0.3)})
    costs = np.array([0.3 * (1 - 1e-11), 0.3 * (1 - 1e-13), 0.3, 0.3 * (1 + 1e-13), 0.3 * (1 + 1e-11), math.nan])
    assert bounds.admits({"c": costs}).tolist() == [False, True, True, True, False, False]


def test_a_negative_lower_limit_is_one() -> None:
    space = _space("{a: [-5, 0, 5], b: [-1, -2, -3]}")
    bounds, X = Bounds({"c": (-4, 0)}), enumerate_architectures(space)
    sums = np.add.outer([-5, 0, 5], [-1, -2, -3]).ravel()
    assert np.array_equal(bounds.admits(space.costs(X)), (sums >= -4) & (sums <= 0))
    assert set(space.costs(sobol(space, 9, seed=0, bounds=bounds))["c"]) == {-3, -2, -1}
    assert feasible_fraction(space, bounds, seed=0, samples=2000).estimate == pytest.approx(3 / 9, abs=0.05)
    assert Bounds.read(bounds.document) == bounds
    assert str(bounds) == "-4 <= c <= 0"
    assert bounds.within(Bounds.at_most(c=0))
    assert not Bounds.at_most(c=0).within(bounds)
    with pytest.raises(InfeasibleError, match=r"that admit something: c >= 4 \(asked: 10\)"):
        check_reachable(space, Bounds({"c": (10, 20)}))
    with pytest.raises(InfeasibleError, match=r"c >= -8.123 \(asked: -1\)"):
        check_reachable(_space("{a: [-8.1225, -9, -9]}"), Bounds({"c": (-1, 20)}))


@pytest.mark.parametrize("low", [0, -math.inf])
def test_no_lower_limit_admits_any_negative_cost(low) -> None:
    bounds = Bounds({"c": (low, 2)})
    assert bounds == Bounds.at_most(c=2)
    assert bounds.admits({"c": np.array([-8.0, 0.0, 2.0, 3.0])}).tolist() == [True, True, True, False]
    assert bounds.keeps({"c": -8.0})
    assert not bounds.keeps({"d": 1.0})


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
