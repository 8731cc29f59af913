"""Compound scaling against the published models that the paper made with it."""

from dataclasses import replace

import numpy as np
import pytest

from nars.space import (
    EFFICIENTNET,
    PUBLISHED_SCALINGS,
    Bounds,
    Scaling,
    SpaceError,
    Stage,
    architecture_costs,
    growth,
    load_space,
    published,
    scale,
    scale_to,
    shorten,
    sobol,
)
from nars.space.families.mbconv.scaling import FULLEST


def fitted(source, target):
    """The factors, to a hundredth, that bring the shape of a network closest to another one's.

    Closest: the smallest sum of relative errors in the widths of stem and stages, and in the depths of stages; among
    equals the factor nearest to 1.
    """
    grid = sorted((round(0.5 + 0.01 * i, 2) for i in range(151)), key=lambda factor: abs(factor - 1))

    def depths(architecture):
        return [stage.depth for stage in architecture.stages]

    def widths(architecture):
        return [architecture.stem.channels, *(stage.channels for stage in architecture.stages)]

    def closest(name, sizes):
        def error(factor):
            mine, theirs = sizes(scale(source, Scaling(**{name: factor}))), sizes(target)
            return round(sum(abs(a / b - 1) for a, b in zip(mine, theirs, strict=True)), 9)

        return min(grid, key=error)

    return Scaling(
        depth=closest("depth", depths),
        width=closest("width", widths),
        resolution=round(target.resolution / source.resolution, 2),
    )


@pytest.mark.parametrize("letter", PUBLISHED_SCALINGS)
def test_the_stated_factors_are_the_fitted_ones(letter):
    source, scaling = PUBLISHED_SCALINGS[letter]
    assert fitted(published(source).architecture, published(letter).architecture) == scaling


def test_a_is_b_on_smaller_images():
    source, scaling = PUBLISHED_SCALINGS["A"]
    assert scale(published(source).architecture, scaling) == published("A").architecture


# What the docstring of PUBLISHED_SCALINGS says: percent of multiply-accumulates and weights off the published model.
@pytest.mark.parametrize(
    ("letter", "flops", "weights", "widths", "depths"), [("F", 8.5, 0.0, 7, 7), ("G", -10.1, -7.5, 4, 6)]
)
def test_f_and_g_are_as_close_as_stated(letter, flops, weights, widths, depths):
    source, scaling = PUBLISHED_SCALINGS[letter]
    ours, theirs = scale(published(source).architecture, scaling), published(letter).architecture
    mine, wanted = architecture_costs(ours), architecture_costs(theirs)
    assert ours.resolution == theirs.resolution
    assert 100 * (mine["flops"] / wanted["flops"] - 1) == pytest.approx(flops, abs=0.05)
    assert 100 * (mine["weights"] / wanted["weights"] - 1) == pytest.approx(weights, abs=0.05)
    pairs = list(zip(ours.stages, theirs.stages, strict=True))
    assert sum(a.channels == b.channels for a, b in pairs) == widths
    assert sum(a.depth == b.depth for a, b in pairs) == depths


def test_factors_of_one_change_nothing_and_larger_ones_grow():
    space = load_space("digits")
    for architecture in space.architectures(sobol(space, 20, seed=0)):
        assert scale(architecture, Scaling()) == architecture
        before = architecture_costs(architecture)
        for change in (Scaling(depth=2), Scaling(width=1.5), Scaling(resolution=1.5)):
            assert architecture_costs(scale(architecture, change))["flops"] > before["flops"]


def test_what_cannot_be_scaled():
    with pytest.raises(SpaceError, match=r"width is scaled by a factor from 0\.1 to 10, got 0"):
        Scaling(width=0)
    digits = load_space("digits")
    with pytest.raises(SpaceError, match="keeps the number of stages"):
        growth(published("B").architecture, digits.architectures(sobol(digits, 1, seed=0))[0])


@pytest.mark.parametrize("letter", ["F", "G"])
def test_scaling_to_a_budget_finds_the_network_on_the_line(letter):
    source, direction = PUBLISHED_SCALINGS[letter]
    start = published(source).architecture
    expected = scale(start, direction)
    budget = architecture_costs(expected)["flops"]
    found, scaling = scale_to(start, direction, flops=budget)
    assert architecture_costs(found)["flops"] == budget
    assert found == expected
    assert (scaling.width, scaling.resolution) == pytest.approx((direction.width, direction.resolution), rel=0.05)
    smaller, _ = scale_to(start, direction, flops=budget - 1)
    assert architecture_costs(smaller)["flops"] < budget


def test_scaling_to_a_budget_keeps_it_up_and_down():
    space = load_space("digits")
    direction = Scaling(depth=1.2, width=1.1, resolution=1.15)
    for architecture in space.architectures(sobol(space, 20, seed=0)):
        for budget in (5e4, 3e5, 2e6):
            found, scaling = scale_to(architecture, direction, flops=budget)
            assert 0.65 * budget < architecture_costs(found)["flops"] <= budget
            assert scale(architecture, scaling) == found
    with pytest.raises(SpaceError, match=r"leads from .* FLOPs, got 1; ask for a budget in between"):
        scale_to(architecture, direction, flops=1)
    with pytest.raises(SpaceError, match="factors of 1 or more"):
        scale_to(architecture, Scaling(depth=0.9), flops=1e6)


def test_growth_continues_what_a_search_did():
    b, e = published("B").architecture, published("E").architecture
    found = growth(b, e)
    ratios = [y.channels / x.channels for x, y in zip([b.stem, *b.stages], [e.stem, *e.stages], strict=True)]
    assert found.width == pytest.approx(np.prod(ratios) ** (1 / 8), abs=0.005)
    assert found.resolution == round(e.resolution / b.resolution, 2)
    grown, _ = scale_to(e, found, flops=1e9)
    assert 0.97e9 < architecture_costs(grown)["flops"] <= 1e9
    assert growth(e, scale(e, Scaling(depth=2))) == Scaling(depth=2)
    assert growth(b, published("A").architecture) is None  # A is smaller


def test_where_the_direction_ends_another_takes_over():
    """The README's `nars scale runs/digits --to 80k,1M`: whatever two members a search of these budgets may find."""
    space = load_space("digits")
    members = [
        space.architectures(sobol(space, 12, seed=2, bounds=Bounds({"flops": around})))
        for around in ((1.05e5, 1.5e5), (4e5, 5e5))
    ]
    ended = 0
    for small, large in zip(*members, strict=True):
        direction = growth(small, large) or EFFICIENTNET
        for source, budget in ((small, 80e3), (small, 30e3), (large, 1e6), (large, 20e6)):
            found, scaling = scale_to(source, direction, flops=budget, beyond=EFFICIENTNET)
            assert FULLEST * budget <= architecture_costs(found)["flops"] <= budget
            assert scale(source, scaling) == found
            try:
                assert scale_to(source, direction, flops=budget) == (found, scaling)  # where the direction suffices
            except SpaceError:
                ended += 1
    assert ended > 0


def test_a_budget_between_two_steps_names_them():
    """One block or two in the only stage: nothing else grows, so between their costs there is nothing."""
    digits = load_space("digits")
    plain = digits.architectures(sobol(digits, 1, seed=0))[0]
    stage = Stage(
        kernel_first=3, kernel_rest=3, expand_first=6, expand_rest=6, channels=64, depth=1, stride=1, se=False
    )
    source = replace(plain, stages=(stage,))
    one, two, three = (
        architecture_costs(replace(source, stages=(replace(stage, depth=d),)))["flops"] for d in (1, 2, 3)
    )
    assert one / two < FULLEST
    deeper = Scaling(depth=2)
    with pytest.raises(SpaceError, match=rf"65 to 100 % of .* have {shorten(one)} and {shorten(two)}: ask for one of"):
        scale_to(source, deeper, flops=two - 1)
    for budget, depth in ((one, 1), (two, 2), (three, 3)):
        assert scale_to(source, deeper, flops=budget)[0].stages[0].depth == depth
